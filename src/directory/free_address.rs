//! Picking a group address that no other room hears.
//!
//! An Ethernet card filters groups by the low 23 bits of their address (RFC 1112, section 6.4), so a
//! picked group shares those bits with no other room. Addresses come from 239.255.0.0/16, the IPv4
//! local scope of RFC 2365; none of them shares its bits with 224.0.0.x, which switches flood.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::chat::{RoomAddress, RoomName};

/// How many rooms use each Ethernet group address.
#[derive(Debug, Default)]
pub(super) struct EthernetBits(BTreeMap<u32, usize>);

const LOCAL_SCOPE: u32 = 0xefff_0000;
const LOCAL_SCOPE_ADDRESSES: u32 = 1 << 16;

impl EthernetBits {
    pub(super) fn take(&mut self, address: RoomAddress) {
        *self.0.entry(address.ethernet_bits()).or_default() += 1;
    }

    pub(super) fn give_back(&mut self, address: RoomAddress) {
        if let Some(rooms) = self.0.get_mut(&address.ethernet_bits()) {
            *rooms -= 1;
            if *rooms == 0 {
                self.0.remove(&address.ethernet_bits());
            }
        }
    }

    /// A free address for a room of this name, or `None` if all 65,536 are in use. The search starts
    /// at a place that name and seed give, so that servers on one network seldom pick the same.
    pub(super) fn free_address(
        &self,
        name: &RoomName,
        seed: u64,
        port: u16,
    ) -> Option<RoomAddress> {
        let start = fnv_1a(seed, &name.key());
        (0..LOCAL_SCOPE_ADDRESSES)
            .map(|step| start.wrapping_add(step) % LOCAL_SCOPE_ADDRESSES)
            .filter_map(|low| RoomAddress::new(Ipv4Addr::from_bits(LOCAL_SCOPE | low), port).ok())
            .find(|address| !self.0.contains_key(&address.ethernet_bits()))
    }
}

/// FNV-1a, folded to 32 bits (Fowler, Noll and Vo): spreads names, promises no secrecy.
fn fnv_1a(seed: u64, text: &str) -> u32 {
    let hash = seed
        .to_be_bytes()
        .into_iter()
        .chain(text.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (hash >> 32) as u32 ^ hash as u32
}
