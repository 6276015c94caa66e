//! Who asks: over the data directory's socket, with an API key, or with a session.
//!
//! Each is looked up at each request, so that ended means ended. A bad key never falls back to the cookie. What he may
//! do is [`super::allowed`]'s business.

use super::ApiError;
use crate::{
    panel::App,
    service::{accounts, audit::Actor, keys, sessions},
    store::UserRow,
};
use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};
use roost_wire::peer::{LocalPeer, OverTls, PeerAddr, Way};
use std::net::{IpAddr, Ipv4Addr};

/// The name of the session's cookie.
pub const COOKIE: &str = "session";

/// By which way somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A browser's cookie.
    Session,
    /// An API key.
    Key,
    /// The data directory's Unix socket.
    Cli,
}

impl Via {
    /// The word of the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Key => "key",
            Self::Cli => "cli",
        }
    }
}

/// Somebody, known.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The account; for the command line a hidden one, an administrator called `cli`.
    pub user: UserRow,
    /// By which way.
    pub via: Via,
    /// Public id of the session or key; `cli` for the command line.
    pub credential: String,
    /// From where.
    pub way: Way,
    /// The command line's user on this machine.
    pub cli_uid: Option<u32>,
}

impl Identity {
    /// As the audit names him.
    pub fn actor(&self) -> Actor {
        Actor {
            user: Some((self.user.uuid, self.user.name.clone())),
            address: (self.via != Via::Cli).then(|| self.way.address.to_string()),
            via: self.via.as_str(),
            credential: (self.via != Via::Cli).then(|| self.credential.clone()),
            uid: self.cli_uid,
        }
    }

    /// The panel's public URL; where none is set, the address by which it was asked just now.
    pub fn panel_address(&self, app: &App) -> String {
        if let Some(url) = &app.options.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        match self.way.host.as_deref().filter(|_| self.via != Via::Cli) {
            Some(host) => format!("{}://{host}", self.way.scheme),
            None => app
                .options
                .own_url
                .clone()
                .unwrap_or_else(|| "http://localhost:8080".to_owned()),
        }
    }
}

/// The way of a request, forwarded headers of trusted proxies included.
pub fn way(app: &App, parts: &Parts) -> Way {
    let peer = parts
        .extensions
        .get::<PeerAddr>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |p| p.0.ip());
    let tls = parts.extensions.get::<OverTls>().is_some();
    app.options.trusted_proxies.way(peer, tls, &parts.headers)
}

/// The value of the session's cookie.
pub fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

impl FromRequestParts<App> for Identity {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let way = way(app, parts);
        if let Some(LocalPeer { uid }) = parts.extensions.get::<LocalPeer>().copied() {
            return Ok(Self {
                user: accounts::cli_user(),
                via: Via::Cli,
                credential: "cli".to_owned(),
                way,
                cli_uid: Some(uid),
            });
        }
        if let Some(sent) = parts.headers.get(header::AUTHORIZATION) {
            let token = sent
                .to_str()
                .ok()
                .and_then(bearer)
                .ok_or_else(ApiError::unauthenticated)?;
            let key = keys::check(app, token)
                .await?
                .ok_or_else(ApiError::unauthenticated)?;
            return Ok(Self {
                user: key.user,
                via: Via::Key,
                credential: key.identifier,
                way,
                cli_uid: None,
            });
        }
        let cookie = session_cookie(&parts.headers).ok_or_else(ApiError::unauthenticated)?;
        let session = sessions::check(app, cookie)
            .await?
            .ok_or_else(ApiError::unauthenticated)?;
        Ok(Self {
            user: session.user,
            via: Via::Session,
            credential: session.id,
            way,
            cli_uid: None,
        })
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// An administrator. Others get 403.
#[derive(Debug, Clone)]
pub struct Admin(pub Identity);

impl FromRequestParts<App> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let identity = Identity::from_request_parts(parts, app).await?;
        if identity.user.admin {
            Ok(Self(identity))
        } else {
            Err(ApiError::new(403, "This is for administrators."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sessions_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            "a=1; session2=x; session=right; session=later".parse().unwrap(),
        );
        assert_eq!(session_cookie(&headers), Some("right"));
        assert_eq!(session_cookie(&HeaderMap::new()), None);
        assert_eq!(bearer("bearer  t"), Some("t"));
        assert_eq!(bearer("Basic t"), None);
    }
}
