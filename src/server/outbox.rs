//! What a connection is sent without having asked. Whoever has something for it never waits: it goes out at once where
//! nothing is before it, else into a bounded queue, from which the connection's task writes as fast as its client reads.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustix::net::{SendFlags, send};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

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

/// The end of those who have something to send.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    items: mpsc::UnboundedSender<Item>,
    shared: Arc<Mutex<Shared>>,
}

/// The connection's end.
#[derive(Debug)]
pub(super) struct OutboxReader {
    items: mpsc::UnboundedReceiver<Item>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    waiting_bytes: usize,
    /// The task is writing, or has an answer to write before anything else.
    is_held: bool,
    /// Where to write at once, which spares waking the task: half of what a line to a thousand costs. None where there is no
    /// socket, or the connection has ended.
    socket: Option<Arc<TcpStream>>,
}

/// The byte limit of the queue is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// `socket`: where to write at once, if it is one.
pub(super) fn outbox(socket: Option<Arc<TcpStream>>) -> (Outbox, OutboxReader) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let shared = Arc::new(Mutex::new(Shared {
        waiting_bytes: 0,
        is_held: false,
        socket,
    }));
    let outbox = Outbox {
        items: sender,
        shared: Arc::clone(&shared),
    };
    let reader = OutboxReader {
        items: receiver,
        shared,
    };
    (outbox, reader)
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cost(chunk: &Bytes) -> usize {
    chunk.len() + CHUNK_OVERHEAD_BYTES
}

impl Outbox {
    /// Sends whole lines. Two who do so at once wait for each other, for as long as the system takes to accept a chunk.
    pub(super) fn push(&self, mut chunk: Bytes) -> Result<(), Full> {
        let mut shared = locked(&self.shared);
        shared.write_at_once(&mut chunk);
        if chunk.is_empty() {
            return Ok(());
        }
        let cost = cost(&chunk);
        if shared.waiting_bytes + cost > WAITING_BYTES_MAX {
            return Err(Full);
        }
        shared.waiting_bytes += cost;
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

impl Shared {
    /// Writes what the system takes, if nothing is to go out before. What is left has to be queued before anybody else
    /// may write. A socket that fails or is full is found so by the task: what the runtime knows of it is not asked here, which
    /// would be one more place in memory for each of a thousand.
    fn write_at_once(&mut self, chunk: &mut Bytes) {
        let is_free = !self.is_held && self.waiting_bytes == 0;
        if let Some(socket) = self.socket.as_ref().filter(|_| is_free)
            && let Ok(written) = send(socket, chunk, SendFlags::DONTWAIT)
        {
            chunk.advance(written);
        }
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
    /// Nothing else goes out from now on until [`OutboxReader::release`]: the task writes, or has been asked something.
    pub(super) fn hold(&self) {
        locked(&self.shared).is_held = true;
    }

    /// All that the task had to write is written.
    pub(super) fn release(&self) {
        locked(&self.shared).is_held = false;
    }

    /// Waits for what is to be sent, and takes all that is there, up to what goes into one write. May
    /// be dropped without losing anything. What was taken is to be written before [`OutboxReader::release`].
    pub(super) async fn next(&mut self) -> Outgoing {
        match self.items.recv().await {
            Some(Item::Chunk(first)) => Outgoing::Chunks(self.take_more(first)),
            Some(Item::LetGo(reason)) => Outgoing::LetGo(reason),
            // The owner has ended; so will this connection, which is told by the shutdown.
            None => std::future::pending().await,
        }
    }

    /// What is there to be sent, without waiting. As [`OutboxReader::next`].
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
        let mut shared = locked(&self.shared);
        shared.waiting_bytes -= cost(chunk);
        shared.is_held = true;
    }

    /// It was the last item: it is put alone into a queue of its own.
    fn let_go_next(&mut self, reason: LetGo) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let _ = sender.send(Item::LetGo(reason));
        self.items = receiver;
    }
}

impl Drop for OutboxReader {
    /// The connection has ended, whoever still holds the other end: its socket is not kept open.
    fn drop(&mut self) {
        locked(&self.shared).socket = None;
    }
}

/// Writes all chunks, as many of them at once as the system takes. It has timed out when the system has taken nothing
/// for so long.
pub(super) async fn write_all(
    stream: &TcpStream,
    mut chunks: Vec<Bytes>,
    stuck_max: Duration,
) -> io::Result<()> {
    let mut rest = &mut chunks[..];
    let mut stuck_until = None;
    while !rest.is_empty() {
        let mut written = match write_some(stream, rest) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let until = *stuck_until.get_or_insert_with(|| Instant::now() + stuck_max);
                timeout_at(until, stream.writable()).await??;
                continue;
            }
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            written => written?,
        };
        stuck_until = None;
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
    use crate::server::socket;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio::time::sleep;

    const STUCK_MAX: Duration = Duration::from_secs(1);

    /// Both ends of a connection; ours can be written to.
    async fn connected() -> (TcpStream, Arc<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let server = accepted.unwrap().0;
        server.writable().await.unwrap();
        (client.unwrap(), Arc::new(server))
    }

    #[tokio::test]
    async fn what_waits_comes_in_order_and_then_the_end() {
        let (outbox, mut reader) = outbox(None);
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
        let (outbox, mut reader) = outbox(None);
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
        let (outbox, _reader) = super::outbox(None);
        let small = Bytes::from_static(b"x");
        let pushed = (0..WAITING_BYTES_MAX).take_while(|_| outbox.push(small.clone()).is_ok());
        assert_eq!(
            pushed.count(),
            WAITING_BYTES_MAX / (1 + CHUNK_OVERHEAD_BYTES)
        );
    }

    #[tokio::test]
    async fn all_that_is_written_arrives_however_it_is_cut() {
        let (mut client, server) = connected().await;
        // More than the buffers of the system hold, in pieces of all sizes, empty ones too.
        let chunks: Vec<Bytes> = (0..200_usize)
            .map(|n| Bytes::from(vec![n as u8; n * n]))
            .collect();
        let expected: Vec<u8> = chunks.concat();
        let writing = async {
            write_all(&server, chunks, STUCK_MAX).await.unwrap();
            drop(server);
        };
        let mut read = Vec::new();
        let reading = client.read_to_end(&mut read);
        let ((), read_bytes) = tokio::join!(writing, reading);
        read_bytes.unwrap();
        assert!(read == expected);
    }

    #[tokio::test]
    async fn who_reads_slowly_is_written_to_and_who_reads_nothing_is_given_up() {
        let (mut client, server) = connected().await;
        socket::prepare(&server);
        // Far more than the buffers of the system hold.
        let chunks = vec![Bytes::from(vec![b'x'; 64 * 1024 * 1024])];
        let began = Instant::now();
        let mut read = vec![0; 64 * 1024];
        let slowly = async {
            while began.elapsed() < 2 * STUCK_MAX {
                client.read_exact(&mut read).await.unwrap();
                sleep(STUCK_MAX / 50).await;
            }
        };
        let writing = write_all(&server, chunks, STUCK_MAX);
        let mut writing = std::pin::pin!(writing);
        tokio::select! {
            written = &mut writing => panic!("{written:?}"),
            () = slowly => {}
        }
        let given_up = writing.await.unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_nothing_is_before_goes_out_at_once_and_nothing_overtakes() {
        let (mut client, server) = connected().await;
        let (outbox, mut reader) = outbox(Some(Arc::clone(&server)));
        let push = |text: &'static str| outbox.push(Bytes::from_static(text.as_bytes())).unwrap();
        push("a\n");
        let mut read = [0; 2];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"a\n");
        // While the task has something to write it waits, and so does what comes after it.
        reader.hold();
        push("c\n");
        write_all(&server, vec![Bytes::from_static(b"b\n")], STUCK_MAX)
            .await
            .unwrap();
        reader.release();
        push("d\n");
        let Outgoing::Chunks(chunks) = reader.next().await else {
            panic!("let go")
        };
        push("e\n");
        write_all(&server, chunks, STUCK_MAX).await.unwrap();
        reader.release();
        let Outgoing::Chunks(chunks) = reader.next().await else {
            panic!("let go")
        };
        write_all(&server, chunks, STUCK_MAX).await.unwrap();
        reader.release();
        push("f\n");
        drop(reader);
        // It is closed with the task's end, not with the last who could send.
        drop(server);
        let mut rest = String::new();
        client.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "b\nc\nd\ne\nf\n");
        push("g\n");
    }

    #[tokio::test]
    async fn what_the_system_does_not_take_at_once_waits_in_order() {
        let (mut client, server) = connected().await;
        let (outbox, mut reader) = outbox(Some(Arc::clone(&server)));
        let mut sent = Vec::new();
        let is_full = |reader: &OutboxReader| locked(&reader.shared).waiting_bytes > 2_000_000;
        for number in 0_u32.. {
            let chunk = Bytes::from(number.to_be_bytes().repeat(10_000));
            sent.extend_from_slice(&chunk);
            outbox.push(chunk).unwrap();
            if is_full(&reader) {
                break;
            }
        }
        drop(outbox);
        let length = sent.len();
        let writing = async {
            let mut written = false;
            while let Some(Outgoing::Chunks(chunks)) = reader.try_next() {
                write_all(&server, chunks, STUCK_MAX).await.unwrap();
                reader.release();
                written = true;
            }
            assert!(written);
        };
        let mut read = vec![0; length];
        let reading = client.read_exact(&mut read);
        let ((), read_bytes) = tokio::join!(writing, reading);
        read_bytes.unwrap();
        assert!(read == sent);
    }
}
