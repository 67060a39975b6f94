//! Members of a reliable room whom the server relays: each has a session behind a connection, as the program has.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream as BlockingStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crds::chat::{MessageText, RoomAddress, RoomName};
use crds::control::datagrams::{self, NO_SOURCE};
use crds::control::{ANSWER_BYTES_MAX, LineBuffer};
use crds::multicast::config::{CONTENT_HEADER_BYTES, KEPT_BYTES_MAX};
use crds::multicast::content::{self, Content};
use crds::multicast::packet::{MemberId, Role, room_tag};
use crds::multicast::session::{Config, Event, Input, Output, Session};
use crds::time::Instant as Moment;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, sleep_until};

use crate::{clock, interrupt, text};

/// The room that they are in.
const ROOM: &str = "hall";

/// How long a member may take to be let in, and all.
const ENTRY: Duration = Duration::from_secs(20);
const ENTRY_OF_ALL: Duration = Duration::from_secs(300);

/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// Where the datagrams of others are said to come from.
const SOMEWHERE: SocketAddr = SocketAddr::V4(NO_SOURCE);

/// What the members and their owner both see.
#[derive(Default)]
struct Shared {
    inside: AtomicU64,
    /// Bytes that all together got.
    bytes: AtomicU64,
    /// Texts that all together got.
    heard: AtomicU64,
    latencies: Mutex<Vec<u64>>,
    trouble: Mutex<Option<String>>,
    stop: AtomicBool,
}

/// All of them, on one thread, which ends when this is dropped.
pub struct Members {
    shared: Arc<Shared>,
    speaker: UnboundedSender<u64>,
    thread: Option<JoinHandle<()>>,
}

impl Members {
    /// Makes the room, and lets so many into it, of whom the first speaks.
    pub fn enter(server: SocketAddrV4, count: u32) -> Result<Self, Box<dyn Error>> {
        let room = make_room(server)?;
        let shared = Arc::new(Shared::default());
        let (speaker, said) = unbounded_channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let all = enter_all(server, room, count, said, Arc::clone(&shared));
        let thread = thread::spawn(move || runtime.block_on(all));
        let members = Self {
            shared,
            speaker,
            thread: Some(thread),
        };
        let count = u64::from(count);
        members.wait(ENTRY_OF_ALL, |shared| {
            shared.inside.load(Ordering::Relaxed) >= count
        })?;
        Ok(members)
    }

    /// Lets the first member say a text, with this stamp.
    pub fn say(&self, stamp: u64) {
        let _ = self.speaker.send(stamp);
    }

    /// Bytes that all together got.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Waits until all together got so many texts, or for so long.
    pub fn await_texts(&self, texts: u64, patience: Duration) -> Result<(), Box<dyn Error>> {
        let has_all = |shared: &Shared| shared.heard.load(Ordering::Relaxed) >= texts;
        // What is missing shows in the table.
        self.wait(patience, has_all)
            .or_else(|error| match interrupt::happened() {
                true => Err(error),
                false => Ok(()),
            })
    }

    /// How long each text with a stamp took, in nanoseconds.
    pub fn latencies(&self) -> Vec<u64> {
        let latencies = self.shared.latencies.lock();
        latencies
            .map(|mut latencies| std::mem::take(&mut *latencies))
            .unwrap_or_default()
    }

    /// Sleeps, and fails if a member lost its place.
    pub fn rest(&self, span: Duration) -> Result<(), Box<dyn Error>> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.look()?;
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn wait(
        &self,
        span: Duration,
        is_done: impl Fn(&Shared) -> bool,
    ) -> Result<(), Box<dyn Error>> {
        let until = Instant::now() + span;
        while !is_done(&self.shared) {
            self.look()?;
            if Instant::now() > until {
                return Err("the members do not get what they wait for".into());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn look(&self) -> Result<(), Box<dyn Error>> {
        let trouble = self.shared.trouble.lock().map(|trouble| trouble.clone());
        match (trouble, interrupt::happened()) {
            (_, true) => Err("interrupted".into()),
            (Ok(Some(trouble)), _) => Err(trouble.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn make_room(server: SocketAddrV4) -> Result<RoomAddress, Box<dyn Error>> {
    let mut stream = BlockingStream::connect(server)?;
    stream.set_read_timeout(Some(ENTRY))?;
    let hello = r#"{"id":1,"request":"hello","version":1}"#;
    writeln!(
        stream,
        "{hello}\n{{\"id\":2,\"request\":\"make-room\",\"name\":\"{ROOM}\",\"dialect\":\"reliable\"}}"
    )?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if line.starts_with("{\"id\":2,") {
            return address_in(&line).ok_or_else(|| line.into());
        }
    }
    Err("the server makes no room".into())
}

/// The address and port in the answer of a server that made a room.
fn address_in(line: &str) -> Option<RoomAddress> {
    let value = |key: &str| {
        let (_, rest) = line.split_once(&format!("\"{key}\":"))?;
        let end = rest.find([',', '}'])?;
        Some(rest[..end].trim_matches('"'))
    };
    format!("{}:{}", value("address")?, value("port")?)
        .parse()
        .ok()
}

async fn enter_all(
    server: SocketAddrV4,
    room: RoomAddress,
    count: u32,
    said: UnboundedReceiver<u64>,
    shared: Arc<Shared>,
) {
    let mut said = Some(said);
    for number in 0..count {
        let member = Member::new(room, number, said.take(), Arc::clone(&shared));
        let of_member = Arc::clone(&shared);
        tokio::spawn(async move {
            let Err(error) = member.run(server).await else {
                return;
            };
            if let Ok(mut trouble) = of_member.trouble.lock() {
                trouble.get_or_insert(format!("a member is out: {error}"));
            }
        });
        // One after the other, as people come.
        while shared.inside.load(Ordering::Relaxed) <= u64::from(number) && !is_over(&shared) {
            sleep(LOOK).await;
        }
    }
    while !is_over(&shared) {
        sleep(10 * LOOK).await;
    }
}

fn is_over(shared: &Shared) -> bool {
    shared.stop.load(Ordering::Relaxed)
}

struct Member {
    number: u32,
    session: Session,
    began: Instant,
    said: Option<UnboundedReceiver<u64>>,
    shared: Arc<Shared>,
    room: RoomName,
}

impl Member {
    fn new(
        room: RoomAddress,
        number: u32,
        said: Option<UnboundedReceiver<u64>>,
        shared: Arc<Shared>,
    ) -> Self {
        let config = Config {
            room_tag: room_tag(room),
            name: format!("m{number}"),
            first_sequence: 1,
            kept_bytes_max: KEPT_BYTES_MAX,
            repairs: true,
            rate_max: None,
            replaces: None,
            role: Role::Relayed,
            past: None,
        };
        let id = MemberId(u64::from(number) + 1);
        Self {
            number,
            session: Session::new(id, config, id.0, Moment::from_micros(0)),
            began: Instant::now(),
            said,
            shared,
            room: ROOM.parse().expect("a room's name"),
        }
    }

    fn now(&self) -> Moment {
        Moment::from_micros(self.began.elapsed().as_micros() as u64)
    }

    async fn run(mut self, server: SocketAddrV4) -> io::Result<()> {
        let mut stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (number, id) = (self.number, self.number + 1);
        let greeting = format!(
            "{{\"id\":1,\"request\":\"hello\",\"version\":1}}\n\
             {{\"id\":2,\"request\":\"name\",\"name\":\"m{number}\"}}\n\
             {{\"id\":3,\"request\":\"enter\",\"room\":\"{ROOM}\",\"via\":\"relay\",\"member\":\"{id:016x}\"}}\n"
        );
        stream.write_all(greeting.as_bytes()).await?;
        let mut lines = LineBuffer::new(ANSWER_BYTES_MAX);
        let mut is_inside = false;
        loop {
            let wake = if is_inside {
                self.flush(&mut stream).await?
            } else {
                Duration::MAX
            };
            let wake = Instant::now() + wake.min(ENTRY);
            tokio::select! {
                read = stream.read_buf(lines.space()) => match read? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    bytes => _ = self.shared.bytes.fetch_add(bytes as u64, Ordering::Relaxed),
                },
                stamp = next(&mut self.said) => {
                    let text = text::write(0, stamp);
                    let text = text.parse::<MessageText>().map_err(io::Error::other)?;
                    let message = content::encode(&Content::Text(text), Timestamp::now());
                    let said = self.session.say(&message, self.now());
                    said.map_err(|error| io::Error::other(format!("{error:?}")))?;
                }
                () = sleep_until(wake.into()) => {
                    let now = self.now();
                    self.session.handle_input(Input::Timeout, now);
                }
            }
            is_inside |= self.take(&mut lines, &mut stream).await?;
        }
    }

    /// Takes what came. True if this lets it in.
    async fn take(&mut self, lines: &mut LineBuffer, stream: &mut TcpStream) -> io::Result<bool> {
        let mut is_let_in = false;
        while let Some(framed) = lines.next_framed() {
            let framed = framed.map_err(io::Error::other)?;
            if let (Some(piece), Some(_)) = (&framed.bulk, datagrams::announced(&framed.line)) {
                let now = self.now();
                for (_, bytes) in datagrams::read(piece) {
                    let source = SOMEWHERE;
                    self.session
                        .handle_input(Input::Datagram { source, bytes }, now);
                }
            } else if framed.line.contains("\"error\":") {
                return Err(io::Error::other(framed.line));
            } else if framed.line.starts_with("{\"id\":3,") {
                self.shared.inside.fetch_add(1, Ordering::Relaxed);
                is_let_in = true;
            } else if framed.line.contains("\"event\":\"idle\"") {
                stream
                    .write_all(b"{\"id\":4,\"request\":\"ping\"}\n")
                    .await?;
            }
        }
        Ok(is_let_in)
    }

    /// Sends what the session has to send; gives how long it waits then.
    async fn flush(&mut self, stream: &mut TcpStream) -> io::Result<Duration> {
        let mut piece = Vec::new();
        let until = loop {
            match self.session.poll_output() {
                Output::Transmit(datagram) => _ = datagrams::push(&mut piece, NO_SOURCE, &datagram),
                Output::Event(Event::Message { text, .. }) => self.note(&text),
                Output::Event(_) => {}
                Output::Wait(until) => break until,
            }
        };
        if !piece.is_empty() {
            stream
                .write_all(&datagrams::line(&self.room, &piece))
                .await?;
        }
        Ok(Duration::from_micros(until.since(self.now()).0))
    }

    fn note(&self, said: &[u8]) {
        let now = clock::now();
        self.shared.heard.fetch_add(1, Ordering::Relaxed);
        let said = said.get(CONTENT_HEADER_BYTES..).unwrap_or_default();
        if let Some((_, stamp)) = text::read(said).filter(|(_, stamp)| *stamp != text::NO_STAMP)
            && let Ok(mut latencies) = self.shared.latencies.lock()
        {
            latencies.push(now.saturating_sub(stamp));
        }
    }
}

/// The stamp of the next text to say; never for who does not speak.
async fn next(said: &mut Option<UnboundedReceiver<u64>>) -> u64 {
    let next = match said {
        Some(said) => said.recv().await,
        None => None,
    };
    match next {
        Some(stamp) => stamp,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_answer() {
        let line = r#"{"id":2,"reply":"room-made","room":{"name":"hall","address":"239.255.1.2","port":12000,"dialect":"reliable"}}"#;
        assert_eq!(address_in(line), "239.255.1.2:12000".parse().ok());
        assert_eq!(address_in("{\"id\":2,\"error\":\"full\"}"), None);
    }
}
