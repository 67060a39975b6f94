//! What a person does and sees in a room.

use std::io;
use std::ops::ControlFlow;

use tokio::task::JoinHandle;

use super::{Failure, Repl};
use crate::chat::{Dialect, MessageText, MessageTextError, RoomAddress, RoomName};
use crate::client::{Interface, Room, RoomEvent, Towards};
use crate::terminal::former_seat::FormerSeat;
use crate::terminal::render::notice;
use crate::terminal::report::{stats_lines, who_lines};

/// In a room.
pub(super) struct Seat {
    pub(super) name: RoomName,
    pub(super) address: RoomAddress,
    pub(super) dialect: Dialect,
    /// Where it stands which member this is, as long as we have not left.
    pub(super) former: Option<FormerSeat>,
    pub(super) room: Room,
}

impl Seat {
    pub(super) fn leave(self) -> JoinHandle<()> {
        // If that cannot be written, whoever comes next goes on from a member that has left.
        self.former.map(FormerSeat::forget);
        tokio::spawn(self.room.leave())
    }
}

impl Repl {
    /// None where it cannot be had, which is no reason to stay out of the room.
    pub(super) fn former_seat(&self, room: RoomAddress) -> Option<(FormerSeat, Option<u64>)> {
        let folder = self.settings.state.as_ref()?.join("seats");
        FormerSeat::open(&folder, room).ok()
    }

    /// In a room a line is said, unless it begins with one slash.
    pub(super) async fn handle_in_room(
        &mut self,
        text: &str,
        rows: usize,
    ) -> io::Result<ControlFlow<()>> {
        if let Some(said) = text.strip_prefix('/').filter(|rest| rest.starts_with('/')) {
            self.say(said, rows).await?;
        } else if text.starts_with('/') {
            return self.obey(text).await;
        } else {
            self.say(text, rows).await?;
        }
        Ok(ControlFlow::Continue(()))
    }

    pub(super) async fn say(&mut self, text: &str, rows: usize) -> io::Result<()> {
        let (Some(seat), Some(name)) = (&self.seat, &self.name) else {
            return Ok(());
        };
        let text: MessageText = match text.parse() {
            Ok(text) => text,
            Err(MessageTextError::Blank) => return Ok(()),
            Err(error) => return self.fail(&error.to_string()),
        };
        if let Err(error) = seat.room.say(text.clone()).await {
            return self.fail(&error.to_string());
        }
        let shown = self.settings.style.message(name.as_str(), text.as_str());
        self.console.replace_input(rows, &shown)
    }

    /// Where rooms send and listen: towards the server, if there was one so far.
    pub(super) fn interface(&self, room: RoomAddress) -> Result<Interface, Failure> {
        let towards = self.local.map_or(Towards::Group(room), Towards::Server);
        let chosen = Interface::choose(self.settings.interface.as_deref(), towards);
        chosen.map_err(|error| error.to_string())
    }

    pub(super) async fn who(&mut self) -> Result<Vec<String>, Failure> {
        let seat = self.seat.as_ref().ok_or("not in a room")?;
        if seat.dialect == Dialect::Plain {
            return Err(
                "a plain room does not know who is in it: only who speaks is seen".to_owned(),
            );
        }
        Ok(who_lines(&seat.room.members().await))
    }

    pub(super) async fn stats(&mut self) -> Result<Vec<String>, Failure> {
        let seat = self.seat.as_ref().ok_or("not in a room")?;
        let stats = seat.room.stats().await.ok_or("the room was left")?;
        let room = format!("{} ({})", seat.name, seat.address);
        Ok(stats_lines(&room, seat.dialect, &stats))
    }

    pub(super) fn leave(&mut self) -> io::Result<()> {
        if let Some(seat) = self.seat.take() {
            self.notice(&format!("left room {}", seat.name))?;
            self.leaving.retain(|room| !room.is_finished());
            self.leaving.push(seat.leave());
        }
        self.console.teach(|words| words.set_in_room(false));
        Ok(())
    }

    pub(super) fn show_room_event(
        &mut self,
        event: Option<RoomEvent>,
    ) -> io::Result<ControlFlow<()>> {
        match event {
            Some(RoomEvent::Message(message)) => {
                self.console.teach(|words| words.add_name(&message.from));
                let style = self.settings.style;
                self.print(&style.message(&message.from, message.text.as_str()))?;
            }
            Some(RoomEvent::Stranger(message)) => {
                let style = self.settings.style;
                self.print(&style.stranger(&message.from, message.text.as_str()))?;
            }
            Some(event) => {
                self.console.teach(|words| words.add_names(&event));
                if let Some(text) = notice(&event) {
                    self.notice(&text)?;
                }
            }
            None => self.leave()?,
        }
        Ok(ControlFlow::Continue(()))
    }
}

pub(super) async fn next_in_room(seat: &mut Option<Seat>) -> Option<RoomEvent> {
    match seat {
        Some(seat) => seat.room.next_event().await,
        None => std::future::pending().await,
    }
}
