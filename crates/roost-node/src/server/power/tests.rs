//! The rule in stories, and in random orders.

use super::*;
use crate::server::handle::Refusal;
use proptest::prelude::*;
use roost_wire::{power::PowerState, remote::RestartPolicy};
use uuid::Uuid;

const RUN: Uuid = Uuid::from_u128(1);
const NEXT: Uuid = Uuid::from_u128(2);

const STOCK: AfterEnd = AfterEnd::Stock {
    restart: true,
    clean_exit_is_crash: true,
    window_ms: 60_000,
};

fn policy(policy: RestartPolicy) -> Rules {
    Rules {
        after_end: AfterEnd::Policy(policy),
        ..rules()
    }
}

fn rules() -> Rules {
    Rules {
        now: 1_000_000,
        next_run: NEXT,
        suspended: false,
        going_down: false,
        stop_timeout_secs: 600,
        after_end: STOCK,
        awaited: "`Done`".to_owned(),
    }
}

fn at(phase: Phase) -> Power {
    Power {
        phase,
        history: History::default(),
    }
}

fn running() -> Power {
    at(Phase::Running { run: RUN })
}

fn exit(code: i32) -> Exit {
    Exit {
        code: Some(code),
        ..Exit::default()
    }
}

fn ended(code: i32) -> Input {
    Input::Ended {
        run: RUN,
        exit: exit(code),
    }
}

fn request(power: &Power, action: PowerAction) -> (Power, Vec<Effect>) {
    step(power.clone(), Input::Request(action), &rules())
}

fn refusal(effects: &[Effect]) -> Option<&Refusal> {
    effects.iter().find_map(|e| match e {
        Effect::Refuse(refusal) => Some(refusal),
        _ => None,
    })
}

fn notices(effects: &[Effect]) -> String {
    effects
        .iter()
        .filter_map(|e| match e {
            Effect::Notice(text) => Some(text.as_str()),
            _ => None,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

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
fn an_exit_that_nobody_asked_for_starts_it_again_once() {
    let (power, effects) = step(running(), ended(1), &rules());
    assert!(notices(&effects).contains("exit code 1"));
    assert!(effects.contains(&Effect::StartAgainAfter { ms: START_AGAIN_MS }));
    let (power, effects) = step(power, Input::StartAgain, &rules());
    assert!(effects.contains(&Effect::Launch { run: NEXT }));
    let (power, _) = step(
        power,
        Input::Launched {
            run: NEXT,
            ready: true,
        },
        &rules(),
    );
    let again = Input::Ended {
        run: NEXT,
        exit: exit(1),
    };
    let soon = Rules {
        now: rules().now + 59_999,
        ..rules()
    };
    let (_, effects) = step(power.clone(), again.clone(), &soon);
    assert!(notices(&effects).contains("within the last 60 seconds"));
    assert!(
        !effects
            .iter()
            .any(|e| matches!(e, Effect::StartAgainAfter { .. }))
    );
    let later = Rules {
        now: rules().now + 60_000,
        ..rules()
    };
    let (_, effects) = step(power, again, &later);
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::StartAgainAfter { .. }))
    );
}

#[test]
fn what_counts_as_a_crash_can_be_set() {
    let off = Rules {
        after_end: AfterEnd::Stock {
            restart: false,
            clean_exit_is_crash: true,
            window_ms: 60_000,
        },
        ..rules()
    };
    let (_, effects) = step(running(), ended(1), &off);
    assert!(notices(&effects).contains("crash detection is off"));
    let clean = Rules {
        after_end: AfterEnd::Stock {
            restart: true,
            clean_exit_is_crash: false,
            window_ms: 60_000,
        },
        ..rules()
    };
    let (power, effects) = step(running(), ended(0), &clean);
    assert!(
        !effects
            .iter()
            .any(|e| matches!(e, Effect::StartAgainAfter { .. }))
    );
    assert_eq!(power.history.last_crash, None);
    let oom = Input::Ended {
        run: RUN,
        exit: Exit {
            code: Some(0),
            out_of_memory: true,
            ..Exit::default()
        },
    };
    let (_, effects) = step(running(), oom, &clean);
    assert!(notices(&effects).contains("out of memory"));
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

fn pause(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|e| match e {
        Effect::StartAgainAfter { ms } => Some(*ms),
        _ => None,
    })
}

#[test]
fn a_policy_says_after_which_ends_a_server_is_started_again() {
    use RestartPolicy::{Always, Never, OnFailure};
    for (given, code, wanted) in [
        (Never, 0, None),
        (Never, 1, None),
        (OnFailure, 0, None),
        (OnFailure, 1, Some(1000)),
        (Always, 0, Some(1000)),
        (Always, 1, Some(1000)),
    ] {
        let (power, effects) = step(running(), ended(code), &policy(given));
        assert_eq!(pause(&effects), wanted, "{given:?} after exit code {code}");
        assert_eq!(power.saved().wants_start(), wanted.is_some());
        let kept = Effect::Keep {
            exit: exit(code),
            asked: false,
        };
        assert!(effects.contains(&kept));
        // What was asked for is no crash, whatever the policy.
        let stopping = step(running(), Input::Request(PowerAction::Stop), &policy(given)).0;
        assert_eq!(pause(&step(stopping, ended(code), &policy(given)).1), None);
    }
    let (_, effects) = step(running(), ended(1), &policy(Never));
    assert!(notices(&effects).contains("its restart policy is `never`"));
}

#[test]
fn crash_after_crash_the_pauses_grow_until_it_stays_off() {
    let rules = policy(RestartPolicy::OnFailure);
    let mut power = running();
    for attempt in 1..=10 {
        let run = power.phase.run().unwrap();
        let (off, effects) = step(power, Input::Ended { run, exit: exit(1) }, &rules);
        let pause = pause(&effects).unwrap();
        assert_eq!(pause, (1000 << (attempt - 1)).min(300_000));
        let said = format!("in {} s (attempt {attempt} of 10 within an hour)", pause / 1000);
        assert!(notices(&effects).contains(&said), "{}", notices(&effects));
        let (launching, effects) = step(off, Input::StartAgain, &rules);
        assert!(effects.contains(&Effect::Launch { run: NEXT }));
        let launched = Input::Launched {
            run: NEXT,
            ready: true,
        };
        power = step(launching, launched, &rules).0;
    }
    let again = Input::Ended {
        run: NEXT,
        exit: exit(1),
    };
    let (off, effects) = step(power, again, &rules);
    assert_eq!(pause(&effects), None);
    assert!(notices(&effects).contains("Start it by hand"));
    assert!(!off.saved().wants_start());
    // By hand it can be, and counting begins anew.
    let (power, _) = step(off, Input::Request(PowerAction::Start), &rules);
    let (power, _) = step(
        power,
        Input::Launched {
            run: NEXT,
            ready: true,
        },
        &rules,
    );
    let crash = Input::Ended {
        run: NEXT,
        exit: exit(1),
    };
    assert_eq!(pause(&step(power, crash, &rules).1), Some(1000));
}

#[test]
fn a_start_by_itself_that_fails_is_tried_again() {
    let rules = policy(RestartPolicy::OnFailure);
    let (off, _) = step(running(), ended(1), &rules);
    let (launching, _) = step(off, Input::StartAgain, &rules);
    let failed = Input::LaunchFailed {
        run: NEXT,
        reason: "the engine is away".to_owned(),
    };
    let (off, effects) = step(launching, failed.clone(), &rules);
    assert_eq!(pause(&effects), Some(2000));
    let (_, effects) = step(off, Input::Request(PowerAction::Stop), &rules);
    assert!(notices(&effects).contains("called off"));
    // One that somebody asked for is not: whoever asked reads why.
    let launching = step(Power::default(), Input::Request(PowerAction::Start), &rules).0;
    assert_eq!(pause(&step(launching, failed, &rules).1), None);
}

#[test]
fn a_node_that_starts_anew_goes_on_counting() {
    let rules = policy(RestartPolicy::Always);
    let (off, _) = step(running(), ended(1), &rules);
    let found = Input::Found {
        run: NEXT,
        saved: Saved {
            state: PowerState::Running,
            ..off.saved()
        },
        ready: true,
    };
    let (power, _) = step(Power::default(), found, &rules);
    let crash = Input::Ended {
        run: NEXT,
        exit: exit(1),
    };
    assert_eq!(pause(&step(power, crash, &rules).1), Some(2000));
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
    for power in [stopping, killed, typed, down] {
        let (power, effects) = step(power, Input::MachineDown, &rules());
        assert!(
            effects.is_empty() || effects.contains(&Effect::SendStop { run: RUN }),
            "a stop that was only typed gets a kill timer"
        );
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

fn any_rule() -> impl Strategy<Value = AfterEnd> {
    prop::sample::select(vec![
        STOCK,
        AfterEnd::Policy(RestartPolicy::Never),
        AfterEnd::Policy(RestartPolicy::OnFailure),
        AfterEnd::Policy(RestartPolicy::Always),
    ])
}

#[test]
fn an_engine_that_stops_takes_its_servers_along_and_brings_them_back() {
    let exit = Exit {
        code: None,
        signal: Some(15),
        with_engine: true,
        ..Exit::default()
    };
    let end = Input::Ended {
        run: RUN,
        exit: exit.clone(),
    };
    let (power, effects) = step(running(), end.clone(), &rules());
    assert!(notices(&effects).contains("Docker was stopped"));
    assert!(effects.contains(&Effect::AwaitTurn) && effects.contains(&Effect::Keep { exit, asked: true }));
    let (_, effects) = step(power, Input::Turn, &rules());
    assert!(effects.iter().any(|e| matches!(e, Effect::Launch { .. })));
    let suspended = Rules {
        suspended: true,
        ..rules()
    };
    let (_, effects) = step(running(), end, &suspended);
    assert!(!effects.contains(&Effect::AwaitTurn));
}

fn any_run() -> impl Strategy<Value = Uuid> {
    (1u128..4).prop_map(Uuid::from_u128)
}

fn any_input() -> impl Strategy<Value = Input> {
    let action = prop::sample::select(PowerAction::ALL.to_vec());
    let exit = (any::<u8>(), any::<bool>()).prop_map(|(code, out_of_memory)| Exit {
        code: Some(i32::from(code % 3)),
        out_of_memory,
        ..Exit::default()
    });
    prop_oneof![
        4 => action.prop_map(Input::Request),
        1 => Just(Input::StopTyped),
        1 => Just(Input::Suspend),
        1 => Just(Input::Down),
        1 => Just(Input::MachineDown),
        1 => Just(Input::Turn),
        4 => (any_run(), any::<bool>()).prop_map(|(run, ready)| Input::Launched { run, ready }),
        1 => any_run().prop_map(|run| Input::LaunchFailed { run, reason: "no".into() }),
        2 => any_run().prop_map(|run| Input::DoneSeen { run }),
        3 => (any_run(), exit).prop_map(|(run, exit)| Input::Ended { run, exit }),
        1 => any_run().prop_map(|run| Input::KillWarning { run }),
        1 => any_run().prop_map(|run| Input::KillDue { run }),
        1 => any_run().prop_map(|run| Input::DoneOverdue { run }),
        1 => Just(Input::StartAgain),
        1 => any::<bool>().prop_map(|then_start| Input::Install { then_start }),
        1 => any::<bool>().prop_map(|successful| Input::InstallEnded { successful }),
    ]
}

/// Names of runs go round, so that inputs often fit the run that is under way.
fn play(inputs: &[(Input, bool)], after_end: AfterEnd) -> (Power, Vec<Effect>) {
    let mut power = Power::default();
    let mut all = Vec::new();
    for (i, (input, suspended)) in inputs.iter().enumerate() {
        let rules = Rules {
            now: 1_000 * i as i64,
            next_run: Uuid::from_u128(1 + (i as u128 % 3)),
            suspended: *suspended,
            after_end,
            ..rules()
        };
        let before = power.phase.wire();
        let (next, effects) = step(power.clone(), input.clone(), &rules);
        let published: Vec<_> = effects
            .iter()
            .filter_map(|e| match e {
                Effect::Publish(state) => Some(*state),
                _ => None,
            })
            .collect();
        // What is published is what has changed, and its last word is the state.
        assert_eq!(published.last().copied().unwrap_or(before), next.phase.wire());
        if refusal(&effects).is_some() {
            assert_eq!((&next, effects.len()), (&power, 1), "a refusal changes nothing");
        }
        if *suspended {
            assert!(!effects.iter().any(|e| matches!(e, Effect::Launch { .. })));
        }
        for effect in &effects {
            if let Effect::Launch { run } | Effect::SendStop { run } | Effect::ArmKillTimer { run, .. } =
                effect
            {
                assert_eq!(
                    next.phase.run(),
                    Some(*run),
                    "{effect:?} is about the run under way"
                );
            }
        }
        power = next;
        all.extend(effects);
    }
    (power, all)
}

proptest! {
    #[test]
    fn no_order_of_events_wedges_a_server(
        inputs in prop::collection::vec((any_input(), any::<bool>()), 0..60),
        rule in any_rule(),
    ) {
        let (power, _) = play(&inputs, rule);
        let (power, effects) = step(power, Input::Request(PowerAction::Kill), &rules());
        prop_assert_eq!(refusal(&effects), None, "kill is always possible");
        let asked = effects.iter().any(|e| {
            matches!(e, Effect::Kill { .. } | Effect::CancelLaunch { .. } | Effect::CancelInstall)
        });
        prop_assert_eq!(asked, power.phase != Phase::default() && !matches!(power.phase, Phase::Offline { .. }));
        // The runtime answers, whichever way.
        let end = match &power.phase {
            Phase::Installing { .. } => Input::InstallEnded { successful: true },
            Phase::Stopping(Stopping { run, live: false, .. }) => {
                Input::LaunchFailed { run: *run, reason: "called off".into() }
            }
            phase => Input::Ended { run: phase.run().unwrap_or_default(), exit: exit(137) },
        };
        let (power, effects) = step(power, end, &rules());
        prop_assert!(matches!(power.phase, Phase::Offline { follows: None }), "{:?}", power.phase);
        let launches = effects.iter().any(|e| matches!(e, Effect::Launch { .. }));
        prop_assert!(!launches, "nothing follows a kill");
    }

    #[test]
    fn a_program_that_was_asked_to_end_has_a_kill_timer(
        inputs in prop::collection::vec((any_input(), any::<bool>()), 0..60),
        rule in any_rule(),
    ) {
        let (power, effects) = play(&inputs, rule);
        if let Phase::Stopping(stopping) = &power.phase
            && stopping.live
            && stopping.why != StopReason::Typed
        {
            let last = effects.iter().rev().find_map(|e| match e {
                Effect::ArmKillTimer { run, .. } => Some(Some(*run)),
                Effect::DisarmTimers => Some(None),
                _ => None,
            });
            prop_assert_eq!(last, Some(Some(stopping.run)));
        }
    }

    /// A start that follows by itself has its timer (or its turn), and a stop or a kill calls it off.
    #[test]
    fn a_start_that_follows_comes_and_can_be_called_off(
        inputs in prop::collection::vec((any_input(), any::<bool>()), 0..60),
        rule in any_rule(),
        action in prop::sample::select(vec![PowerAction::Stop, PowerAction::Kill]),
    ) {
        let (power, effects) = play(&inputs, rule);
        if power.phase == (Phase::Offline { follows: Some(Follows::Crash) }) {
            let last = effects.iter().rev().find_map(|e| match e {
                Effect::StartAgainAfter { ms } => Some(*ms),
                Effect::DisarmTimers => Some(0),
                _ => None,
            });
            prop_assert!(last.is_some_and(|ms| (1000..=300_000).contains(&ms)), "{:?}", last);
            let (off, effects) = step(power, Input::Request(action), &rules());
            prop_assert!(effects.contains(&Effect::DisarmTimers));
            let (after, effects) = step(off.clone(), Input::StartAgain, &rules());
            prop_assert_eq!((after, effects), (off, Vec::new()));
        }
    }
}
