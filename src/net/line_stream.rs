//! Lines over TCP, as a client reads and writes them.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::control::{ANSWER_BYTES_MAX, Framed, LineBuffer, LineError};

/// What the system may hold of a connection that it has not sent yet, in bytes: 4 s at 64 kbit/s.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 32 * 1024;

/// A TCP connection of lines. Reading and writing lose nothing when their future is dropped.
#[derive(Debug)]
pub struct LineStream {
    stream: TcpStream,
    received: LineBuffer,
    to_send: BytesMut,
    /// Something came, or the way took some of what waits for it.
    has_moved: bool,
}

/// The stream cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The other side closed it.
    #[error("the other side closed it")]
    Closed,
    /// The other side sent something that is no line.
    #[error(transparent)]
    Line(#[from] LineError),
}

impl LineStream {
    /// Around a connected stream.
    pub fn new(stream: TcpStream) -> Self {
        // Requests are small and waited for; without this option nothing is wrong, only slower.
        let _ = stream.set_nodelay(true);
        hold_little_unsent(&stream);
        Self {
            stream,
            received: LineBuffer::new(ANSWER_BYTES_MAX),
            to_send: BytesMut::new(),
            has_moved: false,
        }
    }

    /// Our end of the connection.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Puts a line, which brings its end with it, into the queue with the raw bytes that belong to it;
    /// [`LineStream::next_framed`] sends it.
    pub fn queue(&mut self, line: &[u8]) {
        self.to_send.extend_from_slice(line);
    }

    /// What stands in the queue, in bytes.
    pub fn queued_bytes(&self) -> usize {
        self.to_send.len()
    }

    /// Whether bytes have flowed since this was asked last: any that came count, be they a whole line or not, and those that
    /// went out while more waited. What the system takes at once, as into a buffer, says nothing of the other side.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_moved)
    }

    /// The next line and its raw bytes; sends what is queued meanwhile, so that two sides that both have much
    /// to say do not wait for each other.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn next_framed(&mut self) -> Result<Framed, StreamError> {
        loop {
            if let Some(line) = self.received.next_framed() {
                return Ok(line?);
            }
            let (mut reader, mut writer) = self.stream.split();
            tokio::select! {
                read = reader.read_buf(self.received.space()) => match read? {
                    0 => return Err(StreamError::Closed),
                    _ => self.has_moved = true,
                },
                sent = writer.write_buf(&mut self.to_send), if !self.to_send.is_empty() => {
                    // Who has closed may have said why before: so what was said is read to its end.
                    if sent.is_err() {
                        self.to_send.clear();
                    }
                    self.has_moved |= !self.to_send.is_empty();
                }
            }
        }
    }
}

/// Lets the system take no more than goes out soon: so what it takes tells whether the way carries anything, and a sign of
/// life does not wait behind megabytes. Where there is no such option, a slow way is judged by steps as large as its buffer.
fn hold_little_unsent(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_waits_moves_as_the_other_side_reads_and_a_sign_of_life_alone_is_no_movement() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (mut stream, mut other) = (LineStream::new(client.unwrap()), accepted.unwrap().0);
        stream.queue(b"ping\n");
        let mut read = vec![0; 5];
        tokio::select! {
            line = stream.next_framed() => panic!("{line:?}"),
            whole = other.read_exact(&mut read) => assert_eq!(whole.unwrap(), 5),
        }
        assert!(!stream.take_moved());
        // More than the system holds: so it stands still, until some of it is read.
        stream.queue(&vec![b'x'; 64 * 1024 * 1024]);
        let mut is_moving = true;
        while is_moving {
            timeout(Duration::from_millis(50), stream.next_framed())
                .await
                .unwrap_err();
            is_moving = stream.take_moved();
        }
        read.resize(1024 * 1024, 0);
        while !is_moving {
            tokio::select! {
                line = stream.next_framed() => panic!("{line:?}"),
                whole = other.read_exact(&mut read) => assert_eq!(whole.unwrap(), read.len()),
            }
            is_moving = stream.take_moved();
        }
    }
}
