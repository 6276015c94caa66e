//! What holds whatever a server does: which reports are awaited in which phase, and that all others change nothing.

use super::*;

const OTHER: Uuid = Uuid::from_u128(3);

fn every_phase() -> Vec<Phase> {
    let mut phases = vec![Phase::Starting { run: RUN }, Phase::Running { run: RUN }];
    for follows in [None, Some(Follows::Crash), Some(Follows::Boot)] {
        phases.push(Phase::Offline { follows });
    }
    for flag in [false, true] {
        phases.push(Phase::Installing { then_start: flag });
        phases.push(Phase::Launching {
            run: RUN,
            asked: PowerAction::Start,
            by_itself: flag,
        });
    }
    for why in [
        StopReason::Asked(PowerAction::Stop),
        StopReason::Asked(PowerAction::Restart),
        StopReason::Asked(PowerAction::Kill),
        StopReason::Typed,
        StopReason::Suspended,
        StopReason::Down,
        StopReason::Machine,
    ] {
        for (live, then_start, killed) in [
            (true, false, false),
            (true, true, false),
            (true, true, true),
            (false, false, false),
            (false, true, true),
        ] {
            phases.push(Phase::Stopping(Stopping {
                run: RUN,
                live,
                why,
                then_start,
                killed,
            }));
        }
    }
    phases
}

/// Each report that names a run, about this one.
fn reports_on(run: Uuid) -> Vec<Input> {
    vec![
        Input::Launched { run, ready: false },
        Input::Launched { run, ready: true },
        Input::LaunchFailed {
            run,
            reason: "no image".to_owned(),
        },
        Input::DoneSeen { run },
        Input::DoneOverdue { run },
        Input::KillWarning { run },
        Input::KillDue { run },
        Input::Ended { run, exit: exit(1) },
    ]
}

fn other_reports() -> Vec<Input> {
    let saved = running().saved();
    vec![
        Input::StopTyped,
        Input::StartAgain,
        Input::Turn,
        Input::InstallEnded { successful: true },
        Input::InstallEnded { successful: false },
        Input::Gone { saved: saved.clone() },
        Input::Found {
            run: RUN,
            saved,
            ready: true,
        },
    ]
}

/// Whether something waits for this report.
fn is_awaited(phase: &Phase, input: &Input) -> bool {
    use Input::{
        DoneOverdue, DoneSeen, Ended, Found, Gone, InstallEnded, KillDue, KillWarning, LaunchFailed,
        Launched, StartAgain, StopTyped, Turn,
    };
    match (phase, input) {
        (_, Ended { .. }) => phase.run().is_some(),
        (Phase::Offline { .. }, Gone { .. } | Found { .. })
        | (
            Phase::Offline {
                follows: Some(Follows::Crash),
            },
            StartAgain,
        )
        | (
            Phase::Offline {
                follows: Some(Follows::Boot),
            },
            Turn,
        )
        | (Phase::Installing { .. }, InstallEnded { .. })
        | (Phase::Launching { .. }, Launched { .. } | LaunchFailed { .. })
        | (Phase::Starting { .. }, DoneSeen { .. } | DoneOverdue { .. } | StopTyped)
        | (Phase::Running { .. }, StopTyped) => true,
        (Phase::Stopping(stopping), Launched { .. } | LaunchFailed { .. }) => !stopping.live,
        // A stop that was only typed kills nobody.
        (Phase::Stopping(stopping), KillDue { .. }) => stopping.live && stopping.why != StopReason::Typed,
        (Phase::Stopping(stopping), KillWarning { .. }) => {
            stopping.live && !stopping.killed && stopping.why != StopReason::Typed
        }
        _ => false,
    }
}

#[test]
fn a_report_that_nobody_waits_for_changes_nothing_and_one_that_is_awaited_does() {
    for phase in every_phase() {
        for input in reports_on(RUN).into_iter().chain(other_reports()) {
            let before = at(phase.clone());
            let (after, effects) = step(before.clone(), input.clone(), &rules());
            let of_nobody = phase.run().is_none() && matches!(input, Input::Launched { .. });
            if is_awaited(&phase, &input) {
                assert!(
                    after != before || !effects.is_empty(),
                    "{phase:?} ignores {input:?}"
                );
            } else if !of_nobody {
                assert_eq!(
                    (after, effects),
                    (before, Vec::new()),
                    "{phase:?} takes {input:?}"
                );
            }
        }
    }
}

#[test]
fn reports_about_another_run_change_nothing_but_a_program_nobody_waits_for_is_killed() {
    for phase in every_phase() {
        for input in reports_on(OTHER) {
            let (after, effects) = step(at(phase.clone()), input.clone(), &rules());
            assert_eq!(after, at(phase.clone()), "{input:?}");
            if matches!(input, Input::Launched { .. }) {
                assert_eq!(effects, [Effect::Kill { run: OTHER }], "{phase:?}");
            } else {
                assert_eq!(effects, [], "{phase:?} takes {input:?}");
            }
        }
    }
}

#[test]
fn a_program_can_be_typed_at_from_its_launch_to_its_end() {
    for phase in every_phase() {
        let lives = match &phase {
            Phase::Starting { .. } | Phase::Running { .. } => true,
            Phase::Stopping(stopping) => stopping.live,
            Phase::Offline { .. } | Phase::Installing { .. } | Phase::Launching { .. } => false,
        };
        assert_eq!(phase.is_live(), lives, "{phase:?}");
    }
}

#[test]
fn a_run_that_goes_on_under_another_name_is_the_same_in_all_else() {
    for phase in every_phase() {
        let mut renamed = phase.clone();
        renamed.rename(OTHER);
        assert_eq!(renamed.run(), phase.run().map(|_| OTHER));
        renamed.rename(RUN);
        assert_eq!(renamed, phase);
    }
}

#[test]
fn nothing_starts_by_itself_while_it_is_suspended_or_the_node_goes_down() {
    let suspended = Rules {
        suspended: true,
        ..rules()
    };
    let going_down = Rules {
        going_down: true,
        ..rules()
    };
    let of_the_engine = Input::Ended {
        run: RUN,
        exit: Exit {
            code: Some(0),
            with_engine: true,
            ..Exit::default()
        },
    };
    for rules in [suspended, going_down] {
        for phase in every_phase() {
            for input in other_reports()
                .into_iter()
                .chain([ended(0), of_the_engine.clone()])
            {
                let (after, effects) = step(at(phase.clone()), input.clone(), &rules);
                let starts = |e: &Effect| matches!(e, Effect::Launch { .. });
                assert!(!effects.iter().any(starts), "{phase:?} starts at {input:?}");
                if matches!(input, Input::Ended { .. }) && phase.run().is_some() {
                    assert_eq!(after.phase.wire(), PowerState::Offline);
                    assert!(
                        !effects.contains(&Effect::AwaitTurn),
                        "{phase:?} waits at {input:?}"
                    );
                }
            }
        }
    }
}
