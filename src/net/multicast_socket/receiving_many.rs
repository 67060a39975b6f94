//! Many datagrams in one call, as Linux has it.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::UdpGroSegment;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn, recvmmsg, setsockopt,
};

use super::batch::{Batch, Filled};

/// How a socket receives.
#[derive(Debug)]
pub(super) struct Receiving;

impl Receiving {
    pub(super) fn new(socket: &UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Where the kernel puts nothing together datagrams come one by one.
        let _ = setsockopt(socket, UdpGroSegment, &true);
        Ok(Self)
    }

    /// Waits for the first at most, if the socket waits at all.
    pub(super) fn receive(&self, socket: &UdpSocket, batch: &mut Batch) -> io::Result<()> {
        let (buffers, filled) = batch.empty();
        let mut buffers: Vec<_> = buffers.map(|bytes| [IoSliceMut::new(bytes)]).collect();
        let mut headers = MultiHeaders::preallocate(buffers.len(), Some(cmsg_space!(i32)));
        let one_is_enough = MsgFlags::MSG_WAITFORONE;
        let buffers = buffers.iter_mut();
        match recvmmsg(
            socket.as_raw_fd(),
            &mut headers,
            buffers,
            one_is_enough,
            None,
        ) {
            Ok(messages) => {
                filled.extend(messages.map(|message| read(&message)));
                Ok(())
            }
            // Who waits asks again.
            Err(Errno::EINTR) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        }
    }
}

fn read(message: &RecvMsg<'_, '_, SockaddrIn>) -> Filled {
    let nowhere = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let segment_bytes = message.cmsgs().ok().and_then(|mut controls| {
        controls.find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(bytes) => usize::try_from(bytes).ok(),
            _ => None,
        })
    });
    Filled {
        source: message.address.map_or(nowhere, SocketAddrV4::from),
        bytes: message.bytes,
        segment_bytes: segment_bytes.unwrap_or(message.bytes),
    }
}
