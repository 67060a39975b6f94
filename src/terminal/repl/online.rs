//! What the server tells of itself: the connection, who comes and goes, what is said over it.

use std::io;

use super::{Repl, Seat};
use crate::chat::UserName;
use crate::cli::Bell;
use crate::client::{ConnectionEvent, ServerEvent};
use crate::terminal::complete::Vocabulary;

impl Repl {
    pub(super) async fn show_connection_event(&mut self, event: ConnectionEvent) -> io::Result<()> {
        match event {
            ConnectionEvent::Server(event) => self.show_server_event(event)?,
            ConnectionEvent::Lost(reason) => self.lose_server(&reason)?,
            ConnectionEvent::Back => self.regain_server().await?,
            ConnectionEvent::NameLost { why, .. } => self.lose_name(&why.text)?,
            ConnectionEvent::RoomLost { room, why } => {
                self.notice(&format!("{room}: {}", why.text))?;
                match &mut self.seat {
                    Some(Seat::Lobby) if room.is_lobby() => self.leave().await?,
                    Some(Seat::Room(seat)) => seat.is_reported = false,
                    _ => {}
                }
            }
            ConnectionEvent::Missed(events) => {
                self.notice(&format!(
                    "{events} words of the server came too fast and are not shown"
                ))?;
            }
        }
        Ok(())
    }

    fn lose_server(&mut self, reason: &str) -> io::Result<()> {
        self.is_lost = true;
        self.console.teach(|words| words.forget_online());
        // Why it is gone was told when the server said that it stops.
        let reason = match std::mem::take(&mut self.is_stopping) {
            true => String::new(),
            false => format!("The connection to the server is gone: {reason}. "),
        };
        self.notice(&format!(
            "{reason}Rooms go on without it; the client comes back when it does."
        ))
    }

    async fn regain_server(&mut self) -> io::Result<()> {
        self.is_lost = false;
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        self.local = Some(connection.local_address());
        let back = format!("Connected to {} again", connection.server());
        self.notice(&back)?;
        if std::mem::take(&mut self.is_claim_owed)
            && let (Some(name), Some(connection)) = (&self.name, &self.connection)
            && let Err(error) = connection.set_name(name).await
        {
            self.lose_name(&error.to_string())?;
        }
        self.report_seat().await;
        self.catch_up_in_lobby().await?;
        self.learn_names().await;
        Ok(())
    }

    /// Somebody else has the name since. What is typed at the moment is not to be disturbed by a question.
    fn lose_name(&mut self, why: &str) -> io::Result<()> {
        self.is_online = false;
        self.notice(why)?;
        let command = if self.seat.is_some() { "/name" } else { "name" };
        self.notice(&format!("`{command} NAME` sets another name"))
    }

    fn show_server_event(&mut self, event: ServerEvent) -> io::Result<()> {
        self.learn(&event);
        if self.is_from_ignored(&event) || self.is_told_otherwise(&event) {
            return Ok(());
        }
        let style = self.settings.style;
        if let (
            Some(Seat::Lobby),
            ServerEvent::Line { number, .. }
            | ServerEvent::Entered { number, .. }
            | ServerEvent::Left { number, .. }
            | ServerEvent::File {
                number: Some(number),
                ..
            },
        ) = (&self.seat, &event)
            && self.is_past_in_lobby(*number)
        {
            return Ok(());
        }
        match event {
            ServerEvent::Line {
                room, from, text, ..
            } => {
                let is_mine = self.name.as_ref().is_some_and(|name| name.as_str() == from);
                match &self.seat {
                    // What is said there was shown when it was said.
                    Some(Seat::Lobby) if room.is_lobby() && !is_mine => {
                        self.show_line(&style.message(&from, text.as_str()))
                    }
                    _ => Ok(()),
                }
            }
            ServerEvent::Whisper { from, text } => {
                let line = style.marked("private", from.as_str(), text.as_str());
                self.whispered_by = Some(from);
                self.show_private_line(&line)
            }
            ServerEvent::GroupLine { group, from, text } => {
                let mark = format!("group {group}");
                self.show_line(&style.marked(&mark, from.as_str(), text.as_str()))
            }
            ServerEvent::Followed { room, from, text } => {
                let mark = format!("in {room}");
                self.show_private_line(&style.marked(&mark, &from, text.as_str()))
            }
            ServerEvent::File {
                room, from, offer, ..
            } => self.offered(room, from, offer),
            event => match self.notice_of(event) {
                Some(text) => self.notice(&text),
                None => Ok(()),
            },
        }
    }

    /// What is told in square brackets.
    fn notice_of(&mut self, event: ServerEvent) -> Option<String> {
        Some(match event {
            ServerEvent::Welcome(name) => format!("Welcome {name}!"),
            ServerEvent::Joined(name) => format!("{name} joined"),
            ServerEvent::Exited(name) => format!("{name} exited"),
            ServerEvent::Renamed { before, name } => format!("{before} is now known as {name}"),
            ServerEvent::Entered { room, name, .. } => format!("{name} is in the {room}"),
            ServerEvent::Left { room, name, .. } => format!("{name} left the {room}"),
            ServerEvent::Enrolled { group, .. } => format!("You are enrolled in the {group} group"),
            ServerEvent::GroupLeft { group, by } => format!("{by} left the {group} group"),
            ServerEvent::GroupDeleted { group, by } => format!("{by} deleted the {group} group"),
            ServerEvent::Topic { room, topic, by } => {
                let told = match &topic {
                    Some(topic) => format!("topic of {room}, set by {by}: {topic}"),
                    None => format!("{by} took the topic of {room} away"),
                };
                let mut rooms = self.directory.iter_mut().flatten();
                if let Some(known) = rooms.find(|known| known.name == room) {
                    known.topic = topic;
                }
                told
            }
            ServerEvent::RoomDeleted { name, by } => {
                self.forget(&name);
                match self.seat.as_ref().is_some_and(|seat| seat.name() == name) {
                    true => format!("room {name} was deleted by {by}; whoever is in it may go on"),
                    false => return None,
                }
            }
            ServerEvent::Notice(text) => text,
            ServerEvent::ServerStopping => {
                self.is_stopping = true;
                "The server is shutting down".to_owned()
            }
            _ => return None,
        })
    }

    /// Whether somebody whom we ignore says it, or came or went.
    fn is_from_ignored(&self, event: &ServerEvent) -> bool {
        let ignored = |name: &UserName| self.is_ignored(name.as_str());
        match event {
            ServerEvent::Joined(name)
            | ServerEvent::Exited(name)
            | ServerEvent::Entered { name, .. }
            | ServerEvent::Left { name, .. }
            | ServerEvent::GroupLeft { by: name, .. }
            | ServerEvent::Whisper { from: name, .. }
            | ServerEvent::File { from: name, .. }
            | ServerEvent::GroupLine { from: name, .. } => ignored(name),
            ServerEvent::Line { from, .. } | ServerEvent::Followed { from, .. } => {
                self.is_ignored(from)
            }
            ServerEvent::Renamed { before, name } => ignored(before) || ignored(name),
            _ => false,
        }
    }

    /// Whether the person hears of it in another way.
    fn is_told_otherwise(&self, event: &ServerEvent) -> bool {
        match event {
            // That the connection is there again.
            ServerEvent::Welcome(_) => self.is_lost,
            // The members of a reliable room tell each other, also without a server.
            ServerEvent::Renamed { before, name } => {
                let words =
                    |words: &mut Vocabulary| words.is_in_room(before) || words.is_in_room(name);
                self.seat.as_ref().is_some_and(Seat::is_reliable) && self.console.teach(words)
            }
            _ => false,
        }
    }

    /// What Tab offers, which groups there are, and whom one answers.
    fn learn(&mut self, event: &ServerEvent) {
        match event {
            ServerEvent::Joined(name) => self.console.teach(|words| words.come_online(name)),
            ServerEvent::Exited(name) => self.console.teach(|words| words.go_offline(name)),
            ServerEvent::Renamed { before, name } => {
                self.console.teach(|words| {
                    words.go_offline(before);
                    words.come_online(name);
                });
                if self.whispered_by.as_ref() == Some(before) {
                    self.whispered_by = Some(name.clone());
                }
            }
            ServerEvent::Enrolled { group, .. } => self.add_group(group),
            ServerEvent::GroupDeleted { group, .. } => self.drop_group(group),
            _ => {}
        }
    }

    /// A line that somebody said to several.
    pub(super) fn show_line(&mut self, line: &str) -> io::Result<()> {
        self.console
            .print_ringing(line, self.settings.bell == Bell::All)
    }

    pub(super) fn show_private_line(&mut self, line: &str) -> io::Result<()> {
        self.console
            .print_ringing(line, self.settings.bell != Bell::Off)
    }
}
