//! Who is in the lobby, and telling them things. A player who does not read is not waited for.

use std::collections::BTreeMap;
use tokio::sync::{Mutex, mpsc};

/// The players, by name.
#[derive(Debug, Default)]
pub struct Players(Mutex<BTreeMap<String, mpsc::Sender<String>>>);

impl Players {
    /// Adds a player. `None` if the name is taken or no name (1 to 16 letters, digits, `_`, `-`).
    pub async fn join(&self, name: &str, to: mpsc::Sender<String>) -> Option<String> {
        let fits = (1..=16).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let mut players = self.0.lock().await;
        if !fits || players.contains_key(name) {
            return None;
        }
        players.insert(name.to_owned(), to);
        Some(name.to_owned())
    }

    /// Whether the player was still there.
    pub async fn leave(&self, name: &str) -> bool {
        self.0.lock().await.remove(name).is_some()
    }

    /// Tells a player why, and lets go of it. False if nobody has that name.
    pub async fn kick(&self, name: &str, reason: &str) -> bool {
        let Some(player) = self.0.lock().await.remove(name) else {
            return false;
        };
        let _ = player.try_send(format!("* You were kicked: {reason}"));
        true
    }

    /// Names, sorted.
    pub async fn names(&self) -> Vec<String> {
        self.0.lock().await.keys().cloned().collect()
    }

    /// To everybody; one whose 64 lines are full misses it.
    pub async fn tell_all(&self, text: &str) {
        for player in self.0.lock().await.values() {
            let _ = player.try_send(text.to_owned());
        }
    }
}

/// Without control characters.
pub fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_are_unique_and_kicks_are_told() {
        let players = Players::default();
        let (to, mut from) = mpsc::channel(4);
        assert_eq!(players.join("ada", to.clone()).await.as_deref(), Some("ada"));
        assert_eq!(players.join("ada", to.clone()).await, None);
        assert_eq!(players.join("a b", to).await, None);
        assert!(players.kick("ada", "testing").await && !players.kick("ada", "again").await);
        assert!(from.recv().await.unwrap().contains("testing"));
        assert_eq!(from.recv().await, None);
    }
}
