//! What of a replayed history was shown already. The classic protocol numbers no lines, so a client that comes back
//! compares: the longest beginning of the replay that is also the end of what was shown.

/// Lines of the past that are compared.
pub const KEPT: usize = 600;

/// The last lines shown.
#[derive(Debug, Default)]
pub struct Shown(std::collections::VecDeque<String>);

impl Shown {
    /// Remembers a line.
    pub fn push(&mut self, line: &str) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }

    /// How many lines at the beginning of `replay` were shown already; `None` if nothing fits, so that lines may be
    /// missing between the two.
    pub fn overlap(&self, replay: &[String]) -> Option<usize> {
        if self.0.is_empty() || replay.is_empty() {
            return Some(0);
        }
        let longest = self.0.len().min(replay.len());
        (1..=longest)
            .rev()
            .find(|&n| self.0.iter().skip(self.0.len() - n).eq(&replay[..n]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn only_what_is_new_is_left() {
        let mut shown = Shown::default();
        lines("a b c b c").iter().for_each(|l| shown.push(l));
        assert_eq!(shown.overlap(&lines("b c d")), Some(2));
        assert_eq!(shown.overlap(&lines("a b c b c")), Some(5));
        assert_eq!(shown.overlap(&lines("x y")), None);
        assert_eq!(Shown::default().overlap(&lines("x")), Some(0));
    }
}
