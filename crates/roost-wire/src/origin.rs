//! Web origins, parsed before they are compared.

use std::fmt;

/// The names by which a browser on this machine calls it.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Scheme, host and port of a browser's page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// The text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a web origin: write it as https://panel.example.com or http://localhost:8080")]
pub struct NotAnOrigin(pub String);

impl Origin {
    /// Reads `https://host[:port]`, also with a path behind it; `null` and anything without a host is refused.
    /// Letters lose their case, default ports are filled in, and a trailing dot of the host goes.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let bad = || NotAnOrigin(text.chars().take(200).collect());
        let uri: http::Uri = text.trim().parse().map_err(|_| bad())?;
        let scheme = uri.scheme_str().ok_or_else(bad)?.to_ascii_lowercase();
        let authority = uri.authority().ok_or_else(bad)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(bad());
        }
        let port = match (authority.port_u16(), scheme.as_str()) {
            (Some(port), _) => port,
            (None, "http" | "ws") => 80,
            (None, "https" | "wss") => 443,
            (None, _) => return Err(bad()),
        };
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        Ok(Self { scheme, host, port })
    }

    /// The origin of a request's own `Host` header, under `scheme`.
    pub fn from_host(scheme: &str, host: &str) -> Result<Self, NotAnOrigin> {
        Self::parse(&format!("{scheme}://{host}"))
    }

    /// Whether both name the same place: equal, or this machine under two of its loopback names on one port.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.port == other.port
            && (self.host == other.host || (self.is_loopback_name() && other.is_loopback_name()))
    }

    /// The same, leaving the scheme out: behind a proxy that ends TLS, the `Host` header says nothing of it.
    pub fn is_same_host(&self, other: &Self) -> bool {
        let port_fits =
            self.port == other.port || (matches!(self.port, 80 | 443) && matches!(other.port, 80 | 443));
        port_fits && (self.host == other.host || (self.is_loopback_name() && other.is_loopback_name()))
    }

    /// Itself first, and where it is this machine by a loopback name, the same place under the others: for those who
    /// compare origins as texts.
    pub fn same_places(&self) -> Vec<Self> {
        let mut places = vec![self.clone()];
        if self.is_loopback_name() {
            let others = LOOPBACK_NAMES.iter().filter(|name| **name != self.host);
            places.extend(others.map(|name| Self {
                host: (*name).to_owned(),
                ..self.clone()
            }));
        }
        places
    }

    fn is_loopback_name(&self) -> bool {
        LOOPBACK_NAMES.contains(&self.host.as_str())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (self.scheme.as_str(), self.port) {
            ("http", 80) | ("https", 443) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    #[test]
    fn slashes_case_and_default_ports_do_not_matter() {
        assert_eq!(
            origin("HTTPS://Panel.Example.com:443/"),
            origin("https://panel.example.com")
        );
        assert_ne!(
            origin("https://panel.example.com"),
            origin("https://panel.example.com.evil.net")
        );
        assert_ne!(
            origin("https://panel.example.com"),
            origin("http://panel.example.com")
        );
    }

    #[test]
    fn loopback_names_on_one_port_are_one_place() {
        assert!(origin("http://localhost:8080").is_same_place(&origin("http://127.0.0.1:8080")));
        assert!(origin("http://localhost:8080").is_same_place(&origin("http://[::1]:8080")));
        assert!(!origin("http://localhost:8080").is_same_place(&origin("http://localhost:8081")));
        assert!(!origin("http://localhost.evil.net:8080").is_same_place(&origin("http://localhost:8080")));
    }

    #[test]
    fn a_loopback_name_has_others() {
        let names = |text: &str| -> Vec<String> {
            let places = origin(text).same_places();
            places.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            names("http://127.0.0.1:8080"),
            [
                "http://127.0.0.1:8080",
                "http://localhost:8080",
                "http://[::1]:8080"
            ]
        );
        assert_eq!(names("https://panel.example.com"), ["https://panel.example.com"]);
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in ["null", "", "panel.example.com", "https://", "https://a@b.example"] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }
}
