//! Whether a request comes from the page itself. A browser sends one from any page that a person has open, and tells
//! whose it is.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};

use super::refusal::Refused;

/// Names that mean something on one network alone. Under any other name a stranger's page may be reached, which then
/// has this server's address put behind its own name.
const LOCAL_ENDINGS: &[&str] = &[
    "localhost",
    "local",
    "lan",
    "home",
    "internal",
    "home.arpa",
    "localdomain",
    "test",
];

/// Lets only the page itself in.
///
/// # Errors
/// It is another one, or none.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Refused> {
    let only = |name| {
        let mut all = headers.get_all(name).iter();
        let first = all.next()?.to_str().ok()?;
        all.next().is_none().then_some(first)
    };
    let refused = |text: &str| Err(Refused::new(StatusCode::FORBIDDEN, "wrong-origin", text));
    let (Some(origin), Some(host)) = (only(ORIGIN), only(HOST)) else {
        return refused("only the page of this server may ask for this");
    };
    let of_page = origin
        .strip_prefix("http://")
        .or(origin.strip_prefix("https://"));
    if !of_page.is_some_and(|of_page| of_page.eq_ignore_ascii_case(host)) {
        return refused("only the page of this server may ask for this");
    }
    match host.parse::<Authority>() {
        Ok(authority) if is_local(authority.host()) => Ok(()),
        _ => refused("open the page by the address that the server prints"),
    }
}

fn is_local(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if bare.unwrap_or(host).parse::<IpAddr>().is_ok() {
        return true;
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_below = |ending: &&str| {
        let above = host.strip_suffix(*ending);
        above.is_some_and(|above| above.ends_with('.'))
    };
    let is_own = || rustix::system::uname().nodename().to_str() == Ok(host.as_str());
    !host.contains('.') || LOCAL_ENDINGS.iter().any(is_below) || is_own()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_in(origin: Option<&str>, host: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in [(ORIGIN, origin), (HOST, host)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        check(&headers).is_ok()
    }

    #[test]
    fn only_the_page_itself_is_let_in() {
        let same = |host: &str| is_let_in(Some(&format!("http://{host}")), Some(host));
        for host in [
            "192.168.1.7:12080",
            "[fe80::1]:12080",
            "localhost:12080",
            "lab",
            "lab.local:80",
            "LAB.lan",
        ] {
            assert!(same(host), "{host}");
        }
        for host in [
            "example.org:12080",
            "192.168.1.7.example.org",
            "local.example",
        ] {
            assert!(!same(host), "{host}");
        }
        assert!(is_let_in(Some("https://lab:1"), Some("lab:1")));
        for (origin, host) in [
            (None, Some("lab:1")),
            (Some("http://lab:1"), None),
            (Some("null"), Some("lab:1")),
            (Some("http://lab:2"), Some("lab:1")),
            (Some("http://lab"), Some("lab:1")),
            (Some("http://evil/lab:1"), Some("lab:1")),
            (Some("ftp://lab:1"), Some("lab:1")),
            (Some("http://10.0.0.1"), Some("10.0.0.2")),
        ] {
            assert!(!is_let_in(origin, host), "{origin:?} {host:?}");
        }
    }

    #[test]
    fn an_origin_that_is_told_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "lab".parse().unwrap());
        for origin in ["http://lab", "http://evil"] {
            headers.append(ORIGIN, origin.parse().unwrap());
        }
        assert!(check(&headers).is_err());
    }
}
