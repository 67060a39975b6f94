//! A call for each datagram, or for those that the system put together.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use quinn_udp::{RecvMeta, UdpSocketState};

use super::batch::{Batch, Filled};

/// How a socket receives.
#[derive(Debug)]
pub(super) struct Receiving(UdpSocketState);

impl Receiving {
    pub(super) fn new(socket: &UdpSocket) -> io::Result<Self> {
        Ok(Self(UdpSocketState::new(socket.into())?))
    }

    /// Into one buffer: with several, a socket that waits would wait until all are filled.
    pub(super) fn receive(&self, socket: &UdpSocket, batch: &mut Batch) -> io::Result<()> {
        let (mut buffers, filled) = batch.empty();
        let mut buffer = [IoSliceMut::new(buffers.next().unwrap_or_default())];
        let mut meta = [RecvMeta::default()];
        let received = self.0.recv(socket.into(), &mut buffer, &mut meta)?;
        let read = |meta: &RecvMeta| match meta.addr {
            SocketAddr::V4(source) => Some(Filled {
                source,
                bytes: meta.len,
                segment_bytes: meta.stride,
            }),
            SocketAddr::V6(_) => None,
        };
        filled.extend(meta[..received].iter().filter_map(read));
        Ok(())
    }
}
