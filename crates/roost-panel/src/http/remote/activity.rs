//! `POST /api/remote/activity`: what happened on a node's consoles, for the audit.

use super::CallingNode;
use crate::{
    http::{ApiError, Body},
    panel::App,
    service::reported::{self, BATCH_ROWS},
};
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// The body. Rows are read one by one, so that one which can't be read does not hold up the others for ever.
#[derive(Debug, Deserialize)]
pub struct Batch {
    data: Vec<Value>,
}

/// The handler.
pub async fn take(
    State(app): State<App>,
    CallingNode(node): CallingNode,
    Body(batch): Body<Batch>,
) -> Result<StatusCode, ApiError> {
    if batch.data.len() > BATCH_ROWS {
        return Err(ApiError::new(
            413,
            format!("At most {BATCH_ROWS} rows at a time."),
        ));
    }
    reported::take(&app, &node, batch.data).await?;
    Ok(StatusCode::NO_CONTENT)
}
