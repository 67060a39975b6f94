//! Where a directory server is.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::excerpt;

/// The port of a directory server unless another is named; rooms whose address the server picks use
/// the same number over UDP, so that there is one to open in a firewall.
pub const DEFAULT_PORT: u16 = 12000;

/// `HOST[:PORT]`, where HOST is a name, an IPv4 address or an IPv6 address (in brackets if a port follows).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// The host, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// What was given is no `HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not HOST[:PORT]: write one such as 192.168.1.5, lab-server:12000 or [::1]:12000")]
pub struct ServerAddressError(String);

impl Default for ServerAddress {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: DEFAULT_PORT,
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for ServerAddress {
    type Err = ServerAddressError;

    fn from_str(given: &str) -> Result<Self, ServerAddressError> {
        let refused = || ServerAddressError(excerpt(given, 128));
        let (host, port) = split(given).ok_or_else(refused)?;
        let port = match port {
            None => DEFAULT_PORT,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(refused)?,
        };
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        let zone_free = host.split('%').next().unwrap_or(host);
        let valid = zone_free.parse::<Ipv6Addr>().is_ok()
            || (!host.is_empty() && host.len() <= 255 && host.chars().all(is_name));
        if !valid {
            return Err(refused());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// Host and port, the brackets of an IPv6 address taken off.
fn split(given: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = given.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        if after.is_empty() {
            return Some((host, None));
        }
        return Some((host, Some(after.strip_prefix(':')?)));
    }
    match given.split_once(':') {
        None => Some((given, None)),
        Some((_, rest)) if rest.contains(':') => Some((given, None)),
        Some((host, port)) => Some((host, Some(port))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_with_and_without_port() {
        let parsed = |s: &str| s.parse::<ServerAddress>().unwrap().to_string();
        assert_eq!(parsed("lab-server"), "lab-server:12000");
        assert_eq!(parsed("10.0.0.1:7"), "10.0.0.1:7");
        assert_eq!(parsed("::1"), "[::1]:12000");
        assert_eq!(parsed("[::1]"), "[::1]:12000");
        assert_eq!(parsed("[fe80::1%eth0]:7"), "[fe80::1%eth0]:7");
        for bad in [
            "", ":7", "h:", "h:0", "h:65536", "h:x", "[::1", "[::1]7", "a b", "1:2:3",
        ] {
            assert!(bad.parse::<ServerAddress>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(text in any::<String>()) {
            if let Ok(address) = text.parse::<ServerAddress>() {
                prop_assert_eq!(address.to_string().parse::<ServerAddress>().unwrap(), address);
            }
        }
    }
}
