//! Drives one seat in a room: its sockets, its interface, and what the person says and hears.

mod files;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::chat::{Dialect, MessageText, RoomAddress, TransportChoice};
use crate::control::datagrams;
use crate::multicast::config::IDLE_INTERVAL_MIN;
use crate::multicast::packet;
use crate::multicast::plain;
use crate::multicast::session::Delivered;
use crate::multicast::transport::Way;
use crate::net::multicast_socket::{Batch, OpenError};
use crate::net::relay::{self, Relay, RelayLink, next_from_relay};
use crate::net::room_event::{RoomEvent, RoomStats, Said, SayError};
use crate::net::room_seat::{RoomCommand, RoomOptions, Seated};
use crate::net::seat::{Outlet, SeatOptions};
use crate::net::speech::{Plain, Reliable};
use crate::net::watched_socket::{WatchedSocket, receive};
use crate::net::{Interface, InterfaceError};
use crate::time::Micros;

/// How often the interface is looked at: a cable pulled or a network changed is told within this.
const INTERFACE_CHECK: Duration = Duration::from_secs(1);

/// Lines that wait to be shown. A person reads fewer; what passes it is counted and told.
const EVENTS_WAITING_MAX: usize = 1024;

/// Joins `room` and starts the task, which leaves and ends when the sender of commands is dropped.
/// Must be called on a tokio runtime.
///
/// # Errors
/// The group could not be joined.
pub fn spawn_room(room: RoomAddress, options: RoomOptions) -> Result<Seated, OpenError> {
    let RoomOptions {
        interface,
        ttl,
        name,
        dialect,
        rate_max,
        replaces,
        id,
        relay,
        past,
    } = options;
    // Who can be relayed needs no multicast.
    let can_relay = relay
        .as_ref()
        .is_some_and(|relay| relay.choice != TransportChoice::Multicast);
    let socket = match WatchedSocket::open(room, &interface, ttl) {
        Err(error) if !can_relay => return Err(error),
        opened => opened.ok(),
    };
    let speech = match dialect {
        Dialect::Plain => Speech::Plain(Plain { name }),
        Dialect::Reliable => {
            let options = SeatOptions {
                ttl,
                name,
                rate_max,
                replaces,
            };
            let reliable = Reliable::new(room, &options, id, past);
            let reliable = reliable.map_err(|error| OpenError::new(room, &interface, error))?;
            Speech::Reliable(Box::new(reliable))
        }
    };
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
        traffic: None,
    };
    let task = RoomTask {
        room,
        interface,
        ttl,
        speech,
        socket,
        relay: relay.map(Relay::new),
        way_awaited: Vec::new(),
        sending_fails: false,
        untold: 0,
        events: events_out,
        backlog: VecDeque::new(),
        stats,
    };
    let id = match &task.speech {
        Speech::Plain(_) => None,
        Speech::Reliable(reliable) => Some(reliable.id().0),
    };
    Ok(Seated {
        id,
        commands,
        events,
        task: tokio::spawn(task.run(commands_in)),
    })
}

enum Speech {
    Plain(Plain),
    Reliable(Box<Reliable>),
}

struct RoomTask {
    room: RoomAddress,
    interface: Interface,
    ttl: u8,
    speech: Speech,
    /// None while the interface is down.
    socket: Option<WatchedSocket>,
    relay: Option<Relay>,
    /// Those who want to know when it is known which way works.
    way_awaited: Vec<oneshot::Sender<()>>,
    /// A failure has been told and nothing got out since.
    sending_fails: bool,
    /// Messages dropped since this was last told.
    untold: u64,
    events: mpsc::Sender<RoomEvent>,
    /// What happened in a reliable room and found no room among the events; at most what one batch of
    /// datagrams holds.
    backlog: VecDeque<RoomEvent>,
    stats: RoomStats,
}

impl RoomTask {
    async fn run(mut self, mut commands: mpsc::Receiver<RoomCommand>) {
        let mut batch = Batch::of_many();
        let mut check = interval(INTERFACE_CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looking = None;
        let events = self.events.clone();
        let mut is_leaving = false;
        // Something said that has to wait until there is room for it.
        let mut waiting = None;
        // The person may have decided on a way.
        self.choose_way();
        while !is_leaving || !self.is_over() {
            if self.can_say()
                && let Some(command) = waiting.take()
            {
                self.obey(command);
            }
            let interval = self.idle_interval();
            let way_at = self.relay.as_ref().and_then(|relay| relay.wake(interval));
            tokio::select! {
                command = commands.recv(), if !is_leaving && waiting.is_none() => match command {
                    Some(command @ RoomCommand::Say(..)) if !self.can_say() => waiting = Some(command),
                    Some(command) => self.obey(command),
                    None => {
                        is_leaving = true;
                        self.leave();
                    }
                },
                // Who reads slowly in a reliable room slows its sender, and loses nothing.
                received = receive(self.socket.as_ref(), &mut batch), if self.backlog.is_empty() => match received {
                    Ok(()) => self.hear(&batch),
                    Err(error) => self.close(&error.to_string()),
                },
                room = events.reserve(), if !self.backlog.is_empty() => match (room, self.backlog.pop_front()) {
                    (Ok(room), Some(event)) => room.send(event),
                    // Nobody will read them.
                    _ => self.backlog.clear(),
                },
                told = next_from_relay(&mut self.relay), if self.backlog.is_empty() => {
                    let piece = self.relay.as_mut().and_then(|relay| relay.take(told));
                    piece.into_iter().for_each(|piece| self.hear_piece(&piece));
                    self.choose_way();
                }
                () = relay::alarm(way_at) => self.choose_way(),
                () = alarm(&self.speech) => self.look(),
                seen = finished(&mut looking) => {
                    looking = None;
                    seen.into_iter().for_each(|seen| self.see_interface(seen));
                }
                _ = check.tick() => {
                    // Asking the system can take milliseconds, in which lines would wait.
                    let interface = self.interface.clone();
                    looking.get_or_insert_with(|| spawn_blocking(move || interface.now()));
                    self.tell_undelivered();
                    self.tell_of_dropped();
                }
            }
        }
    }

    fn can_say(&self) -> bool {
        match &self.speech {
            Speech::Plain(_) => true,
            // What is said before it is known who can hear it would be lost to those who cannot.
            Speech::Reliable(reliable) => {
                reliable.can_say() && self.relay.as_ref().is_none_or(Relay::is_settled)
            }
        }
    }

    /// A plain room has nothing to wait for when it is left.
    fn is_over(&self) -> bool {
        match &self.speech {
            Speech::Plain(_) => true,
            Speech::Reliable(reliable) => reliable.is_over(),
        }
    }

    fn obey(&mut self, command: RoomCommand) {
        // Whoever asked may have stopped waiting; what was asked is done all the same.
        match command {
            RoomCommand::Say(text, done) => {
                let result = self.say(&text);
                let _ = done.send(result);
            }
            RoomCommand::SendFile(source, answer) => {
                let _ = answer.send(self.send_file(*source));
            }
            RoomCommand::OfferKept(file, answer) => {
                let _ = answer.send(self.offer_kept(file));
            }
            RoomCommand::ReceiveFile(offer, part, answer) => {
                let _ = answer.send(self.receive_file(&offer, *part));
            }
            RoomCommand::ConfirmFile(offer, path, answer) => {
                let _ = answer.send(self.confirm_file(&offer, path));
            }
            RoomCommand::AwaitDelivery(said, wait, answer) => match &mut self.speech {
                Speech::Plain(_) => _ = answer.send(Delivered { by: 0, of: 0 }),
                Speech::Reliable(reliable) => reliable.await_delivery(said, wait, answer),
            },
            RoomCommand::Rename(name) => match &mut self.speech {
                Speech::Plain(plain) => plain.name = name,
                Speech::Reliable(reliable) => reliable.rename(&name),
            },
            RoomCommand::UseRelay(link) => self.use_relay(link),
            RoomCommand::AwaitWay(answer) => self.way_awaited.push(answer),
            RoomCommand::Members(answer) => {
                let _ = answer.send(match &self.speech {
                    Speech::Plain(_) => Vec::new(),
                    Speech::Reliable(reliable) => reliable.members(),
                });
            }
            RoomCommand::Stats(answer) => _ = answer.send(self.stats()),
        }
        self.flush();
        self.choose_way();
    }

    fn leave(&mut self) {
        if let Speech::Reliable(reliable) = &mut self.speech {
            reliable.leave();
            self.flush();
        }
    }

    fn say(&mut self, text: &MessageText) -> Result<Said, SayError> {
        let outlet = Outlet {
            socket: self.socket.as_ref().map(|s| &s.socket),
            relay: self.relay.as_mut().and_then(Relay::queue),
        };
        if outlet.socket.is_none() && outlet.relay.is_none() {
            return Err(SayError::InterfaceDown(self.interface.name.clone()));
        }
        let said = match &mut self.speech {
            Speech::Reliable(reliable) => reliable.say(text)?,
            Speech::Plain(plain) => {
                let (sent, mut failed) = plain.say(text, outlet);
                self.stats.sent_datagrams += sent;
                self.stats.failed_datagrams += failed.len() as u64;
                let failure = failed.pop();
                self.note_sending(failure.as_ref());
                match failure {
                    Some(error) => return Err(SayError::Network(error.to_string())),
                    None => Said { id: None },
                }
            }
        };
        self.stats.said += 1;
        Ok(said)
    }

    /// Tells once that sending fails, and once that it works again.
    fn note_sending(&mut self, failure: Option<&io::Error>) {
        match failure {
            Some(error) => {
                if !std::mem::replace(&mut self.sending_fails, true) {
                    self.notice(format!(
                        "sending on {} fails ({error}): what you say does not get out",
                        self.interface
                    ));
                }
            }
            None => {
                if std::mem::take(&mut self.sending_fails) {
                    self.notice(format!("sending on {} works again", self.interface.name));
                }
            }
        }
    }

    fn hear(&mut self, batch: &Batch) {
        let own = self.socket.as_ref().map(|s| s.socket.source());
        let is_plain = matches!(self.speech, Speech::Plain(_));
        for (source, bytes) in batch.datagrams() {
            if let Some(relay) = &mut self.relay {
                relay.hear_multicast(bytes);
                // In a plain room nothing would tell that it comes twice.
                if is_plain && relay.is_used() {
                    continue;
                }
            }
            if Some(source) != own {
                self.hear_datagram(source, bytes);
            }
        }
        self.flush();
        self.choose_way();
    }

    fn hear_piece(&mut self, piece: &[u8]) {
        for (source, bytes) in datagrams::read(piece) {
            self.hear_datagram(source, bytes);
        }
        self.flush();
    }

    fn use_relay(&mut self, link: RelayLink) {
        if self.relay.as_ref().is_some_and(Relay::is_used) {
            self.set_relayed(false);
        }
        self.relay = Some(Relay::new(link));
    }

    fn set_relayed(&mut self, is_relayed: bool) {
        if let Speech::Reliable(reliable) = &mut self.speech {
            reliable.set_relayed(is_relayed);
        }
    }

    fn idle_interval(&self) -> Micros {
        match &self.speech {
            Speech::Plain(_) => IDLE_INTERVAL_MIN,
            Speech::Reliable(reliable) => reliable.idle_interval(),
        }
    }

    /// Goes by multicast or through the relay, as far as that is known by now.
    fn choose_way(&mut self) {
        let interval = self.idle_interval();
        let way = self.relay.as_mut().and_then(|relay| relay.decide(interval));
        way.into_iter().for_each(|way| self.change_way(way));
        if self.relay.as_ref().is_none_or(Relay::is_settled) {
            // Whoever asked may have stopped waiting.
            self.way_awaited.drain(..).for_each(|a| _ = a.send(()));
        }
    }

    fn change_way(&mut self, way: Way) {
        self.set_relayed(way != Way::Multicast);
        let on = &self.interface.name;
        self.notice(match way {
            Way::Relay(reason) => format!("{reason} on {on}: using the relay"),
            Way::Multicast if self.relay.as_ref().is_some_and(Relay::is_there) => {
                format!("multicast reaches this machine on {on} again")
            }
            Way::Multicast => {
                format!("the relay is gone with the server: only multicast on {on} is left")
            }
        });
        self.flush();
    }

    fn hear_datagram(&mut self, source: SocketAddrV4, bytes: &[u8]) {
        if packet::announces_file(bytes) {
            // What came before it is told before it.
            self.flush();
        }
        match &mut self.speech {
            Speech::Plain(_) => match plain::decode(bytes, source) {
                Ok(message) => self.tell(RoomEvent::Message(message)),
                Err(_) => self.stats.ignored_datagrams += 1,
            },
            Speech::Reliable(reliable) => {
                let stranger = reliable.hear(source, bytes);
                stranger.into_iter().for_each(|event| self.tell(event));
            }
        }
    }

    fn look(&mut self) {
        if let Speech::Reliable(reliable) = &mut self.speech {
            reliable.look();
            self.flush();
        }
    }

    /// Sends what a reliable seat has to send, and tells what happened in it.
    fn flush(&mut self) {
        let Speech::Reliable(reliable) = &mut self.speech else {
            return;
        };
        let sent_before = reliable.datagrams()[0];
        let events = reliable.flush(Outlet {
            socket: self.socket.as_ref().map(|s| &s.socket),
            relay: self.relay.as_mut().and_then(Relay::queue),
        });
        let failure = reliable.failure();
        let has_sent = reliable.datagrams()[0] > sent_before;
        events.into_iter().for_each(|event| self.tell(event));
        if failure.is_some() || has_sent {
            self.note_sending(failure.as_ref());
        }
    }

    fn tell_undelivered(&mut self) {
        if let Speech::Reliable(reliable) = &mut self.speech {
            let events = reliable.undelivered();
            events.into_iter().for_each(|event| self.tell(event));
        }
    }

    fn stats(&self) -> RoomStats {
        let mut stats = self.stats.clone();
        stats.interface = self.interface.clone();
        if let Speech::Reliable(reliable) = &self.speech {
            [
                stats.sent_datagrams,
                stats.failed_datagrams,
                stats.ignored_datagrams,
            ] = reliable.datagrams();
            stats.traffic = Some(reliable.traffic());
        }
        stats
    }

    /// Leaves the interface when it goes, and takes it again, perhaps with another address, when it
    /// comes back under its name.
    fn see_interface(&mut self, seen: Result<Interface, InterfaceError>) {
        match seen {
            Ok(now) if self.socket.is_some() && now == self.interface => {}
            Ok(now) => match WatchedSocket::open(self.room, &now, self.ttl) {
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

    /// Never waits: a reader that is slow must not stop the room, nor what it wants to say. In a plain
    /// room nobody could send again what is left out here; in a reliable one nothing is.
    fn tell(&mut self, event: RoomEvent) {
        let is_message = matches!(event, RoomEvent::Message(_) | RoomEvent::Stranger(_));
        self.stats.heard += u64::from(is_message);
        if !self.backlog.is_empty() {
            self.backlog.push_back(event);
            return;
        }
        match (self.events.try_send(event), &self.speech) {
            (Err(TrySendError::Full(event)), Speech::Reliable(_)) => self.backlog.push_back(event),
            (Err(_), _) => {
                self.stats.not_shown += 1;
                self.untold += 1;
            }
            (Ok(()), _) => {}
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

/// What a look at the interface gave; never without one.
async fn finished<T>(looking: &mut Option<JoinHandle<T>>) -> Option<T> {
    match looking {
        // One that could not be carried out has seen nothing.
        Some(looking) => looking.await.ok(),
        None => std::future::pending().await,
    }
}

/// The time at which a seat has something to do by itself.
async fn alarm(speech: &Speech) {
    match speech {
        Speech::Plain(_) => std::future::pending().await,
        Speech::Reliable(reliable) => sleep_until(reliable.wake()).await,
    }
}
