//! The terminal of `roost attach`: lines scroll above one prompt line, in the terminal's own scrollback. Raw mode is
//! undone when the screen is dropped, and by a panic.

use super::session::Line;
use crate::output::{plain, shown};
use crossterm::{cursor, queue, style, terminal};
use std::io::{Stdout, Write};

/// A terminal in raw mode.
pub struct Screen {
    out: Stdout,
    prompt: String,
    line: (String, usize),
    /// A line of the server's that is not ended yet: it stands above the prompt and is drawn again with its rest.
    open: String,
    /// It stands there now.
    is_open_drawn: bool,
}

impl Screen {
    /// Takes the terminal.
    pub fn open() -> std::io::Result<Self> {
        terminal::enable_raw_mode()?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let _ = terminal::disable_raw_mode();
            before(info);
        }));
        Ok(Self {
            out: std::io::stdout(),
            prompt: String::new(),
            line: (String::new(), 0),
            open: String::new(),
            is_open_drawn: false,
        })
    }

    /// A line of the server's, or a part of one.
    pub fn output(&mut self, line: &Line) -> std::io::Result<()> {
        let text = if line.continued {
            std::mem::take(&mut self.open) + &line.text
        } else {
            self.settle()?;
            line.text.clone()
        };
        // One that is wider than the terminal can't be taken back.
        if line.open && columns_of(&text) < columns()? {
            self.open = text;
            return Ok(());
        }
        self.above(&shown(&text, true))
    }

    /// A command that somebody typed.
    pub fn typed(&mut self, user: &str, text: &str) -> std::io::Result<()> {
        self.settle()?;
        self.above(&format!("\x1b[2m{}> {}\x1b[0m", plain(user), plain(text)))
    }

    /// What is not ended stays as it is: something else follows.
    fn settle(&mut self) -> std::io::Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.open);
        self.above(&shown(&text, true))
    }

    /// A word of Roost's own, told apart from what a server can print by its place and inverse colour.
    pub fn note(&mut self, text: &str) -> std::io::Result<()> {
        self.settle()?;
        self.above(&format!("\x1b[7m roost \x1b[0m {}", plain(text)))
    }

    fn above(&mut self, line: &str) -> std::io::Result<()> {
        self.erase()?;
        queue!(self.out, style::Print(line), style::Print("\r\n"))
    }

    /// Takes prompt and open line away.
    fn erase(&mut self) -> std::io::Result<()> {
        queue!(self.out, cursor::MoveToColumn(0))?;
        if std::mem::take(&mut self.is_open_drawn) {
            queue!(self.out, cursor::MoveUp(1))?;
        }
        queue!(self.out, terminal::Clear(terminal::ClearType::FromCursorDown))
    }

    /// What stands in front of the typed line.
    pub fn prompt(&mut self, text: String) {
        self.prompt = text;
    }

    /// The typed line and the cursor's place in it, in characters.
    pub fn line(&mut self, text: String, at: usize) {
        self.line = (text, at);
    }

    /// Draws the prompt line and sends everything to the terminal. A line longer than the terminal shows the part
    /// around its cursor.
    pub fn draw(&mut self) -> std::io::Result<()> {
        let columns = columns()?.max(20);
        self.erase()?;
        if !self.open.is_empty() {
            queue!(
                self.out,
                style::Print(shown(&self.open, true)),
                style::Print("\r\n")
            )?;
            self.is_open_drawn = true;
        }
        let prompt = plain(&self.prompt);
        let room = columns.saturating_sub(prompt.chars().count() + 1).max(10);
        let (text, at) = (&self.line.0, self.line.1);
        let from = at.saturating_sub(room.saturating_sub(1));
        let part: String = text.chars().skip(from).take(room).collect();
        let column = u16::try_from(prompt.chars().count() + at - from).unwrap_or(u16::MAX);
        queue!(
            self.out,
            style::SetAttribute(style::Attribute::Bold),
            style::Print(&prompt),
            style::SetAttribute(style::Attribute::Reset),
            style::Print(part),
            cursor::MoveToColumn(column)
        )?;
        self.out.flush()
    }
}

/// How many columns a text takes at most.
fn columns_of(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

fn columns() -> std::io::Result<usize> {
    Ok(usize::from(terminal::size()?.0))
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = queue!(
            self.out,
            cursor::MoveToColumn(0),
            terminal::Clear(terminal::ClearType::CurrentLine)
        );
        let _ = self.out.flush();
        let _ = terminal::disable_raw_mode();
    }
}
