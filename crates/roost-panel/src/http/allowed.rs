//! Permission in a handler's signature: without [`Allowed`] it can't get a server.
//!
//! ```text
//!   async fn show(allowed: Allowed<Anybody>) ...          whoever has access at all
//!   async fn type_line(allowed: Allowed<TypeCommands>) ...     whoever holds `control.console`
//! ```
//!
//! The server is the path's `{server}`, fetched once. Which right means what is `roost_wire::permission`'s business.

use super::{ApiError, Identity};
use crate::{
    panel::App,
    service::access::{self, Access, Role},
    store::ServerRow,
};
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use roost_wire::{clock::Millis, id::ServerRef, permission};
use std::marker::PhantomData;

/// A permission as a type.
pub trait Permission: Send + Sync + 'static {
    /// Its name; `None`: access to the server is enough.
    const NAME: Option<&'static str>;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $name {}

        impl Permission for $name {
            const NAME: Option<&'static str> = $value;
        }
    )*};
}

permissions! {
    /// Access at all; what is done decides on the right, by [`Allowed::require`].
    Anybody = None;
    /// `websocket.connect`
    OpenConsole = Some(permission::WEBSOCKET_CONNECT);
    /// `control.console`
    TypeCommands = Some(permission::CONTROL_CONSOLE);
    /// `user.read`
    ReadUsers = Some(permission::USER_READ);
    /// `activity.read`
    ReadActivity = Some(permission::ACTIVITY_READ);
}

/// Somebody who holds `P` on a server, and the server.
#[derive(Debug, Clone)]
pub struct Allowed<P> {
    /// Who.
    pub identity: Identity,
    /// The server, with its node.
    pub server: ServerRow,
    /// As what, with which rights.
    pub access: Access,
    /// When that was looked up, at the latest: a token that is made of it is not newer.
    pub as_of: Millis,
    permission: PhantomData<P>,
}

impl<P> Allowed<P> {
    /// 403 unless this right is held, too.
    pub fn require(&self, name: &str) -> Result<(), ApiError> {
        if self.access.rights.allows(name) {
            return Ok(());
        }
        Err(ApiError::new(
            403,
            format!("You do not have the permission `{name}` on this server. Ask its owner for it."),
        ))
    }

    /// 409 while the server is suspended, but for administrators.
    pub fn require_not_suspended(&self) -> Result<(), ApiError> {
        if self.server.suspended && self.access.role != Role::Admin {
            return Err(ApiError::new(
                409,
                "This server is currently suspended and the functionality requested is unavailable.",
            ));
        }
        Ok(())
    }

    /// Whether he is an administrator.
    pub fn is_admin(&self) -> bool {
        self.access.role == Role::Admin
    }
}

/// 400 for what can't name a server.
pub fn missing_identifier() -> ApiError {
    ApiError::new(400, "Missing server identifier")
}

impl<P: Permission> FromRequestParts<App> for Allowed<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let as_of = app.now();
        let identity = Identity::from_request_parts(parts, app).await?;
        let named = server_ref(parts, app).await?;
        let server = app
            .store
            .server(&named)
            .await?
            .ok_or_else(ApiError::no_such_server)?;
        let user = &identity.user;
        let granted = if user.admin || server.owner == user.uuid {
            None
        } else {
            app.store.grant(server.uuid, user.uuid).await?
        };
        let access = access::access(
            &server,
            user,
            granted.as_ref(),
            app.options.token_permissions_full,
        )
        .ok_or_else(ApiError::no_such_server)?;
        let allowed = Self {
            identity,
            server,
            access,
            as_of,
            permission: PhantomData,
        };
        if let Some(name) = P::NAME {
            allowed.require(name)?;
        }
        Ok(allowed)
    }
}

/// The server that the path's `{server}` names.
pub async fn server_ref(parts: &mut Parts, app: &App) -> Result<ServerRef, ApiError> {
    let params = RawPathParams::from_request_parts(parts, app)
        .await
        .map_err(|_| missing_identifier())?;
    params
        .iter()
        .find_map(|(name, value)| (name == "server").then(|| ServerRef::parse(value)))
        .flatten()
        .ok_or_else(missing_identifier)
}
