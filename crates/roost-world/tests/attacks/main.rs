//! Bad input: each a clear answer, the process alive, others undisturbed.
//!
//! Rows are those of a list of attacks that were published for systems like this one. Where each is tested:
//!
//! | Row | Attack | Here | Beside the code |
//! |---|---|---|---|
//! | 1 | sockets that never authenticate | `row_1_*` | `socket/limits.rs`, `socket/tests/rules.rs` |
//! | 2 | one user takes all sockets | `row_2_*` | `a_reserve_is_kept_for_owners` |
//! | 3 | floods, huge and broken frames, endless fragments, compressed bombs | `row_3_*` | `socket/tests/requests.rs`, `fuzz_frames` |
//! | 4 | a viewer that does not read | `row_4_*`, `stories.rs` | `socket/tests/lines.rs` |
//! | 5 | console spam | `row_5_*` | `split/tests.rs`, `fuzz_splitter` |
//! | 6 | tokens of another kind, key, server, time | `row_6_*` | `token.rs`, `fuzz_tokens`, `fuzz_claims` |
//! | 8 | access that was taken away | `access.rs` | `deny.rs`, `revocation/tests.rs` |
//! | 9 | reading on after expiry, changing the user | `row_9_*` | `socket/tests/rules.rs` |
//! | 10 | pages of foreign origin | `row_10_*` | `origin.rs` |
//! | 12 | one command that is two | `row_12_*` | `roost-wire/src/id.rs`, `requests.rs` |
//! | 13 | hostile output | `row_13_*` | `ansi.rs`, `web/src/lib/terminal/*.test.ts` |
//! | 18 | unknown or foreign servers | `row_18_*`, `access.rs` | |
//! | 20 | files at rest | `row_20_*`, `cli/rest.rs: files_are_private` | `files_are_the_owners_own_and_links_are_not_followed` |
//! | 21 | secrets in logs | `row_21_*` | `the_token_leaves_the_address_before_anything_logs_it` |
//! | 24 | a server that takes the machine | `docker/container.rs` | `runtime/cgroup/tests.rs`, `keeper/src/tests/ends.rs`, retention in `writer/tests` |
//!
//! "A panic ends one socket only" needs a panic to be made: `socket/tests/ends.rs: a_panic_ends_one_socket_only`.

mod floods;
mod limits;
mod output;
mod rest;

use anyhow::{Context, ensure};
use roost_wire::{
    clock::{Clock, SystemClock},
    permission::PermissionSet,
    token::{Claims, Grant},
};
use roost_world::{Roost, Viewer, http::Person, viewer::Seen};
use tokio_tungstenite::tungstenite::Message;

pub(crate) type Told = anyhow::Result<()>;

pub(crate) struct Scene {
    pub(crate) roost: Roost,
    pub(crate) admin: Person,
    pub(crate) socket: String,
    /// Somebody who watches meanwhile.
    pub(crate) bystander: Viewer,
}

pub(crate) async fn scene() -> anyhow::Result<Scene> {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "target",
        "--command",
        &roost.chatter("--done up"),
        "--start",
    ])?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let socket = admin.credentials("target").await?.1;
    let bystander = Viewer::join(&admin, "target").await?;
    Ok(Scene {
        roost,
        admin,
        socket,
        bystander,
    })
}

impl Scene {
    pub(crate) async fn still_fine(mut self) -> Told {
        self.bystander.send("send command", &["say undisturbed"]).await?;
        self.bystander.line(|l| l == "said undisturbed").await?;
        Viewer::join(&self.admin, "target").await?;
        ensure!(
            !self.roost.log().contains("panicked"),
            "a panic:\n{}",
            self.roost.log()
        );
        Ok(())
    }

    pub(crate) fn claims(&self) -> anyhow::Result<(Claims, String)> {
        let server = self.roost.json(&["server", "show", "target"])?["uuid"]
            .as_str()
            .context("uuid")?
            .parse()?;
        let secret = self.roost.json(&["node", "show", "local", "--reveal-token"])?["token"]
            .as_str()
            .context("token")?
            .to_owned();
        let grant = Grant {
            server,
            user: uuid::Uuid::from_u128(7),
            user_name: "forger",
            permissions: PermissionSet::owner(),
            credential: "none",
            history_from: None,
            issuer: "x",
            audience: "x",
            unique_id: "0123456789abcdef".to_owned(),
        };
        Ok((Claims::new(grant, SystemClock.now()), secret))
    }
}

#[tokio::test]
async fn row_6_tokens_of_every_wrong_kind_are_refused_with_their_reason() -> Told {
    let scene = scene().await?;
    let (good, secret) = scene.claims()?;
    let changed = |change: &dyn Fn(&mut Claims)| -> anyhow::Result<String> {
        let mut claims = good.clone();
        change(&mut claims);
        Ok(claims.sign(&secret)?)
    };
    let cases = [
        (
            "expired",
            changed(&|c| (c.iat, c.exp) = (c.iat - 1000, c.iat - 100))?,
            "exp claim is invalid",
        ),
        (
            "of another server",
            changed(&|c| c.server_uuid = uuid::Uuid::from_u128(9))?,
            "server uuid mismatch",
        ),
        (
            "for uploads",
            changed(&|c| c.scope = "file-upload".into())?,
            "missing connect permission",
        ),
        (
            "without rights",
            changed(&|c| c.permissions = PermissionSet::default())?,
            "missing connect permission",
        ),
        (
            "from the future",
            changed(&|c| (c.iat, c.nbf) = (c.iat + 60, c.iat + 60))?,
            "in the future",
        ),
        (
            "of another key",
            good.sign("0123456789abcdef0123456789abcdef")?,
            "signature",
        ),
        (
            "unsigned",
            "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30.".to_owned(),
            "jwt:",
        ),
        ("of no kind", "x".repeat(5000), "jwt:"),
    ];
    for (kind, token, reason) in cases {
        let mut viewer = Viewer::open(&scene.socket).await?;
        viewer.send("auth", &[&token]).await?;
        let Seen::Event(name, args) = viewer.next().await? else {
            anyhow::bail!("a token {kind}: closed without a word")
        };
        ensure!(
            name == "jwt error" && args[0].contains(reason),
            "a token {kind}: {name} {args:?}"
        );
    }
    // The scene's own forgery opens: the node believes what its secret signed.
    let mut viewer = Viewer::open(&scene.socket).await?;
    viewer.send("auth", &[&good.sign(&secret)?]).await?;
    assert_eq!(viewer.next().await?, Seen::Event("auth success".into(), vec![]));
    scene.still_fine().await
}

#[tokio::test]
async fn row_3_huge_broken_and_binary_frames_end_only_their_sender() -> Told {
    let scene = scene().await?;
    let mut huge = Viewer::join(&scene.admin, "target").await?;
    huge.send_text("x".repeat(40_000)).await?;
    assert_eq!(huge.end().await?.map(|(code, _)| code), Some(1009));

    let mut binary = Viewer::join(&scene.admin, "target").await?;
    binary.send_message(Message::binary(vec![0xff; 10])).await?;
    let mut malformed = Viewer::join(&scene.admin, "target").await?;
    for text in [
        "{",
        "[]",
        "null",
        r#"{"event":1}"#,
        r#"{"event":"send command","args":{"a":1}}"#,
    ] {
        malformed.send_text(text.to_owned()).await?;
    }
    malformed.send("send command", &["say still"]).await?;
    malformed.line(|l| l == "said still").await?;
    scene.still_fine().await
}

#[tokio::test]
async fn row_3_raw_frames_that_break_the_protocol_are_closed_with_a_code() -> Told {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let scene = scene().await?;
    let path = scene
        .socket
        .split_once("/api")
        .map(|(_, rest)| format!("/api{rest}"))
        .context("path")?;
    let cases: [(&str, &[u8], u16); 4] = [
        ("an unmasked frame", &[0x81, 2, b'h', b'i'], 1002),
        ("a reserved bit", &[0xC1, 0x80, 0, 0, 0, 0], 1002),
        (
            "text that is not UTF-8",
            &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe],
            1007,
        ),
        (
            "a length past all bounds",
            &[
                0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
            ],
            1009,
        ),
    ];
    for (what, frame, code) in cases {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", scene.roost.port())).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            scene.roost.port()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 1024];
        let n = stream.read(&mut head).await?;
        ensure!(
            head[..n].starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&head[..n])
        );
        stream.write_all(frame).await?;
        let mut rest = Vec::new();
        tokio::time::timeout(std::time::Duration::from_secs(12), stream.read_to_end(&mut rest))
            .await
            .with_context(|| what.to_owned())??;
        let close = rest
            .windows(4)
            .find(|w| w[0] == 0x88)
            .with_context(|| format!("{what}: no close frame in {rest:?}"))?;
        assert_eq!(u16::from_be_bytes([close[2], close[3]]), code, "{what}");
    }
    scene.still_fine().await
}

#[tokio::test]
async fn row_10_foreign_origins_are_refused_and_no_cookie_opens_a_socket() -> Told {
    let scene = scene().await?;
    let own = format!("http://127.0.0.1:{}", scene.roost.port());
    Viewer::open_with(&scene.socket, &[("origin", &own)]).await?;
    for origin in [
        "https://evil.example",
        "null",
        &format!("{own}.evil.example"),
        "http://127.0.0.1.evil.example",
    ] {
        let error = Viewer::open_with(&scene.socket, &[("origin", origin)])
            .await
            .err()
            .context("a foreign origin got in")?;
        ensure!(format!("{error:#}").contains("403"), "{origin}: {error:#}");
    }
    scene.roost.logs("--allow-origin")?;
    let cookie = scene.admin.credential().context("cookie")?.to_owned();
    let mut viewer = Viewer::open_with(&scene.socket, &[("cookie", &cookie)]).await?;
    viewer.send("send logs", &[]).await?;
    assert_eq!(
        viewer.next().await?,
        Seen::Event("jwt error".into(), vec!["jwt: no jwt present".into()])
    );
    scene.still_fine().await
}

#[tokio::test]
async fn row_12_one_command_never_becomes_two() -> Told {
    let scene = scene().await?;
    let mut viewer = Viewer::join(&scene.admin, "target").await?;
    for command in [
        "say a\nsay b",
        "say a\rsay b",
        "say \u{0}",
        "\u{3}",
        "say \u{1b}[A",
        &format!("say {}", "x".repeat(4200)),
    ] {
        viewer.send("send command", &[command]).await?;
        let why = viewer.wait_for("daemon message", |_| true).await?;
        ensure!(
            why.contains("control character") || why.contains("4095"),
            "{command:?}: {why}"
        );
        let answer = scene
            .admin
            .post(
                "/api/client/servers/target/command",
                &serde_json::json!({"command": command}),
            )
            .await?;
        ensure!(
            answer.status == 422,
            "{command:?} over HTTP: {} {}",
            answer.status,
            answer.text
        );
    }
    viewer
        .send("send command", &[&format!("say {}", "x".repeat(4000))])
        .await?;
    viewer.line(|l| l.len() == 4005).await?;
    scene.still_fine().await
}

#[tokio::test]
async fn row_18_unknown_servers_and_routes_are_clear_and_alike() -> Told {
    let scene = scene().await?;
    let unknown = scene.socket.replace(
        scene.socket.rsplit('/').nth(1).context("uuid")?,
        "11111111-2222-4333-8444-555555555555",
    );
    let error = Viewer::open(&unknown)
        .await
        .err()
        .context("an unknown server got in")?;
    ensure!(format!("{error:#}").contains("404"), "{error:#}");
    for (path, status) in [
        ("/api/nothing", 404),
        ("/api/client/servers/a%2f..%2fb/websocket", 400),
        ("/api/admin/nothing", 404),
    ] {
        let answer = scene.admin.get(path).await?;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert_eq!(answer.json()["status"], status, "{path}: {}", answer.text);
    }
    scene.still_fine().await
}

#[tokio::test]
async fn row_9_nothing_comes_after_expiry_and_a_socket_keeps_its_user() -> Told {
    let scene = scene().await?;
    let (mut short, secret) = scene.claims()?;
    short.exp = SystemClock.now_secs() + 2;
    let mut viewer = Viewer::open(&scene.socket).await?;
    viewer.send("auth", &[&short.sign(&secret)?]).await?;
    viewer.wait_for("token expiring", |_| true).await?;
    let mut other = scene.claims()?.0;
    other.user_uuid = uuid::Uuid::from_u128(8);
    viewer.send("auth", &[&other.sign(&secret)?]).await?;
    viewer.wait_for("jwt error", |_| true).await?;
    viewer.wait_for("token expired", |_| true).await?;
    // Lines go on for others, not for this one.
    let mut typist = Viewer::join(&scene.admin, "target").await?;
    typist.send("send command", &["say secret"]).await?;
    typist.line(|l| l == "said secret").await?;
    loop {
        match viewer.next().await? {
            Seen::Event(name, args) => ensure!(name != "console output", "a line after expiry: {args:?}"),
            Seen::Closed(why) => {
                assert_eq!(why.map(|(code, _)| code), Some(4401));
                break;
            }
        }
    }
    // Within the grace a fresh token saves the socket, and nothing is missing.
    let (mut short, secret) = scene.claims()?;
    short.exp = SystemClock.now_secs() + 2;
    let mut viewer = Viewer::open(&scene.socket).await?;
    viewer.send("auth", &[&short.sign(&secret)?]).await?;
    viewer.wait_for("token expired", |_| true).await?;
    typist.send("send command", &["say kept for later"]).await?;
    typist.line(|l| l == "said kept for later").await?;
    viewer.send("auth", &[&scene.claims()?.0.sign(&secret)?]).await?;
    viewer.line(|l| l == "said kept for later").await?;
    scene.still_fine().await
}

#[tokio::test]
async fn row_1_sockets_that_never_authenticate_are_closed() -> Told {
    let scene = scene().await?;
    let mut silent = Viewer::open(&scene.socket).await?;
    let end = silent.end().await?.context("no code")?;
    assert_eq!(end.0, 4403);
    scene.still_fine().await
}
