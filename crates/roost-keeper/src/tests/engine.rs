//! Attaching to a container, against an engine's socket that speaks the two lines of HTTP that it must.
//!
//! The real engine is tried where the Docker runtime is tested; here stand the ways in which one can answer.

use super::bed::Bed;
use crate::{
    protocol::NodeFrame,
    spec::{Answer, Attach, Kind},
};
use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
};

/// Takes one request and answers with `answer`; returns the request and the stream.
fn serve(socket: &Path, answer: &'static [u8]) -> std::thread::JoinHandle<(String, UnixStream)> {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(answer).unwrap();
        (String::from_utf8(request).unwrap(), stream)
    })
}

fn bed(socket: &Path) -> Bed {
    Bed::of(Kind::Attach(Attach {
        socket: socket.to_owned(),
        container: "abc123".to_owned(),
        api: "/v1.41".to_owned(),
    }))
}

#[test]
fn an_attached_stream_is_kept_and_its_end_has_no_code() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("engine.sock");
    let engine = serve(
        &socket,
        b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n\
          Upgrade: tcp\r\n\r\nfirst ",
    );
    let bed = bed(&socket).start();
    let (request, mut container) = engine.join().unwrap();
    assert!(
        request.starts_with(
            "POST /v1.41/containers/abc123/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n"
        ),
        "{request}"
    );
    container.write_all(b"words\r\n").unwrap();
    let mut node = bed.node(0);
    assert_eq!(node.hello.unwrap().0, 0);
    node.until_text("first words\r\n");
    assert_eq!(node.type_line(1, "say hi"), "");
    let mut typed = [0; 7];
    container.read_exact(&mut typed).unwrap();
    assert_eq!(&typed, b"say hi\n");
    drop(container);
    let end = node.until_end();
    assert_eq!((end.code, end.signal), (None, None));
    node.release();
}

#[test]
fn a_refusal_of_the_engine_is_told_in_its_words() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("engine.sock");
    let engine = serve(
        &socket,
        b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 42\r\n\r\n\
          {\"message\":\"No such container: abc123\"}\n",
    );
    let answer = bed(&socket).try_start();
    assert_eq!(
        answer,
        Answer::Error(
            "The engine refused to attach to the container (status 404): No such container: abc123"
                .to_owned()
        )
    );
    drop(engine);
}

/// As an engine answers where a stream was asked for.
#[test]
fn a_refusal_in_plain_words_is_told_too() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("engine.sock");
    let recorded = include_bytes!("../../fuzz/answer/refused");
    let engine = serve(&socket, recorded);
    let answer = bed(&socket).try_start();
    assert_eq!(
        answer,
        Answer::Error(
            "The engine refused to attach to the container (status 404): No such container: nothing"
                .to_owned()
        )
    );
    drop(engine);
}

#[test]
fn an_engine_that_is_not_there_is_named() {
    let Answer::Error(said) = bed(Path::new("/no/such/engine.sock")).try_start() else {
        panic!("attached to nothing");
    };
    assert!(
        said.contains("/no/such/engine.sock") && said.contains("start it"),
        "{said}"
    );
}

#[test]
fn a_stream_is_let_go_of_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("engine.sock");
    let engine = serve(&socket, b"HTTP/1.1 200 OK\r\n\r\n");
    let bed = bed(&socket).start();
    let mut node = bed.node(0);
    node.send(NodeFrame::Release);
    node.until("it leaves", |node| node.closed);
    let (_, mut container) = engine.join().unwrap();
    assert_eq!(container.read(&mut [0]).unwrap(), 0);
}
