//! Where a room is: an administratively scoped IPv4 group (RFC 2365) and a UDP port.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;
use std::str::FromStr;

use super::excerpt;

/// A group address in 239.0.0.0/8 and a port of 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomAddress {
    group: Ipv4Addr,
    port: NonZeroU16,
}

/// Why this is no room address. The text says what one is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomAddressError {
    /// Not an IPv4 address at all.
    #[error("`{0}` is not an address: write one such as 239.1.1.1")]
    NotAnAddress(String),
    /// An IPv4 address outside the range for rooms.
    #[error("address {0} is outside 239.0.0.0 to 239.255.255.255: choose one inside")]
    OutsideScope(Ipv4Addr),
    /// Not a number of 1 to 65535.
    #[error("port `{0}` is not allowed: choose a number of 1 to 65535")]
    Port(String),
    /// No `:` between address and port.
    #[error("`{0}` is not ADDRESS:PORT: write one such as 239.1.1.1:6000")]
    NoPort(String),
}

impl RoomAddress {
    /// # Errors
    /// The group is outside 239.0.0.0/8, or the port is 0.
    pub fn new(group: Ipv4Addr, port: u16) -> Result<Self, RoomAddressError> {
        let port = NonZeroU16::new(port).ok_or_else(|| RoomAddressError::Port("0".to_owned()))?;
        if group.octets()[0] == 239 {
            Ok(Self { group, port })
        } else {
            Err(RoomAddressError::OutsideScope(group))
        }
    }

    /// From the two words of a command.
    ///
    /// # Errors
    /// As [`RoomAddress::new`], and where a word is no address or no number at all.
    pub fn from_words(address: &str, port: &str) -> Result<Self, RoomAddressError> {
        let group: Ipv4Addr = address
            .parse()
            .map_err(|_| RoomAddressError::NotAnAddress(excerpt(address, 64)))?;
        // `u16` would accept a leading `+`, which no other program of the lab does.
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        match port.parse::<u16>() {
            Ok(number) if digits && number > 0 => Self::new(group, number),
            _ => Err(RoomAddressError::Port(excerpt(port, 64))),
        }
    }

    /// The multicast group.
    pub fn group(&self) -> Ipv4Addr {
        self.group
    }

    /// The UDP port, 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port.get()
    }

    /// Where the room's files go: to the group whose second byte differs in its lowest bit, and to the same port. A
    /// switch that knows who listens there carries a file only to those who get it, and the room's own socket is spared it. Of
    /// 239.255.0.0/16, where rooms are picked, this makes 239.254.0.0/16, into which that scope may grow (RFC 2365,
    /// section 6.1.1).
    #[must_use]
    pub fn for_files(&self) -> Self {
        Self {
            group: Ipv4Addr::from_bits(self.group.to_bits() ^ 1 << 16),
            port: self.port,
        }
    }

    /// The bits of the group that make its Ethernet address (RFC 1112, section 6.4): two groups that
    /// share them reach the same network cards.
    pub fn ethernet_bits(&self) -> u32 {
        self.group.to_bits() & 0x007f_ffff
    }

    /// For the socket calls.
    pub fn socket_address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.group, self.port.get())
    }
}

impl fmt::Display for RoomAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.group, self.port)
    }
}

impl FromStr for RoomAddress {
    type Err = RoomAddressError;

    fn from_str(given: &str) -> Result<Self, RoomAddressError> {
        let (address, port) = given
            .rsplit_once(':')
            .ok_or_else(|| RoomAddressError::NoPort(excerpt(given, 64)))?;
        Self::from_words(address, port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_have_a_group_beside_the_room_s() {
        for (room, files) in [
            ("239.255.7.8:12000", "239.254.7.8:12000"),
            ("239.0.0.1:1", "239.1.0.1:1"),
        ] {
            let room: RoomAddress = room.parse().unwrap();
            assert_eq!(room.for_files().to_string(), files);
            assert_eq!(room.for_files().for_files(), room);
            assert_ne!(room.for_files().ethernet_bits(), room.ethernet_bits());
        }
    }

    #[test]
    fn the_edges_of_the_range() {
        for good in ["239.0.0.0:1", "239.255.255.255:65535", "239.1.1.1:06000"] {
            assert!(good.parse::<RoomAddress>().is_ok(), "{good}");
        }
        let error = |s: &str| s.parse::<RoomAddress>().unwrap_err().to_string();
        assert!(error("238.255.255.255:6000").contains("outside 239.0.0.0"));
        assert!(error("240.0.0.0:6000").contains("outside 239.0.0.0"));
        assert!(error("239.1.1:6000").contains("not an address"));
        assert!(error("ff02::1:6000").contains("not an address"));
        for bad in [
            "239.1.1.1:0",
            "239.1.1.1:65536",
            "239.1.1.1:+5",
            "239.1.1.1:",
            "239.1.1.1:x",
        ] {
            assert!(error(bad).contains("1 to 65535"), "{bad}");
        }
        assert!(error("239.1.1.1").contains("ADDRESS:PORT"));
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(low in 0u32..1 << 24, port in 1u16..) {
            let address = RoomAddress::new(Ipv4Addr::from_bits(0xef00_0000 | low), port).unwrap();
            prop_assert_eq!(address.to_string().parse::<RoomAddress>().unwrap(), address);
        }

        #[test]
        fn any_text_parses_or_is_refused(text in any::<String>()) {
            if let Ok(address) = text.parse::<RoomAddress>() {
                prop_assert_eq!(address.group().octets()[0], 239);
            }
        }
    }
}
