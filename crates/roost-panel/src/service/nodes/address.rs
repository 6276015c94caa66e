//! What may be a node's address: set by administrators, asked by the panel, so it is checked like any other input.

use crate::service::{Result, ServiceError};

/// Longest address.
const MAX: usize = 255;

/// The address as it is kept: without a slash at its end. `field` names it in errors.
pub(crate) fn check(field: &str, text: &str) -> Result<String> {
    let refuse = |why: &str| {
        Err(ServiceError::Invalid(format!(
            "{field}: {why}. Write it as https://node.example.com:8080 or http://10.0.0.5:8080, with a plain path behind \
             it at most."
        )))
    };
    let text = text.trim().trim_end_matches('/');
    if text.is_empty() || text.len() > MAX {
        return refuse("it has 1 to 255 characters");
    }
    let Ok(uri) = text.parse::<http::Uri>() else {
        return refuse("it is no address");
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return refuse("it begins with http:// or https://");
    }
    let Some(authority) = uri.authority() else {
        return refuse("it has no host");
    };
    if authority.as_str().contains('@') {
        return refuse("it holds no user or password");
    }
    // The library leaves a port that is none silently out.
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or(":");
    let fits = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|p| p.parse::<u16>().is_ok_and(|number| number > 0));
    if authority.host().is_empty() || !fits {
        return refuse("it has a host, and a port from 1 to 65535 if any");
    }
    if uri.query().is_some() || text.contains('#') {
        return refuse("it ends with the path");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    let is_segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.chars().all(plain);
    let path = uri.path().strip_prefix('/').unwrap_or_default();
    if !path.is_empty() && !path.split('/').all(is_segment) {
        return refuse("its path has letters, digits, `-`, `_`, `.` and `~` only, and no `..`");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_pass() {
        for (text, kept) in [
            ("https://node.example.com:8080/", "https://node.example.com:8080"),
            (" http://10.0.0.5:8080 ", "http://10.0.0.5:8080"),
            ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
            ("https://example.com/wings/one", "https://example.com/wings/one"),
        ] {
            assert_eq!(check("address", text).unwrap(), kept);
        }
    }

    #[test]
    fn tricks_are_refused() {
        for text in [
            "",
            "node.example.com",
            "ftp://node",
            "file:///etc/passwd",
            "http://",
            "http://user@node",
            "http://user:pw@node",
            "http://node:0",
            "http://node:99999",
            "http://node/a/../b",
            "http://node/%2e%2e",
            "http://node//x",
            "http://node/?x=1",
            "http://node/#x",
            "http://no de",
            "http://node\r\nX: y",
            "javascript:alert(1)",
        ] {
            assert!(check("address", text).is_err(), "{text}");
        }
    }
}
