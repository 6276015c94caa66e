//! What people read of it on the console and beside the server.

use super::*;

#[test]
fn how_a_run_ended_is_one_sentence() {
    let (code, signal) = (Some(1), Some(9));
    let note = |text: &str| Some(text.to_owned());
    for (exit, clause) in [
        (exit(0), "exit code 0"),
        (
            Exit {
                signal,
                ..Exit::default()
            },
            "ended by signal 9 (SIGKILL)",
        ),
        (
            Exit {
                signal: Some(40),
                ..Exit::default()
            },
            "ended by signal 40",
        ),
        (Exit::default(), "how is not known"),
        (Exit::unknown("its keeper went away"), "its keeper went away"),
        (
            Exit {
                note: note("its disk is full."),
                code,
                ..Exit::default()
            },
            "exit code 1, its disk is full",
        ),
        (
            Exit {
                note: note("by its engine"),
                signal,
                ..Exit::default()
            },
            "ended by signal 9 (SIGKILL), by its engine",
        ),
        (
            Exit::not_started("The image is gone."),
            "it could not be started: The image is gone",
        ),
    ] {
        assert_eq!(exit.to_string(), clause);
        assert_eq!(exit.sentence(), format!("The server has ended: {clause}."));
    }
    let for_want_of_memory = Exit {
        signal,
        out_of_memory: true,
        ..Exit::default()
    };
    assert!(
        for_want_of_memory
            .to_string()
            .starts_with("ended by signal 9 (SIGKILL), out of memory: ")
    );
}

#[test]
fn all_is_well_only_after_exit_code_0_with_enough_memory() {
    let no_memory = Exit {
        out_of_memory: true,
        ..exit(0)
    };
    let signal = Exit {
        signal: Some(15),
        ..Exit::default()
    };
    assert!(exit(0).is_clean());
    for failed in [exit(1), no_memory, signal, Exit::default()] {
        assert!(!failed.is_clean(), "{failed}");
    }
}

#[test]
fn a_start_that_fails_says_why_and_is_kept_as_no_run() {
    let launching = request(&Power::default(), PowerAction::Start).0;
    let failed = Input::LaunchFailed {
        run: NEXT,
        reason: "The image is gone: pull it.".to_owned(),
    };
    let (off, effects) = step(launching.clone(), failed.clone(), &rules());
    assert_eq!(off.phase, Phase::default());
    assert_eq!(
        notices(&effects),
        "The server could not be started: The image is gone: pull it."
    );
    let not_started = Exit::not_started("The image is gone: pull it.");
    assert!(!not_started.is_of_a_run() && exit(0).is_of_a_run());
    assert!(effects.contains(&Effect::Keep {
        exit: not_started,
        asked: false
    }));
    // Called off, it is no failure.
    let stopping = request(&launching, PowerAction::Stop).0;
    let (_, effects) = step(stopping, failed, &rules());
    assert_eq!(notices(&effects), "The start was called off.");
    assert!(!effects.iter().any(|e| matches!(e, Effect::Keep { .. })));
}

#[test]
fn a_stop_says_why_and_when_it_becomes_a_kill() {
    for (input, why) in [
        (Input::Request(PowerAction::Stop), "The server is being stopped;"),
        (
            Input::Request(PowerAction::Restart),
            "The server is being restarted;",
        ),
        (Input::Suspend, "The server was suspended and is being stopped;"),
        (Input::Down, "The server is being stopped with the whole node;"),
        (Input::MachineDown, "The machine goes down:"),
    ] {
        let rules = Rules {
            stop_timeout_secs: 45,
            ..rules()
        };
        let said = notices(&step(running(), input, &rules).1);
        assert!(said.starts_with(why) && said.contains("in 45 seconds"), "{said}");
    }
    let stopping = request(&running(), PowerAction::Stop).0;
    let (_, effects) = step(stopping.clone(), ended(0), &rules());
    assert_eq!(notices(&effects), "The server has ended: exit code 0.");
    let (killed, effects) = step(stopping, Input::KillDue { run: RUN }, &rules());
    assert!(notices(&effects).contains("is killed now"));
    let (_, effects) = step(killed, Input::KillDue { run: RUN }, &rules());
    assert!(notices(&effects).contains("still has not ended"));
}

#[test]
fn a_server_that_comes_back_says_why_it_is_started() {
    let starting = at(Phase::Starting { run: RUN }).saved();
    let crashed = step(running(), ended(1), &rules()).0.saved();
    let machine = step(running(), Input::MachineDown, &rules()).0.saved();
    for (saved, why) in [
        (running().saved(), "its program is gone"),
        (starting, "its program is gone"),
        (crashed, "was about to be started when the node ended"),
        (machine, "was up when the machine went down"),
    ] {
        let said = notices(&step(Power::default(), Input::Gone { saved }, &rules()).1);
        assert!(said.contains(why), "{said}");
    }
    let installing = at(Phase::Installing { then_start: true }).saved();
    let (power, effects) = step(Power::default(), Input::Gone { saved: installing }, &rules());
    assert!(notices(&effects).contains("run it again"));
    assert_eq!(
        (power, effects.len()),
        (Power::default(), 1),
        "it is not started half installed"
    );
}
