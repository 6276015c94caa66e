//! What a server goes on with when its node, or its machine, goes down and comes up again.

use super::*;

#[test]
fn the_next_life_of_the_node_goes_on_where_the_last_one_was() {
    let restarting = request(&running(), PowerAction::Restart).0;
    for power in [running(), restarting, at(Phase::Starting { run: RUN })] {
        let found = Input::Found {
            run: RUN,
            saved: power.saved(),
            ready: false,
        };
        let (after, effects) = step(Power::default(), found, &rules());
        assert_eq!(after.phase, power.phase);
        assert_eq!(
            effects.contains(&Effect::SendStop { run: RUN }),
            power.phase.wire() == PowerState::Stopping
        );
    }
    assert!(running().saved().wants_start());
    assert!(!request(&running(), PowerAction::Stop).0.saved().wants_start());
    assert!(request(&running(), PowerAction::Restart).0.saved().wants_start());
    assert!(step(running(), ended(1), &rules()).0.saved().wants_start());
}

#[test]
fn a_node_that_goes_down_takes_a_restarting_server_with_it() {
    let (power, _) = request(&running(), PowerAction::Restart);
    let (power, _) = step(power, Input::Down, &rules());
    let (power, _) = step(power, ended(0), &rules());
    assert!(!power.saved().wants_start());
    assert_eq!(power.phase.wire(), PowerState::Offline);
}

fn stopped_with_the_machine(power: Power) -> Power {
    step(power, Input::MachineDown, &rules()).0
}

#[test]
fn a_machine_that_goes_down_stops_a_server_which_is_started_when_it_is_up() {
    let (power, effects) = step(running(), Input::MachineDown, &rules());
    assert!(effects.contains(&Effect::SendStop { run: RUN }));
    assert!(notices(&effects).contains("The machine goes down") && notices(&effects).contains("600 seconds"));
    let (power, effects) = step(power, ended(0), &rules());
    assert!(
        !effects.iter().any(|e| matches!(e, Effect::Launch { .. })),
        "not now"
    );
    let saved = power.saved();
    assert!(saved.wants_start() && saved.machine);
    // The next boot.
    let (power, effects) = step(Power::default(), Input::Gone { saved }, &rules());
    assert!(effects.contains(&Effect::AwaitTurn));
    assert!(notices(&effects).contains("when the machine went down"));
    assert!(
        power.saved().wants_start(),
        "also if the node ends before its turn"
    );
    let (power, effects) = step(power, Input::Turn, &rules());
    assert!(effects.contains(&Effect::Launch { run: NEXT }));
    assert_eq!(power.phase.wire(), PowerState::Starting);
}

#[test]
fn a_server_that_does_not_stop_with_the_machine_is_killed_and_started_at_the_next_boot() {
    let power = stopped_with_the_machine(running());
    let (power, effects) = step(power, Input::KillDue { run: RUN }, &rules());
    assert!(effects.contains(&Effect::Kill { run: RUN }));
    let (power, _) = step(power, ended(137), &rules());
    assert!(power.saved().wants_start());
}

#[test]
fn what_an_operator_stopped_stays_off_when_the_machine_comes_up() {
    let stopping = request(&running(), PowerAction::Stop).0;
    let killed = request(&running(), PowerAction::Kill).0;
    let typed = step(running(), Input::StopTyped, &rules()).0;
    let down = step(running(), Input::Down, &rules()).0;
    for ending in [&stopping, &killed, &down] {
        let (power, effects) = step(ending.clone(), Input::MachineDown, &rules());
        assert_eq!((&power, effects), (ending, Vec::new()), "it ends already");
    }
    let (typed, effects) = step(typed, Input::MachineDown, &rules());
    assert!(
        effects.contains(&Effect::SendStop { run: RUN }),
        "a stop that was only typed gets a kill timer"
    );
    for power in [stopping, killed, typed, down] {
        let (power, _) = step(power, ended(0), &rules());
        assert!(!power.saved().wants_start());
        assert_eq!(stopped_with_the_machine(power.clone()), power);
    }
    let (power, effects) = step(
        Power::default(),
        Input::Gone {
            saved: Saved::default(),
        },
        &rules(),
    );
    assert_eq!((power, effects), (Power::default(), Vec::new()));
}

#[test]
fn a_restart_a_crash_and_a_launch_that_the_machine_cuts_off_are_done_at_the_next_boot() {
    let restarting = request(&running(), PowerAction::Restart).0;
    let restarting = step(stopped_with_the_machine(restarting), ended(0), &rules());
    assert!(!restarting.1.iter().any(|e| matches!(e, Effect::Launch { .. })));
    let crashed = stopped_with_the_machine(step(running(), ended(1), &rules()).0);
    assert_eq!(step(crashed.clone(), Input::StartAgain, &rules()).0, crashed);
    let launching = request(&Power::default(), PowerAction::Start).0;
    let called_off = Input::LaunchFailed {
        run: NEXT,
        reason: "called off".to_owned(),
    };
    let launching = step(stopped_with_the_machine(launching), called_off, &rules()).0;
    for power in [restarting.0, crashed, launching] {
        assert!(power.saved().wants_start(), "{:?}", power.phase);
    }
}

#[test]
fn a_start_that_waits_for_its_turn_can_be_called_off() {
    let gone = Input::Gone {
        saved: running().saved(),
    };
    let (waiting, effects) = step(Power::default(), gone, &rules());
    assert!(notices(&effects).contains("its program is gone"));
    for action in [PowerAction::Stop, PowerAction::Kill] {
        let (power, effects) = request(&waiting, action);
        assert!(notices(&effects).contains("called off"));
        assert_eq!(
            step(power.clone(), Input::Turn, &rules()),
            (power.clone(), Vec::new())
        );
        assert!(!power.saved().wants_start());
    }
}

#[test]
fn what_is_suspended_while_the_machine_goes_down_stays_off_at_the_next_boot() {
    let launched = Input::Launched {
        run: NEXT,
        ready: true,
    };
    let launching = request(&Power::default(), PowerAction::Start).0;
    for (power, run) in [(running(), RUN), (launching, NEXT)] {
        let (power, _) = step(stopped_with_the_machine(power), Input::Suspend, &rules());
        // A launch may have been too fast to be called off.
        let (power, _) = step(power, launched.clone(), &rules());
        let (power, effects) = step(power, Input::Ended { run, exit: exit(0) }, &rules());
        assert_eq!(power.phase, Phase::default());
        assert!(!power.saved().wants_start() && !effects.contains(&Effect::AwaitTurn));
    }
    // Suspended only after the stop, and still so at its end.
    let suspended = Rules {
        suspended: true,
        ..rules()
    };
    let (power, _) = step(stopped_with_the_machine(running()), ended(0), &suspended);
    assert_eq!(power.phase, Phase::default());
    // Suspended while the machine was down.
    let saved = running().saved();
    let (power, effects) = step(Power::default(), Input::Gone { saved }, &suspended);
    assert_eq!((power, effects), (Power::default(), Vec::new()));
}
