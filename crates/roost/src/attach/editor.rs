//! The line being typed: editing and history, with no terminal in sight.

/// Lines kept in the history.
const HISTORY: usize = 200;

/// A line editor.
#[derive(Debug, Default)]
pub struct Editor {
    text: Vec<char>,
    at: usize,
    history: Vec<String>,
    /// Which line of the history is shown, and what was typed before going there.
    recalled: Option<(usize, Vec<char>)>,
}

impl Editor {
    /// What is typed so far.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Where the cursor is, in characters.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether nothing is typed.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Types one character. Control characters are not typed.
    pub fn insert(&mut self, c: char) {
        if !c.is_control() {
            self.text.insert(self.at, c);
            self.at += 1;
        }
    }

    /// Backspace.
    pub fn backspace(&mut self) {
        if self.at > 0 {
            self.at -= 1;
            self.text.remove(self.at);
        }
    }

    /// Delete.
    pub fn delete(&mut self) {
        if self.at < self.text.len() {
            self.text.remove(self.at);
        }
    }

    /// Moves by characters; stops at the ends.
    pub fn move_by(&mut self, by: isize) {
        self.at = self.at.saturating_add_signed(by).min(self.text.len());
    }

    /// To the beginning.
    pub fn home(&mut self) {
        self.at = 0;
    }

    /// To the end.
    pub fn end(&mut self) {
        self.at = self.text.len();
    }

    /// Removes everything before the cursor (Ctrl-U).
    pub fn kill_before(&mut self) {
        self.text.drain(..self.at);
        self.at = 0;
    }

    /// Removes the word before the cursor (Ctrl-W).
    pub fn kill_word(&mut self) {
        let mut from = self.at;
        while from > 0 && self.text[from - 1] == ' ' {
            from -= 1;
        }
        while from > 0 && self.text[from - 1] != ' ' {
            from -= 1;
        }
        self.text.drain(from..self.at);
        self.at = from;
    }

    /// Removes everything (Ctrl-C).
    pub fn clear(&mut self) {
        self.text.clear();
        self.at = 0;
        self.recalled = None;
    }

    /// Takes the line; it enters the history.
    pub fn take(&mut self) -> String {
        let line = self.text();
        self.clear();
        if !line.is_empty() && self.history.last() != Some(&line) {
            self.history.push(line.clone());
            if self.history.len() > HISTORY {
                self.history.remove(0);
            }
        }
        line
    }

    /// Older (Up).
    pub fn older(&mut self) {
        let next = match &self.recalled {
            None => self.history.len().checked_sub(1),
            Some((shown, _)) => shown.checked_sub(1),
        };
        if let Some(next) = next {
            let typed = self
                .recalled
                .take()
                .map_or_else(|| std::mem::take(&mut self.text), |(_, typed)| typed);
            self.show(next, typed);
        }
    }

    /// Newer (Down); behind the newest comes what was typed.
    pub fn newer(&mut self) {
        if let Some((shown, typed)) = self.recalled.take() {
            if shown + 1 < self.history.len() {
                self.show(shown + 1, typed);
            } else {
                self.text = typed;
                self.end();
            }
        }
    }

    fn show(&mut self, index: usize, typed: Vec<char>) {
        self.text = self.history[index].chars().collect();
        self.recalled = Some((index, typed));
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(editor: &mut Editor, text: &str) {
        text.chars().for_each(|c| editor.insert(c));
    }

    #[test]
    fn history_goes_back_and_returns_to_what_was_typed() {
        let mut editor = Editor::default();
        for line in ["one", "two", "two"] {
            typed(&mut editor, line);
            editor.take();
        }
        typed(&mut editor, "half");
        editor.older();
        assert_eq!(editor.text(), "two");
        editor.older();
        editor.older();
        assert_eq!(editor.text(), "one");
        editor.newer();
        editor.newer();
        assert_eq!(editor.text(), "half");
    }

    #[test]
    fn editing_works_in_the_middle_and_takes_no_control_characters() {
        let mut editor = Editor::default();
        typed(&mut editor, "say hello\x1b\n there");
        assert_eq!(editor.text(), "say hello there");
        editor.kill_word();
        assert_eq!(editor.text(), "say hello ");
        editor.move_by(-3);
        editor.backspace();
        assert_eq!(editor.text(), "say helo ");
        editor.home();
        editor.delete();
        editor.move_by(-1);
        editor.insert('S');
        assert!(editor.text().starts_with("Say"));
    }
}
