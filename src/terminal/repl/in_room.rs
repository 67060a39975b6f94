//! What a person does and sees in a room.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::past::latest;
use super::{Failure, Repl};
use crate::chat::{
    BitRate, Dialect, MessageText, MessageTextError, Room as DirectoryRoom, RoomAddress, RoomName,
    UserName,
};
use crate::client::{
    Interface, OpenError, Overlap, Room, RoomEvent, RoomOptions, Towards, new_member,
};
use crate::terminal::former_seat::FormerSeat;
use crate::terminal::joining::join_with_past;
use crate::terminal::relay::ask_for_relay;
use crate::terminal::render::notice;
use crate::terminal::report::{stats_lines, who_lines};

/// How long a server is waited for where a room can do without it. Some milliseconds are usual.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines are said.
pub(super) enum Seat {
    Room(Box<RoomSeat>),
    /// It goes over the server alone.
    Lobby,
}

/// In a room on multicast.
pub(super) struct RoomSeat {
    /// As the directory had it.
    entry: DirectoryRoom,
    /// Which member this is, if it is a reliable room.
    id: u64,
    interface: Interface,
    /// Where it stands which member this is, as long as we have not left.
    former: Option<FormerSeat>,
    pub(super) room: Room,
    /// The server knows that we are here.
    pub(super) is_reported: bool,
    /// What a plain room's history has and may still be heard.
    overlap: Overlap,
}

impl RoomSeat {
    pub(super) fn name(&self) -> RoomName {
        self.entry.name.clone()
    }
}

impl Seat {
    pub(super) fn name(&self) -> RoomName {
        match self {
            Self::Room(seat) => seat.name(),
            Self::Lobby => RoomName::lobby(),
        }
    }

    /// Whether its members know of each other.
    pub(super) fn is_reliable(&self) -> bool {
        matches!(self, Self::Room(seat) if seat.entry.dialect == Dialect::Reliable)
    }

    pub(super) fn leave(self) -> Option<JoinHandle<()>> {
        match self {
            Self::Room(seat) => {
                // If that cannot be written, whoever comes next goes on from a member that has left.
                seat.former.map(FormerSeat::forget);
                Some(tokio::spawn(seat.room.leave()))
            }
            Self::Lobby => None,
        }
    }
}

impl Repl {
    pub(super) async fn chat(&mut self, room: RoomName) -> Result<Vec<String>, Failure> {
        if room.is_lobby() {
            self.connected()?;
        }
        let name = match &self.name {
            Some(name) => name.clone(),
            None => self.ask_for_name().await?,
        };
        match room.is_lobby() {
            true => self.enter_lobby(name).await,
            false => self.enter_room(room, name).await,
        }
    }

    async fn enter_lobby(&mut self, name: UserName) -> Result<Vec<String>, Failure> {
        if !self.is_online && self.claim(name).await? {
            self.come_online().await?;
        }
        let connection = self.connected()?;
        connection.enter_lobby().await?;
        let line = format!(
            "in the lobby of {}; Ctrl-] or /leave leaves it",
            connection.server()
        );
        let past = self.lobby_past().await;
        self.seat = Some(Seat::Lobby);
        self.console.teach(|words| words.set_in_room(true));
        let line = self.settings.style.notice(&line);
        Ok(std::iter::once(line).chain(past).collect())
    }

    async fn enter_room(&mut self, room: RoomName, name: UserName) -> Result<Vec<String>, Failure> {
        let room = self.find_room(&room).await?;
        let interface = self.interface(room.address)?;
        let id = new_member().map_err(|error| error.to_string())?;
        // Before anybody in the room sees us: it may be full.
        let relay = match &self.connection {
            Some(connection) => {
                let choice = self.settings.transport;
                let unseen = self.unseen_name();
                let asked = ask_for_relay(connection, choice, &room, id, &interface, unseen).await;
                asked.map_err(|refusal| refusal.text)?
            }
            None => None,
        };
        let is_reported = relay.is_some();
        let (mut former, replaces) = self.former_seat(room.address).unzip();
        let options = RoomOptions {
            ttl: self.settings.ttl,
            rate_max: self.settings.rate_max.map(BitRate::bytes_per_second),
            replaces: replaces.flatten(),
            id: Some(id),
            relay,
            ..RoomOptions::new(interface.clone(), name, room.dialect)
        };
        // Only who told the server that it is here is told what was said.
        let connection = self.connection.as_ref().filter(|_| is_reported);
        let mut unhad = None;
        let ask = async || {
            let past = latest(connection, &room.name).await;
            Ok::<_, OpenError>(past.unwrap_or_else(|told| {
                unhad = Some(told);
                None
            }))
        };
        let joined = join_with_past(room.address, options, ask).await;
        let joined = joined.map_err(|error| error.to_string())?;
        if let (Dialect::Reliable, Some(former)) = (room.dialect, &mut former) {
            // Without it others see a second one of this name for some seconds, if this is killed.
            let _ = former.remember(id);
        }
        let style = self.settings.style;
        let mut lines = vec![style.notice(&format!(
            "in room {} ({}) on {interface}; Ctrl-] or /leave leaves it",
            room.name, room.address
        ))];
        lines.extend(
            room.topic
                .as_ref()
                .map(|topic| style.notice(&format!("topic: {topic}"))),
        );
        lines.extend(unhad.map(|told| style.notice(&told)));
        if let Some(mut page) = joined.past {
            lines.extend(self.past_lines(&room.name, &mut page).await);
        }
        self.seat = Some(Seat::Room(Box::new(RoomSeat {
            entry: room,
            id,
            interface,
            former,
            room: joined.room,
            is_reported,
            overlap: joined.overlap,
        })));
        self.console.teach(|words| words.set_in_room(true));
        Ok(lines)
    }

    /// The server has come back: it may not know of a room that was entered without it.
    pub(super) async fn report_seat(&mut self) {
        let unseen = self.unseen_name();
        if let (Some(Seat::Room(seat)), Some(connection)) = (&mut self.seat, &self.connection)
            && !seat.is_reported
        {
            let (choice, interface) = (self.settings.transport, &seat.interface);
            // Who is in a room already stays there, full or not.
            let link =
                ask_for_relay(connection, choice, &seat.entry, seat.id, interface, unseen).await;
            if let Ok(Some(link)) = link {
                seat.is_reported = true;
                seat.room.use_relay(link).await;
            }
        }
    }

    /// What we speak as in rooms while the server does not have us under that name.
    fn unseen_name(&self) -> Option<UserName> {
        self.name.clone().filter(|_| !self.is_online)
    }

    /// None where it cannot be had, which is no reason to stay out of the room.
    fn former_seat(&self, room: RoomAddress) -> Option<(FormerSeat, Option<u64>)> {
        let folder = self.settings.state.as_ref()?.join("seats");
        FormerSeat::open(&folder, room).ok()
    }

    /// In a room a line is said, unless it begins with one slash or one `@`.
    pub(super) async fn handle_in_room(
        &mut self,
        text: &str,
        rows: usize,
    ) -> io::Result<ControlFlow<()>> {
        self.typed_rows = Some(rows);
        let done = if text.starts_with("//") {
            let said = &text[1..];
            self.say(said).await.map(ControlFlow::Continue)
        } else if text.starts_with('/') {
            self.obey(text).await
        } else if text.starts_with('@') {
            self.obey_at(text).await
        } else {
            self.say(text).await.map(ControlFlow::Continue)
        };
        self.typed_rows = None;
        done
    }

    pub(super) async fn say(&mut self, text: &str) -> io::Result<()> {
        let text: MessageText = match text.parse() {
            Ok(text) => text,
            Err(MessageTextError::Blank) => return Ok(()),
            Err(error) => return self.fail(&error.to_string()),
        };
        match self.say_here(text.clone()).await {
            Ok(()) => {}
            Err(Failure::Output(error)) => return Err(error),
            Err(Failure::Text(text) | Failure::NameTaken(text)) => return self.fail(&text),
        }
        let name = self.name.as_ref().map_or("", UserName::as_str);
        let shown = self.settings.style.message(name, text.as_str());
        self.show_said(&shown)
    }

    async fn say_here(&mut self, text: MessageText) -> Result<(), Failure> {
        match &self.seat {
            Some(Seat::Room(seat)) => {
                let said = seat.room.say(text).await;
                said.map(drop).map_err(|error| error.to_string().into())
            }
            Some(Seat::Lobby) => Ok(self.connected()?.say(RoomName::lobby(), text).await?),
            None => Err("not in a room".into()),
        }
    }

    /// `/me waves` travels as it is typed; every reader shows it as what one does.
    pub(super) async fn say_action(&mut self, text: &MessageText) -> Result<Vec<String>, Failure> {
        self.say(&format!("/me {text}")).await?;
        Ok(Vec::new())
    }

    /// A line of ours, in place of what was typed in a room, or below it.
    pub(super) fn show_said(&mut self, line: &str) -> io::Result<()> {
        match self.typed_rows.take() {
            Some(rows) => self.console.replace_input(rows, line),
            None => self.console.print(line),
        }
    }

    /// Where rooms send and listen: towards the server, if there was one so far.
    fn interface(&self, room: RoomAddress) -> Result<Interface, Failure> {
        let towards = self.local.map_or(Towards::Group(room), Towards::Server);
        let chosen = Interface::choose(self.settings.interface.as_deref(), towards);
        chosen.map_err(|error| error.to_string().into())
    }

    pub(super) async fn who(&mut self) -> Result<Vec<String>, Failure> {
        match &self.seat {
            Some(Seat::Room(seat)) if seat.entry.dialect == Dialect::Plain => {
                let text = "a plain room does not know who is in it: only who speaks is seen";
                Err(text.into())
            }
            Some(Seat::Room(seat)) => {
                let members = seat.room.members().await;
                Ok(who_lines(&members, &self.with_avatar().await))
            }
            Some(Seat::Lobby) => self.who_in_lobby().await,
            None => Err("not in a room".into()),
        }
    }

    pub(super) async fn stats(&mut self) -> Result<Vec<String>, Failure> {
        match &self.seat {
            Some(Seat::Room(seat)) => {
                let stats = seat.room.stats().await.ok_or("the room was left")?;
                let room = format!("{} ({})", seat.entry.name, seat.entry.address);
                Ok(stats_lines(&room, seat.entry.dialect, &stats))
            }
            Some(Seat::Lobby) => {
                Err("the lobby goes over the server: there is nothing to count".into())
            }
            None => Err("not in a room".into()),
        }
    }

    pub(super) async fn leave(&mut self) -> io::Result<()> {
        if let Some(seat) = self.seat.take() {
            let name = seat.name();
            self.transfers.leave(&name);
            self.leaving.retain(|room| !room.is_finished());
            self.leaving.extend(seat.leave());
            self.notice(&format!("left room {name}"))?;
            if let Some(connection) = &self.connection {
                // If it is lost, it is not known there that we were here.
                let _ = timeout(PATIENCE, connection.leave(name)).await;
            }
        }
        self.console.teach(|words| words.set_in_room(false));
        Ok(())
    }

    pub(super) async fn show_room_event(&mut self, event: Option<RoomEvent>) -> io::Result<()> {
        let style = self.settings.style;
        match event {
            Some(RoomEvent::Message(message)) => {
                if let Some(Seat::Room(seat)) = &mut self.seat
                    && seat.overlap.has(&message.from, message.text.as_str())
                {
                    return Ok(());
                }
                if !self.is_ignored(&message.from) {
                    self.console.teach(|words| words.add_name(&message.from));
                    self.show_line(&style.message(&message.from, message.text.as_str()))?;
                }
            }
            Some(RoomEvent::Offered {
                from,
                offer,
                is_again,
                ..
            }) => {
                if !self.is_ignored(&from) {
                    self.offered_in_room(from, offer, is_again)?;
                }
            }
            Some(RoomEvent::Stranger(message)) => {
                if !self.is_ignored(&message.from) {
                    self.show_line(&style.stranger(&message.from, message.text.as_str()))?;
                }
            }
            Some(event @ RoomEvent::Gap { range, .. }) => {
                self.fill_gap(&notice(&event).unwrap_or_default(), range)
                    .await?;
            }
            Some(event) => {
                self.transfers.note_room(&event);
                self.console.teach(|words| words.add_names(&event));
                match notice(&event) {
                    Some(text) if !self.is_about_ignored(&event) => self.notice(&text)?,
                    _ => {}
                }
            }
            None => self.leave().await?,
        }
        Ok(())
    }

    fn is_about_ignored(&self, event: &RoomEvent) -> bool {
        match event {
            RoomEvent::Joined(name) | RoomEvent::Left(name) => self.is_ignored(name),
            RoomEvent::Renamed { before, now } => self.is_ignored(before) || self.is_ignored(now),
            _ => false,
        }
    }
}

pub(super) async fn next_in_room(seat: &mut Option<Seat>) -> Option<RoomEvent> {
    match seat {
        Some(Seat::Room(seat)) => seat.room.next_event().await,
        Some(Seat::Lobby) | None => std::future::pending().await,
    }
}
