//! What consoles send, and what it can become on the way: a text survives each way of writing it, both readings of an
//! event agree, and no token opens anything that its signer did not grant.

use roost_wire::{
    clock::ManualClock,
    event::{self, Inbound},
    node_api::Source,
    permission::WEBSOCKET_CONNECT,
    token::{self, TokenError},
    v1::{self, Request},
};
use serde_json::Value;
use uuid::Uuid;

/// The event in a text frame that Roost wrote; null where that is no JSON.
fn event_in(frame: &[u8]) -> Value {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    serde_json::from_slice(&frame[header..]).unwrap_or_default()
}

/// Whatever the text is, as an argument or a line it comes back as it was, in both protocols.
fn survives(text: &str) {
    let json = event::json("send command", &[text]);
    assert_eq!(Inbound::parse(&json), Ok(Inbound::SendCommand(text.to_owned())));
    let command = Request::Command(text.to_owned(), None);
    assert_eq!(Request::parse(&json), Ok(Ok(command)));

    let frame = event::frame(event::CONSOLE_OUTPUT, &[text]);
    let value = event_in(&frame);
    assert_eq!(value["args"][0], *text);

    let lines: Vec<_> = text.split('\n').map(|line| (i64::MIN, line, 3)).collect();
    let mut frame = Vec::new();
    v1::push_lines(&mut frame, Source::Daemon, u64::MAX, lines.iter().copied());
    let value = event_in(&frame);
    assert_eq!(value["args"][0]["seq"], u64::MAX);
    assert_eq!(value["args"][0]["lines"], serde_json::json!(lines));
}

const WORDS: [&[u8]; 14] = [
    b"\"auth\"",
    b"\"send command\"",
    b"\"set state\"",
    b"\"send page\"",
    b"\"args\":[",
    b"null",
    b"{\"last\":",
    b"\"stream\":\"00000000-0000-0000-0000-000000000001\"",
    b"\"after\":",
    b"\\ud800",
    b"\\u0000",
    b"18446744073709551615",
    b"[[[[[[",
    b"1e999",
];

#[test]
fn fuzz_events() {
    roost_fuzz::run(env!("CARGO_MANIFEST_DIR"), "events", &WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        survives(&text);

        // As a message: what was read can be written and read again.
        let classic = Inbound::parse(&text);
        let again = match &classic {
            Ok(Inbound::Auth(token)) => Some(("auth", token.as_str())),
            Ok(Inbound::SetState(word)) => Some(("set state", word.as_str())),
            Ok(Inbound::SendCommand(line)) => Some(("send command", line.as_str())),
            Ok(Inbound::Unknown(name)) => Some((name.as_str(), "")),
            Ok(Inbound::SendLogs | Inbound::SendStats) | Err(_) => None,
        };
        if let Some((name, arg)) = again {
            assert_eq!(Inbound::parse(&event::json(name, &[arg])), classic);
        }
        let modern = Request::parse(&text);
        if classic.is_ok() {
            assert!(modern.is_ok(), "an event of one protocol is one in the other");
        }
        match &modern {
            Ok(Ok(Request::Auth(_, v1::Begin::After { most, .. }))) => {
                assert!((1..=v1::LAST_MAX).contains(most));
            }
            Ok(Ok(Request::Auth(_, v1::Begin::Last(last)))) => assert!(*last <= v1::LAST_MAX),
            Ok(Ok(Request::Page { lines, .. })) => assert!((1..=v1::PAGE_LINES.1).contains(lines)),
            _ => {}
        }
        let kind = modern.map(|read| read.map_or_else(|bad| bad.reason, |request| name_of(&request)));
        roost_fuzz::signature((
            classic.map(|event| std::mem::discriminant(&event)).ok(),
            kind.ok(),
        ))
    });
}

fn name_of(request: &Request) -> &'static str {
    match request {
        Request::Auth(_, v1::Begin::Last(_)) => "auth",
        Request::Auth(_, v1::Begin::After { .. }) => "auth that resumes",
        Request::Command(..) => "command",
        Request::State(..) => "state",
        Request::Page { .. } => "page",
        _ => "other",
    }
}

/// Of the node that the recorded tokens were made for; it was thrown away after the recording.
const SECRET: &str = "w5Ks0D6ofiUYuifzrIOPUs4Ob5LomcYNhYFaKIfEFiGs6rvyMpDXNIo4oLSAo4SW";
const SERVER: Uuid = uuid::uuid!("4d4178f9-f6e4-4229-95a5-97603f3a92dd");
/// While the recorded tokens are valid.
const NOW: i64 = 1_795_545_600;
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

fn verify(token: &str) -> Result<token::Verified, TokenError> {
    token::verify(token, &[SECRET], SERVER, &ManualClock::at(NOW * 1000))
}

#[test]
fn fuzz_tokens() {
    let home = env!("CARGO_MANIFEST_DIR");
    let recorded: Vec<String> = std::fs::read_dir(format!("{home}/fuzz/tokens"))
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
        .filter(|token| verify(token).is_ok())
        .collect();
    assert_eq!(recorded.len(), 2);
    let words = [
        HEADER.as_bytes(),
        b"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0",
        b".",
        b"=",
        b"e30",
    ];
    roost_fuzz::run(home, "tokens", &words, |input| {
        let text = String::from_utf8_lossy(input);
        let result = verify(&text);
        if result.is_ok() {
            let is_signed = recorded.iter().any(|signed| *signed == text);
            assert!(is_signed, "opens, and nobody signed it");
        }
        roost_fuzz::signature((
            result.err().map(|e| e.to_string()),
            text.split('.').count().min(5),
        ))
    });
}

#[test]
fn fuzz_claims() {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use jsonwebtoken::{Algorithm, EncodingKey, crypto};
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let words: [&[u8]; 12] = [
        b"\"exp\":",
        b"\"nbf\":",
        b"\"iat\":",
        b"\"scope\":\"file-upload\"",
        b"\"scope\":\"x websocket\"",
        b"\"permissions\":[]",
        b"\"permissions\":[\"*\"]",
        b"\"server_uuid\":\"00000000-0000-0000-0000-000000000001\"",
        b"\"issued_ms\":",
        b"-9223372036854775808",
        b"9223372036854775807",
        b"null",
    ];
    roost_fuzz::run(env!("CARGO_MANIFEST_DIR"), "claims", &words, |input| {
        let message = format!("{HEADER}.{}", BASE64_URL_SAFE_NO_PAD.encode(input));
        let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        let result = verify(&format!("{message}.{signature}"));
        if let Ok(verified) = &result {
            // Read once more, by the words of the page alone. What nobody asks for needs not even be text.
            let claims: Value = match serde_json::from_str(&String::from_utf8_lossy(input)) {
                Ok(claims) => claims,
                // Nor does a number that nobody asks for need to fit anywhere.
                Err(e) if e.to_string().starts_with("number out of range") => {
                    return roost_fuzz::signature("number");
                }
                Err(e) => panic!("opens, and is no JSON: {e}"),
            };
            let named = [&claims["server_uuid"], &claims["server"]["uuid"]];
            let is_ours = |uuid: &&Value| uuid.as_str().is_some_and(|u| Uuid::parse_str(u) == Ok(SERVER));
            assert!(named.iter().any(is_ours), "of another server");
            let time = |name: &str| claims[name].as_i64();
            let iat = time("iat").unwrap();
            assert!(time("exp").unwrap() >= NOW, "expired");
            assert!(iat <= NOW + token::LEEWAY_SECS, "of the future");
            assert!(time("nbf").is_none_or(|nbf| nbf <= NOW + token::LEEWAY_SECS));
            let scope = claims["scope"].as_str();
            assert!(scope.is_none_or(|s| s.contains(token::SCOPE_WEBSOCKET)));
            assert!(verified.permissions.allows(WEBSOCKET_CONNECT));
            assert_eq!(verified.issued_ms.div_euclid(1000), iat, "outside its second");
        }
        let told = result.map(|verified| verified.history_from.is_some());
        roost_fuzz::signature(told.map_err(|e| std::mem::discriminant(&e)))
    });
}
