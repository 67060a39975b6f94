//! Where the page is served.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::excerpt;

/// The port of the page unless another is named.
pub const DEFAULT_WEB_PORT: u16 = 12080;

/// `ADDRESS:PORT`, or one of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebAddress {
    /// None for where the server listens.
    pub address: Option<IpAddr>,
    /// None for the default, or another if that is taken; 0 for a free one.
    pub port: Option<u16>,
}

/// What was given is no `ADDRESS:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not ADDRESS:PORT: write one such as 192.168.1.5:8080, [::1]:8080, 192.168.1.5 or 8080"
)]
pub struct WebAddressError(String);

impl FromStr for WebAddress {
    type Err = WebAddressError;

    fn from_str(given: &str) -> Result<Self, WebAddressError> {
        if let Ok(port) = given.parse() {
            let port = Some(port);
            return Ok(Self {
                address: None,
                port,
            });
        }
        if let Ok(both) = given.parse::<SocketAddr>() {
            return Ok(Self {
                address: Some(both.ip()),
                port: Some(both.port()),
            });
        }
        let bare = given.strip_prefix('[').and_then(|g| g.strip_suffix(']'));
        match bare.unwrap_or(given).parse() {
            Ok(address) => Ok(Self {
                address: Some(address),
                port: None,
            }),
            Err(_) => Err(WebAddressError(excerpt(given, 128))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_port_or_both() {
        let read = |given: &str| {
            let address = given.parse::<WebAddress>().ok()?;
            Some((address.address.map(|a| a.to_string()), address.port))
        };
        assert_eq!(read("8080"), Some((None, Some(8080))));
        assert_eq!(
            read("10.0.0.5:80"),
            Some((Some("10.0.0.5".into()), Some(80)))
        );
        assert_eq!(read("10.0.0.5"), Some((Some("10.0.0.5".into()), None)));
        assert_eq!(read("[::1]:0"), Some((Some("::1".into()), Some(0))));
        for given in ["::1", "[::1]"] {
            assert_eq!(read(given), Some((Some("::1".into()), None)));
        }
        for bad in ["", ":80", "70000", "lab:80", "10.0.0.5:", "10.0.0"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
