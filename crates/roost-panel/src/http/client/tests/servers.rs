//! Lists and figures in Pterodactyl's shapes.

use crate::{
    node_client::stub::{Answer, detail},
    testing::{on_both_databases, scene::Scene},
};
use serde_json::{Value, json};

on_both_databases! {
    async fn a_list_holds_what_is_ones_own_or_shared(world: &World) {
        let scene = Scene::new(world).await;
        let list = async |who: &str, query: &str| {
            let answer = scene.get(who, &format!("/api/client{query}")).header("accept", "Application/vnd.Pterodactyl.v1+JSON").send().await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.body["object"], "list");
            answer.body
        };
        let own = list("olive", "").await;
        assert_eq!(own["data"][0]["object"], "server");
        let server = &own["data"][0]["attributes"];
        assert_eq!((&server["identifier"], &server["server_owner"]), (&json!("lobby"), &json!(true)));
        assert_eq!(own["meta"]["pagination"], json!({"total": 1, "count": 1, "per_page": 50, "current_page": 1, "total_pages": 1, "links": {}}));
        assert_eq!(list("sam", "").await["data"], json!([]));
        scene.grant_sam(&["control.start"]).await;
        assert_eq!(list("sam", "").await["data"][0]["attributes"]["server_owner"], false);
        assert_eq!(list("sam", "?type=owner").await["data"], json!([]));
        assert_eq!(list("sam", "?type=admin-all").await["data"], json!([]));
        assert_eq!(list("root", "").await["data"], json!([]));
        for query in ["?type=admin", "?type=admin-all", "?type=admin-all&filter[name]=lOb", "?type=admin-all&filter%5B*%5D=lobby"] {
            assert_eq!(list("root", query).await["data"].as_array().unwrap().len(), 1, "{query}");
        }
        assert_eq!(list("olive", "?filter[name]=nothing").await["meta"]["pagination"]["total"], 0);
        assert_eq!(list("olive", "?page=2&per_page=1000").await["meta"]["pagination"]["per_page"], 100);
    }

    async fn a_server_is_shown_as_far_as_the_rights_go(world: &World) {
        let scene = Scene::new(world).await;
        let show = async |who: &str| scene.get(who, "/api/client/servers/lobby").send().await;
        let own = show("olive").await;
        assert_eq!(own.status, 200);
        assert_eq!(own.body["meta"], json!({"is_server_owner": true, "user_permissions": ["*"]}));
        let server = &own.body["attributes"];
        for name in ["server_owner", "identifier", "internal_id", "uuid", "name", "node", "is_node_under_maintenance",
                     "sftp_details", "description", "limits", "invocation", "docker_image", "egg_features",
                     "feature_limits", "status", "is_suspended", "is_installing", "is_transferring", "relationships"] {
            assert!(server.get(name).is_some(), "{name}");
        }
        assert_eq!((&server["node"], &server["sftp_details"]["ip"]), (&json!("one"), &json!("node.example.com")));
        assert_eq!((&server["limits"]["memory"], &server["invocation"]), (&json!(512), &json!("./lobby --loud")));
        let ports = &server["relationships"]["allocations"]["data"];
        assert_eq!((ports.as_array().unwrap().len(), &ports[0]["attributes"]["is_default"]), (2, &json!(true)));
        assert_eq!(server["relationships"]["variables"]["data"][0]["attributes"]["server_value"], "hi");
        scene.grant_sam(&["control.start"]).await;
        let shared = show("sam").await.body;
        assert_eq!(shared["meta"], json!({"is_server_owner": false, "user_permissions": ["control.start"]}));
        let server = &shared["attributes"];
        assert_eq!(server["invocation"], "[hidden]");
        assert_eq!(server["relationships"]["allocations"]["data"].as_array().unwrap().len(), 1);
        assert_eq!(server["relationships"]["variables"], json!({"object": "null_resource", "attributes": null}));
        assert_eq!(show("eve").await.status, 404);
        scene.suspend().await;
        assert_eq!(show("olive").await.body["attributes"]["status"], "suspended");
    }

    async fn figures_come_from_the_node_and_are_never_made_up(world: &World) {
        let scene = Scene::new(world).await;
        let path = "/api/client/servers/lobby/resources";
        scene.grant_sam(&["control.start"]).await;
        let answer = scene.get("sam", path).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["object"], "stats");
        let shown = &answer.body["attributes"];
        assert_eq!((&shown["current_state"], &shown["is_suspended"]), (&json!("running"), &json!(false)));
        let figures = &shown["resources"];
        assert_eq!((&figures["memory_bytes"], &figures["cpu_absolute"], &figures["uptime"]), (&json!(1_048_576), &json!(12.5), &json!(5000)));
        assert_eq!((&figures["network_rx_bytes"], &figures["network_tx_bytes"], &figures["disk_bytes"]), (&json!(7), &json!(9), &json!(4096)));
        scene.node.answers(|_| Answer::empty(500));
        tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
        let away = scene.get("sam", path).send().await;
        assert_eq!((away.status.as_u16(), &away.body["errors"][0]["code"]), (502, &json!("DaemonConnectionException")));
        scene.node.answers(|_| Answer::Hang);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_eq!(scene.get("sam", path).send().await.status, 504);
        assert_eq!(scene.get("eve", path).send().await.status, 404);
    }

    async fn how_the_last_run_ended_is_shown_without_what_it_wrote(world: &World) {
        let scene = Scene::new(world).await;
        scene.node.answers(|_| {
            let mut detail = detail("offline");
            detail["roost"] = json!({"last_end": {"time": "2026-01-02T03:04:05Z", "asked": false, "signal": 9, "oom_killed": true,
                "text": "The server has ended: out of memory.", "lines": ["the password is swordfish"]}});
            Answer::json(200, &detail)
        });
        scene.grant_sam(&["control.start"]).await;
        let answer = scene.get("sam", "/api/client/servers/lobby/resources").send().await;
        let end = json!({"time": "2026-01-02T03:04:05Z", "asked": false, "exit_code": null, "signal": 9, "oom_killed": true,
            "text": "The server has ended: out of memory."});
        assert_eq!(answer.body["attributes"]["last_end"], end);
        assert!(!answer.text.contains("swordfish"));
    }

    async fn an_account_and_the_catalogue_have_their_shapes(world: &World) {
        let scene = Scene::new(world).await;
        let account = scene.get("olive", "/api/client/account").send().await.body;
        assert_eq!(account["object"], "user");
        let me = &account["attributes"];
        assert_eq!((&me["username"], &me["admin"]), (&json!("olive"), &json!(false)));
        for name in ["id", "email", "first_name", "last_name", "language"] {
            assert!(me.get(name).is_some_and(|v| !v.is_null()), "{name}");
        }
        let all = scene.get("olive", "/api/client/permissions").send().await.body;
        assert_eq!(all["object"], "system_permissions");
        assert!(all["attributes"]["permissions"]["control"]["keys"]["restart"].is_string());
        for path in ["/api/client", "/api/client/account", "/api/client/permissions", "/api/client/servers/lobby"] {
            assert_eq!(world.get(path).send().await.status, 401, "{path}");
        }
    }

    async fn activity_is_the_servers_own_and_addresses_are_private(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["activity.read", "websocket.connect"]).await;
        for who in ["olive", "sam"] {
            assert_eq!(scene.get(who, "/api/client/servers/lobby/websocket").send().await.status, 200);
        }
        let path = "/api/client/servers/lobby/activity";
        let rows = scene.get("sam", path).send().await.body;
        assert_eq!((&rows["object"], &rows["meta"]["pagination"]["per_page"]), (&json!("list"), &json!(25)));
        let newest = &rows["data"][0]["attributes"];
        assert_eq!(rows["data"][0]["object"], "activity_log");
        assert_eq!((&newest["event"], &newest["is_api"]), (&json!("server:websocket.credentials"), &json!(true)));
        assert_eq!(newest["relationships"]["actor"]["attributes"]["username"], "sam");
        assert_eq!(newest["ip"], "192.0.2.1", "one's own");
        assert_eq!(rows["data"][1]["attributes"]["ip"], Value::Null, "somebody else's");
        assert_eq!(rows["data"][1]["attributes"]["properties"], json!({}), "nor his key");
        let as_admin = scene.get("root", path).send().await.body;
        assert_eq!(as_admin["data"][1]["attributes"]["ip"], "192.0.2.1");
        let kind = scene.get("olive", &format!("{path}?filter[event]=server:create&sort=timestamp&per_page=1")).send().await.body;
        assert_eq!((&kind["meta"]["pagination"]["total"], &kind["data"][0]["attributes"]["event"]), (&json!(1), &json!("server:create")));
        scene.grant_sam(&["websocket.connect"]).await;
        assert_eq!(scene.get("sam", path).send().await.status, 403);
        assert_eq!(scene.get("eve", path).send().await.status, 404);
    }
}
