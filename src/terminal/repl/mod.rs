//! The interactive client: reads an input, does it, and shows what happens meanwhile.

mod in_room;

use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;

use tokio::task::JoinHandle;

use super::command::{self, Parsed};
use super::console::{Console, Input};
use super::mode::Mode;
use super::render::{Style, directory};
use in_room::{Seat, next_in_room};

use crate::chat::{
    BitRate, Dialect, Room as DirectoryRoom, RoomAddress, RoomName, ServerAddress, UserName,
};
use crate::client::{Connection, Interface, RequestError, Room, RoomOptions, ServerEvent, Towards};

/// What the client is told when it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server that `connect` alone means.
    pub server: ServerAddress,
    /// The name to speak under, if one is set already.
    pub name: Option<UserName>,
    /// The interface for rooms, by name or address; none for the one towards the server.
    pub interface: Option<String>,
    /// How many hops datagrams may go.
    pub ttl: u8,
    /// What may be sent in a reliable room at most; none for as much as its members take.
    pub rate_max: Option<BitRate>,
    /// The folder for what a program that was killed leaves for the next; none to leave nothing.
    pub state: Option<PathBuf>,
    /// How to show.
    pub style: Style,
}

/// Reads and does until the end of the input or `quit`. True if every command was carried out.
///
/// # Errors
/// Nobody reads the output any more.
pub async fn run(console: Console, settings: Settings) -> io::Result<bool> {
    let mut repl = Repl {
        console,
        name: settings.name.clone(),
        server: settings.server.clone(),
        settings,
        connection: None,
        local: None,
        directory: None,
        seat: None,
        leaving: Vec::new(),
        failed: false,
    };
    if repl.console.is_terminal() {
        repl.print(concat!(
            "crds ",
            env!("CARGO_PKG_VERSION"),
            ": `connect` to a server, `help` for the commands"
        ))?;
    }
    let result = loop {
        match repl.step().await {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break Ok(()),
            // Nobody reads any more: not a failure of what was asked.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if let Some(connection) = repl.connection.take() {
        connection.bye().await;
    }
    repl.seat
        .take()
        .into_iter()
        .for_each(|seat| repl.leaving.push(seat.leave()));
    for room in repl.leaving {
        // What was said last may still be on its way.
        let _ = room.await;
    }
    result.map(|()| !repl.failed)
}

struct Repl {
    console: Console,
    settings: Settings,
    name: Option<UserName>,
    /// The server that was connected to last, or would be first.
    server: ServerAddress,
    connection: Option<Connection>,
    /// Our own address towards that server.
    local: Option<IpAddr>,
    /// What the directory last said.
    directory: Option<Vec<DirectoryRoom>>,
    seat: Option<Seat>,
    /// Rooms that were left and whose others are still being told.
    leaving: Vec<JoinHandle<()>>,
    /// A command was not carried out.
    failed: bool,
}

/// A text for the person: what went wrong and what to do.
type Failure = String;

impl Repl {
    fn mode(&self) -> Mode {
        match (&self.seat, &self.name, &self.connection) {
            (Some(seat), Some(name), _) => Mode::Chat(seat.name.clone(), name.clone()),
            (_, _, Some(connection)) => Mode::Connected(connection.server().clone()),
            _ => Mode::Main,
        }
    }

    async fn step(&mut self) -> io::Result<ControlFlow<()>> {
        // Before anything that arrives is shown: a line goes the editor's way or none may be waiting there.
        self.console.ask(&self.mode().prompt(), true);
        tokio::select! {
            input = self.console.answer() => self.handle(input).await,
            event = next_in_room(&mut self.seat) => self.show_room_event(event),
            event = next_from_server(&mut self.connection) => self.show_server_event(event),
        }
    }

    async fn handle(&mut self, input: Input) -> io::Result<ControlFlow<()>> {
        let in_room = self.mode().is_chat();
        match input {
            Input::Line { text, rows } if in_room => return self.handle_in_room(&text, rows).await,
            Input::Line { text, .. } if text.trim().is_empty() => {}
            Input::Line { text, .. } => return self.obey(&text).await,
            Input::Leave | Input::End if in_room => self.leave()?,
            Input::End => return Ok(ControlFlow::Break(())),
            Input::Leave => {}
            Input::Interrupt if in_room => self.notice("Ctrl-] or /leave leaves the room")?,
            Input::Interrupt => self.notice("`quit` or Ctrl-D ends the program")?,
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn obey(&mut self, line: &str) -> io::Result<ControlFlow<()>> {
        let done = match command::parse(line, self.mode().is_chat()) {
            Ok(Parsed::Quit) => return Ok(ControlFlow::Break(())),
            Ok(Parsed::Help(about)) => return self.help(about),
            Ok(Parsed::Leave) => return self.leave().map(ControlFlow::Continue),
            Ok(Parsed::Connect(server)) => self.connect(server).await,
            Ok(Parsed::Bye) => self.bye().await,
            Ok(Parsed::GetDir) => self.get_directory().await,
            Ok(Parsed::MakeRoom {
                name,
                address,
                dialect,
            }) => self.make_room(name, address, dialect).await,
            Ok(Parsed::DeleteRoom(name)) => self.delete_room(name).await,
            Ok(Parsed::Name(name)) => self.set_name(name).await,
            Ok(Parsed::Chat(room)) => self.chat(room).await,
            Ok(Parsed::Who) => self.who().await,
            Ok(Parsed::Stats) => self.stats().await,
            Err(failure) => Err(failure),
        };
        match done {
            Ok(lines) => lines.iter().try_for_each(|line| self.console.print(line))?,
            Err(failure) => self.fail(&failure)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    fn help(&mut self, about: Option<&str>) -> io::Result<ControlFlow<()>> {
        let lines = command::help(about, self.mode().is_chat());
        lines.iter().try_for_each(|line| self.print(line))?;
        Ok(ControlFlow::Continue(()))
    }

    async fn connect(&mut self, server: Option<ServerAddress>) -> Result<Vec<String>, Failure> {
        let server = server.unwrap_or_else(|| self.server.clone());
        let connection = open(&server, self.name.as_ref(), self.console.is_terminal()).await?;
        let local = connection.local_address();
        let connected = format!("Connected to {server} ({}).", connection.program());
        let mut lines = Vec::new();
        if let Some(before) = self.connection.replace(connection) {
            lines.push(format!("Connection to {} closed.", before.server()));
            before.bye().await;
        }
        self.local = Some(local);
        self.server = server;
        // Rooms may have changed since it was last heard.
        self.directory = None;
        let wanted = self.settings.interface.as_deref();
        let interface = Interface::choose(wanted, Towards::Server(local))
            .map_err(|error| format!("{connected} But rooms cannot be used: {error}"))?;
        lines.push(connected);
        lines.push(format!("Rooms use interface {interface}."));
        Ok(lines)
    }

    async fn bye(&mut self) -> Result<Vec<String>, Failure> {
        let connection = self.connection.take().ok_or("not connected")?;
        let closed = format!("Connection to {} closed.", connection.server());
        connection.bye().await;
        Ok(vec![closed])
    }

    async fn get_directory(&mut self) -> Result<Vec<String>, Failure> {
        let rooms = self.connected()?.get_directory().await;
        let rooms = self.answered(rooms)?;
        let lines = match rooms.is_empty() {
            true => vec!["No rooms yet: `makeroom NAME` makes one.".to_owned()],
            false => directory(&rooms, true),
        };
        self.remember(rooms);
        Ok(lines)
    }

    async fn make_room(
        &mut self,
        name: RoomName,
        address: Option<RoomAddress>,
        dialect: Dialect,
    ) -> Result<Vec<String>, Failure> {
        let made = self.connected()?.make_room(name, address, dialect).await;
        let room = self.answered(made)?;
        let line = format!("Room {} made at {}.", room.name, room.address);
        if let Some(mut rooms) = self.directory.take() {
            rooms.push(room);
            self.remember(rooms);
        }
        Ok(vec![line])
    }

    async fn delete_room(&mut self, name: RoomName) -> Result<Vec<String>, Failure> {
        let deleted = self.connected()?.delete_room(name).await;
        let room = self.answered(deleted)?;
        self.forget(&room.name);
        Ok(vec![format!("Room {} deleted.", room.name)])
    }

    async fn set_name(&mut self, name: UserName) -> Result<Vec<String>, Failure> {
        if let Some(connection) = &mut self.connection {
            let set = connection.set_name(&name).await;
            self.answered(set)?;
        }
        if let Some(seat) = &self.seat {
            seat.room.rename(name.clone()).await;
        }
        let line = format!("Your name is {name}.");
        self.name = Some(name);
        Ok(vec![line])
    }

    async fn chat(&mut self, room: RoomName) -> Result<Vec<String>, Failure> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => self.ask_for_name().await?,
        };
        let room = self.find_room(&room).await?;
        let interface = self.interface(room.address)?;
        let (mut former, replaces) = self.former_seat(room.address).unzip();
        let replaces = replaces.flatten();
        let options = RoomOptions {
            interface: interface.clone(),
            ttl: self.settings.ttl,
            name,
            dialect: room.dialect,
            rate_max: self.settings.rate_max.map(BitRate::bytes_per_second),
            replaces,
        };
        let joined = Room::join(room.address, options).map_err(|error| error.to_string())?;
        if let (Some(former), Some(id)) = (&mut former, joined.id()) {
            // Without it others see a second one of this name for some seconds, if this is killed.
            let _ = former.remember(id);
        }
        let line = self.settings.style.notice(&format!(
            "in room {} ({}) on {interface}; Ctrl-] or /leave leaves it",
            room.name, room.address
        ));
        self.seat = Some(Seat {
            name: room.name,
            address: room.address,
            dialect: room.dialect,
            former,
            room: joined,
        });
        self.console.teach(|words| words.set_in_room(true));
        Ok(vec![line])
    }

    async fn ask_for_name(&mut self) -> Result<UserName, Failure> {
        let nameless = || "no name yet: set one with `name NAME`".to_owned();
        if !self.console.is_terminal() {
            return Err(nameless());
        }
        loop {
            self.console.ask("Your name: ", false);
            match self.console.answer().await {
                Input::Line { text, .. } if text.trim().is_empty() => return Err(nameless()),
                Input::Line { text, .. } => match text.trim().parse::<UserName>() {
                    Ok(name) => {
                        self.set_name(name.clone()).await?;
                        return Ok(name);
                    }
                    Err(error) => self.fail(&error.to_string()).map_err(|e| e.to_string())?,
                },
                Input::Leave | Input::Interrupt | Input::End => return Err(nameless()),
            }
        }
    }

    /// What the directory last said serves; only if that is not enough is the server asked.
    async fn find_room(&mut self, name: &RoomName) -> Result<DirectoryRoom, Failure> {
        let known = |rooms: &[DirectoryRoom]| rooms.iter().find(|r| r.name == *name).cloned();
        if let Some(room) = self.directory.as_deref().and_then(known) {
            return Ok(room);
        }
        let asking = format!("asking {} for room {name}", self.server);
        self.notice(&asking).map_err(|error| error.to_string())?;
        let rooms = if let Some(connection) = &mut self.connection {
            let rooms = connection.get_directory().await;
            self.answered(rooms)?
        } else {
            let is_terminal = self.console.is_terminal();
            let mut connection = open(&self.server, self.name.as_ref(), is_terminal).await?;
            self.local = Some(connection.local_address());
            let rooms = connection.get_directory().await;
            connection.bye().await;
            rooms.map_err(|error| error.to_string())?
        };
        let found = known(&rooms);
        self.remember(rooms);
        found.ok_or_else(|| format!("no such room: {name} (`getdir` lists the rooms)"))
    }

    fn show_server_event(&mut self, event: ServerEvent) -> io::Result<ControlFlow<()>> {
        match event {
            ServerEvent::RoomDeleted { name, by } => {
                self.forget(&name);
                if self.seat.as_ref().is_some_and(|seat| seat.name == name) {
                    let text =
                        format!("room {name} was deleted by {by}; whoever is in it may go on");
                    self.notice(&text)?;
                }
            }
            ServerEvent::Notice(text) => self.notice(&text)?,
            ServerEvent::Stopping => self.lose_server("The server is shutting down")?,
            ServerEvent::Closed(reason) => {
                self.lose_server(&format!("The connection to the server is gone: {reason}"))?;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn lose_server(&mut self, reason: &str) -> io::Result<()> {
        self.connection = None;
        self.notice(&format!(
            "{reason}. Rooms go on without it; `connect` comes back to it."
        ))
    }

    fn connected(&mut self) -> Result<&mut Connection, Failure> {
        let server = &self.server;
        self.connection.as_mut().ok_or_else(|| {
            format!("not connected: `connect` first (to {server}, or name a HOST[:PORT])")
        })
    }

    /// A request's result; a connection that is gone is not kept.
    fn answered<T>(&mut self, result: Result<T, RequestError>) -> Result<T, Failure> {
        result.map_err(|error| {
            if matches!(error, RequestError::Gone(_)) {
                self.connection = None;
            }
            error.to_string()
        })
    }

    fn remember(&mut self, rooms: Vec<DirectoryRoom>) {
        let names: Vec<String> = rooms.iter().map(|room| room.name.to_string()).collect();
        self.console
            .teach(|words| words.set_rooms(names.into_iter()));
        self.directory = Some(rooms);
    }

    fn forget(&mut self, name: &RoomName) {
        if let Some(mut rooms) = self.directory.take() {
            rooms.retain(|room| room.name != *name);
            self.remember(rooms);
        }
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        self.console.print(line)
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        self.console.print(&self.settings.style.notice(text))
    }

    fn fail(&mut self, text: &str) -> io::Result<()> {
        self.failed = true;
        let line = self.settings.style.error(text);
        self.console.print_error(&line, text)
    }
}

/// Connects. At a terminal Ctrl-C gives up, as the way may be long.
async fn open(
    server: &ServerAddress,
    name: Option<&UserName>,
    is_terminal: bool,
) -> Result<Connection, Failure> {
    let interrupted = async {
        match is_terminal {
            true => tokio::signal::ctrl_c().await,
            // In a script it ends the program.
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        opened = Connection::open(server, name) => opened.map_err(|error| error.to_string()),
        _ = interrupted => Err(format!("gave up connecting to {server}")),
    }
}

async fn next_from_server(connection: &mut Option<Connection>) -> ServerEvent {
    match connection {
        Some(connection) => connection.next_event().await,
        None => std::future::pending().await,
    }
}
