//! Files by multicast: a thread for each that is sent, and for each that is received, with sockets and files of their own,
//! so that the talk does not wait for them.

mod block_reader;
mod followed_socket;
mod receiving;
mod sending;
mod stop;

pub use receiving::{Incoming, Keeper, Publish, Received, ReceivingOptions, confirm, receive};
pub use sending::{Outgoing, SendingOptions, Sent, send};

use super::Interface;
use crate::chat::FileOffer;
use crate::multicast::config::{FILE_DATAGRAM_OVERHEAD_BYTES, SYMBOL_BYTES_MAX, SYMBOL_BYTES_STEP};
use crate::multicast::content::Offer;

/// Time on a busy processor goes to the talk first, as far as the system lets us say so.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Has this thread give way to those of the talk.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        // For this thread alone. Where it is not allowed it is no loss.
        let _ = rustix::process::nice(NICENESS);
    }
}

/// Symbols fill what the interface carries, in the steps that parity needs.
pub fn offer(file: FileOffer, interface: &Interface) -> Offer {
    let room = interface
        .mtu_bytes()
        .saturating_sub(FILE_DATAGRAM_OVERHEAD_BYTES);
    let bytes =
        (room / SYMBOL_BYTES_STEP * SYMBOL_BYTES_STEP).clamp(SYMBOL_BYTES_STEP, SYMBOL_BYTES_MAX);
    Offer {
        file,
        symbol_bytes: bytes as u16,
    }
}
