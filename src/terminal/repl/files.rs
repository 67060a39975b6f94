//! Files: sent to one person or to a room, fetched, listed.

use std::io;
use std::path::PathBuf;

use super::{Failure, Repl, Seat, next_happening};
use crate::chat::{FileOffer, RoomName, UserName};
use crate::client::{Connection, FileFor, Offer};
use crate::terminal::progress;
use crate::terminal::transfers::{Told, Transfers};

impl Repl {
    pub(super) fn send_file(
        &mut self,
        to: Option<UserName>,
        path: PathBuf,
    ) -> Result<Vec<String>, Failure> {
        let path = from_home(path);
        let to = match (to, &self.seat) {
            (Some(name), _) => FileFor::Person(name),
            (None, Some(Seat::Lobby)) => FileFor::Room(RoomName::lobby()),
            (None, Some(Seat::Room(seat))) => {
                let server = self.connection.as_ref().map(Connection::files);
                let files = seat.room.files(server);
                let name = seat.name();
                self.transfers.share(files, &path, name);
                return Ok(Vec::new());
            }
            (None, None) => return Err("to whom? Write it as `send @NAME PATH`".into()),
        };
        let files = self.connected()?.files();
        self.transfers.send(files, &path, to);
        Ok(Vec::new())
    }

    pub(super) fn receive_file(&mut self, id: u32) -> Result<Vec<String>, Failure> {
        let files = self.connection.as_ref().map(Connection::files);
        self.transfers.receive(id, files)?;
        Ok(Vec::new())
    }

    pub(super) fn show_transfers(&mut self) -> Vec<String> {
        let lines = self.transfers.lines();
        match lines.is_empty() {
            true => vec![
                self.settings
                    .style
                    .notice("no files yet: `send @NAME PATH` sends one"),
            ],
            false => lines,
        }
    }

    /// Somebody offers a file.
    pub(super) fn offered(
        &mut self,
        room: Option<RoomName>,
        from: UserName,
        offer: FileOffer,
    ) -> io::Result<()> {
        let is_mine = self.name.as_ref() == Some(&from);
        let is_elsewhere = room.is_some() && !matches!(self.seat, Some(Seat::Lobby));
        // Of what is ours in the lobby we know; what is ours alone we have sent to ourselves.
        if is_elsewhere || (is_mine && room.is_some()) {
            return Ok(());
        }
        let files = self.connection.as_ref().map(Connection::files);
        let told = self.transfers.offered(files, room, from.to_string(), offer);
        let told = self.settings.style.notice(&told);
        self.show_private_line(&told)
    }

    /// Somebody in the room offers a file.
    pub(super) fn offered_in_room(
        &mut self,
        from: String,
        offer: Offer,
        is_again: bool,
    ) -> io::Result<()> {
        let Some(Seat::Room(seat)) = &self.seat else {
            return Ok(());
        };
        let server = self.connection.as_ref().map(Connection::files);
        let (files, room) = (seat.room.files(server), seat.name());
        let transfers = &mut self.transfers;
        // What is offered still was told before, or stands in the history.
        match transfers.offered_in_room(files, room, from, offer, is_again) {
            // What comes by itself was shown when it was offered, or with the history.
            (_, true) if is_again => Ok(()),
            (told, _) => self.notice(&told),
        }
    }

    /// How far the files are that are on their way: as bars on a terminal, in a pipe a line each.
    pub(super) fn tell_progress(&mut self) -> io::Result<()> {
        let stuck = self.transfers.stuck();
        stuck.iter().try_for_each(|line| self.notice(line))?;
        if self.console.is_terminal() {
            self.draw_progress();
            return Ok(());
        }
        let lines = self.transfers.progress(progress::TELL, false);
        lines.iter().try_for_each(|line| self.notice(line))
    }

    /// The bars, where there are any.
    pub(super) fn draw_progress(&mut self) {
        if self.console.is_terminal() {
            let bars = self.transfers.progress(progress::DRAW, true);
            self.console.show_status(bars);
        }
    }

    pub(super) fn show_transfer(&mut self, told: Option<Told>) -> io::Result<()> {
        let style = self.settings.style;
        match told {
            Some(Told::Notice(text)) => self.notice(&text),
            Some(Told::Failure(text)) => self.fail(&text),
            Some(Told::Text {
                is_private,
                from,
                text,
                saved,
            }) => {
                let text = match is_private {
                    true => style.marked("private", &from, &text),
                    false => style.message(&from, &text),
                };
                self.show_line(&text)?;
                self.notice(&saved)
            }
            None => Ok(()),
        }
    }

    /// A script ends when its files have arrived: as long as there are such, what happens is told.
    pub(super) async fn finish_transfers(
        &mut self,
        are_left: fn(&Transfers) -> bool,
    ) -> io::Result<()> {
        while are_left(&self.transfers) {
            let happened = next_happening(
                &mut self.seat,
                &mut self.transfers,
                &mut self.progress_due,
                &mut self.connection,
            );
            let happened = happened.await;
            self.show_happening(happened).await?;
        }
        Ok(())
    }
}

/// `~` as a shell reads it: one's own folder.
fn from_home(path: PathBuf) -> PathBuf {
    let there = path.strip_prefix("~").ok();
    let there = there.and_then(|rest| Some(std::env::home_dir()?.join(rest)));
    there.unwrap_or(path)
}
