//! The rule in random orders.

use super::*;
use proptest::prelude::*;

fn any_rule() -> impl Strategy<Value = AfterEnd> {
    prop::sample::select(vec![
        STOCK,
        AfterEnd::Policy(RestartPolicy::Never),
        AfterEnd::Policy(RestartPolicy::OnFailure),
        AfterEnd::Policy(RestartPolicy::Always),
    ])
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
