//! What somebody asked for: start, stop, restart, kill, and the ends that nobody can refuse.

use super::{
    Effect, Follows, KILL_AGAIN_SECS, KILL_WARNING_SECS, Machine, Phase, SUSPEND_STOP_SECS, StopReason,
    Stopping, texts,
};
use crate::Refusal;
use roost_wire::power::PowerAction;
use uuid::Uuid;

impl Machine<'_> {
    pub(super) fn request(&mut self, action: PowerAction) -> Result<(), Refusal> {
        use PowerAction::{Kill, Restart, Start, Stop};
        if matches!(action, Start | Restart) {
            if self.rules.suspended {
                return Err(Refusal::Suspended);
            }
            if self.rules.going_down {
                return Err(Refusal::GoingDown);
            }
        }
        match (self.power.phase.clone(), action) {
            (_, Kill) => self.kill(),
            (Phase::Installing { .. }, _) => return Err(Refusal::Installing),
            (Phase::Offline { .. }, Start | Restart) => {
                self.power.history.forget_restarts();
                self.launch(action, false);
            }
            (Phase::Offline { follows: Some(_) }, Stop) => {
                self.rest(None);
                self.say(texts::NOT_STARTED_AGAIN);
            }
            (Phase::Offline { .. }, Stop) => return Err(Refusal::AlreadyOffline),
            (phase @ (Phase::Launching { .. } | Phase::Starting { .. } | Phase::Running { .. }), Start) => {
                return Err(Refusal::AlreadyUp(phase.wire()));
            }
            (Phase::Launching { asked, .. }, Restart) => return Err(Refusal::Busy(asked)),
            (Phase::Launching { run, .. }, Stop) => self.call_off(run, StopReason::Asked(Stop)),
            (Phase::Starting { run } | Phase::Running { run }, Stop | Restart) => {
                self.power.history.forget_restarts();
                self.stop(run, StopReason::Asked(action));
            }
            (Phase::Stopping(stopping), Stop | Restart) if stopping.why == StopReason::Typed => {
                self.stop(stopping.run, StopReason::Asked(action));
            }
            (Phase::Stopping(stopping), Start | Stop | Restart) => {
                return Err(Refusal::Busy(match stopping.why {
                    StopReason::Asked(asked) => asked,
                    StopReason::Typed | StopReason::Suspended | StopReason::Down | StopReason::Machine => {
                        Stop
                    }
                }));
            }
        }
        Ok(())
    }

    pub(super) fn kill(&mut self) {
        let why = StopReason::Asked(PowerAction::Kill);
        match self.power.phase.clone() {
            Phase::Offline { follows: None } => {}
            Phase::Offline { .. } => {
                self.rest(None);
                self.say(texts::NOT_STARTED_AGAIN);
            }
            Phase::Installing { .. } => {
                self.power.phase = Phase::Installing { then_start: false };
                self.effects.push(Effect::CancelInstall);
            }
            Phase::Launching { run, .. } => self.call_off(run, why),
            Phase::Starting { run } | Phase::Running { run } => self.kill_live(run, why, false),
            Phase::Stopping(Stopping { run, live: true, .. }) => self.kill_live(run, why, false),
            Phase::Stopping(Stopping { run, live: false, .. }) => self.call_off(run, why),
        }
    }

    pub(super) fn kill_live(&mut self, run: Uuid, why: StopReason, then_start: bool) {
        self.go(Phase::Stopping(Stopping {
            run,
            live: true,
            why,
            then_start,
            killed: true,
        }));
        self.effects.push(Effect::Kill { run });
        self.effects.push(Effect::ArmKillTimer {
            run,
            secs: KILL_AGAIN_SECS,
            warn: false,
        });
    }

    pub(super) fn call_off(&mut self, run: Uuid, why: StopReason) {
        self.go(Phase::Stopping(Stopping {
            run,
            live: false,
            why,
            then_start: why == StopReason::Machine,
            killed: why == StopReason::Asked(PowerAction::Kill),
        }));
        self.effects.push(Effect::CancelLaunch { run });
    }

    pub(super) fn stop(&mut self, run: Uuid, why: StopReason) {
        let own = self.rules.stop_timeout_secs;
        let secs = match why {
            StopReason::Suspended => own.min(SUSPEND_STOP_SECS),
            _ => own,
        };
        self.go(Phase::Stopping(Stopping {
            run,
            live: true,
            why,
            then_start: matches!(why, StopReason::Asked(PowerAction::Restart) | StopReason::Machine),
            killed: false,
        }));
        self.say(texts::stopping(why, secs));
        self.effects.push(Effect::SendStop { run });
        self.effects.push(Effect::ArmKillTimer {
            run,
            secs,
            warn: secs > KILL_WARNING_SECS,
        });
    }

    pub(super) fn stop_typed(&mut self) {
        if let Phase::Starting { run } | Phase::Running { run } = self.power.phase {
            self.go(Phase::Stopping(Stopping {
                run,
                live: true,
                why: StopReason::Typed,
                then_start: false,
                killed: false,
            }));
        }
    }

    /// A stop that no other action can refuse, and after which nothing follows.
    pub(super) fn end_for_good(&mut self, why: StopReason) {
        match self.power.phase.clone() {
            Phase::Offline { .. } => self.power.phase = Phase::default(),
            Phase::Installing { .. } => {
                self.power.phase = Phase::Installing { then_start: false };
                if why == StopReason::Down {
                    self.effects.push(Effect::CancelInstall);
                }
            }
            Phase::Launching { run, .. } => self.call_off(run, why),
            Phase::Starting { run } | Phase::Running { run } => self.stop(run, why),
            Phase::Stopping(stopping) if stopping.why == StopReason::Typed => {
                self.stop(stopping.run, why);
            }
            Phase::Stopping(stopping) => {
                self.power.phase = Phase::Stopping(Stopping {
                    then_start: false,
                    ..stopping
                });
            }
        }
    }

    /// Ends its own way, as after a stop that was asked for; what was up, or was to be, is started at the next boot.
    pub(super) fn machine_down(&mut self) {
        match self.power.phase.clone() {
            Phase::Offline { follows: Some(_) } => self.rest(Some(Follows::Boot)),
            Phase::Offline { follows: None } => {}
            Phase::Installing { .. } => {
                self.power.phase = Phase::Installing { then_start: false };
                self.effects.push(Effect::CancelInstall);
            }
            Phase::Launching { run, .. } => self.call_off(run, StopReason::Machine),
            Phase::Starting { run } | Phase::Running { run } => {
                self.stop(run, StopReason::Machine);
            }
            // Whoever typed it wanted it off; but nothing ends it in time where the line did nothing.
            Phase::Stopping(stopping) if stopping.why == StopReason::Typed => {
                let why = StopReason::Asked(PowerAction::Stop);
                self.stop(stopping.run, why);
            }
            Phase::Stopping(stopping) if stopping.then_start => {
                self.power.phase = Phase::Stopping(Stopping {
                    why: StopReason::Machine,
                    ..stopping
                });
            }
            Phase::Stopping(_) => {}
        }
    }
}
