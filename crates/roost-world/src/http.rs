//! People at the panel: signed in with a session, or holding an API key.

use crate::roost::{PASSWORD, Roost};
use anyhow::{Context, ensure};
use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

/// A person or bot.
#[derive(Debug, Clone)]
pub struct Person {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    credential: Option<(&'static str, String)>,
    client: reqwest::Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

impl Person {
    /// Nobody in particular.
    pub fn stranger(roost: &Roost) -> Self {
        Self {
            url: roost.url(),
            credential: None,
            // Certificates of these worlds are nobody's.
            client: reqwest::Client::builder()
                .tls_danger_accept_invalid_certs(true)
                .build()
                .unwrap_or_default(),
        }
    }

    /// Signs in with the world's password.
    pub async fn sign_in(roost: &Roost, name: &str) -> anyhow::Result<Self> {
        let mut person = Self::stranger(roost);
        let answer = person
            .post(
                "/api/auth/login",
                &serde_json::json!({"user": name, "password": PASSWORD}),
            )
            .await?;
        ensure!(
            answer.status == 200,
            "sign-in of {name}: {} {}",
            answer.status,
            answer.text
        );
        let cookie = answer
            .headers
            .get("set-cookie")
            .context("no cookie")?
            .to_str()?
            .to_owned();
        let pair = cookie.split(';').next().context("no cookie")?.to_owned();
        person.credential = Some(("cookie", pair));
        Ok(person)
    }

    /// Makes an API key for `name` and uses it.
    pub fn with_key(roost: &Roost, name: &str) -> anyhow::Result<(Self, String)> {
        let key = roost.json(&["user", "key", name])?["key"]
            .as_str()
            .context("no key")?
            .to_owned();
        let mut person = Self::stranger(roost);
        person.credential = Some(("authorization", format!("Bearer {key}")));
        Ok((person, key))
    }

    /// The cookie pair or bearer that it sends.
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_ref().map(|(_, value)| value.as_str())
    }

    /// Any request.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| path.to_owned())?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer {
            status,
            headers,
            text: response.text().await?,
        })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask(Method::GET, path, None, &[]).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.ask(Method::POST, path, Some(body), &[]).await
    }

    /// Console credentials: token and socket.
    pub async fn credentials(&self, server: &str) -> anyhow::Result<(String, String)> {
        let answer = self
            .get(&format!("/api/client/servers/{server}/websocket"))
            .await?;
        let json = answer.json();
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        match (text("token"), text("socket")) {
            (Some(token), Some(socket)) => Ok((token, socket)),
            _ => anyhow::bail!("no credentials: {} {}", answer.status, answer.text),
        }
    }
}
