//! A connection to a directory server.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::chat::{
    Dialect, NewRoom, Room, RoomAddress, RoomName, ServerAddress, UserName, printable,
};
use crate::control::{
    Event, Framed, Refusal, RefusalCode, Reply, Request, ServerLine, VERSION, parse_server_line,
    request_line,
};
use crate::net::{LineStream, StreamError};

/// How long a server may take to accept a connection and to answer a request. On a local network
/// these take milliseconds; a disk that must be waited for takes the longest.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How often an idle connection gives a sign of life and expects one.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long to wait when the server says that requests come too fast: its limit is for each second.
const TOO_FAST_WAIT: Duration = Duration::from_secs(1);

/// How often a request that came too fast is made again.
const TOO_FAST_TRIES_MAX: u32 = 10;

/// What a server tells without being asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A room is no longer in the directory; its members may go on.
    RoomDeleted {
        /// Its name.
        name: RoomName,
        /// Who deleted it, to show to a person.
        by: String,
    },
    /// Something to show.
    Notice(String),
    /// The server stops.
    Stopping,
    /// The connection is gone, for this reason. Nothing comes after it.
    Closed(String),
}

/// Why there is no connection. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name is not known.
    #[error("host `{0}` not found: check the name, or give the server's address")]
    HostNotFound(String),
    /// Nothing listens there.
    #[error(
        "no server at {0} (connection refused): start one there with `crds serve`, or name another as HOST[:PORT]"
    )]
    Refused(ServerAddress),
    /// Nothing answers there.
    #[error("no answer from {0}: check the address, the network and the firewall")]
    NoAnswer(ServerAddress),
    /// The network does not lead there, or the connection broke.
    #[error("cannot reach {0}: {1}")]
    Io(ServerAddress, io::Error),
    /// Something answers, but not in this protocol.
    #[error("what answers at {0} is no crds server: {1}")]
    NotCrds(ServerAddress, String),
    /// The server does not want this client, and says why.
    #[error("the server at {0} refuses: {1}")]
    Refusal(ServerAddress, Refusal),
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server refuses, and says why.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// The connection is gone; whether the request was carried out is not known.
    #[error("the connection to the server is gone: {0}; connect again")]
    Gone(String),
}

/// The answer to the request with this number, or to a line whose number the server could not read.
type Answer = (Option<u64>, Result<Reply, Refusal>);

/// A connection to a directory server. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    stream: LineStream,
    server: ServerAddress,
    local: IpAddr,
    program: String,
    last_id: u64,
    /// Came while an answer was waited for.
    events: VecDeque<Event>,
    /// When to give the next sign of life.
    ping_at: Instant,
    /// It was given, and nothing was heard since.
    pinged: bool,
    closed: Option<String>,
}

impl Connection {
    /// Connects, and settles the version. `name` is what the server calls this client in its log.
    ///
    /// # Errors
    /// See [`ConnectError`]; within 20 s.
    pub async fn open(
        server: &ServerAddress,
        name: Option<&UserName>,
    ) -> Result<Self, ConnectError> {
        let stream = match timeout(ANSWER_WAIT, dial(server)).await {
            Ok(stream) => stream?,
            Err(_) => return Err(ConnectError::NoAnswer(server.clone())),
        };
        let stream = LineStream::new(stream);
        let local = match stream.local_address() {
            Ok(local) => local.ip(),
            Err(error) => return Err(ConnectError::Io(server.clone(), error)),
        };
        let mut connection = Self {
            stream,
            server: server.clone(),
            local,
            program: String::new(),
            last_id: 0,
            events: VecDeque::new(),
            ping_at: Instant::now() + PING_INTERVAL,
            pinged: false,
            closed: None,
        };
        connection.hello().await?;
        if let Some(name) = name {
            let named = connection.set_name(name).await;
            named.map_err(|error| connection.refused(error))?;
        }
        Ok(connection)
    }

    async fn hello(&mut self) -> Result<(), ConnectError> {
        let hello = Request::Hello {
            version: VERSION,
            resume: None,
        };
        match self.ask(&hello).await {
            Ok(Reply::Hello { program, .. }) => {
                self.program = printable(&program).into_owned();
                Ok(())
            }
            Ok(_) => Err(self.refused(unexpected())),
            Err(error) => Err(self.refused(error)),
        }
    }

    fn refused(&self, error: RequestError) -> ConnectError {
        match error {
            RequestError::Refusal(refusal) => ConnectError::Refusal(self.server.clone(), refusal),
            RequestError::Gone(reason) => ConnectError::NotCrds(self.server.clone(), reason),
        }
    }

    /// The server, as it was asked for.
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// The server's program and version.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Our own address towards the server: its interface is the one for rooms.
    pub fn local_address(&self) -> IpAddr {
        self.local
    }

    /// All rooms, in the order of making.
    ///
    /// This and the other requests must be waited for to the end: one that is dropped half way leaves
    /// an answer behind that nobody asked for.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn get_directory(&mut self) -> Result<Vec<Room>, RequestError> {
        match self.ask(&Request::GetDirectory).await? {
            Reply::Directory(rooms) => Ok(rooms),
            _ => Err(unexpected()),
        }
    }

    /// Makes a room, at `address` or at one that the server picks.
    ///
    /// # Errors
    /// Name or address taken, no room or address left, or the server could not save it.
    pub async fn make_room(
        &mut self,
        name: RoomName,
        address: Option<RoomAddress>,
        dialect: Dialect,
    ) -> Result<Room, RequestError> {
        let request = Request::MakeRoom(NewRoom {
            name,
            address,
            dialect,
            limit: None,
            topic: None,
        });
        match self.ask(&request).await? {
            Reply::RoomMade(room) => Ok(room),
            _ => Err(unexpected()),
        }
    }

    /// Takes a room out of the directory. Those in it may go on.
    ///
    /// # Errors
    /// No such room, or the server could not save it.
    pub async fn delete_room(&mut self, name: RoomName) -> Result<Room, RequestError> {
        match self.ask(&Request::DeleteRoom(name)).await? {
            Reply::RoomDeleted(room) => Ok(room),
            _ => Err(unexpected()),
        }
    }

    /// Tells the server what this client is called.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn set_name(&mut self, name: &UserName) -> Result<(), RequestError> {
        self.ask(&Request::Name(name.clone())).await.map(drop)
    }

    /// Says goodbye and closes. It is closed afterwards, whatever the server makes of it.
    pub async fn bye(mut self) {
        let _ = self.ask(&Request::Bye).await;
    }

    /// The next thing that the server tells by itself; keeps the connection alive meanwhile. May be
    /// dropped and called again without losing any.
    pub async fn next_event(&mut self) -> ServerEvent {
        loop {
            match self.events.pop_front() {
                Some(Event::RoomDeleted { name, by }) => {
                    let by = printable(&by).into_owned();
                    return ServerEvent::RoomDeleted { name, by };
                }
                Some(Event::Notice(text)) => {
                    return ServerEvent::Notice(printable(&text).into_owned());
                }
                Some(Event::ServerStopping) => return ServerEvent::Stopping,
                Some(Event::Idle(_)) => self.ping_at = Instant::now(),
                // Of who else is online and what they say, this client shows nothing.
                Some(_) | None => {}
            }
            if let Some(reason) = &self.closed {
                return ServerEvent::Closed(reason.clone());
            }
            if let Err(reason) = self.listen().await {
                self.closed = Some(reason);
            }
        }
    }

    /// Waits for one line or for the time to give a sign of life.
    async fn listen(&mut self) -> Result<(), String> {
        let alarm = match self.pinged {
            true => self.ping_at + ANSWER_WAIT,
            false => self.ping_at,
        };
        tokio::select! {
            line = self.stream.next_framed() => self.take_line(line).map(drop),
            () = sleep_until(alarm) => {
                if std::mem::replace(&mut self.pinged, true) {
                    return Err("the server is silent".to_owned());
                }
                self.last_id += 1;
                let line = request_line(self.last_id, &Request::Ping);
                self.stream.send(&line).await.map_err(|e| e.to_string())
            }
        }
    }

    /// Sends a request and waits for its answer; events that come first are kept.
    async fn ask(&mut self, request: &Request) -> Result<Reply, RequestError> {
        if let Some(reason) = &self.closed {
            return Err(RequestError::Gone(reason.clone()));
        }
        let mut tries = 0;
        let result = loop {
            let exchange = timeout(ANSWER_WAIT, self.exchange(request)).await;
            match exchange {
                // It was not read, so asking again does nothing twice.
                Ok(Err(RequestError::Refusal(refusal)))
                    if refusal.code == RefusalCode::TooFast && tries < TOO_FAST_TRIES_MAX =>
                {
                    tries += 1;
                    sleep(TOO_FAST_WAIT).await;
                }
                Ok(result) => break result,
                Err(_) => break Err(RequestError::Gone("it does not answer".to_owned())),
            }
        };
        if let Err(RequestError::Gone(reason)) = &result {
            self.closed = Some(reason.clone());
        }
        result
    }

    async fn exchange(&mut self, request: &Request) -> Result<Reply, RequestError> {
        self.last_id += 1;
        let id = self.last_id;
        // A server that has closed may have said why before: so what it said is read all the same.
        let sent = self.stream.send(&request_line(id, request)).await;
        loop {
            let line = self.stream.next_framed().await;
            let line = match (&sent, line) {
                (Err(error), Err(_)) => return Err(RequestError::Gone(error.to_string())),
                (_, line) => line,
            };
            match self.take_line(line).map_err(RequestError::Gone)? {
                Some((None, Err(refusal))) => return Err(refusal.into()),
                Some((Some(answered), result)) if answered == id => return Ok(result?),
                _ => {}
            }
        }
    }

    /// Keeps an event, gives back an answer.
    fn take_line(&mut self, line: Result<Framed, StreamError>) -> Result<Option<Answer>, String> {
        let line = line.map_err(|error| error.to_string())?;
        self.ping_at = Instant::now() + PING_INTERVAL;
        self.pinged = false;
        match parse_server_line(&line.line, line.bulk.as_deref()) {
            Ok(ServerLine::Event(event)) => {
                self.events.push_back(event);
                Ok(None)
            }
            Ok(ServerLine::Answer(id, Err(mut refusal))) => {
                refusal.text = printable(&refusal.text).into_owned();
                Ok(Some((id, Err(refusal))))
            }
            Ok(ServerLine::Answer(id, reply)) => Ok(Some((id, reply))),
            Err(error) => Err(printable(&error.to_string()).into_owned()),
        }
    }
}

fn unexpected() -> RequestError {
    RequestError::Gone("it answers another question".to_owned())
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
            io::ErrorKind::TimedOut => ConnectError::NoAnswer(server.clone()),
            _ => ConnectError::Io(server.clone(), error),
        })
}
