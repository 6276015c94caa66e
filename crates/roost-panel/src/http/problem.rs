//! Errors at the edge: each layer's own become the wire's [`Problem`], and what nobody caused by his request is logged
//! here, once.

use crate::{service::ServiceError, store::StoreError};
use axum::{
    extract::{FromRequest, Request, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use roost_wire::problem::Problem;
use serde::de::DeserializeOwned;

/// An answer that is a problem.
#[derive(Debug)]
pub struct ApiError(pub Problem);

impl ApiError {
    /// For people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// A problem with this status.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self(Problem::new(status, message))
    }

    /// Nobody is logged in.
    pub fn unauthenticated() -> Self {
        Self::new(401, "Unauthenticated.")
    }

    /// No such server, or not for this caller: one body for both.
    pub fn no_such_server() -> Self {
        Self::new(404, "The requested resource could not be found on the server.")
    }

    /// Something failed in here. Logs it.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed inside the panel");
        Self::new(500, "Something failed inside the panel; its log says what.")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::new(409, "Something of that name exists already."),
            StoreError::Dependent => Self::new(409, "Something else still depends on it."),
            // The store has logged it, once.
            full @ StoreError::DiskFull => Self::new(507, full.to_string()),
            other => Self::internal(&other),
        }
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Invalid(message) => Self::new(422, message),
            ServiceError::NotFound(message) => Self::new(404, message),
            ServiceError::Conflict(message) => Self::new(409, message),
            ServiceError::Forbidden(message) => Self::new(403, message),
            ServiceError::Unauthenticated(message) => Self::new(401, message),
            ServiceError::Node(message) => Self::new(502, message),
            ServiceError::TooMany { seconds } => {
                Self(Problem::new(429, error.to_string()).retry_after(seconds))
            }
            ServiceError::Store(error) => error.into(),
            ServiceError::Internal(error) => Self::internal(&error),
        }
    }
}

/// What handlers give.
pub type ApiResult<T> = Result<T, ApiError>;

/// A JSON body, whatever its content type says: 400 if it is no JSON, 422 if it is not what is asked for.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|r| unreadable(&r))?;
        parse(&bytes, 422).map(Self)
    }
}

/// Reads JSON; `wrong_shape` is the status for JSON that is not what is asked for.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], wrong_shape: u16) -> ApiResult<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            ApiError::new(
                wrong_shape,
                format!("The body is not what is asked for here: {error}."),
            )
        } else {
            ApiError::new(400, format!("The body is not JSON: {error}."))
        }
    })
}

/// A body that is too long or broke off.
pub fn unreadable(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::new(
            413,
            format!("The body is longer than {} KiB.", super::BODY_MAX >> 10),
        )
    } else {
        ApiError::new(400, "The body could not be read to its end.")
    }
}

/// For what no route takes.
pub async fn unknown_route() -> ApiError {
    ApiError::new(404, "There is nothing at this address.")
}

/// For a route that is there, asked in another way.
pub async fn method_not_allowed() -> ApiError {
    ApiError::new(405, "This address does not take that method.")
}
