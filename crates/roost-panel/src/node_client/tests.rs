use super::stub::{Answer, StubNode, detail};
use super::*;
use roost_wire::power::PowerState;
use serde_json::json;
use std::time::Instant;

const SERVER: Uuid = Uuid::from_u128(0x5e);

async fn reason_of(node: &StubNode) -> String {
    timed_reason_of(node).await.0
}

/// The same, and how long the caller waited for it. Setting up a client reads the machine's certificates and is no part
/// of it.
async fn timed_reason_of(node: &StubNode) -> (String, Duration) {
    let client = NodeClient::new().unwrap();
    let began = Instant::now();
    let error = client.server(&node.target(), SERVER).await.unwrap_err();
    (error.to_string(), began.elapsed())
}

#[tokio::test]
async fn a_server_is_asked_for_with_the_secret_alone() {
    let node = StubNode::start().await;
    let client = NodeClient::new().unwrap();
    let found = client.server(&node.target(), SERVER).await.unwrap();
    assert_eq!(
        (found.state, found.utilization.memory_bytes),
        (PowerState::Running, 1_048_576)
    );
    let seen = node.take_seen();
    assert_eq!(seen[0].path, format!("/api/servers/{SERVER}"));
    assert_eq!(
        seen[0].headers["authorization"],
        format!("Bearer {}", stub::SECRET)
    );
}

#[tokio::test]
async fn many_callers_make_one_request() {
    let node = StubNode::start().await;
    let client = NodeClient::new().unwrap();
    let target = node.target();
    let all = futures_util::future::join_all((0..200).map(|_| client.server(&target, SERVER))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(node.take_seen().len(), 1);
    client.power(&target, SERVER, PowerAction::Stop).await.unwrap();
    client.server(&target, SERVER).await.unwrap();
    assert_eq!(
        node.take_seen().len(),
        2,
        "after a power action the node is asked again"
    );
}

#[tokio::test]
async fn another_daemon_is_told_to_wait_for_the_action_before() {
    let node = StubNode::start().await;
    let client = NodeClient::new().unwrap();
    let target = node.target();
    let asked = async || {
        client.power(&target, SERVER, PowerAction::Start).await.unwrap();
        node.take_seen().pop().unwrap().body
    };
    assert_eq!(
        asked().await,
        json!({"action": "start"}),
        "nothing is known of it yet"
    );
    client.server(&target, SERVER).await.unwrap();
    assert_eq!(asked().await, json!({"action": "start", "wait_seconds": 30}));
    client.system(&target).await.unwrap();
    assert_eq!(asked().await, json!({"action": "start"}), "it is Roost's");
}

#[tokio::test]
async fn an_unknown_server_is_an_answer_and_not_a_failure() {
    let node = StubNode::start().await;
    node.answers(|_| {
        Answer::json(
            404,
            &json!({"error": "The requested resource does not exist on this instance", "request_id": "x"}),
        )
    });
    assert_eq!(
        reason_of(&node).await,
        "404: The requested resource does not exist on this instance"
    );
}

#[tokio::test]
async fn each_failure_has_a_reason_of_the_list() {
    let node = StubNode::start().await;
    node.answers(|_| Answer::text(200, "application/json", "{\"state\":"));
    assert_eq!(
        reason_of(&node).await,
        "The node gave an answer that Roost does not understand"
    );
    node.answers(|_| Answer::text(200, "application/json", "x".repeat(BODY_MAX + 1)));
    assert_eq!(
        reason_of(&node).await,
        "The node gave an answer that Roost does not understand"
    );
    node.answers(|_| Answer::empty(302).header("location", "http://169.254.169.254/"));
    assert_eq!(
        reason_of(&node).await,
        "The node answered with a redirect, which Roost does not follow"
    );
    node.answers(|_| Answer::json(403, &json!({"error": "no"})));
    assert_eq!(reason_of(&node).await, "The node refused the panel's token");
    node.answers(|_| Answer::json(500, &json!({"error": "boom"})));
    assert_eq!(reason_of(&node).await, "The node reported an error of its own");
}

#[tokio::test]
async fn a_node_that_is_away_is_told_apart() {
    let client = NodeClient::new().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let at = |base: String| NodeTarget {
        node: Uuid::from_u128(3),
        base: base.into(),
        secret: "s".into(),
    };
    let why = async |target: NodeTarget, server: u128| {
        let error = client.server(&target, Uuid::from_u128(server)).await.unwrap_err();
        assert!(
            error.detail().len() > error.to_string().len(),
            "{}",
            error.detail()
        );
        error.to_string()
    };
    assert_eq!(why(at(format!("http://{free}")), 1).await, "Connection refused");
    assert_eq!(
        why(at("http://nowhere.invalid".into()), 2).await,
        "Name could not be resolved"
    );
    let plain = StubNode::start().await;
    assert_eq!(
        why(at(format!("https://{}", plain.address)), 3).await,
        "The node does not speak TLS at its address"
    );
}

#[tokio::test]
async fn a_hanging_node_costs_two_seconds_at_most() {
    let node = StubNode::start().await;
    node.answers(|_| Answer::Hang);
    let (reason, waited) = timed_reason_of(&node).await;
    assert_eq!(reason, "Connection timed out");
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

#[tokio::test]
async fn a_node_that_never_ends_its_answer_costs_no_more() {
    let node = StubNode::start().await;
    node.answers(|_| {
        let drip = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((
                Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(b" ")),
                (),
            ))
        });
        Answer::text(200, "application/json", axum::body::Body::from_stream(drip))
    });
    let (reason, waited) = timed_reason_of(&node).await;
    assert_eq!(reason, "Connection timed out");
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

#[tokio::test]
async fn a_command_tells_its_place_in_the_journal() {
    let node = StubNode::start().await;
    let client = NodeClient::new().unwrap();
    let place = client
        .commands(&node.target(), SERVER, vec!["say hi".into()])
        .await
        .unwrap();
    assert_eq!(
        place,
        CommandPlace {
            stream: Some(Uuid::from_u128(9)),
            seq: Some(41)
        }
    );
    assert_eq!(node.take_seen()[0].body, json!({"commands": ["say hi"]}));
    node.answers(|_| {
        Answer::json(
            502,
            &json!({"error": "Cannot send commands to a stopped server instance."}),
        )
    });
    let refused = client
        .commands(&node.target(), SERVER, vec!["x".into()])
        .await
        .unwrap_err();
    assert!(matches!(refused, NodeError::Declined { status: 502, .. }));
}

#[tokio::test]
async fn a_page_too_large_is_asked_for_with_fewer_lines() {
    let node = StubNode::start().await;
    node.answers(|seen| {
        let lines: usize = seen
            .path
            .split("lines=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let line =
            |seq: usize| json!({"seq": seq, "time": "t", "source": "output", "text": "x".repeat(60_000)});
        let data: Vec<_> = (1..=lines.min(400)).map(line).collect();
        Answer::json(
            200,
            &json!({"stream": Uuid::from_u128(9), "next": data.len(), "gap": null, "data": data}),
        )
    });
    let client = NodeClient::new().unwrap();
    let query = JournalQuery {
        after: Some(0),
        lines: Some(1000),
        ..JournalQuery::default()
    };
    let page = client.journal(&node.target(), SERVER, &query).await.unwrap();
    assert_eq!((page.data.len(), page.next), (125, 125));
}

#[tokio::test]
async fn a_secret_is_never_printed() {
    let node = StubNode::start().await;
    assert!(!format!("{:?}", node.target()).contains(stub::SECRET));
    let _ = detail("offline");
}
