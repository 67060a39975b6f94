//! What a connection reads and writes: a socket, or a link within this process.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{outbox, socket};

/// What may wait in a link, each way. Little: behind it, as behind a socket, the outbox holds what waits.
const LINK_ITEMS_MAX: usize = 4;

/// The other end of a connection that comes over no socket. Dropping it ends the connection.
#[derive(Debug)]
pub struct Link {
    /// What the client says: the bytes that it would write to a socket, cut anywhere.
    pub to_server: mpsc::Sender<Bytes>,
    /// What it is told, likewise.
    pub from_server: mpsc::Receiver<Vec<Bytes>>,
}

/// The server's end of a link.
#[derive(Debug)]
pub(super) struct LinkEnd {
    from_client: mpsc::Receiver<Bytes>,
    to_client: mpsc::Sender<Vec<Bytes>>,
    /// What has come and was not read.
    unread: Bytes,
    has_ended: bool,
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(Arc<TcpStream>),
    Link(Box<LinkEnd>),
}

pub(super) fn link() -> (Link, Stream) {
    let (to_server, from_client) = mpsc::channel(LINK_ITEMS_MAX);
    let (to_client, from_server) = mpsc::channel(LINK_ITEMS_MAX);
    let link = Link {
        to_server,
        from_server,
    };
    let end = LinkEnd {
        from_client,
        to_client,
        unread: Bytes::new(),
        has_ended: false,
    };
    (link, Stream::Link(Box::new(end)))
}

impl Stream {
    pub(super) fn prepare(&self) {
        if let Self::Tcp(stream) = self {
            socket::prepare(stream);
        }
    }

    /// The socket, if it is one.
    pub(super) fn socket(&self) -> Option<Arc<TcpStream>> {
        match self {
            Self::Tcp(stream) => Some(Arc::clone(stream)),
            Self::Link(_) => None,
        }
    }

    /// Waits until there is something to read, or the end. May be dropped without losing anything.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Link(end) => {
                end.readable().await;
                Ok(())
            }
        }
    }

    /// Reads what is there; 0 bytes at the end.
    pub(super) fn try_read(&mut self, space: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(space),
            Self::Link(end) => end.try_read(space),
        }
    }

    /// Writes all chunks. It has timed out when a socket has taken nothing for so long; who holds the other end of a link
    /// judges that itself, and drops it.
    pub(super) async fn write_all(
        &self,
        chunks: Vec<Bytes>,
        stuck_max: Duration,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => outbox::write_all(stream, chunks, stuck_max).await,
            Self::Link(end) => {
                let sent = end.to_client.send(chunks).await;
                sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
            }
        }
    }

    /// Ends it so that the client can read the last words. Those of a link stay in it.
    pub(super) async fn close_gently(self) {
        if let Self::Tcp(stream) = self {
            socket::close_gently(&stream).await;
        }
    }
}

impl LinkEnd {
    async fn readable(&mut self) {
        while self.unread.is_empty() && !self.has_ended {
            match self.from_client.recv().await {
                Some(bytes) => self.unread = bytes,
                None => self.has_ended = true,
            }
        }
    }

    fn try_read(&mut self, space: &mut BytesMut) -> io::Result<usize> {
        if self.unread.is_empty() && !self.has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let unread = std::mem::take(&mut self.unread);
        space.extend_from_slice(&unread);
        Ok(unread.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_carries_both_ways_until_its_end() {
        let (mut link, mut stream) = link();
        for said in ["", "a\n"] {
            link.to_server.send(Bytes::from(said)).await.unwrap();
        }
        let mut read = BytesMut::new();
        assert!(stream.try_read(&mut read).is_err());
        stream.readable().await.unwrap();
        assert_eq!(stream.try_read(&mut read).unwrap(), 2);
        assert_eq!(read, "a\n");
        let told = vec![Bytes::from_static(b"OK\n")];
        stream
            .write_all(told.clone(), Duration::from_secs(1))
            .await
            .unwrap();
        drop(link.to_server);
        stream.readable().await.unwrap();
        assert_eq!(stream.try_read(&mut read).unwrap(), 0);
        stream.close_gently().await;
        assert_eq!(link.from_server.recv().await, Some(told));
        assert_eq!(link.from_server.recv().await, None);
    }
}
