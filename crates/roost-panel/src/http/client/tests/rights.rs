//! The rights of a token are the rights over HTTP, for every role and for grants of any kind.

use crate::{
    node_client::stub::{Answer, Seen, obedient},
    testing::{World, on_both_databases, scene::Scene},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use roost_wire::permission::{PermissionSet, WEBSOCKET_CONNECT, grantable};
use serde_json::{Value, json};
use uuid::Uuid;

fn node(seen: &Seen) -> Answer {
    if seen.path.contains("/journal") {
        return Answer::json(
            200,
            &json!({"stream": Uuid::nil(), "next": 0, "gap": null, "data": []}),
        );
    }
    obedient(seen)
}

/// What `who` is let do over HTTP must be what `rights` allow.
async fn probe(world: &World, scene: &Scene<'_>, who: &str, rights: &PermissionSet) {
    let power = |signal: &str| (Method::POST, "power", json!({"signal": signal}));
    for (name, (method, path, body)) in [
        ("control.start", power("start")),
        ("control.stop", power("stop")),
        ("control.stop", power("kill")),
        ("control.restart", power("restart")),
        (
            "control.console",
            (Method::POST, "command", json!({"command": "list"})),
        ),
        ("websocket.connect", (Method::GET, "logs", Value::Null)),
        ("websocket.connect", (Method::GET, "websocket", Value::Null)),
        ("user.read", (Method::GET, "users", Value::Null)),
        ("activity.read", (Method::GET, "activity", Value::Null)),
    ] {
        let call = world.call(method, &format!("/api/client/servers/lobby/{path}"));
        let answer = call.bearer(scene.key(who)).json(&body).send().await;
        assert_eq!(
            answer.status != 403,
            rights.allows(name),
            "{who} {path} {body} {rights:?}"
        );
        assert!(answer.status.is_success() || answer.status == 403, "{answer:?}");
    }
}

/// The rights as the server's page tells them and as the token carries them.
async fn rights(scene: &Scene<'_>, who: &str) -> PermissionSet {
    let shown = scene.get(who, "/api/client/servers/lobby").send().await.body;
    let told: PermissionSet = serde_json::from_value(shown["meta"]["user_permissions"].clone()).unwrap();
    let answer = scene.get(who, "/api/client/servers/lobby/websocket").send().await;
    assert_eq!(answer.status == 200, told.allows(WEBSOCKET_CONNECT));
    if answer.status == 200 {
        let payload = answer.body["token"].as_str().unwrap().split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let carried: PermissionSet = serde_json::from_value(claims["permissions"].clone()).unwrap();
        assert_eq!(carried, told);
    }
    told
}

on_both_databases! {
    async fn token_rights_are_rest_rights(world: &World) {
        let scene = Scene::new(world).await;
        scene.node.answers(node);
        for who in ["root", "olive"] {
            let told = rights(&scene, who).await;
            probe(world, &scene, who, &told).await;
        }
        let all = grantable();
        // A walk through the subsets: each name is in about a third of them, none of them is like another.
        for round in 0_usize..12 {
            let picked = |at: usize| at == round || (((at + 1) * (2 * round + 1) * 0x9e37_79b9) >> 13).is_multiple_of(3);
            let names: Vec<&str> = all.iter().enumerate().filter(|(at, _)| picked(*at)).map(|(_, n)| n.as_str()).collect();
            scene.grant_sam(&names).await;
            let told = rights(&scene, "sam").await;
            assert_eq!(told, names.iter().copied().collect());
            probe(world, &scene, "sam", &told).await;
        }
        assert_eq!(scene.get("eve", "/api/client/servers/lobby").send().await.status, 404);
    }
}
