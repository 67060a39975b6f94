//! What a connection is sent without having asked: its own bounded queue between the owner of the hub,
//! who never waits for it, and its task, which writes as fast as its client reads.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Bytes that may wait for one client: some ten thousand lines, or a few seconds on a slow network.
/// They are shared with all who hear the same.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a waiting chunk takes beside its bytes: its place in the queue, roundly.
const CHUNK_OVERHEAD_BYTES: usize = 64;

/// Chunks that go out in one write; more do not make it faster.
const CHUNKS_WRITTEN_MAX: usize = 64;

/// Why the owner let go of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LetGo {
    /// Its client does not read fast enough.
    TooSlow,
    /// Its client has come back on another connection.
    Resumed,
}

#[derive(Debug)]
enum Item {
    Chunk(Bytes),
    LetGo(LetGo),
}

/// The owner's end.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    items: mpsc::UnboundedSender<Item>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// The connection's end.
#[derive(Debug)]
pub(super) struct OutboxReader {
    items: mpsc::UnboundedReceiver<Item>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// More would wait than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

pub(super) fn outbox() -> (Outbox, OutboxReader) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox {
        items: sender,
        waiting_bytes: Arc::clone(&waiting_bytes),
    };
    let reader = OutboxReader {
        items: receiver,
        waiting_bytes,
    };
    (outbox, reader)
}

fn cost(chunk: &Bytes) -> usize {
    chunk.len() + CHUNK_OVERHEAD_BYTES
}

impl Outbox {
    /// Adds whole lines.
    pub(super) fn push(&self, chunk: Bytes) -> Result<(), Full> {
        let cost = cost(&chunk);
        if self.waiting_bytes.fetch_add(cost, Ordering::Relaxed) + cost > WAITING_BYTES_MAX {
            self.waiting_bytes.fetch_sub(cost, Ordering::Relaxed);
            return Err(Full);
        }
        // If the connection has ended, its end is on the way to the owner.
        let _ = self.items.send(Item::Chunk(chunk));
        Ok(())
    }

    /// Whether the connection has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.items.is_closed()
    }

    /// Nothing more will come; what waits is still written.
    pub(super) fn let_go(self, reason: LetGo) {
        let _ = self.items.send(Item::LetGo(reason));
    }
}

/// What a connection is to do next.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Write these.
    Chunks(Vec<Bytes>),
    /// End.
    LetGo(LetGo),
}

impl OutboxReader {
    /// Waits for what is to be sent, and takes all that is there, up to what goes into one write. May
    /// be dropped without losing anything.
    pub(super) async fn next(&mut self) -> Outgoing {
        match self.items.recv().await {
            Some(Item::Chunk(first)) => Outgoing::Chunks(self.take_more(first)),
            Some(Item::LetGo(reason)) => Outgoing::LetGo(reason),
            // The owner has ended; so will this connection, which is told by the shutdown.
            None => std::future::pending().await,
        }
    }

    /// What is there to be sent, without waiting.
    pub(super) fn try_next(&mut self) -> Option<Outgoing> {
        match self.items.try_recv() {
            Ok(Item::Chunk(first)) => Some(Outgoing::Chunks(self.take_more(first))),
            Ok(Item::LetGo(reason)) => Some(Outgoing::LetGo(reason)),
            Err(_) => None,
        }
    }

    fn take_more(&mut self, first: Bytes) -> Vec<Bytes> {
        self.taken(&first);
        let mut chunks = vec![first];
        while chunks.len() < CHUNKS_WRITTEN_MAX && !self.items.is_empty() {
            match self.items.try_recv() {
                Ok(Item::Chunk(chunk)) => {
                    self.taken(&chunk);
                    chunks.push(chunk);
                }
                Ok(Item::LetGo(reason)) => {
                    self.let_go_next(reason);
                    break;
                }
                Err(_) => break,
            }
        }
        chunks
    }

    fn taken(&self, chunk: &Bytes) {
        self.waiting_bytes.fetch_sub(cost(chunk), Ordering::Relaxed);
    }

    /// It was the last item: it is put alone into a queue of its own.
    fn let_go_next(&mut self, reason: LetGo) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let _ = sender.send(Item::LetGo(reason));
        self.items = receiver;
    }
}

/// Writes all chunks, as many of them at once as the system takes.
pub(super) async fn write_all(stream: &TcpStream, mut chunks: Vec<Bytes>) -> io::Result<()> {
    let mut rest = &mut chunks[..];
    while !rest.is_empty() {
        let mut written = match write_some(stream, rest) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.writable().await?;
                continue;
            }
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            written => written?,
        };
        while let Some(first) = rest.first_mut() {
            let taken = written.min(first.len());
            first.advance(taken);
            written -= taken;
            if !first.is_empty() {
                break;
            }
            rest = &mut rest[1..];
        }
    }
    Ok(())
}

/// A function of its own, so that no connection that waits holds the slices.
fn write_some(stream: &TcpStream, chunks: &[Bytes]) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); CHUNKS_WRITTEN_MAX];
    for (slice, chunk) in slices.iter_mut().zip(chunks) {
        *slice = IoSlice::new(chunk);
    }
    stream.try_write_vectored(&slices[..chunks.len().min(CHUNKS_WRITTEN_MAX)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_waits_comes_in_order_and_then_the_end() {
        let (outbox, mut reader) = outbox();
        for chunk in ["a\n", "b\n"] {
            outbox.push(Bytes::from_static(chunk.as_bytes())).unwrap();
        }
        outbox.let_go(LetGo::TooSlow);
        assert!(matches!(reader.next().await, Outgoing::Chunks(c) if c == ["a\n", "b\n"]));
        assert!(matches!(
            reader.next().await,
            Outgoing::LetGo(LetGo::TooSlow)
        ));
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_room_is_made_by_reading() {
        let (outbox, mut reader) = outbox();
        let chunk = Bytes::from(vec![b'x'; 1024 * 1024]);
        for _ in 0..3 {
            outbox.push(chunk.clone()).unwrap();
        }
        assert!(matches!(reader.next().await, Outgoing::Chunks(c) if c.len() == 3));
        for _ in 0..3 {
            outbox.push(chunk.clone()).unwrap();
        }
        assert_eq!(outbox.push(chunk), Err(Full));
        // Many small ones fill it too.
        let (outbox, _reader) = super::outbox();
        let small = Bytes::from_static(b"x");
        let pushed = (0..WAITING_BYTES_MAX).take_while(|_| outbox.push(small.clone()).is_ok());
        assert_eq!(
            pushed.count(),
            WAITING_BYTES_MAX / (1 + CHUNK_OVERHEAD_BYTES)
        );
    }

    #[tokio::test]
    async fn all_that_is_written_arrives_however_it_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (mut client, server) = (client.unwrap(), accepted.unwrap().0);
        // More than the buffers of the system hold, in pieces of all sizes, empty ones too.
        let chunks: Vec<Bytes> = (0..200_usize)
            .map(|n| Bytes::from(vec![n as u8; n * n]))
            .collect();
        let expected: Vec<u8> = chunks.concat();
        let writing = async {
            write_all(&server, chunks).await.unwrap();
            drop(server);
        };
        let mut read = Vec::new();
        let reading = client.read_to_end(&mut read);
        let ((), read_bytes) = tokio::join!(writing, reading);
        read_bytes.unwrap();
        assert!(read == expected);
    }
}
