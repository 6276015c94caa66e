//! Where a browser opens the socket: from the node's public address, or as the request itself came in.
//!
//! Whether the node is there is the pre-flight's business.

use roost_wire::peer::Way;
use std::net::{Ipv6Addr, SocketAddr};
use uuid::Uuid;

/// The socket's URL for a node with a public address: scheme swapped, a port kept as it was written, IPv6 in brackets,
/// a path prefix kept. `None` for an address that is none.
pub fn socket_url(address: &str, server: Uuid) -> Option<String> {
    let (scheme, rest) = address.trim().split_once("://")?;
    let scheme = if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss") {
        "wss"
    } else if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("ws") {
        "ws"
    } else {
        return None;
    };
    if rest
        .contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '?' | '#' | '\\' | '"'))
    {
        return None;
    }
    let (host, prefix) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = match host.parse::<Ipv6Addr>() {
        Ok(_) => format!("[{host}]"),
        Err(_) => host.to_owned(),
    };
    let is_empty = host.is_empty() || host.starts_with(':');
    (!is_empty).then(|| {
        format!(
            "{scheme}://{host}{}/api/servers/{server}/ws",
            prefix.trim_end_matches('/')
        )
    })
}

/// The public address of the panel's own node, which has none of its own: scheme and host as the client wrote them.
/// A client that named no host, or came by the Unix socket (`way` is `None`), gets the address by which the panel reaches
/// the node: that is a listener without TLS.
pub fn own_address(way: Option<&Way>, listen: SocketAddr) -> String {
    let named = way.and_then(|way| {
        let host = way.host.as_deref()?;
        let authority: http::uri::Authority = host.parse().ok()?;
        let plain = !authority.as_str().contains('@') && !authority.host().is_empty();
        plain.then(|| format!("{}://{authority}", way.scheme))
    });
    named.unwrap_or_else(|| format!("http://{}", reachable(listen)))
}

/// A listener on all addresses is reached by loopback from its own machine.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, v6.port())),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Uuid = Uuid::from_u128(0xa1b2_c3d4_e5f6_7890_abcd_ef12_3456_7890);

    #[test]
    fn the_socket_is_at_the_nodes_address() {
        let tail = format!("api/servers/{SERVER}/ws");
        for (address, base) in [
            ("https://node.example.com:8080", "wss://node.example.com:8080/"),
            ("https://node.example.com", "wss://node.example.com/"),
            ("https://node.example.com:443", "wss://node.example.com:443/"),
            ("http://node.example.com:80/", "ws://node.example.com:80/"),
            ("HTTP://10.0.0.1:8080", "ws://10.0.0.1:8080/"),
            ("http://[2001:db8::1]:8080", "ws://[2001:db8::1]:8080/"),
            ("http://2001:db8::1", "ws://[2001:db8::1]/"),
            ("https://example.com/wings/one/", "wss://example.com/wings/one/"),
        ] {
            assert_eq!(
                socket_url(address, SERVER),
                Some(format!("{base}{tail}")),
                "{address}"
            );
        }
        for address in [
            "",
            "node.example.com",
            "ftp://x",
            "http://",
            "http://:80",
            "http://a b",
            "http://u@h",
        ] {
            assert_eq!(socket_url(address, SERVER), None, "{address}");
        }
    }

    #[test]
    fn the_own_node_is_where_the_request_came_in() {
        let way = |scheme, host: Option<&str>| Way {
            address: "10.0.0.9".parse().unwrap(),
            scheme,
            host: host.map(str::to_owned),
        };
        let listen = "0.0.0.0:8080".parse().unwrap();
        let address = |way: Way| own_address(Some(&way), listen);
        assert_eq!(
            address(way("http", Some("192.168.1.5:8080"))),
            "http://192.168.1.5:8080"
        );
        assert_eq!(
            address(way("https", Some("panel.example.com"))),
            "https://panel.example.com"
        );
        assert_eq!(address(way("http", Some("[::1]:8080"))), "http://[::1]:8080");
        assert_eq!(address(way("http", None)), "http://127.0.0.1:8080");
        assert_eq!(address(way("http", Some("a/b"))), "http://127.0.0.1:8080");
        assert_eq!(own_address(None, "[::]:1".parse().unwrap()), "http://[::1]:1");
    }
}
