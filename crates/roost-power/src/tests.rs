//! The rule in stories by theme, and in random orders. Here: what all of them begin with and look at.

mod crashes;
mod every_phase;
mod lives;
mod orders;
mod requests;
mod words;

use super::*;
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
