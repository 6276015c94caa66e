//! `roost key`.

use super::Context;
use crate::{
    args::Key as Verb,
    client::segment,
    failure::Failure,
    output::{local_time, or_dash},
};
use roost_wire::admin_api::{ApiKey, NewKey, NewKeyAnswer};

/// Runs one verb.
pub async fn run(verb: Verb, cx: &Context) -> Result<(), Failure> {
    match verb {
        Verb::Create { user, description } => create(user, description, cx).await,
        Verb::List { user } => {
            let query = user.map(|u| format!("?user={}", segment(&u))).unwrap_or_default();
            let keys: Vec<ApiKey> = cx.panel.get(&format!("/api/admin/keys{query}")).await?;
            cx.out
                .table(&keys, &["identifier", "user", "last used", "description"], |k| {
                    vec![
                        k.identifier.clone(),
                        k.user.clone(),
                        k.last_used_at
                            .as_deref()
                            .map_or_else(|| "never".to_owned(), local_time),
                        or_dash(Some(&k.description)),
                    ]
                })
        }
        Verb::Revoke { identifier } => {
            cx.panel
                .delete(&format!("/api/admin/keys/{}", segment(&identifier)))
                .await?;
            cx.out.done(
                &format!("{identifier} is revoked; its consoles have ended."),
                serde_json::json!({"identifier": identifier}),
            )
        }
    }
}

/// Makes a key and prints it, the only time that it is told.
pub async fn create(user: String, description: String, cx: &Context) -> Result<(), Failure> {
    let made: NewKeyAnswer = cx
        .panel
        .post("/api/admin/keys", &NewKey { user, description })
        .await?;
    cx.out.value(&made, |made| made.key.clone())
}
