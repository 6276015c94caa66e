//! A console client that writes and reads frames by hand, so that it can also write bad ones.

use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(10);
const MASK: [u8; 4] = [1, 2, 3, 4];

/// What a client sees.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    Event(String, Vec<String>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// The connection has ended.
    End,
}

pub(super) fn seen(name: &str, args: &[&str]) -> Seen {
    Seen::Event(
        name.to_owned(),
        args.iter().map(|arg| (*arg).to_owned()).collect(),
    )
}

pub(super) fn closed(code: u16, reason: &str) -> Seen {
    Seen::Close(Some((code, reason.to_owned())))
}

/// `S` is a TCP stream, or one with TLS on it.
pub(super) struct Client<S = TcpStream> {
    pub(super) stream: S,
    buffer: Vec<u8>,
    /// How much of the buffer was read.
    done: usize,
}

impl Client<TcpStream> {
    pub(super) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::new(stream)
    }

    /// Whether something has come that was not read yet.
    pub(super) fn has_bytes(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let result = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        self.done < self.buffer.len() || result.is_ok()
    }

    /// Whether nothing comes within this time.
    pub(super) fn is_silent_for(&mut self, time: Duration) -> bool {
        if self.done < self.buffer.len() {
            return false;
        }
        self.stream.set_read_timeout(Some(time)).unwrap();
        let result = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        result.is_err()
    }
}

impl<S: Read + Write> Client<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            done: 0,
        }
    }

    pub(super) fn send(&mut self, event: &str, args: &[&str]) {
        self.send_text(&json!({"event": event, "args": args}).to_string());
    }

    pub(super) fn send_text(&mut self, text: &str) {
        self.send_frame(0x81, text.as_bytes());
    }

    pub(super) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.stream.write_all(&frame(first, payload)).unwrap();
    }

    /// The next thing that comes.
    pub(super) fn next(&mut self) -> Seen {
        let (opcode, payload) = match self.next_frame() {
            Some(frame) => frame,
            None => return Seen::End,
        };
        match opcode {
            0x1 => {
                let event: Value = serde_json::from_slice(&payload).unwrap();
                let args = event
                    .get("args")
                    .map(|args| args.as_array().unwrap().clone())
                    .unwrap_or_default();
                let args = args.iter().map(|arg| arg.as_str().unwrap().to_owned()).collect();
                Seen::Event(event["event"].as_str().unwrap().to_owned(), args)
            }
            0x8 if payload.len() >= 2 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                Seen::Close(Some((code, String::from_utf8(payload[2..].to_vec()).unwrap())))
            }
            0x8 => Seen::Close(None),
            0xA => Seen::Pong(payload),
            other => panic!("a frame of opcode {other:#x}"),
        }
    }

    /// The next event of `roost.v1`, with its arguments.
    #[track_caller]
    pub(super) fn next_v1(&mut self) -> (String, Vec<Value>) {
        let (opcode, payload) = self.next_frame().expect("the connection has ended");
        assert_eq!(opcode, 0x1, "{payload:?}");
        let mut event: Value = serde_json::from_slice(&payload).unwrap();
        let args = match event["args"].take() {
            Value::Array(args) => args,
            _ => Vec::new(),
        };
        (event["event"].as_str().unwrap().to_owned(), args)
    }

    /// The next frame that is no text: its opcode and payload.
    #[track_caller]
    pub(super) fn next_control(&mut self) -> (u8, Vec<u8>) {
        loop {
            let (opcode, payload) = self.next_frame().expect("the connection has ended");
            if opcode != 0x1 {
                return (opcode, payload);
            }
        }
    }

    /// The next event of this name of `roost.v1`; others are skipped.
    #[track_caller]
    pub(super) fn until_v1(&mut self, name: &str) -> Vec<Value> {
        loop {
            let (event, args) = self.next_v1();
            if event == name {
                return args;
            }
        }
    }

    pub(super) fn ask(&mut self, event: &str, args: &Value) {
        self.send_text(&json!({"event": event, "args": args}).to_string());
    }

    /// What comes next must be these.
    #[track_caller]
    pub(super) fn expect(&mut self, expected: &[Seen]) {
        for one in expected {
            assert_eq!(self.next(), *one);
        }
    }

    /// The next event of this name; others are skipped.
    #[track_caller]
    pub(super) fn until(&mut self, name: &str) -> Vec<String> {
        loop {
            match self.next() {
                Seen::Event(event, args) if event == name => return args,
                Seen::Event(..) => {}
                other => panic!("{other:?} came instead of `{name}`"),
            }
        }
    }

    /// Answers of the node until its close.
    #[track_caller]
    pub(super) fn until_close(&mut self) -> (u16, String) {
        loop {
            match self.next() {
                Seen::Close(Some(close)) => return close,
                Seen::End => panic!("the connection ended without a close"),
                _ => {}
            }
        }
    }

    /// The next so many console lines; other events are skipped.
    #[track_caller]
    pub(super) fn lines(&mut self, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| self.until("console output").remove(0))
            .collect()
    }

    /// The next frame: its opcode and payload.
    pub(super) fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let bytes = &self.buffer[self.done..];
            if let Some((header, len)) = header(bytes)
                && bytes.len() >= header + len
            {
                let first = bytes[0];
                assert_eq!(first & 0xF0, 0x80, "whole, not compressed");
                let payload = bytes[header..header + len].to_vec();
                self.done += header + len;
                return Some((first & 0x0F, payload));
            }
            self.buffer.drain(..self.done);
            self.done = 0;
            let mut room = [0; 64 << 10];
            match self.stream.read(&mut room) {
                Ok(0) => return None,
                Ok(n) => self.buffer.extend_from_slice(&room[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(e) => panic!("nothing came: {e}"),
            }
        }
    }
}

pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    if payload.len() < 126 {
        out.push(0x80 | payload.len() as u8);
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        if payload.len() < 65_536 {
            out.truncate(1);
            out.push(0x80 | 126);
            out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().enumerate().map(|(i, b)| b ^ MASK[i & 3]));
    out
}

fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        126 => Some((
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())),
        )),
        127 => Some((
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize,
        )),
        len => Some((2, usize::from(len))),
    }
}

/// Waits until `done`, or says what it waited for in vain.
#[track_caller]
pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
