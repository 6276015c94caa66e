//! Who is at the other end of a request: the connection's peer, or what a trusted proxy says of it.
//!
//! Whoever serves connections puts [`PeerAddr`] (TCP) or [`LocalPeer`] (Unix socket) into each request's extensions.

use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The TCP peer of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// The request came in by TLS that ends in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverTls;

/// The request came over the data directory's Unix socket, from a process of this user. It may do everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalPeer {
    /// From the kernel, not from the peer.
    pub uid: u32,
}

/// Networks whose forwarded headers are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

/// What a request says of its way here, checked against the trusted proxies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The client.
    pub address: IpAddr,
    /// `http` or `https`, as the client speaks it.
    pub scheme: &'static str,
    /// Host and port as the client wrote them, where known.
    pub host: Option<String>,
}

impl TrustedProxies {
    /// Whether headers of this peer are believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = canonical(peer);
        self.0.iter().any(|net| net.contains(&peer))
    }

    /// Address, scheme and host of a request. Forwarded headers count only from a trusted peer; of `X-Forwarded-For`,
    /// the last address that is not a trusted proxy's own counts, so that a client cannot make one up.
    pub fn way(&self, peer: IpAddr, tls: bool, headers: &http::HeaderMap) -> Way {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
        let mut way = Way {
            address: canonical(peer),
            scheme: if tls { "https" } else { "http" },
            host: text("host").map(str::to_owned),
        };
        if !self.trusts(peer) {
            return way;
        }
        let chain: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .map(str::trim)
            .collect();
        for hop in chain.into_iter().rev() {
            let Ok(address) = hop.parse::<IpAddr>() else { break };
            way.address = canonical(address);
            if !self.trusts(address) {
                break;
            }
        }
        match text("x-forwarded-proto") {
            Some("https" | "wss") => way.scheme = "https",
            Some("http" | "ws") => way.scheme = "http",
            _ => {}
        }
        if let Some(host) = text("x-forwarded-host").filter(|h| !h.is_empty() && !h.contains([',', '/', '@']))
        {
            way.host = Some(host.to_owned());
        }
        way
    }
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> http::HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| {
                (
                    http::HeaderName::from_static(n),
                    http::HeaderValue::from_static(v),
                )
            })
            .collect()
    }

    #[test]
    fn forwarded_headers_count_only_from_trusted_proxies() {
        let sent = headers(&[
            ("host", "inner:1"),
            ("x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "panel.example.com"),
        ]);
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let stranger = proxies.way("8.8.8.8".parse().unwrap(), false, &sent);
        assert_eq!(
            (stranger.address.to_string().as_str(), stranger.scheme),
            ("8.8.8.8", "http")
        );
        assert_eq!(stranger.host.as_deref(), Some("inner:1"));
        let trusted = proxies.way("10.0.0.1".parse().unwrap(), false, &sent);
        assert_eq!(
            (trusted.address.to_string().as_str(), trusted.scheme),
            ("9.9.9.9", "https")
        );
        assert_eq!(trusted.host.as_deref(), Some("panel.example.com"));
    }
}
