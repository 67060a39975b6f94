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

    /// Sends a line, which brings its end with it, and the raw bytes that follow if there are any.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send(&mut self, line: &str) -> io::Result<()> {
        self.to_send.extend_from_slice(line.as_bytes());
        while !self.to_send.is_empty() {
            self.stream.write_buf(&mut self.to_send).await?;
        }
        Ok(())
    }

    /// The next line without its end, with the raw bytes that it says follow.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn next_framed(&mut self) -> Result<Framed, StreamError> {
        loop {
            if let Some(line) = self.received.next_framed() {
                return Ok(line?);
            }
            if self.stream.read_buf(self.received.space()).await? == 0 {
                return Err(StreamError::Closed);
            }
        }
    }
}
