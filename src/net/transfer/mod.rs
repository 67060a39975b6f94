//! Files by multicast: a thread for each that is sent, and for each that is received, with sockets and files of their own,
//! so that the talk does not wait for them.

mod block_reader;
mod receiving;
mod sending;
mod stop;

pub use receiving::{Incoming, Keeper, Publish, Received, ReceivingOptions, receive};
pub use sending::{Outgoing, SendingOptions, Sent, send};
