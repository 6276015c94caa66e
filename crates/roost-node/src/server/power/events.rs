//! What happened to the program, the installer, the timers and the node.

use super::{Effect, Exit, Follows, Machine, Phase, START_AGAIN_MS, SUSPEND_STOP_SECS, Saved, StopReason, Stopping, texts};
use crate::server::handle::Refusal;
use roost_wire::power::{PowerAction, PowerState};
use uuid::Uuid;

impl Machine<'_> {
    pub(super) fn launched(&mut self, run: Uuid, ready: bool) {
        match self.power.phase.clone() {
            Phase::Launching { run: launching, .. } if launching == run => self.up(run, ready),
            Phase::Stopping(stopping) if stopping.run == run && !stopping.live => {
                if stopping.killed {
                    self.kill_live(run, stopping.why, stopping.then_start);
                } else {
                    self.stop(run, stopping.why, self.rules.stop_timeout_secs);
                    if !stopping.then_start {
                        self.nothing_follows();
                    }
                }
            }
            // A run that nobody waits for must not go on unseen.
            phase if phase.run() != Some(run) => self.effects.push(Effect::Kill { run }),
            _ => {}
        }
    }

    pub(super) fn up(&mut self, run: Uuid, ready: bool) {
        if ready {
            self.go(Phase::Running { run });
        } else {
            self.go(Phase::Starting { run });
            self.effects.push(Effect::ArmDoneReminder { run });
        }
    }

    pub(super) fn launch_failed(&mut self, run: Uuid, reason: &str) {
        match self.power.phase.clone() {
            Phase::Launching { run: launching, .. } if launching == run => {
                self.say(texts::start_failed(reason));
                self.rest(Some(Exit::not_started(reason)), None);
            }
            Phase::Stopping(stopping) if stopping.run == run && !stopping.live => {
                self.say(texts::CALLED_OFF);
                self.rest(None, self.follows_stop(&stopping));
            }
            _ => {}
        }
    }

    pub(super) fn ended(&mut self, run: Uuid, exit: Exit) {
        if self.power.phase.run() != Some(run) {
            return;
        }
        let Phase::Stopping(stopping) = self.power.phase.clone() else {
            return self.ended_unasked(exit);
        };
        self.say(texts::ended(&exit));
        self.rest(Some(exit), self.follows_stop(&stopping));
        if stopping.then_start && stopping.why != StopReason::Machine && self.may_start() {
            self.launch(PowerAction::Restart);
        }
    }

    /// What is left to be done after a stop, other than at once.
    fn follows_stop(&self, stopping: &Stopping) -> Option<Follows> {
        let at_boot = stopping.then_start && stopping.why == StopReason::Machine && !self.rules.suspended;
        at_boot.then_some(Follows::Boot)
    }

    const fn may_start(&self) -> bool {
        !self.rules.suspended && !self.rules.going_down
    }

    fn nothing_follows(&mut self) {
        if let Phase::Stopping(stopping) = &mut self.power.phase {
            stopping.then_start = false;
        }
    }

    pub(super) fn ended_unasked(&mut self, exit: Exit) {
        if exit.is_clean() && !self.rules.clean_exit_is_crash {
            self.say(texts::ended(&exit));
            return self.rest(Some(exit), None);
        }
        self.say(texts::crashed(&exit));
        let since = self.power.last_crash.map(|last| self.rules.now - last);
        let again = if self.rules.suspended {
            false
        } else if !self.rules.crash_restart {
            self.say(texts::CRASH_RESTART_OFF);
            false
        } else if since.is_some_and(|ms| (0..self.rules.crash_window_ms).contains(&ms)) {
            self.say(texts::crash_loop(self.rules.crash_window_ms / 1000));
            false
        } else {
            self.power.last_crash = Some(self.rules.now);
            self.say(texts::STARTED_AGAIN);
            true
        };
        self.rest(Some(exit), again.then_some(Follows::Crash));
        if again {
            self.effects.push(Effect::StartAgainAfter { ms: START_AGAIN_MS });
        }
    }

    pub(super) fn kill_warning(&mut self, run: Uuid) {
        if let Phase::Stopping(stopping) = &self.power.phase
            && stopping.run == run
            && stopping.live
            && !stopping.killed
            && stopping.why != StopReason::Typed
        {
            self.say(texts::kill_warning());
        }
    }

    pub(super) fn kill_due(&mut self, run: Uuid) {
        let Phase::Stopping(stopping) = self.power.phase.clone() else {
            return;
        };
        if stopping.run != run || !stopping.live || stopping.why == StopReason::Typed {
            return;
        }
        self.say(if stopping.killed {
            texts::STILL_ALIVE
        } else {
            texts::KILLING
        });
        self.kill_live(run, stopping.why, stopping.then_start);
    }

    pub(super) fn start_again(&mut self) {
        let crashed = Some(Follows::Crash);
        if matches!(self.power.phase, Phase::Offline { follows, .. } if follows == crashed) && self.may_start()
        {
            self.launch(PowerAction::Start);
        }
    }

    /// The node has come up, and the program of its last life is not there.
    pub(super) fn gone(&mut self, saved: Saved) {
        if !matches!(self.power.phase, Phase::Offline { .. }) {
            return;
        }
        if saved.installing {
            return self.say(texts::INSTALLER_CUT_OFF);
        }
        if saved.wants_start() && !self.rules.suspended {
            self.say(texts::gone(saved));
            self.rest(None, Some(Follows::Boot));
            self.effects.push(Effect::AwaitTurn);
        }
    }

    pub(super) fn turn(&mut self) {
        let boot = Some(Follows::Boot);
        if matches!(self.power.phase, Phase::Offline { follows, .. } if follows == boot) && self.may_start() {
            self.launch(PowerAction::Start);
        }
    }

    pub(super) fn install(&mut self, then_start: bool) {
        match &self.power.phase {
            Phase::Offline { .. } => {
                self.effects.push(Effect::DisarmTimers);
                self.go(Phase::Installing { then_start });
                self.effects.push(Effect::Install);
            }
            Phase::Installing { .. } => self.effects.push(Effect::Refuse(Refusal::Installing)),
            up => {
                let refusal = Refusal::AlreadyUp(up.wire());
                self.effects.push(Effect::Refuse(refusal));
            }
        }
    }

    pub(super) fn install_ended(&mut self, successful: bool) {
        if let Phase::Installing { then_start } = self.power.phase {
            self.go(Phase::default());
            if successful && then_start && self.may_start() {
                self.launch(PowerAction::Start);
            }
        }
    }

    pub(super) fn found(&mut self, run: Uuid, saved: Saved, ready: bool) {
        if !matches!(self.power.phase, Phase::Offline { .. }) {
            return;
        }
        match saved.state {
            PowerState::Stopping => {
                let why = match (saved.machine, saved.then_start) {
                    (true, true) => StopReason::Machine,
                    (false, true) => StopReason::Asked(PowerAction::Restart),
                    (_, false) => StopReason::Asked(PowerAction::Stop),
                };
                self.stop(run, why, self.rules.stop_timeout_secs);
            }
            PowerState::Starting => self.up(run, ready),
            // Offline: the launch was under way when the node ended, before it could be written down.
            PowerState::Running | PowerState::Offline => self.go(Phase::Running { run }),
        }
        if self.rules.suspended {
            self.end_for_good(
                StopReason::Suspended,
                self.rules.stop_timeout_secs.min(SUSPEND_STOP_SECS),
            );
        }
    }
}
