//! Ends that nobody asked for, and the starts that follow them.

use super::*;

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
    for (code, rules) in [(0, rules()), (1, rules()), (1, clean.clone())] {
        let (_, effects) = step(running(), ended(code), &rules);
        assert_eq!(pause(&effects), Some(START_AGAIN_MS), "exit code {code}");
    }
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
    assert_eq!(pause(&effects), Some(START_AGAIN_MS));
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
