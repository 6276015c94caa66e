//! What happened to the program, the installer, the timers and the node.

use super::{
    AfterEnd, Effect, Exit, Follows, Machine, Phase, START_AGAIN_MS, Saved, StopReason, Stopping, texts,
};
use crate::Refusal;
use roost_wire::{
    power::{PowerAction, PowerState},
    remote::RestartPolicy,
};
use uuid::Uuid;

impl Machine<'_> {
    pub(super) fn launched(&mut self, run: Uuid, ready: bool) {
        match self.power.phase.clone() {
            Phase::Launching { run: launching, .. } if launching == run => {
                self.power.history.up_since = Some(self.rules.now);
                self.up(run, ready);
            }
            Phase::Stopping(stopping) if stopping.run == run && !stopping.live => {
                if stopping.killed {
                    self.kill_live(run, stopping.why, stopping.then_start);
                } else {
                    self.stop(run, stopping.why);
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

    fn up(&mut self, run: Uuid, ready: bool) {
        if ready {
            self.go(Phase::Running { run });
        } else {
            self.go(Phase::Starting { run });
            self.effects.push(Effect::ArmDoneReminder { run });
        }
    }

    pub(super) fn launch_failed(&mut self, run: Uuid, reason: &str) {
        match self.power.phase.clone() {
            Phase::Launching {
                run: launching,
                by_itself,
                ..
            } if launching == run => {
                self.say(texts::start_failed(reason));
                self.keep(Exit::not_started(reason), false);
                match self.rules.after_end {
                    // What it needs may be there later: an engine that comes up, a registry.
                    AfterEnd::Policy(RestartPolicy::OnFailure | RestartPolicy::Always) if by_itself => {
                        self.again();
                    }
                    _ => self.rest(None),
                }
            }
            Phase::Stopping(stopping) if stopping.run == run && !stopping.live => {
                self.say(texts::CALLED_OFF);
                self.rest(self.follows_stop(&stopping));
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
        self.keep(exit, true);
        self.rest(self.follows_stop(&stopping));
        if stopping.then_start && stopping.why != StopReason::Machine && self.may_start() {
            self.launch(PowerAction::Restart, false);
        }
    }

    fn keep(&mut self, exit: Exit, asked: bool) {
        self.effects.push(Effect::Keep { exit, asked });
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

    /// An engine that stops takes its containers along: no crash, whatever the policy.
    fn ended_with_engine(&mut self, exit: Exit) {
        if !self.may_start() {
            self.say(texts::ended(&exit));
            self.keep(exit, true);
            return self.rest(None);
        }
        self.say(texts::ended_with_engine(&exit));
        self.keep(exit, true);
        self.rest(Some(Follows::Boot));
        self.effects.push(Effect::AwaitTurn);
    }

    pub(super) fn ended_unasked(&mut self, exit: Exit) {
        if exit.with_engine {
            return self.ended_with_engine(exit);
        }
        let failed = !exit.is_clean();
        let (is_crash, wants_again) = match self.rules.after_end {
            AfterEnd::Stock {
                restart,
                clean_exit_is_crash,
                ..
            } => (failed || clean_exit_is_crash, restart),
            AfterEnd::Policy(policy) => match policy {
                RestartPolicy::Never => (failed, false),
                RestartPolicy::OnFailure => (failed, failed),
                RestartPolicy::Always => (failed, true),
            },
        };
        self.say(if is_crash {
            texts::crashed(&exit)
        } else {
            texts::ended(&exit)
        });
        self.keep(exit, false);
        if self.rules.suspended {
            return self.rest(None);
        }
        match self.rules.after_end {
            AfterEnd::Stock { .. } if !is_crash => self.rest(None),
            AfterEnd::Stock { restart: false, .. } => {
                self.say(texts::CRASH_RESTART_OFF);
                self.rest(None);
            }
            AfterEnd::Stock { window_ms, .. } => self.again_by_stock_rule(window_ms),
            AfterEnd::Policy(_) if wants_again => self.again(),
            AfterEnd::Policy(policy) => {
                if is_crash {
                    self.say(texts::policy_says_no(policy));
                }
                self.rest(None);
            }
        }
    }

    fn again_by_stock_rule(&mut self, window_ms: i64) {
        let since = self.power.history.last_crash.map(|last| self.rules.now - last);
        if since.is_some_and(|ms| (0..window_ms).contains(&ms)) {
            self.say(texts::crash_loop(window_ms / 1000));
            return self.rest(None);
        }
        self.power.history.last_crash = Some(self.rules.now);
        self.say(texts::STARTED_AGAIN);
        self.rest(Some(Follows::Crash));
        self.effects.push(Effect::StartAgainAfter { ms: START_AGAIN_MS });
    }

    /// By its policy: after a pause, unless there were too many starts.
    fn again(&mut self) {
        match self.power.history.next(self.rules.now) {
            Some(next) => {
                self.say(texts::started_again(next));
                self.rest(Some(Follows::Crash));
                self.effects.push(Effect::StartAgainAfter { ms: next.pause_ms });
            }
            None => {
                self.say(texts::too_many_starts());
                self.rest(None);
            }
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
        if self.power.phase
            == (Phase::Offline {
                follows: Some(Follows::Crash),
            })
            && self.may_start()
        {
            self.launch(PowerAction::Start, true);
        }
    }

    /// The node has come up, and the program of its last life is not there.
    pub(super) fn gone(&mut self, saved: &Saved) {
        if !matches!(self.power.phase, Phase::Offline { .. }) {
            return;
        }
        self.power.history = saved.history.clone();
        if saved.installing {
            return self.say(texts::INSTALLER_CUT_OFF);
        }
        if saved.wants_start() && !self.rules.suspended {
            self.say(texts::gone(saved));
            self.rest(Some(Follows::Boot));
            self.effects.push(Effect::AwaitTurn);
        }
    }

    pub(super) fn turn(&mut self) {
        if self.power.phase
            == (Phase::Offline {
                follows: Some(Follows::Boot),
            })
            && self.may_start()
        {
            self.launch(PowerAction::Start, true);
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
                self.launch(PowerAction::Start, false);
            }
        }
    }

    pub(super) fn found(&mut self, run: Uuid, saved: Saved, ready: bool) {
        if !matches!(self.power.phase, Phase::Offline { .. }) {
            return;
        }
        self.power.history = saved.history;
        match saved.state {
            PowerState::Stopping => {
                let why = match (saved.machine, saved.then_start) {
                    (true, true) => StopReason::Machine,
                    (false, true) => StopReason::Asked(PowerAction::Restart),
                    (_, false) => StopReason::Asked(PowerAction::Stop),
                };
                self.stop(run, why);
            }
            PowerState::Starting => self.up(run, ready),
            // Offline: the launch was under way when the node ended, before it could be written down.
            PowerState::Running | PowerState::Offline => self.go(Phase::Running { run }),
        }
        if self.rules.suspended {
            self.end_for_good(StopReason::Suspended);
        }
    }
}
