//! The command line's way to a panel: the data directory's Unix socket on the panel's machine, HTTP with a session
//! from `roost login` elsewhere. Same routes, same answers.

use crate::{data_dir::DataDir, failure::Failure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use roost_wire::problem::Problem;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{path::PathBuf, time::Duration};

/// Most bytes of an answer: a page of 10,000 lines fits.
const ANSWER_MAX: usize = 64 << 20;
/// Longest wait for an answer; a long poll takes up to 30 s.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A panel that can be asked.
#[derive(Debug, Clone)]
pub enum Panel {
    /// On this machine.
    Local(PathBuf),
    /// Elsewhere.
    Remote(Remote),
}

/// What `roost login` keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Remote {
    /// Without a slash at its end.
    pub url: String,
    /// The session cookie's value.
    pub session: String,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Panel {
    /// The local panel, else the one that was signed in to.
    pub fn find(data: Option<&std::path::Path>) -> Result<Self, Failure> {
        let dir = DataDir::locate(data)?;
        let socket = dir.socket();
        if socket.exists() {
            return Ok(Self::Local(socket));
        }
        if data.is_none()
            && let Some(remote) = saved_login()
        {
            return Ok(Self::Remote(remote));
        }
        Err(Failure::unreachable(format!(
            "no Roost here: {} has no roost.sock. Start one with ./run or `roost up`, name its folder with --data, or sign in to another machine's with `roost login URL`",
            dir.path().display()
        )))
    }

    /// Sends a request; any status is an answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Answer, Failure> {
        let asked = async {
            match self {
                Self::Local(socket) => send_local(socket, method, path, body).await,
                Self::Remote(remote) => send_remote(remote, method, path, body).await,
            }
        };
        tokio::time::timeout(TIMEOUT, asked).await.unwrap_or_else(|_| {
            Err(Failure::unreachable(format!(
                "{} did not answer within 60 s",
                self.place()
            )))
        })
    }

    /// Sends a request and reads its JSON answer; a problem becomes a failure.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let body = body
            .map(serde_json::to_vec)
            .transpose()
            .map_err(|e| Failure::new(e.to_string()))?;
        let answer = self.send(method, path, body).await?.ok(self)?;
        // An empty answer (204) reads as null, for callers that want nothing.
        let text: &[u8] = if answer.body.is_empty() {
            b"null"
        } else {
            &answer.body
        };
        serde_json::from_slice(text)
            .map_err(|e| Failure::new(format!("{path} gave an answer of another version of Roost: {e}")))
    }

    /// GET.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, None::<&()>).await
    }

    /// POST.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(Method::DELETE, path, None).await?.ok(self).map(drop)
    }

    /// For messages.
    pub fn place(&self) -> String {
        match self {
            Self::Local(socket) => socket.display().to_string(),
            Self::Remote(remote) => remote.url.clone(),
        }
    }
}

impl Answer {
    /// Itself if it is a success, else the problem that it carries.
    pub fn ok(self, panel: &Panel) -> Result<Self, Failure> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let problem = serde_json::from_slice(&self.body).unwrap_or_else(|_| {
            Problem::new(
                self.status,
                format!("{} answered with status {}", panel.place(), self.status),
            )
        });
        let mut failure = Failure::problem(problem);
        if self.status == 401
            && let Panel::Remote(remote) = panel
        {
            failure.message = format!("not signed in any more: `roost login {}`", remote.url);
        }
        Err(failure)
    }
}

async fn send_local(
    socket: &std::path::Path,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Answer, Failure> {
    let gone = |e: &dyn std::fmt::Display| {
        Failure::unreachable(format!(
            "no Roost answers at {}: {e}. Start it with ./run or `roost up`",
            socket.display()
        ))
    };
    let stream = tokio::net::UnixStream::connect(socket)
        .await
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::PermissionDenied => Failure::forbidden(socket),
            _ => gone(&e),
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| gone(&e))?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost");
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let request = request
        .body(Full::new(bytes::Bytes::from(body.unwrap_or_default())))
        .map_err(|e| Failure::usage(e.to_string()))?;
    let response = sender.send_request(request).await.map_err(|e| gone(&e))?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_MAX)
        .collect()
        .await
        .map_err(|e| gone(&e))?
        .to_bytes()
        .to_vec();
    driver.abort();
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    })
}

async fn send_remote(
    remote: &Remote,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Answer, Failure> {
    let gone = |e: reqwest::Error| out_of_reach(&remote.url, &e);
    let client = http_client()?;
    let mut request = client
        .request(method, format!("{}{path}", remote.url))
        .header("cookie", format!("session={}", remote.session));
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    let response = request.send().await.map_err(gone)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.map_err(gone)?.to_vec();
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// A client that follows no redirects: a session goes to the address that was typed and nowhere else.
pub fn http_client() -> Result<reqwest::Client, Failure> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| Failure::new(format!("can't set up HTTP: {e}")))
}

/// Why an address can't be reached: what the layers below say, and what helps where TLS is the matter.
pub fn out_of_reach(url: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut causes = Vec::new();
    let mut at = Some(error);
    while let Some(e) = at {
        causes.push(e.to_string());
        at = e.source();
    }
    // The outermost repeats the address, the next says only that a client failed, and layers repeat each other.
    while causes.len() > 1 && (causes[0].contains(url) || causes[0].starts_with("client error (")) {
        causes.remove(0);
    }
    causes.dedup_by(|inner, outer| outer.contains(inner.as_str()));
    let why = causes.join(": ");
    let hint = hint(&why);
    Failure::unreachable(format!("{url} can't be reached: {why}{hint}"))
}

/// What to do about it; nothing where nothing is known to help.
fn hint(why: &str) -> &'static str {
    if why.contains("CaUsedAsEndEntity") {
        ". Its certificate is made for an issuer, not for a server: make it with basicConstraints=CA:FALSE"
    } else if why.contains("invalid peer certificate") {
        ". This machine does not trust its certificate: name the certificate's file (or its issuer's) in SSL_CERT_FILE, or \
         add it to the system's (update-ca-certificates)"
    } else if why.contains("corrupt message") || why.contains("InvalidContentType") {
        ". It does not speak TLS: try http://"
    } else if why.contains("invalid HTTP version") {
        ". It may speak TLS: try https://"
    } else {
        ""
    }
}

/// Where `roost login` keeps its session.
pub fn login_file() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("roost/login.json"))
}

fn saved_login() -> Option<Remote> {
    serde_json::from_slice(&std::fs::read(login_file()?).ok()?).ok()
}

/// A path segment that any text may become.
pub fn segment(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_never_leaves_its_place() {
        assert_eq!(segment("a/../b?c#d e"), "a%2F..%2Fb%3Fc%23d%20e");
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_told_apart() {
        #[derive(Debug, thiserror::Error)]
        #[error("error sending request for url (https://panel/)")]
        struct Outer(#[source] std::io::Error);
        let tls = std::io::Error::other("invalid peer certificate: UnknownIssuer");
        let failure = out_of_reach("https://panel", &Outer(tls));
        let expected = "https://panel can't be reached: invalid peer certificate: UnknownIssuer. This machine does not trust";
        assert!(failure.message.starts_with(expected), "{}", failure.message);
        assert!(failure.message.contains("SSL_CERT_FILE"));
        let refused = out_of_reach("http://panel", &std::io::Error::other("Connection refused"));
        assert_eq!(
            refused.message,
            "http://panel can't be reached: Connection refused"
        );
    }

    #[test]
    fn the_searched_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let failure = Panel::find(Some(dir.path())).unwrap_err();
        assert_eq!(failure.code, 3);
        assert!(
            failure.message.contains(dir.path().to_str().unwrap()),
            "{}",
            failure.message
        );
    }
}
