//! `roost user`.

use super::{Context, key, password};
use crate::{args::User as Verb, client::segment, failure::Failure, output::or_dash};
use roost_wire::admin_api::{NewUser, SetPassword, User};

/// Runs one verb.
pub async fn run(verb: Verb, cx: &Context) -> Result<(), Failure> {
    match verb {
        Verb::Create {
            name,
            email,
            admin,
            password_file,
        } => {
            let password = password(password_file.as_deref(), &format!("Password for {name}: "), true)?;
            let user: User = cx
                .panel
                .post(
                    "/api/admin/users",
                    &NewUser {
                        name,
                        email,
                        admin,
                        password,
                    },
                )
                .await?;
            cx.out.value(&user, |u| {
                format!(
                    "{} {} is there.",
                    if u.admin { "Administrator" } else { "User" },
                    u.name
                )
            })
        }
        Verb::Password { name, password_file } => {
            let password = password(
                password_file.as_deref(),
                &format!("New password for {name}: "),
                true,
            )?;
            let path = format!("/api/admin/users/{}/password", segment(&name));
            let _: serde_json::Value = cx
                .panel
                .ask(http::Method::PUT, &path, Some(&SetPassword { password }))
                .await?;
            cx.out.done(
                &format!("{name} has a new password; all sessions of the account have ended."),
                serde_json::json!({"user": name}),
            )
        }
        Verb::List => {
            let users: Vec<User> = cx.panel.get("/api/admin/users").await?;
            cx.out.table(&users, &["name", "role", "email", "since"], |u| {
                vec![
                    u.name.clone(),
                    if u.admin { "administrator" } else { "user" }.to_owned(),
                    or_dash(u.email.as_deref()),
                    crate::output::local_time(&u.created_at),
                ]
            })
        }
        Verb::Delete { name } => {
            cx.panel
                .delete(&format!("/api/admin/users/{}", segment(&name)))
                .await?;
            cx.out.done(
                &format!("{name} is gone; sessions, keys and consoles of the account have ended."),
                serde_json::json!({"user": name}),
            )
        }
        Verb::Key { name, description } => key::create(name, description, cx).await,
    }
}
