//! Drives one seat in a room: its sockets, its interface, and what the person says and hears.

use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::multicast_socket::{MulticastSocket, OpenError};
use super::{Interface, InterfaceError};
use crate::chat::{Message, MessageText, RoomAddress, UserName};
use crate::multicast::plain::{self, Ignored};

/// How often the interface is looked at: a cable pulled or a network changed is told within this.
const INTERFACE_CHECK: Duration = Duration::from_secs(1);

/// Lines that wait to be shown. A person reads fewer; what passes it is counted and told.
const EVENTS_WAITING_MAX: usize = 1024;

/// The largest UDP payload over IPv4, in bytes.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// What the task is asked.
#[derive(Debug)]
pub enum RoomCommand {
    /// Say this, and answer when it is handed to the network.
    Say(MessageText, oneshot::Sender<Result<(), SayError>>),
    /// Speak under this name from now on.
    Rename(UserName),
    /// Tell the counters.
    Stats(oneshot::Sender<RoomStats>),
}

/// What the task tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// Somebody said something.
    Message(Message),
    /// Something about the room itself, to show to the person in it.
    Notice(String),
}

/// A text that did not get out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SayError {
    /// The interface is down or gone; it is watched, and used again when it is back.
    #[error("not said: interface {0} is down; it will be used again when it is back")]
    InterfaceDown(String),
    /// The network did not take it.
    #[error("not said: {0}")]
    Network(String),
    /// The task has ended.
    #[error("not said: the room was left")]
    Left,
}

/// What went through a seat so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomStats {
    /// Where the seat is now.
    pub interface: Interface,
    /// Texts said; those that did not get out do not count.
    pub said: u64,
    /// Datagrams they took.
    pub sent_datagrams: u64,
    /// Datagrams that the network did not take.
    pub failed_datagrams: u64,
    /// Messages of others.
    pub heard: u64,
    /// Datagrams without a message: blank, or of another dialect.
    pub ignored_datagrams: u64,
    /// Messages that came faster than they could be shown.
    pub not_shown: u64,
}

/// Joins `room` on `interface` and starts the task, which ends when the sender of commands is dropped.
/// Must be called on a tokio runtime.
///
/// # Errors
/// The group could not be joined.
pub fn spawn_room(
    room: RoomAddress,
    interface: Interface,
    ttl: u8,
    name: UserName,
) -> Result<(mpsc::Sender<RoomCommand>, mpsc::Receiver<RoomEvent>), OpenError> {
    let socket = MulticastSocket::open(room, &interface, ttl)?;
    let (commands, commands_in) = mpsc::channel(16);
    let (events_out, events) = mpsc::channel(EVENTS_WAITING_MAX);
    let stats = RoomStats {
        interface: interface.clone(),
        said: 0,
        sent_datagrams: 0,
        failed_datagrams: 0,
        heard: 0,
        ignored_datagrams: 0,
        not_shown: 0,
    };
    let task = RoomTask {
        room,
        interface,
        ttl,
        name,
        socket: Some(socket),
        sending_fails: false,
        untold: 0,
        events: events_out,
        stats,
    };
    tokio::spawn(task.run(commands_in));
    Ok((commands, events))
}

struct RoomTask {
    room: RoomAddress,
    interface: Interface,
    ttl: u8,
    name: UserName,
    /// None while the interface is down.
    socket: Option<MulticastSocket>,
    /// A failure has been told and nothing got out since.
    sending_fails: bool,
    /// Messages dropped since this was last told.
    untold: u64,
    events: mpsc::Sender<RoomEvent>,
    stats: RoomStats,
}

impl RoomTask {
    async fn run(mut self, mut commands: mpsc::Receiver<RoomCommand>) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut check = interval(INTERFACE_CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    None => return,
                    Some(command) => self.obey(command).await,
                },
                received = receive(self.socket.as_ref(), &mut buffer) => match received {
                    Ok((length, source)) => self.hear(&buffer[..length], source),
                    Err(error) => self.close(&error.to_string()),
                },
                _ = check.tick() => {
                    self.look_at_interface();
                    self.tell_of_dropped();
                }
            }
        }
    }

    async fn obey(&mut self, command: RoomCommand) {
        match command {
            RoomCommand::Say(text, done) => {
                let result = self.say(&text).await;
                // Whoever asked may have stopped waiting; it is said all the same.
                let _ = done.send(result);
            }
            RoomCommand::Rename(name) => self.name = name,
            RoomCommand::Stats(answer) => {
                let _ = answer.send(RoomStats {
                    interface: self.interface.clone(),
                    ..self.stats.clone()
                });
            }
        }
    }

    async fn say(&mut self, text: &MessageText) -> Result<(), SayError> {
        let Some(socket) = &self.socket else {
            return Err(SayError::InterfaceDown(self.interface.name.clone()));
        };
        let mut failure = None;
        for datagram in plain::encode(&self.name, text) {
            match socket.send(datagram.as_bytes()).await {
                Ok(()) => self.stats.sent_datagrams += 1,
                Err(error) => {
                    self.stats.failed_datagrams += 1;
                    failure = Some(error.to_string());
                }
            }
        }
        match failure {
            None => {
                self.stats.said += 1;
                if std::mem::take(&mut self.sending_fails) {
                    self.notice(format!("sending on {} works again", self.interface.name));
                }
                Ok(())
            }
            Some(error) => {
                if !std::mem::replace(&mut self.sending_fails, true) {
                    self.notice(format!(
                        "sending on {} fails ({error}): what you say does not get out",
                        self.interface
                    ));
                }
                Err(SayError::Network(error))
            }
        }
    }

    fn hear(&mut self, bytes: &[u8], source: SocketAddrV4) {
        if self.socket.as_ref().is_some_and(|s| s.source() == source) {
            return;
        }
        match plain::decode(bytes, source) {
            Ok(message) => {
                self.stats.heard += 1;
                self.tell(RoomEvent::Message(message));
            }
            Err(Ignored::Blank | Ignored::OtherDialect) => self.stats.ignored_datagrams += 1,
        }
    }

    /// Leaves the interface when it goes, and takes it again, perhaps with another address, when it
    /// comes back under its name.
    fn look_at_interface(&mut self) {
        match Interface::named(&self.interface.name) {
            Ok(now) if self.socket.is_some() && self.still_has(&now) => {}
            Ok(now) => match MulticastSocket::open(self.room, &now, self.ttl) {
                Ok(socket) => {
                    self.socket = Some(socket);
                    self.sending_fails = false;
                    self.notice(format!("the room is on interface {now} again"));
                    self.interface = now;
                }
                Err(error) => self.close(&error.to_string()),
            },
            Err(InterfaceError::System(_)) => {}
            Err(_) => self.close("it is down or gone"),
        }
    }

    /// An interface may have several addresses; any of them may be listed first.
    fn still_has(&self, now: &Interface) -> bool {
        now.index == self.interface.index
            && (now.address == self.interface.address
                || Interface::named(&self.interface.address.to_string())
                    .is_ok_and(|same| same == self.interface))
    }

    fn close(&mut self, reason: &str) {
        if self.socket.take().is_some() {
            self.notice(format!(
                "interface {} cannot be used ({reason}): nothing is sent or heard until it is back",
                self.interface
            ));
        }
    }

    fn notice(&mut self, text: String) {
        self.tell(RoomEvent::Notice(text));
    }

    /// Never waits: a reader that is slow must not stop the room, nor what it wants to say.
    fn tell(&mut self, event: RoomEvent) {
        if self.events.try_send(event).is_err() {
            self.stats.not_shown += 1;
            self.untold += 1;
        }
    }

    fn tell_of_dropped(&mut self) {
        if self.untold > 0 {
            let text = format!("{} lines came too fast and are not shown", self.untold);
            if self.events.try_send(RoomEvent::Notice(text)).is_ok() {
                self.untold = 0;
            }
        }
    }
}

async fn receive(
    socket: Option<&MulticastSocket>,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddrV4)> {
    match socket {
        Some(socket) => socket.receive(buffer).await,
        None => std::future::pending().await,
    }
}
