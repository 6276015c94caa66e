//! Asking a node about one server, once, however many callers want to know.
//!
//! ```text
//!   caller ─┐                          answered: serves for 2 s
//!   caller ─┼─► one request in flight ─┤
//!   caller ─┘    (a task of its own)   failed:   serves those who wait, and 250 ms more
//! ```
//!
//! The task belongs to no caller, so a caller that goes away takes nothing from the others. What is sent, and what
//! an answer means, is `node_client`'s business.

use super::reason::{NodeError, Reason};
use roost_wire::node_api::ServerDetail;
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use uuid::Uuid;

/// How long an answer may serve.
pub const ANSWER_SERVES: Duration = Duration::from_secs(2);
/// How long a failure may serve those who ask just after it.
pub const FAILURE_SERVES: Duration = Duration::from_millis(250);
/// From so many remembered answers on, old ones are swept at each new request.
const SWEEP_FROM: usize = 256;

/// What came of a request.
pub(super) type Outcome = Result<Arc<ServerDetail>, NodeError>;
type Answered = Option<(Instant, Outcome)>;
type Key = (Uuid, Uuid);

/// Requests in flight and answers still fresh, by node and server.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Key, watch::Receiver<Answered>>>);

impl Flights {
    /// The answer for `key` that is at most `max_age` old: a remembered one, that of the request in flight, or that
    /// of `ask`, which is started only where there is neither.
    pub(super) async fn join<F>(
        &self,
        key: Key,
        max_age: Duration,
        now: Instant,
        ask: impl FnOnce() -> F,
    ) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut flight = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get(&key).filter(|f| serves(f, max_age, now)) {
                Some(flight) => flight.clone(),
                None => {
                    if all.len() >= SWEEP_FROM {
                        all.retain(|_, f| serves(f, ANSWER_SERVES, now));
                    }
                    let (tx, rx) = watch::channel(None);
                    let request = ask();
                    tokio::spawn(async move {
                        let outcome = request.await;
                        tx.send_replace(Some((Instant::now(), outcome)));
                    });
                    all.insert(key, rx.clone());
                    rx
                }
            }
        };
        match flight
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|seen| seen.clone())
        {
            Some((_, outcome)) => outcome,
            None => Err(NodeError::away(
                Reason::Cut,
                "the request ended without an outcome",
            )),
        }
    }

    /// Forgets what was answered of `key`: something was just changed there.
    pub(super) fn forget(&self, key: Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

fn serves(flight: &watch::Receiver<Answered>, max_age: Duration, now: Instant) -> bool {
    let age = |at: &Instant| now.saturating_duration_since(*at);
    match &*flight.borrow() {
        // Its sender is gone without an outcome only if the task was torn down.
        None => flight.has_changed().is_ok(),
        Some((at, Ok(_) | Err(NodeError::UnknownServer { .. }))) => age(at) < max_age.min(ANSWER_SERVES),
        Some((at, Err(_))) => age(at) < FAILURE_SERVES.min(max_age),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const KEY: Key = (Uuid::from_u128(1), Uuid::from_u128(2));

    fn unknown() -> Outcome {
        Err(NodeError::UnknownServer { said: "no".into() })
    }

    struct Node {
        flights: Flights,
        asked: Arc<AtomicUsize>,
    }

    impl Node {
        fn new() -> Self {
            Self {
                flights: Flights::default(),
                asked: Arc::default(),
            }
        }

        async fn ask_after(&self, pause: Duration, outcome: Outcome) -> Outcome {
            let asked = Arc::clone(&self.asked);
            self.flights
                .join(KEY, ANSWER_SERVES, Instant::now() + pause, || async move {
                    asked.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    outcome
                })
                .await
        }

        async fn ask(&self, outcome: Outcome) -> Outcome {
            self.ask_after(Duration::ZERO, outcome).await
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_thousand_callers_make_one_request_and_the_answer_serves_two_seconds() {
        let node = Node::new();
        let all = futures_util::future::join_all((0..1000).map(|_| node.ask(unknown()))).await;
        assert!(
            all.iter()
                .all(|o| matches!(o, Err(NodeError::UnknownServer { .. })))
        );
        assert_eq!(node.asked(), 1);
        let _ = node.ask_after(Duration::from_millis(1_500), unknown()).await;
        assert_eq!(node.asked(), 1);
        let _ = node.ask_after(Duration::from_millis(2_000), unknown()).await;
        assert_eq!(node.asked(), 2);
    }

    #[tokio::test]
    async fn a_caller_that_leaves_takes_nothing_from_the_others() {
        let node = Arc::new(Node::new());
        let first = tokio::spawn({
            let node = Arc::clone(&node);
            async move { node.ask(unknown()).await }
        });
        tokio::time::sleep(Duration::from_millis(5)).await;
        first.abort();
        assert!(matches!(
            node.ask(unknown()).await,
            Err(NodeError::UnknownServer { .. })
        ));
        assert_eq!(node.asked(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_shared_but_hardly_kept() {
        let node = Node::new();
        let failed = || Err(NodeError::away(Reason::Refused, ""));
        let (a, b) = tokio::join!(node.ask(failed()), node.ask(failed()));
        assert!(a.is_err() && b.is_err());
        assert_eq!(node.asked(), 1);
        let _ = node.ask_after(FAILURE_SERVES, failed()).await;
        assert_eq!(node.asked(), 2);
    }
}
