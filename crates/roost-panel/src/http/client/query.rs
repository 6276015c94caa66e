//! The query of a request, read leniently: what an endpoint does not know is ignored.

use crate::http::ApiError;
use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use std::collections::HashMap;

/// Names and values; of a name that stands twice, the last value.
#[derive(Debug, Default)]
pub struct Asked(HashMap<String, String>);

impl Asked {
    /// A value, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A value as a number, a UUID and the like: 400 if it is given and is none.
    pub fn parsed<T: std::str::FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.get(name).map(str::trim).filter(|t| !t.is_empty()) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| ApiError::new(400, format!("`{name}` in the address must be {what}.")))
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(map)| Self(map))
            .map_err(|_| ApiError::new(400, "The part of the address behind `?` can't be read."))
    }
}
