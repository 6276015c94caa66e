//! Console credentials: the claims of a websocket token, signing and checking.
//!
//! HS256 with the node's token secret, exactly as existing panels and daemons do it. The claims satisfy all of them:
//! integer times, `aud` as an array, `scope`, and never a `user_id`.

use crate::{clock::Clock, permission::PermissionSet};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long a websocket token lives, in seconds.
pub const LIFETIME_SECS: i64 = 900;
/// How far `nbf` lies before `iat`, in seconds.
pub const NOT_BEFORE_SECS: i64 = 300;
/// How far ahead of the node's clock the panel's may be, in seconds. Holds for `iat` and `nbf`, not for `exp`.
pub const LEEWAY_SECS: i64 = 5;
/// `token expiring` is sent when no more than this many seconds are left.
pub const EXPIRING_SECS: i64 = 60;
/// How long an expired socket stays open for a fresh token, in seconds.
pub const GRACE_SECS: i64 = 5;
/// The word that a websocket token's scope holds.
pub const SCOPE_WEBSOCKET: &str = "websocket";

/// `server` of the page's example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerClaim {
    /// The server's UUID.
    pub uuid: Uuid,
}

/// `user` of the page's example: both are the user's UUID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserClaim {
    /// The user's UUID.
    pub id: String,
    /// The user's UUID.
    pub uuid: String,
}

/// What a panel of Roost signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the names are the standard's or the page's; see `reference` in docs/protocol.md"
)]
pub struct Claims {
    pub server: ServerClaim,
    pub user: UserClaim,
    pub permissions: PermissionSet,
    #[serde(rename = "identifiedBy")]
    pub identified_by: String,
    pub iat: i64,
    pub exp: i64,
    pub iss: String,
    pub aud: Vec<String>,
    pub jti: String,
    pub nbf: i64,
    pub scope: String,
    pub server_uuid: Uuid,
    pub user_uuid: Uuid,
    pub unique_id: String,
    /// Roost's own: `iat` in milliseconds, so that a denial does not take the rest of its second with it.
    pub issued_ms: i64,
    /// Roost's own: the user's name, for the lists of live consoles.
    pub user_name: String,
    /// Roost's own: the session or API key by which the token was asked for; never its secret.
    pub credential: String,
    /// Roost's own: this viewer's history begins here (milliseconds since the epoch); absent means at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_from: Option<i64>,
}

/// What [`Claims::new`] needs to know.
#[derive(Debug, Clone)]
pub struct Grant<'a> {
    /// The server.
    pub server: Uuid,
    /// The user.
    pub user: Uuid,
    /// The user's name.
    pub user_name: &'a str,
    /// Rights on this server.
    pub permissions: PermissionSet,
    /// Public id of the session or key.
    pub credential: &'a str,
    /// See [`Claims::history_from`].
    pub history_from: Option<i64>,
    /// The panel's public URL.
    pub issuer: &'a str,
    /// The node's address.
    pub audience: &'a str,
    /// 16 random letters and digits.
    pub unique_id: String,
}

impl Claims {
    /// Claims for a token issued at `now_ms` (milliseconds since the epoch).
    pub fn new(grant: Grant<'_>, now_ms: i64) -> Self {
        let now = now_ms.div_euclid(1000);
        let user = grant.user.to_string();
        Self {
            server: ServerClaim { uuid: grant.server },
            identified_by: format!("{user}:{}", grant.server),
            jti: token_id(grant.user, grant.server, grant.credential),
            user: UserClaim {
                id: user.clone(),
                uuid: user,
            },
            permissions: grant.permissions,
            iat: now,
            issued_ms: now_ms,
            exp: now + LIFETIME_SECS,
            nbf: now - NOT_BEFORE_SECS,
            iss: grant.issuer.to_owned(),
            aud: vec![grant.audience.to_owned()],
            scope: SCOPE_WEBSOCKET.to_owned(),
            server_uuid: grant.server,
            user_uuid: grant.user,
            unique_id: grant.unique_id,
            user_name: grant.user_name.to_owned(),
            credential: grant.credential.to_owned(),
            history_from: grant.history_from,
        }
    }

    /// The signed token, its header exactly the page's. Fails only if the claims cannot be written as JSON.
    pub fn sign(&self, secret: &str) -> Result<String, jsonwebtoken::errors::Error> {
        // {"alg":"HS256","typ":"JWT"}: written out, since the library puts `typ` first.
        const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
        let message = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(self)?));
        let key = EncodingKey::from_secret(secret.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256)?;
        Ok(format!("{message}.{signature}"))
    }
}

/// `jti`: the same for all tokens of one user, server and credential, so that all of them can be denied by name.
pub fn token_id(user: Uuid, server: Uuid, credential: &str) -> String {
    let text = format!("{user}:{server}:{credential}");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// A token that was checked: what the node keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The server it opens.
    pub server: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// The user's name, if the panel says it.
    pub user_name: Option<String>,
    /// Rights.
    pub permissions: PermissionSet,
    /// Issued, in milliseconds since the epoch; the beginning of its second where the panel does not say more.
    pub issued_ms: i64,
    /// Expires, in seconds since the epoch; that second itself is still valid.
    pub expires_at: i64,
    /// `jti`, for the deny list.
    pub token_id: String,
    /// See [`Claims::credential`].
    pub credential: Option<String>,
    /// See [`Claims::history_from`].
    pub history_from: Option<i64>,
}

/// Why a token was refused. The texts are those that existing consoles look for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing was sent.
    #[error("jwt: no jwt present")]
    Missing,
    /// Past its `exp`, or without one.
    #[error("jwt: exp claim is invalid")]
    Expired,
    /// Denied by name or by user, or without `iat`.
    #[error("jwt: created too far in past (denylist)")]
    Denied,
    /// No `websocket.connect`, or made for something else.
    #[error("jwt: missing connect permission")]
    NoConnect,
    /// For another server.
    #[error("jwt: server uuid mismatch")]
    OtherServer,
    /// A second `auth` named another user.
    #[error("jwt: a socket never changes its user, open another one")]
    OtherUser,
    /// Not yet valid.
    #[error(
        "jwt: issued {ahead_secs} s in the future: the panel's clock is ahead of the node's, set both by NTP"
    )]
    Ahead {
        /// Seconds by which it lies in the future.
        ahead_secs: i64,
    },
    /// Wrong key or wrong algorithm.
    #[error("jwt: signature is invalid")]
    Signature,
    /// Not a JWT, or claims of the wrong type.
    #[error("jwt: token is malformed")]
    Malformed,
}

#[derive(Deserialize)]
struct Lenient {
    #[serde(default)]
    server: Option<ServerClaim>,
    #[serde(default)]
    server_uuid: Option<Uuid>,
    #[serde(default)]
    user: Option<UserClaim>,
    #[serde(default)]
    user_uuid: Option<Uuid>,
    #[serde(default)]
    permissions: PermissionSet,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    exp: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    jti: Option<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    issued_ms: Option<i64>,
    #[serde(default)]
    user_name: Option<String>,
    #[serde(default)]
    credential: Option<String>,
    #[serde(default)]
    history_from: Option<i64>,
}

/// Checks a websocket token against `secrets` (the current one, and the old one while it is being replaced), for
/// `server`, at the clock's now. Whether it is denied is the caller's to ask.
///
/// Tokens of stock panels pass: `scope` may be absent, `aud` a string, `iss` missing.
pub fn verify(
    token: &str,
    secrets: &[impl AsRef<str>],
    server: Uuid,
    clock: &dyn Clock,
) -> Result<Verified, TokenError> {
    if token.is_empty() {
        return Err(TokenError::Missing);
    }
    let claims = read_signed(token, secrets)?;
    let now = clock.now_secs();
    let expires_at = claims.exp.ok_or(TokenError::Expired)?;
    if now > expires_at {
        return Err(TokenError::Expired);
    }
    let issued_at = claims.iat.ok_or(TokenError::Denied)?;
    let ahead_secs = issued_at.max(claims.nbf.unwrap_or(i64::MIN)) - now;
    if ahead_secs > LEEWAY_SECS {
        return Err(TokenError::Ahead { ahead_secs });
    }
    let for_websocket = claims
        .scope
        .as_deref()
        .is_none_or(|s| s.split(' ').any(|word| word == SCOPE_WEBSOCKET));
    if !for_websocket || !claims.permissions.allows(crate::permission::WEBSOCKET_CONNECT) {
        return Err(TokenError::NoConnect);
    }
    let named = claims
        .server_uuid
        .or(claims.server.map(|s| s.uuid))
        .ok_or(TokenError::Malformed)?;
    if named != server {
        return Err(TokenError::OtherServer);
    }
    let user = claims
        .user_uuid
        .or_else(|| Uuid::parse_str(&claims.user?.uuid).ok())
        .ok_or(TokenError::Malformed)?;
    Ok(Verified {
        server,
        user,
        user_name: claims.user_name,
        permissions: claims.permissions,
        // Not outside its own second, whatever the claim says.
        issued_ms: claims.issued_ms.map_or(issued_at * 1000, |ms| {
            ms.clamp(issued_at * 1000, issued_at * 1000 + 999)
        }),
        expires_at,
        token_id: claims.jti.unwrap_or_default(),
        credential: claims.credential,
        history_from: claims.history_from,
    })
}

fn read_signed(token: &str, secrets: &[impl AsRef<str>]) -> Result<Lenient, TokenError> {
    use jsonwebtoken::errors::ErrorKind;
    let mut rules = Validation::new(Algorithm::HS256);
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let mut error = TokenError::Signature;
    for secret in secrets {
        let key = DecodingKey::from_secret(secret.as_ref().as_bytes());
        match jsonwebtoken::decode::<Lenient>(token, &key, &rules) {
            Ok(data) => return Ok(data.claims),
            Err(e) => {
                error = match e.kind() {
                    ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => TokenError::Signature,
                    _ => TokenError::Malformed,
                };
            }
        }
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_709_637_200;

    fn claims() -> Claims {
        Claims::new(
            Grant {
                server: Uuid::from_u128(1),
                user: Uuid::from_u128(2),
                user_name: "ada",
                permissions: PermissionSet::owner(),
                credential: "s1",
                history_from: None,
                issuer: "https://panel.example.com",
                audience: "https://node.example.com:8080",
                unique_id: "0123456789abcdef".into(),
            },
            NOW * 1000,
        )
    }

    fn check_at(token: &str, now: i64) -> Result<Verified, TokenError> {
        verify(token, &[SECRET], Uuid::from_u128(1), &ManualClock::at(now * 1000))
    }

    #[test]
    fn the_payload_is_the_pages() {
        let value = serde_json::to_value(claims()).unwrap();
        assert_eq!(value["server"]["uuid"], Uuid::from_u128(1).to_string());
        assert_eq!(value["user"]["id"], value["user"]["uuid"]);
        assert_eq!(value["permissions"], serde_json::json!(["*"]));
        assert_eq!(
            value["identifiedBy"],
            format!("{}:{}", Uuid::from_u128(2), Uuid::from_u128(1))
        );
        assert_eq!(
            value["exp"].as_i64().unwrap() - value["iat"].as_i64().unwrap(),
            900
        );
        assert_eq!(
            value["iat"].as_i64().unwrap() - value["nbf"].as_i64().unwrap(),
            300
        );
        assert!(value.get("user_id").is_none());
        let token = claims().sign(SECRET).unwrap();
        assert!(token.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."));
    }

    #[test]
    fn expiry_has_no_leeway_and_the_future_has_five_seconds() {
        let token = claims().sign(SECRET).unwrap();
        assert!(check_at(&token, NOW + 900).is_ok());
        assert_eq!(check_at(&token, NOW + 901), Err(TokenError::Expired));
        assert!(check_at(&token, NOW - 5).is_ok());
        assert_eq!(
            check_at(&token, NOW - 6),
            Err(TokenError::Ahead { ahead_secs: 6 })
        );
    }

    #[test]
    fn foreign_tokens_are_refused_each_for_its_reason() {
        let sign = |change: fn(&mut Claims)| {
            let mut claims = claims();
            change(&mut claims);
            claims.sign(SECRET).unwrap()
        };
        let other_server = sign(|c| c.server_uuid = Uuid::from_u128(9));
        assert_eq!(check_at(&other_server, NOW), Err(TokenError::OtherServer));
        let upload = sign(|c| c.scope = "file-upload".into());
        assert_eq!(check_at(&upload, NOW), Err(TokenError::NoConnect));
        let nobody = sign(|c| c.permissions = PermissionSet::default());
        assert_eq!(check_at(&nobody, NOW), Err(TokenError::NoConnect));
        assert_eq!(
            check_at(&claims().sign("another secret").unwrap(), NOW),
            Err(TokenError::Signature)
        );
        assert_eq!(check_at("", NOW), Err(TokenError::Missing));
        assert_eq!(check_at("ping", NOW), Err(TokenError::Malformed));
        let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30.";
        assert!(matches!(
            check_at(unsigned, NOW),
            Err(TokenError::Malformed | TokenError::Signature)
        ));
    }

    #[test]
    fn both_secrets_hold_while_one_is_being_replaced() {
        let token = claims().sign("old secret").unwrap();
        let clock = ManualClock::at(NOW * 1000);
        assert!(verify(&token, &["new secret", "old secret"], Uuid::from_u128(1), &clock).is_ok());
    }

    #[test]
    fn a_stock_panels_token_passes() {
        let body = serde_json::json!({
            "iss": "https://p", "aud": "https://n", "jti": "x", "iat": NOW, "nbf": NOW - 300, "exp": NOW + 600,
            "user_uuid": Uuid::from_u128(2), "user_id": 7, "server_uuid": Uuid::from_u128(1),
            "permissions": ["websocket.connect"], "unique_id": "abc",
        });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::new(Algorithm::HS256), &body, &key).unwrap();
        assert!(check_at(&token, NOW).is_ok());
    }
}
