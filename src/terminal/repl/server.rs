//! The directory server: coming and going, its rooms, one's name there.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::{Failure, Repl, Seat};
use crate::chat::{NewRoom, Room as DirectoryRoom, RoomName, ServerAddress, UserName};
use crate::client::{Connection, ConnectionEvent, Interface, RequestError, ServerEvent, Towards};
use crate::terminal::render::directory;

/// How long a welcome is waited for: it comes with the answer, and without it all else works.
const WELCOME_WAIT: Duration = Duration::from_secs(2);

/// How long a room that was left may still speak over the connection.
const LAST_WORDS_WAIT: Duration = Duration::from_secs(1);

impl Repl {
    pub(super) async fn connect(
        &mut self,
        server: Option<ServerAddress>,
    ) -> Result<Vec<String>, Failure> {
        let server = server.unwrap_or_else(|| self.server.clone());
        let connection = open(&server, self.console.is_terminal()).await?;
        let local = connection.local_address();
        let connected = format!("Connected to {server} ({}).", connection.program());
        if let Some(before) = self.connection.replace(connection) {
            self.print(&format!("Connection to {} closed.", before.server()))?;
            before.bye().await;
        }
        self.forget_server();
        self.local = Some(local);
        self.server = server;
        self.print(&connected)?;
        let wanted = self.settings.interface.as_deref();
        let interface = Interface::choose(wanted, Towards::Server(local));
        let unusable = match interface {
            Ok(interface) => {
                self.print(&format!("Rooms use interface {interface}."))?;
                None
            }
            Err(error) => Some(format!("rooms cannot be used: {error}")),
        };
        if let Some(name) = self.name.take() {
            match self.claim(name.clone()).await {
                Ok(_) => self.come_online().await?,
                // There is none now: another has it.
                Err(taken @ Failure::NameTaken(_)) => return Err(taken),
                // In rooms it serves all the same.
                Err(failure) => {
                    self.name = Some(name);
                    return Err(failure);
                }
            }
        }
        match unusable {
            Some(text) => Err(Failure::Text(text)),
            None => Ok(Vec::new()),
        }
    }

    /// What was known of one server need not be so on the next.
    fn forget_server(&mut self) {
        self.is_lost = false;
        self.is_stopping = false;
        self.is_claim_owed = false;
        self.is_online = false;
        self.directory = None;
        self.groups.clear();
        self.console.teach(|words| words.forget_online());
    }

    pub(super) async fn bye(&mut self) -> Result<Vec<String>, Failure> {
        let connection = self.connection.as_ref().ok_or("not connected")?;
        let closed = format!("Connection to {} closed.", connection.server());
        while let Some(room) = self.leaving.last_mut() {
            // Its last words may go over the connection. More is not waited for while somebody looks.
            let _ = timeout(LAST_WORDS_WAIT, room).await;
            self.leaving.pop();
        }
        self.is_lost = false;
        self.is_online = false;
        self.console.teach(|words| words.forget_online());
        if let Some(connection) = self.connection.take() {
            connection.bye().await;
        }
        Ok(vec![closed])
    }

    /// Leaves the room and the server.
    pub(super) async fn disconnect(&mut self) -> Result<Vec<String>, Failure> {
        self.leave().await?;
        self.bye().await
    }

    pub(super) async fn get_directory(&mut self) -> Result<Vec<String>, Failure> {
        let rooms = self.connected()?.get_directory().await?;
        let lines = match rooms.is_empty() {
            true => vec!["No rooms yet: `makeroom NAME` makes one.".to_owned()],
            false => directory(&rooms, true),
        };
        self.remember(rooms);
        Ok(lines)
    }

    pub(super) async fn make_room(&mut self, room: NewRoom) -> Result<Vec<String>, Failure> {
        let room = self.connected()?.make_room(room).await?;
        let line = format!("Room {} made at {}.", room.name, room.address);
        if let Some(mut rooms) = self.directory.take() {
            rooms.push(room);
            self.remember(rooms);
        }
        Ok(vec![line])
    }

    pub(super) async fn delete_room(&mut self, name: RoomName) -> Result<Vec<String>, Failure> {
        let room = self.connected()?.delete_room(name).await?;
        self.forget(&room.name);
        Ok(vec![format!("Room {} deleted.", room.name)])
    }

    pub(super) async fn set_name(&mut self, name: UserName) -> Result<Vec<String>, Failure> {
        let is_new = self.claim(name.clone()).await?;
        self.print(&format!("Your name is {name}."))?;
        if is_new {
            self.come_online().await?;
            // Without a name nothing of the lobby was heard.
            self.catch_up_in_lobby().await?;
        }
        Ok(Vec::new())
    }

    /// Takes a name: on the server first, which may refuse it. Whether one is online there with it now, and
    /// was not before.
    pub(super) async fn claim(&mut self, name: UserName) -> Result<bool, Failure> {
        let mut is_new = false;
        if let Some(connection) = &self.connection {
            match connection.set_name(&name).await {
                // The room goes on without the server, and so does the name.
                Err(RequestError::Lost(_)) => self.is_claim_owed = true,
                claimed => {
                    claimed?;
                    is_new = !std::mem::replace(&mut self.is_online, true);
                }
            }
        }
        if let Some(Seat::Room(seat)) = &self.seat {
            seat.room.rename(name.clone()).await;
        }
        self.name = Some(name);
        Ok(is_new)
    }

    /// Waits for the server's welcome, so that it is shown before anything that is done next.
    pub(super) async fn come_online(&mut self) -> Result<(), Failure> {
        let end = Instant::now() + WELCOME_WAIT;
        while let Some(connection) = &mut self.connection
            && let Ok(event) = timeout_at(end, connection.next_event()).await
        {
            let is_welcome = matches!(event, ConnectionEvent::Server(ServerEvent::Welcome(_)));
            self.show_connection_event(event).await?;
            if is_welcome {
                break;
            }
        }
        self.learn_names().await;
        Ok(())
    }

    /// What the directory last said serves; only if that is not enough is the server asked.
    pub(super) async fn find_room(&mut self, name: &RoomName) -> Result<DirectoryRoom, Failure> {
        let known = |rooms: &[DirectoryRoom]| rooms.iter().find(|r| r.name == *name).cloned();
        if let Some(room) = self.directory.as_deref().and_then(known) {
            return Ok(room);
        }
        self.notice(&format!("asking {} for room {name}", self.server))?;
        let rooms = if let Some(connection) = &self.connection {
            connection.get_directory().await?
        } else {
            let connection = open(&self.server, self.console.is_terminal()).await?;
            self.local = Some(connection.local_address());
            let rooms = connection.get_directory().await;
            connection.bye().await;
            rooms?
        };
        let found = known(&rooms);
        self.remember(rooms);
        found.ok_or_else(|| format!("no such room: {name} (`getdir` lists the rooms)").into())
    }

    pub(super) fn connected(&self) -> Result<&Connection, Failure> {
        let server = &self.server;
        self.connection.as_ref().ok_or_else(|| {
            let text =
                format!("not connected: `connect` first (to {server}, or name a HOST[:PORT])");
            Failure::Text(text)
        })
    }

    pub(super) fn remember(&mut self, rooms: Vec<DirectoryRoom>) {
        let names: Vec<String> = rooms.iter().map(|room| room.name.to_string()).collect();
        self.console
            .teach(|words| words.set_rooms(names.into_iter()));
        self.directory = Some(rooms);
    }

    pub(super) fn forget(&mut self, name: &RoomName) {
        if let Some(mut rooms) = self.directory.take() {
            rooms.retain(|room| room.name != *name);
            self.remember(rooms);
        }
    }
}

/// Connects. At a terminal Ctrl-C gives up, as the way may be long.
async fn open(server: &ServerAddress, is_terminal: bool) -> Result<Connection, Failure> {
    let interrupted = async {
        match is_terminal {
            true => tokio::signal::ctrl_c().await,
            // In a script it ends the program.
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        opened = Connection::open(server, None) => opened.map_err(|error| error.to_string().into()),
        _ = interrupted => Err(format!("gave up connecting to {server}").into()),
    }
}

pub(super) async fn next_from_server(connection: &mut Option<Connection>) -> ConnectionEvent {
    match connection {
        Some(connection) => connection.next_event().await,
        None => std::future::pending().await,
    }
}
