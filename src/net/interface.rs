//! Which network interface rooms use.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use if_addrs::{IfAddr, get_if_addrs};

use crate::chat::{RoomAddress, printable};

/// A local interface with one of its IPv4 addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// As the system calls it: `eth0`, `wlan0`, `lo`.
    pub name: String,
    /// The address that rooms send from.
    pub address: Ipv4Addr,
    /// The system's number for it.
    pub index: u32,
}

/// Why there is no interface to use.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// None has this name or address.
    #[error("no interface `{wanted}` with an IPv4 address that is up here: choose one of {there}")]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: String,
    },
    /// The machine has none at all.
    #[error("this machine has no interface with an IPv4 address: connect it to a network")]
    None,
    /// The system did not say.
    #[error("cannot list the network interfaces: {0}")]
    System(#[from] io::Error),
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

/// What a room's interface has to lead to.
#[derive(Clone, Copy, Debug)]
pub enum Towards {
    /// The server; this is our own address of the connection to it.
    Server(IpAddr),
    /// The group; there is no server.
    Group(RoomAddress),
}

impl Interface {
    /// The interface for a room: the one `wanted` by name or IPv4 address, else the one that the way
    /// to the server or the group gives, else any that is up, loopback last.
    ///
    /// # Errors
    /// The wanted one is not there, or the machine has no IPv4 interface.
    pub fn choose(wanted: Option<&str>, towards: Towards) -> Result<Self, InterfaceError> {
        match (wanted, towards) {
            (Some(wanted), _) => Self::named(wanted),
            (None, Towards::Server(local)) => Self::for_connection(local),
            (None, Towards::Group(room)) => Self::via(routed(room.socket_address().into())),
        }
    }

    /// The interface with this name or IPv4 address.
    ///
    /// # Errors
    /// There is none; the text lists what there is.
    pub fn named(wanted: &str) -> Result<Self, InterfaceError> {
        let all = interfaces_up()?;
        let address = wanted.parse::<Ipv4Addr>().ok();
        let found = all
            .iter()
            .find(|i| i.name == wanted || Some(i.address) == address);
        found.cloned().ok_or_else(|| InterfaceError::NotFound {
            wanted: printable(wanted).into_owned(),
            there: all
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// Bytes of the largest IP packet that it takes; an Ethernet's where the system does not tell.
    pub fn mtu_bytes(&self) -> usize {
        const ETHERNET: usize = 1500;
        let told = std::fs::read_to_string(format!("/sys/class/net/{}/mtu", self.name));
        let told = told.ok().and_then(|text| text.trim().parse().ok());
        told.unwrap_or(ETHERNET)
    }

    /// What has become of it: the same, or what its name stands for now. One with several addresses is
    /// the same as long as it has this one.
    ///
    /// # Errors
    /// Its name is gone, or it is down.
    pub fn now(&self) -> Result<Self, InterfaceError> {
        let now = Self::named(&self.name)?;
        match Self::named(&self.address.to_string()) {
            Ok(same) if same == *self => Ok(same),
            _ => Ok(now),
        }
    }

    /// The one that owns the local address of the control connection. Where that is loopback, server
    /// and client share a machine, and others are heard where the default route leads.
    fn for_connection(local: IpAddr) -> Result<Self, InterfaceError> {
        let local = local.to_canonical();
        if !local.is_loopback()
            && let Some(owner) = owner(local)?
        {
            return Ok(owner);
        }
        // Any address of the wide world does: nothing is sent to it, the system is only asked for the way.
        Self::via(routed(SocketAddr::from(([198, 51, 100, 1], 9))))
    }

    /// The interface that owns the address of a route. Without a route, as on a switch with no way
    /// out, the first that leads anywhere; loopback if nothing else.
    fn via(route: Option<IpAddr>) -> Result<Self, InterfaceError> {
        if let Some(address) = route
            && let Some(owner) = owner(address)?
        {
            return Ok(owner);
        }
        let all = interfaces_up()?;
        let outward = all.iter().find(|i| !i.address.is_loopback());
        outward.or(all.first()).cloned().ok_or(InterfaceError::None)
    }
}

/// The local address from which the system would send there; `None` without a route.
fn routed(destination: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Connecting a UDP socket chooses a route and sends nothing.
    socket.connect(destination).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The IPv4 side of the interface that has this address of either family.
fn owner(address: IpAddr) -> Result<Option<Interface>, InterfaceError> {
    let name = get_if_addrs()?
        .into_iter()
        .find(|i| i.ip() == address)
        .map(|i| i.name);
    let up = interfaces_up()?;
    let exact = up.iter().find(|i| IpAddr::V4(i.address) == address);
    let same_name = up.iter().find(|i| Some(&i.name) == name.as_ref());
    Ok(exact.or(same_name).cloned())
}

/// Every IPv4 address of every interface that is up.
fn interfaces_up() -> Result<Vec<Interface>, InterfaceError> {
    let all = get_if_addrs()?;
    Ok(all
        .into_iter()
        .filter(|interface| interface.is_oper_up())
        .filter_map(|interface| match &interface.addr {
            IfAddr::V4(v4) => Some(Interface {
                address: v4.ip,
                index: interface.index?,
                name: interface.name,
            }),
            IfAddr::V6(_) => None,
        })
        .collect())
}
