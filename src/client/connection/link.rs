//! One TCP connection to the server, from `hello` to its end.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::{ConnectError, RequestError};
use crate::chat::{RoomName, ServerAddress, UserName, printable};
use crate::control::{
    Event, Framed, Refusal, Reply, Request, ServerLine, Token, VERSION, datagrams,
    parse_server_line, request_line,
};
use crate::net::LineStream;

/// How long a server may take to accept a connection, and then to answer `hello`. On a local network
/// these take milliseconds.
const HELLO_WAIT: Duration = Duration::from_secs(10);

/// How often the client gives a sign of life. The server asks for one after 10 s.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Unanswered pings, with not a byte that flowed since, after which the server is gone: within 10 s of silence.
const UNHEARD_PINGS_MAX: u32 = 1;

/// The same while the server has not answered to what brings raw bytes, as a piece of a file: of these the network itself
/// may hold much, and what it carries of that is not seen here. In 15 s it carries 120 kB at 64 kbit/s.
const UNHEARD_PINGS_BEHIND_BYTES_MAX: u32 = 3;

/// What may wait to be sent, in bytes. While there is more, no request is taken from its caller.
const OUTGOING_BYTES_MAX: usize = 256 * 1024;

/// A request that waits for its answer.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) by: By,
}

/// Who made a request.
pub(super) enum By {
    /// The connection itself.
    Link,
    /// Somebody who waits for the answer.
    Caller(oneshot::Sender<Result<Reply, RequestError>>),
    /// It asks for what we had on the connection before.
    Standing,
}

/// What came from the server.
pub(super) enum Incoming {
    Answer(Box<Asked>, Result<Reply, Refusal>),
    Event(Event),
    /// A piece of datagrams of this room.
    Datagrams(RoomName, Bytes),
}

/// What the server says of itself and of us.
pub(super) struct Greeting {
    pub(super) program: String,
    /// Our end of the connection.
    pub(super) local: IpAddr,
    /// With it the next connection takes over from this one.
    pub(super) token: Token,
    /// Whom the server takes us for, because we come back.
    pub(super) resumed: Option<UserName>,
}

/// A connection that has said hello.
pub(super) struct Link {
    stream: LineStream,
    last_id: u64,
    /// By their numbers, so in the order of asking.
    asked: BTreeMap<u64, Asked>,
    /// Came before the answer to `hello`.
    early: VecDeque<Event>,
    ping: Interval,
    unheard_pings: u32,
}

impl Link {
    /// Connects, and says hello; with `resume` in place of the connection that had this token.
    pub(super) async fn open(
        server: &ServerAddress,
        resume: Option<Token>,
    ) -> Result<(Self, Greeting), ConnectError> {
        let no_answer = |_| ConnectError::NoAnswer(server.clone());
        let dialled = timeout(HELLO_WAIT, dial(server)).await;
        let stream = LineStream::new(dialled.map_err(no_answer)??);
        let local = stream.local_address();
        let local = local.map_err(|error| ConnectError::Io(server.clone(), error))?;
        let mut ping = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut link = Self {
            stream,
            last_id: 0,
            asked: BTreeMap::new(),
            early: VecDeque::new(),
            ping,
            unheard_pings: 0,
        };
        let version = VERSION;
        link.ask(Request::Hello { version, resume }, By::Link);
        let greeted = timeout(HELLO_WAIT, link.greeting(server, local.ip())).await;
        let greeting = greeted.map_err(no_answer)??;
        Ok((link, greeting))
    }

    async fn greeting(
        &mut self,
        server: &ServerAddress,
        local: IpAddr,
    ) -> Result<Greeting, ConnectError> {
        let not_crds = |reason| ConnectError::NotCrds(server.clone(), reason);
        let mut early = VecDeque::new();
        loop {
            match self.next().await.map_err(not_crds)? {
                Incoming::Answer(
                    _,
                    Ok(Reply::Hello {
                        program,
                        token,
                        name,
                        ..
                    }),
                ) => {
                    self.early = early;
                    return Ok(Greeting {
                        program: printable(&program).into_owned(),
                        local,
                        token,
                        resumed: name,
                    });
                }
                Incoming::Answer(_, Ok(_)) => {
                    return Err(not_crds("it answers another question".to_owned()));
                }
                Incoming::Answer(_, Err(refusal)) => {
                    return Err(ConnectError::Refusal(server.clone(), refusal));
                }
                Incoming::Event(event) => early.push_back(event),
                // Nothing was entered yet.
                Incoming::Datagrams(..) => {}
            }
        }
    }

    /// Whether more may be asked now.
    pub(super) fn has_room(&self) -> bool {
        self.stream.queued_bytes() < OUTGOING_BYTES_MAX
    }

    /// Puts a request into the queue; [`Link::next`] sends it.
    pub(super) fn ask(&mut self, request: Request, by: By) {
        self.last_id += 1;
        let line = request_line(self.last_id, &request);
        self.stream.queue(line.as_bytes());
        if let Some(bytes) = request.raw_bytes() {
            self.stream.queue(bytes);
        }
        self.asked.insert(self.last_id, Asked { request, by });
    }

    /// Puts a piece of datagrams into the queue.
    pub(super) fn carry(&mut self, room: &RoomName, piece: &[u8]) {
        self.stream.queue(&datagrams::line(room, piece));
    }

    /// The next thing that the server says, while what is queued goes out. May be dropped and called again
    /// without losing any.
    ///
    /// # Errors
    /// Why the connection is gone.
    pub(super) async fn next(&mut self) -> Result<Incoming, String> {
        if let Some(event) = self.early.pop_front() {
            return Ok(Incoming::Event(event));
        }
        loop {
            tokio::select! {
                // What has come counts before the silence: this program may have been stopped for long.
                biased;
                line = self.stream.next_framed() => {
                    let line = line.map_err(|error| error.to_string())?;
                    if let Some(incoming) = self.route(&line)? {
                        return Ok(incoming);
                    }
                }
                _ = self.ping.tick() => {
                    // A long line on a slow network is no silence.
                    if self.stream.take_moved() {
                        self.unheard_pings = 0;
                    }
                    if self.unheard_pings >= self.unheard_pings_max() {
                        return Err("the server is silent".to_owned());
                    }
                    self.unheard_pings += 1;
                    self.ask(Request::Ping, By::Link);
                }
            }
        }
    }

    fn unheard_pings_max(&self) -> u32 {
        let mut asked = self.asked.values();
        match asked.any(|asked| asked.request.raw_bytes().is_some()) {
            true => UNHEARD_PINGS_BEHIND_BYTES_MAX,
            false => UNHEARD_PINGS_MAX,
        }
    }

    /// Finds whom a line is for.
    fn route(&mut self, framed: &Framed) -> Result<Option<Incoming>, String> {
        match parse_server_line(&framed.line, framed.bulk.as_deref()) {
            Ok(ServerLine::Event(Event::Idle(_))) => {
                self.ask(Request::Ping, By::Link);
                Ok(None)
            }
            Ok(ServerLine::Event(event)) => Ok(Some(Incoming::Event(event))),
            Ok(ServerLine::Datagrams(room)) => {
                let piece = framed.bulk.clone();
                Ok(piece.map(|piece| Incoming::Datagrams(room, piece)))
            }
            Ok(ServerLine::Answer(id, result)) => {
                let asked = match id {
                    Some(id) => self.asked.remove(&id),
                    // Lines are read in the order in which they were sent.
                    None => self.asked.pop_first().map(|(_, asked)| asked),
                };
                let result = result.map_err(|mut refusal| {
                    refusal.text = printable(&refusal.text).into_owned();
                    refusal
                });
                Ok(asked.map(|asked| Incoming::Answer(Box::new(asked), result)))
            }
            Err(error) => Err(printable(&error.to_string()).into_owned()),
        }
    }

    /// Tells those who still wait that no answer will come.
    pub(super) fn end(self, reason: &str) {
        for asked in self.asked.into_values() {
            if let By::Caller(answer) = asked.by {
                // Who does not wait any more need not know.
                let _ = answer.send(Err(RequestError::Gone(reason.to_owned())));
            }
        }
    }
}

async fn dial(server: &ServerAddress) -> Result<TcpStream, ConnectError> {
    let host = server.host.as_str();
    let addresses = tokio::net::lookup_host((host, server.port)).await;
    let addresses: Vec<_> = addresses
        .map_err(|_| ConnectError::HostNotFound(printable(host).into_owned()))?
        .collect();
    if addresses.is_empty() {
        return Err(ConnectError::HostNotFound(printable(host).into_owned()));
    }
    TcpStream::connect(addresses.as_slice())
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => ConnectError::Refused(server.clone()),
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => {
                ConnectError::NoAnswer(server.clone())
            }
            _ => ConnectError::Io(server.clone(), error),
        })
}
