//! What this panel is.

use crate::{
    http::{Admin, problem::ApiResult},
    panel::App,
};
use axum::{Json, extract::State};
use roost_wire::admin_api::PanelInfo;

pub(super) async fn show(State(app): State<App>, _: Admin) -> ApiResult<Json<PanelInfo>> {
    Ok(Json(PanelInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: app.options.public_url.clone(),
        has_admin: app.store.has_admin().await?,
    }))
}
