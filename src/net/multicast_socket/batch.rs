//! Datagrams that are received in one call.

use std::net::SocketAddrV4;

/// The largest UDP payload over IPv4, in bytes; also what the kernel puts together of several.
const PAYLOAD_BYTES_MAX: usize = 65_535;

/// Buffers that one call fills: each with a datagram, or with many of one length that the kernel has
/// put together.
const BUFFERS: usize = 8;

/// The same for symbols of a file.
const BUFFERS_MAX: usize = 32;

/// What one call has received.
pub struct Batch {
    bytes: Vec<u8>,
    /// What stands in each buffer, from the first on.
    filled: Vec<Filled>,
}

/// What stands in a buffer.
pub(super) struct Filled {
    pub(super) source: SocketAddrV4,
    pub(super) bytes: usize,
    /// Datagrams that the kernel has put together have this length, the last perhaps a shorter one.
    pub(super) segment_bytes: usize,
}

impl Batch {
    /// Several calls in one: as many buffers as are of use.
    pub fn of_many() -> Self {
        Self::of(BUFFERS)
    }

    /// For a flow that is as fast as the network.
    pub fn of_very_many() -> Self {
        Self::of(BUFFERS_MAX)
    }

    /// A single buffer, for who takes one datagram after the other.
    pub fn of_one() -> Self {
        Self::of(1)
    }

    fn of(buffers: usize) -> Self {
        Self {
            // The system gives memory to what is written to, which is little in most rooms.
            bytes: vec![0; buffers * PAYLOAD_BYTES_MAX],
            filled: Vec::with_capacity(buffers),
        }
    }

    /// The buffers, and where to note what stands in them; nothing does yet.
    pub(super) fn empty(&mut self) -> (impl Iterator<Item = &mut [u8]>, &mut Vec<Filled>) {
        self.filled.clear();
        let buffers = self.bytes.chunks_exact_mut(PAYLOAD_BYTES_MAX);
        (buffers, &mut self.filled)
    }

    /// The datagrams, each with where it came from. Those that the kernel put together are taken apart.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddrV4, &[u8])> {
        let buffers = self.bytes.chunks_exact(PAYLOAD_BYTES_MAX);
        self.filled
            .iter()
            .zip(buffers)
            .flat_map(|(filled, buffer)| {
                let whole = &buffer[..filled.bytes.min(buffer.len())];
                // A datagram without content has no segments.
                let segments = whole.chunks(filled.segment_bytes.max(1));
                segments.map(move |segment| (filled.source, segment))
            })
    }
}
