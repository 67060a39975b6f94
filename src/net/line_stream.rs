//! Lines over TCP, as a client reads and writes them.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::control::{ANSWER_BYTES_MAX, Framed, LineBuffer, LineError};

/// A TCP connection of lines. Reading and writing lose nothing when their future is dropped.
#[derive(Debug)]
pub struct LineStream {
    stream: TcpStream,
    received: LineBuffer,
    to_send: BytesMut,
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
        Self {
            stream,
            received: LineBuffer::new(ANSWER_BYTES_MAX),
            to_send: BytesMut::new(),
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
                read = reader.read_buf(self.received.space()) => if read? == 0 {
                    return Err(StreamError::Closed);
                },
                sent = writer.write_buf(&mut self.to_send), if !self.to_send.is_empty() => {
                    // Who has closed may have said why before: so what was said is read to its end.
                    if sent.is_err() {
                        self.to_send.clear();
                    }
                }
            }
        }
    }
}
