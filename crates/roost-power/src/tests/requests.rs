//! What people ask for: start, stop, restart, kill, the installer, and a suspension.

use super::*;

#[test]
fn a_start_goes_through_starting_to_running() {
    let (power, effects) = request(&Power::default(), PowerAction::Start);
    assert!(effects.contains(&Effect::Launch { run: NEXT }));
    assert!(effects.contains(&Effect::Publish(PowerState::Starting)));
    let launched = Input::Launched {
        run: NEXT,
        ready: false,
    };
    let (power, effects) = step(power, launched, &rules());
    assert_eq!(power.phase, Phase::Starting { run: NEXT });
    assert_eq!(effects, [Effect::ArmDoneReminder { run: NEXT }]);
    let (_, effects) = step(power.clone(), Input::DoneOverdue { run: NEXT }, &rules());
    assert!(notices(&effects).contains("`Done`"));
    let (power, effects) = step(power, Input::DoneSeen { run: NEXT }, &rules());
    assert_eq!(power.phase, Phase::Running { run: NEXT });
    assert_eq!(effects, [Effect::Publish(PowerState::Running)]);
}

#[test]
fn without_a_done_text_it_runs_as_soon_as_it_lives() {
    let (power, _) = request(&Power::default(), PowerAction::Start);
    let (power, effects) = step(
        power,
        Input::Launched {
            run: NEXT,
            ready: true,
        },
        &rules(),
    );
    assert_eq!(power.phase.wire(), PowerState::Running);
    assert_eq!(effects, [Effect::Publish(PowerState::Running)]);
}

#[test]
fn a_stop_says_its_kill_timer_warns_and_kills() {
    let (power, effects) = request(&running(), PowerAction::Stop);
    assert!(notices(&effects).contains("600 seconds"));
    assert!(effects.contains(&Effect::SendStop { run: RUN }));
    assert!(effects.contains(&Effect::ArmKillTimer {
        run: RUN,
        secs: 600,
        warn: true
    }));
    let (power, effects) = step(power, Input::KillWarning { run: RUN }, &rules());
    assert!(notices(&effects).contains("10 seconds"));
    let (power, effects) = step(power, Input::KillDue { run: RUN }, &rules());
    assert!(effects.contains(&Effect::Kill { run: RUN }));
    let (power, effects) = step(power, Input::KillDue { run: RUN }, &rules());
    assert!(effects.contains(&Effect::Kill { run: RUN }), "and again");
    let (power, _) = step(power, ended(137), &rules());
    assert_eq!(power.phase.wire(), PowerState::Offline);
}

#[test]
fn a_restart_starts_again_and_its_kill_does_too() {
    let (power, _) = request(&running(), PowerAction::Restart);
    let (power, _) = step(power, Input::KillDue { run: RUN }, &rules());
    let (power, effects) = step(power, ended(0), &rules());
    assert!(effects.contains(&Effect::Launch { run: NEXT }));
    assert_eq!(power.phase.wire(), PowerState::Starting);
}

#[test]
fn kill_during_a_restart_ends_it_for_good() {
    let (power, _) = request(&running(), PowerAction::Restart);
    let (power, effects) = request(&power, PowerAction::Kill);
    assert_eq!(refusal(&effects), None);
    let (power, effects) = step(power, ended(137), &rules());
    assert!(!effects.iter().any(|e| matches!(e, Effect::Launch { .. })));
    assert_eq!(power.phase.wire(), PowerState::Offline);
}

#[test]
fn the_second_of_two_actions_is_told_of_the_first() {
    let (power, _) = request(&running(), PowerAction::Restart);
    for action in [PowerAction::Start, PowerAction::Stop, PowerAction::Restart] {
        let (after, effects) = request(&power, action);
        assert_eq!(after, power);
        assert_eq!(effects, [Effect::Refuse(Refusal::Busy(PowerAction::Restart))]);
    }
    let (power, _) = request(&Power::default(), PowerAction::Start);
    let (_, effects) = request(&power, PowerAction::Restart);
    assert_eq!(refusal(&effects), Some(&Refusal::Busy(PowerAction::Start)));
}

#[test]
fn a_stop_while_the_image_is_pulled_calls_the_launch_off() {
    let (power, _) = request(&Power::default(), PowerAction::Start);
    let (power, effects) = request(&power, PowerAction::Stop);
    assert!(effects.contains(&Effect::CancelLaunch { run: NEXT }));
    let failed = Input::LaunchFailed {
        run: NEXT,
        reason: "called off".into(),
    };
    let (off, _) = step(power.clone(), failed, &rules());
    assert_eq!(off.phase.wire(), PowerState::Offline);
    // The launch may have been too fast to be called off: then it is stopped.
    let (power, effects) = step(
        power,
        Input::Launched {
            run: NEXT,
            ready: true,
        },
        &rules(),
    );
    assert!(effects.contains(&Effect::SendStop { run: NEXT }));
    assert_eq!(power.phase.wire(), PowerState::Stopping);
}

#[test]
fn the_typed_stop_command_is_a_stop_and_not_a_crash() {
    let (power, effects) = step(running(), Input::StopTyped, &rules());
    assert_eq!(effects, [Effect::Publish(PowerState::Stopping)]);
    let (off, effects) = step(power.clone(), ended(1), &rules());
    assert!(
        !effects
            .iter()
            .any(|e| matches!(e, Effect::StartAgainAfter { .. }))
    );
    assert_eq!(off.phase.wire(), PowerState::Offline);
    // It may have meant something else to the program: a real stop still works.
    let (_, effects) = request(&power, PowerAction::Stop);
    assert!(effects.contains(&Effect::SendStop { run: RUN }));
}

#[test]
fn a_suspended_server_is_stopped_and_not_started() {
    let suspended = Rules {
        suspended: true,
        ..rules()
    };
    let (power, effects) = step(running(), Input::Suspend, &suspended);
    assert!(effects.contains(&Effect::ArmKillTimer {
        run: RUN,
        secs: 60,
        warn: true
    }));
    let (power, _) = step(power, ended(0), &suspended);
    for action in [PowerAction::Start, PowerAction::Restart] {
        let (_, effects) = step(power.clone(), Input::Request(action), &suspended);
        assert_eq!(effects, [Effect::Refuse(Refusal::Suspended)]);
    }
    let (restarting, _) = request(&running(), PowerAction::Restart);
    let (restarting, _) = step(restarting, Input::Suspend, &suspended);
    let (power, _) = step(restarting, ended(0), &suspended);
    assert_eq!(power.phase.wire(), PowerState::Offline);
}

#[test]
fn the_installer_keeps_others_away_and_can_be_killed() {
    let (power, effects) = step(Power::default(), Input::Install { then_start: true }, &rules());
    assert_eq!(effects, [Effect::DisarmTimers, Effect::Install]);
    for action in [PowerAction::Start, PowerAction::Stop, PowerAction::Restart] {
        assert_eq!(refusal(&request(&power, action).1), Some(&Refusal::Installing));
    }
    let (done, effects) = step(power.clone(), Input::InstallEnded { successful: true }, &rules());
    assert!(effects.contains(&Effect::Launch { run: NEXT }));
    assert_eq!(done.phase.wire(), PowerState::Starting);
    let (power, effects) = request(&power, PowerAction::Kill);
    assert_eq!(effects, [Effect::CancelInstall]);
    let (power, effects) = step(power, Input::InstallEnded { successful: false }, &rules());
    assert_eq!((power, effects), (Power::default(), Vec::new()));
}

#[test]
fn nothing_is_started_while_the_node_goes_down() {
    let going_down = Rules {
        going_down: true,
        ..rules()
    };
    for action in [PowerAction::Start, PowerAction::Restart] {
        let (_, effects) = step(Power::default(), Input::Request(action), &going_down);
        assert_eq!(effects, [Effect::Refuse(Refusal::GoingDown)]);
    }
}

fn kill_timer(effects: &[Effect]) -> Option<(u64, bool)> {
    effects.iter().find_map(|e| match e {
        Effect::ArmKillTimer { secs, warn, .. } => Some((*secs, *warn)),
        _ => None,
    })
}

#[test]
fn a_kill_is_announced_if_there_is_time_for_it() {
    for (secs, warn) in [(1, false), (10, false), (11, true)] {
        let rules = Rules {
            stop_timeout_secs: secs,
            ..rules()
        };
        let (_, effects) = step(running(), Input::Request(PowerAction::Stop), &rules);
        assert_eq!(kill_timer(&effects), Some((secs, warn)));
    }
}

#[test]
fn a_suspended_server_has_a_minute_unless_its_own_kill_timer_is_shorter() {
    for (own, given) in [(30, 30), (600, 60)] {
        let suspended = Rules {
            suspended: true,
            stop_timeout_secs: own,
            ..rules()
        };
        let timer = |power, input| kill_timer(&step(power, input, &suspended).1);
        let minute = Some((given, true));
        assert_eq!(timer(running(), Input::Suspend), minute);
        let typed = step(running(), Input::StopTyped, &suspended).0;
        assert_eq!(timer(typed, Input::Suspend), minute);
        // Suspended while it was launched, which was too fast to be called off.
        let launching = request(&Power::default(), PowerAction::Start).0;
        let called_off = step(launching, Input::Suspend, &suspended).0;
        let launched = Input::Launched {
            run: NEXT,
            ready: true,
        };
        assert_eq!(timer(called_off, launched), minute);
        // Suspended while the node was down.
        let saved = running().saved();
        let found = Input::Found {
            run: RUN,
            saved,
            ready: true,
        };
        assert_eq!(timer(Power::default(), found), minute);
    }
}

#[test]
fn a_server_that_ends_already_is_not_asked_twice_but_nothing_follows() {
    for action in [PowerAction::Stop, PowerAction::Restart, PowerAction::Kill] {
        let stopping = request(&running(), action).0;
        for input in [Input::Suspend, Input::Down] {
            let (power, effects) = step(stopping.clone(), input, &rules());
            assert_eq!(effects, []);
            let (power, _) = step(power, ended(0), &rules());
            assert_eq!(power, Power::default(), "after {action}");
        }
    }
    // What was only typed may have meant something else: now it is asked.
    let typed = step(running(), Input::StopTyped, &rules()).0;
    for input in [Input::Suspend, Input::Down] {
        let (_, effects) = step(typed.clone(), input, &rules());
        assert!(effects.contains(&Effect::SendStop { run: RUN }));
    }
}

#[test]
fn an_installer_outlives_a_suspension_but_neither_the_node_nor_the_machine() {
    let installing = at(Phase::Installing { then_start: true });
    for (input, wanted) in [
        (Input::Suspend, vec![]),
        (Input::Down, vec![Effect::CancelInstall]),
        (Input::MachineDown, vec![Effect::CancelInstall]),
    ] {
        let (power, effects) = step(installing.clone(), input, &rules());
        assert_eq!(effects, wanted);
        let (power, effects) = step(power, Input::InstallEnded { successful: true }, &rules());
        assert_eq!((power, effects), (Power::default(), vec![]), "nothing follows");
    }
    let (power, effects) = step(installing, Input::InstallEnded { successful: false }, &rules());
    assert_eq!(
        (power, effects),
        (Power::default(), vec![]),
        "it failed: no start"
    );
    let (_, effects) = step(running(), Input::Install { then_start: false }, &rules());
    assert_eq!(effects, [Effect::Refuse(Refusal::AlreadyUp(PowerState::Running))]);
}

#[test]
fn a_killed_launch_that_was_too_fast_to_be_called_off_is_killed() {
    let launching = request(&Power::default(), PowerAction::Start).0;
    let stopping = request(&launching, PowerAction::Stop).0;
    for power in [launching, stopping] {
        let (power, effects) = request(&power, PowerAction::Kill);
        assert!(effects.contains(&Effect::CancelLaunch { run: NEXT }));
        let launched = Input::Launched {
            run: NEXT,
            ready: true,
        };
        let (_, effects) = step(power, launched, &rules());
        assert!(effects.contains(&Effect::Kill { run: NEXT }));
        assert!(!effects.contains(&Effect::SendStop { run: NEXT }));
    }
}
