//! Each story is run once for every order in which its threads can go.

use super::{awake::Awake, news::News};
use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

/// Mail, the flag, and how often the bell was rung.
struct Inbox {
    mail: Mutex<Vec<u32>>,
    awake: Awake,
    rung: AtomicUsize,
}

impl Inbox {
    fn post(&self, letter: u32) {
        self.mail.lock().unwrap().push(letter);
        if self.awake.has_mail() {
            self.rung.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// As the shard does it: true if it goes to sleep.
    fn goes_to_sleep(&self) -> bool {
        self.awake.is_going_to_sleep();
        self.mail.lock().unwrap().is_empty()
    }
}

#[test]
fn a_shard_never_sleeps_over_its_mail() {
    loom::model(|| {
        let inbox = Arc::new(Inbox {
            mail: Mutex::new(Vec::new()),
            awake: Awake::new(),
            rung: AtomicUsize::new(0),
        });
        let senders: Vec<_> = (0..2)
            .map(|letter| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || inbox.post(letter))
            })
            .collect();
        inbox.awake.is_up();
        let read = std::mem::take(&mut *inbox.mail.lock().unwrap()).len();
        let sleeps = inbox.goes_to_sleep();
        for sender in senders {
            sender.join().unwrap();
        }
        let left = inbox.mail.lock().unwrap().len();
        assert_eq!(read + left, 2);
        if sleeps && left > 0 {
            assert!(
                inbox.rung.load(Ordering::SeqCst) > 0,
                "it sleeps, and nobody rings"
            );
            assert!(!inbox.awake.is_asleep());
        }
    });
}

#[test]
fn a_sleeping_shard_is_rung_for_once() {
    loom::model(|| {
        let inbox = Arc::new(Inbox {
            mail: Mutex::new(Vec::new()),
            awake: Awake::new(),
            rung: AtomicUsize::new(0),
        });
        assert!(inbox.goes_to_sleep());
        let senders: Vec<_> = (0..2)
            .map(|letter| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || inbox.post(letter))
            })
            .collect();
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!(inbox.rung.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn no_line_is_published_unseen() {
    loom::model(|| {
        // The number of the ring's entry to come, stored and read as the ring does it.
        let (end, news) = (Arc::new(AtomicU64::new(0)), Arc::new(News::none()));
        let pump = {
            let (end, news) = (Arc::clone(&end), Arc::clone(&news));
            thread::spawn(move || {
                for entry in 1..=2 {
                    end.store(entry, Ordering::Release);
                    // As `Watches::news` does it; the shard finds out by looking at the flag again, below.
                    let _ = !news.is_known() && news.must_tell();
                }
            })
        };
        let mut seen = 0;
        for _ in 0..2 {
            news.clear();
            seen = end.load(Ordering::Acquire);
        }
        pump.join().unwrap();
        assert!(
            seen == 2 || news.clear(),
            "{seen} of 2 entries were seen, and nobody tells of more"
        );
    });
}
