//! `roost attach`: the terminal client. History, then live lines; what is typed goes to the server; Ctrl-] leaves.
//!
//! Without a terminal it is a pipe: lines of standard input are typed, the console goes to standard output.

mod editor;
mod overlap;
mod screen;
mod session;

use crate::{cli::Context, failure::Failure, output::shown};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use editor::Editor;
use overlap::Shown;
use roost_wire::event;
use screen::Screen;
use session::{Came, Session, is_final, reason, wants_fresh_token};
use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};
use tokio::{io::AsyncBufReadExt, sync::mpsc};

/// A replay is over when nothing came for this long.
const REPLAY_QUIET: Duration = Duration::from_millis(250);
/// Shortest time between two fresh tokens.
const REFRESH_PAUSE: Duration = Duration::from_secs(4);
/// Longest pause before another try.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// What the person did.
enum Typed {
    Line(String),
    Key(KeyEvent),
    Paste(String),
    Redraw,
    Leave,
}

/// Runs until the person leaves or the console ends for good.
pub async fn run(server: &str, cx: &Context) -> Result<(), Failure> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    // The first time fails loudly; only later losses are waited out.
    let session = Session::open(&cx.panel, server).await?;
    let (typed, keys) = mpsc::channel(64);
    let face = if terminal {
        std::thread::spawn(move || read_keys(&typed));
        let mut screen = Screen::open().map_err(|e| Failure::new(format!("can't take the terminal: {e}")))?;
        screen
            .note(&format!("{server}: type a line for the server. Ctrl-] leaves."))
            .map_err(lost)?;
        Face::Screen(Box::new(screen), Editor::default())
    } else {
        tokio::spawn(read_lines(typed));
        Face::Pipe
    };
    let mut client = Client {
        server: server.to_owned(),
        cx: cx.clone(),
        face,
        shown: Shown::default(),
        state: String::new(),
        refreshed: None,
        keys,
    };
    client.drive(session).await
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn lost(e: std::io::Error) -> Failure {
    Failure::new(format!("the terminal is gone: {e}"))
}

enum Face {
    Screen(Box<Screen>, Editor),
    Pipe,
}

struct Client {
    server: String,
    cx: Context,
    face: Face,
    shown: Shown,
    state: String,
    refreshed: Option<Instant>,
    keys: mpsc::Receiver<Typed>,
}

enum End {
    Left,
    Lost(Option<(u16, String)>),
}

impl Client {
    async fn drive(&mut self, mut session: Session) -> Result<(), Failure> {
        loop {
            let why = match self.watch(&mut session).await? {
                End::Left => return Ok(()),
                End::Lost(why) => why,
            };
            if is_final(why.as_ref()) {
                return Err(Failure::new(format!(
                    "the console has ended: {}",
                    reason(why.as_ref())
                )));
            }
            self.note(&format!("{}: coming back...", reason(why.as_ref())))?;
            session = match self.come_back().await? {
                Some(session) => session,
                None => return Ok(()),
            };
            self.note("back")?;
        }
    }

    /// Tries again with growing pauses; `None` if the person leaves meanwhile.
    async fn come_back(&mut self) -> Result<Option<Session>, Failure> {
        let mut pause = Duration::from_millis(500);
        loop {
            let until = tokio::time::Instant::now() + pause;
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => break,
                    typed = self.keys.recv(), if !self.keys.is_closed() => match typed {
                        None | Some(Typed::Leave) => return Ok(None),
                        Some(Typed::Key(key)) if is_leave(&key) => return Ok(None),
                        Some(_) => self.note("not connected: nothing was sent")?,
                    },
                }
            }
            match Session::open(&self.cx.panel, &self.server).await {
                Ok(session) => return Ok(Some(session)),
                Err(failure) if failure.code == 3 => {}
                Err(failure) => return Err(failure),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn watch(&mut self, session: &mut Session) -> Result<End, Failure> {
        // The first lines are the replay: what was shown before a loss is not shown again.
        let mut replay: Option<Vec<String>> = Some(Vec::new());
        let mut input_open = true;
        self.draw()?;
        loop {
            let quiet = tokio::time::sleep(REPLAY_QUIET);
            tokio::select! {
                came = session.next() => match came {
                    Came::Event(name, text) if name == event::CONSOLE_OUTPUT => match replay.as_mut() {
                        Some(lines) => {
                            lines.push(text);
                            if lines.len() >= overlap::KEPT {
                                self.show_replay(&replay.take().unwrap_or_default())?;
                            }
                        }
                        None => self.show(&text)?,
                    },
                    Came::Event(name, text) => self.event(&name, &text, session).await?,
                    Came::Ended(why) => {
                        self.show_replay(&replay.take().unwrap_or_default())?;
                        return Ok(End::Lost(why));
                    }
                },
                () = quiet, if replay.is_some() => self.show_replay(&replay.take().unwrap_or_default())?,
                typed = self.keys.recv(), if input_open => match typed {
                    None if matches!(self.face, Face::Pipe) => input_open = false,
                    None | Some(Typed::Leave) => return Ok(End::Left),
                    Some(typed) => if self.typed(typed, session).await? { return Ok(End::Left) },
                },
            }
            self.draw()?;
        }
    }

    async fn event(&mut self, name: &str, text: &str, session: &mut Session) -> Result<(), Failure> {
        match name {
            event::STATUS => {
                if self.state != text {
                    self.state = text.to_owned();
                    self.note(&format!("{} is {text}", self.server))?;
                }
                Ok(())
            }
            event::TOKEN_EXPIRING | event::TOKEN_EXPIRED => self.refresh(session).await,
            event::JWT_ERROR if wants_fresh_token(text) => self.refresh(session).await,
            event::DAEMON_MESSAGE | event::DAEMON_ERROR | event::JWT_ERROR => self.note(text),
            event::INSTALL_OUTPUT => self.show(text),
            event::INSTALL_STARTED => self.note("the installer begins"),
            event::INSTALL_COMPLETED => self.note("the installer has ended"),
            event::DELETED => self.note("the server was deleted"),
            _ => Ok(()),
        }
    }

    /// Sends a fresh token. Stock daemons say once for each line that the old one is over, so this is done now and then;
    /// what the panel says is final ends the console, because such daemons do not.
    async fn refresh(&mut self, session: &mut Session) -> Result<(), Failure> {
        if self.refreshed.is_some_and(|at| at.elapsed() < REFRESH_PAUSE) {
            return Ok(());
        }
        self.refreshed = Some(Instant::now());
        match session.refresh(&self.cx.panel, &self.server).await {
            Ok(()) => Ok(()),
            Err(failure) if matches!(failure.status, Some(401 | 403 | 404 | 409)) => Err(Failure {
                message: format!("the console has ended: {}", failure.message),
                ..failure
            }),
            Err(failure) => self.note(&format!("the console ends soon: {failure}")),
        }
    }

    /// Handles what was typed; true if the person leaves.
    async fn typed(&mut self, typed: Typed, session: &mut Session) -> Result<bool, Failure> {
        let line = match typed {
            Typed::Line(line) => Some(line),
            Typed::Leave => return Ok(true),
            Typed::Redraw => None,
            Typed::Paste(text) => {
                let Face::Screen(_, editor) = &mut self.face else {
                    return Ok(false);
                };
                text.chars().for_each(|c| editor.insert(c));
                None
            }
            Typed::Key(key) => {
                if is_leave(&key) {
                    return Ok(true);
                }
                let Face::Screen(_, editor) = &mut self.face else {
                    return Ok(false);
                };
                match press(editor, &key) {
                    Pressed::Line(line) => Some(line),
                    Pressed::Hint => {
                        self.note("Ctrl-] leaves; the server runs on.")?;
                        None
                    }
                    Pressed::Nothing => None,
                }
            }
        };
        if let Some(line) = line.filter(|l| !l.is_empty()) {
            session.send("send command", &[&line]).await?;
        }
        Ok(false)
    }

    fn show_replay(&mut self, replay: &[String]) -> Result<(), Failure> {
        let known = match self.shown.overlap(replay) {
            Some(known) => known,
            None => {
                self.note("lines may be missing here: more was printed meanwhile than the console replays")?;
                0
            }
        };
        replay.iter().skip(known).try_for_each(|line| self.show(line))
    }

    fn show(&mut self, line: &str) -> Result<(), Failure> {
        self.shown.push(line);
        match &mut self.face {
            Face::Screen(screen, _) => screen.output(line).map_err(lost),
            Face::Pipe => self.cx.out.line(&shown(line, false)),
        }
    }

    fn note(&mut self, text: &str) -> Result<(), Failure> {
        match &mut self.face {
            Face::Screen(screen, _) => screen.note(text).map_err(lost),
            Face::Pipe => self
                .cx
                .out
                .line(&format!("[roost] {}", crate::output::plain(text))),
        }
    }

    fn draw(&mut self) -> Result<(), Failure> {
        let Face::Screen(screen, editor) = &mut self.face else {
            return Ok(());
        };
        let state = if self.state.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.state)
        };
        screen.prompt(format!("{}{state}> ", self.server));
        screen.line(editor.text(), editor.at());
        screen.draw().map_err(lost)
    }
}

enum Pressed {
    Line(String),
    Hint,
    Nothing,
}

fn press(editor: &mut Editor, key: &KeyEvent) -> Pressed {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter => return Pressed::Line(editor.take()),
        KeyCode::Char('c' | 'd') if control && editor.is_empty() => return Pressed::Hint,
        KeyCode::Char('c') if control => editor.clear(),
        KeyCode::Char('u') if control => editor.kill_before(),
        KeyCode::Char('w') if control => editor.kill_word(),
        KeyCode::Char('a') if control => editor.home(),
        KeyCode::Char('e') if control => editor.end(),
        KeyCode::Char(c) if !control => editor.insert(c),
        KeyCode::Backspace => editor.backspace(),
        KeyCode::Delete => editor.delete(),
        KeyCode::Left => editor.move_by(-1),
        KeyCode::Right => editor.move_by(1),
        KeyCode::Home => editor.home(),
        KeyCode::End => editor.end(),
        KeyCode::Up => editor.older(),
        KeyCode::Down => editor.newer(),
        _ => {}
    }
    Pressed::Nothing
}

/// Ctrl-] reaches programs as Ctrl-5 from most terminals.
fn is_leave(key: &KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char(']' | '5'))
}

/// Reads the terminal on a thread of its own; it ends with the process.
fn read_keys(typed: &mpsc::Sender<Typed>) {
    loop {
        let next = match crossterm::event::read() {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Typed::Key(key),
            Ok(Event::Paste(text)) => Typed::Paste(text),
            Ok(Event::Resize(..)) => Typed::Redraw,
            Ok(_) => continue,
            Err(_) => Typed::Leave,
        };
        let leaves = matches!(next, Typed::Leave);
        if typed.blocking_send(next).is_err() || leaves {
            return;
        }
    }
}

async fn read_lines(typed: mpsc::Sender<Typed>) {
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if typed.send(Typed::Line(line)).await.is_err() {
            return;
        }
    }
}
