//! What routes answer with: `{"error": "..."}`, and how bodies and names are read.

use crate::{
    node::Node,
    server::handle::{Refusal, Reply, Request, ServerHandle},
};
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use roost_wire::node_api::UNKNOWN_SERVER;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::sync::oneshot;
use uuid::Uuid;

/// A status and a sentence.
#[derive(Debug)]
pub(super) struct Failure(pub(super) StatusCode, pub(super) String);

impl Failure {
    pub(super) fn unknown_server() -> Self {
        Self(StatusCode::NOT_FOUND, UNKNOWN_SERVER.to_owned())
    }
    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }
    pub(super) fn internal(text: impl std::fmt::Display) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, text.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({"error": self.1}))).into_response()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Power(roost_power::Refusal::Suspended) => StatusCode::BAD_REQUEST,
            Refusal::Offline | Refusal::Failed(_) => StatusCode::BAD_GATEWAY,
            Refusal::TooLong(_)
            | Refusal::ControlCharacter(_)
            | Refusal::NotInEncoding(..)
            | Refusal::UnknownAction => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Power(_) => StatusCode::CONFLICT,
            Refusal::NoPermission(_) => StatusCode::FORBIDDEN,
            Refusal::TooMany => StatusCode::TOO_MANY_REQUESTS,
        };
        Self(status, refusal.to_string())
    }
}

/// The server that the path names; one that is not there is answered with the text that panels look for.
pub(super) struct Named(pub(super) ServerHandle);

impl FromRequestParts<Node> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, node: &Node) -> Result<Self, Failure> {
        let Path(name): Path<String> = Path::from_request_parts(parts, node)
            .await
            .map_err(|_| Failure::unknown_server())?;
        Uuid::try_parse(&name)
            .ok()
            .and_then(|uuid| node.servers().get(uuid))
            .map(Self)
            .ok_or_else(Failure::unknown_server)
    }
}

/// A JSON body, whatever its content type says; an empty one is `null`.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Node> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: axum::extract::Request, node: &Node) -> Result<Self, Failure> {
        let bytes = Bytes::from_request(request, node).await.map_err(|e| match e {
            BytesRejection::FailedToBufferBody(e) => Failure(e.status(), e.body_text()),
            _ => Failure::bad_request("The body could not be read."),
        })?;
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|e| Failure::bad_request(format!("The body is not the JSON that belongs here: {e}.")))
    }
}

/// Asks a server's actor and waits for its answer, at most this long.
pub(super) async fn ask(
    server: &ServerHandle,
    patience: Duration,
    request: impl FnOnce(Reply) -> Request,
) -> Result<(), Failure> {
    let (sender, answer) = oneshot::channel();
    server.ask(request(Reply::new(move |answer| {
        let _ = sender.send(answer);
    })));
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(answer)) => answer.map_err(Failure::from),
        Ok(Err(_)) => Err(Failure::unknown_server()),
        Err(_) => Err(Failure(
            StatusCode::GATEWAY_TIMEOUT,
            "The server did not answer in time; what was asked may still happen.".to_owned(),
        )),
    }
}
