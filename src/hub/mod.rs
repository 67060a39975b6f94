//! Who is online and who hears what: one request in, its answer and addressed events out. Pure: clients
//! are numbers, whoever calls says what time it is, and sends what comes out.

mod avatars;
mod circle;
mod follows;
mod groups;
mod presence;
mod refusals;
mod rooms;
mod talk;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use jiff::Timestamp;

pub use avatars::{AVATARS_MAX, AvatarChange};
pub use circle::Audience;
pub use groups::{GROUPS_MAX, GroupChange, MEMBERS_MAX};
pub use rooms::Seat;

use crate::chat::{Followed, RoomName, UserName};
use crate::control::{Event, Refusal, RefusalCode, Reply, Request, Token, Via};
use crate::directory::Directory;
use avatars::Avatars;
use circle::Circle;
use follows::Follows;
use groups::Groups;
use presence::Presence;
use talk::When;

/// A connection that has said hello. Numbers are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// What a hub is told once.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The most people that may be online at once.
    pub people_max: Option<usize>,
    /// The number of the first thing that happens in the lobby.
    pub lobby_next: u64,
}

/// An event and who is to hear it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// Who.
    pub to: Audience,
    /// What.
    pub event: Event,
}

/// What a request has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The answer.
    pub reply: Reply,
    /// What others hear of it, and in some cases who asked.
    pub events: Vec<Addressed>,
    /// Groups that must be put on disk; [`Hub::undo`] takes back what could not be.
    pub changes: Vec<GroupChange>,
    /// Pictures likewise; see [`Hub::undo_avatar`].
    pub avatars: Vec<AvatarChange>,
}

/// What a hello has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeted {
    /// The name of the presence that moved here.
    pub resumed: Option<UserName>,
    /// Where it moved from: that connection is to be closed.
    pub replaced: Option<ClientId>,
}

/// The clients of one server.
#[derive(Debug)]
pub struct Hub {
    config: Config,
    clients: BTreeMap<ClientId, Client>,
    by_token: BTreeMap<Token, ClientId>,
    /// By the form in which names are compared.
    by_name: BTreeMap<String, ClientId>,
    /// Who is online, in the order of coming.
    by_coming: BTreeMap<u64, ClientId>,
    last_coming: u64,
    greeted: Circle,
    online: Circle,
    lobby: Circle,
    /// Those who want to hear how much goes on, and the rooms in which somebody came or went since that was told.
    watching: Circle,
    stirred: BTreeSet<RoomName>,
    /// Things that happen in the lobby are counted: so its history and its lines fit together.
    lobby_next: u64,
    /// Only rooms with somebody in them.
    rooms: BTreeMap<RoomName, Circle>,
    follows: Follows,
    groups: Groups,
    avatars: Avatars,
}

#[derive(Debug)]
struct Client {
    address: SocketAddr,
    token: Token,
    presence: Option<Presence>,
}

impl Done {
    fn new(reply: Reply) -> Self {
        Self {
            reply,
            events: Vec::new(),
            changes: Vec::new(),
            avatars: Vec::new(),
        }
    }

    fn telling(events: Vec<Addressed>) -> Self {
        Self {
            events,
            ..Self::new(Reply::Done)
        }
    }
}

impl Hub {
    /// Nobody is there yet.
    pub fn new(config: Config) -> Self {
        Self {
            lobby_next: config.lobby_next,
            config,
            clients: BTreeMap::new(),
            by_token: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_coming: BTreeMap::new(),
            last_coming: 0,
            greeted: Circle::default(),
            online: Circle::default(),
            lobby: Circle::default(),
            watching: Circle::default(),
            stirred: BTreeSet::new(),
            rooms: BTreeMap::new(),
            follows: Follows::default(),
            groups: Groups::default(),
            avatars: Avatars::default(),
        }
    }

    /// A client has said hello; `token` is new and secret. With the token of a connection that has not
    /// been heard to end, it takes over who is online there.
    pub fn hello(
        &mut self,
        client: ClientId,
        address: SocketAddr,
        token: Token,
        resume: Option<Token>,
    ) -> Greeted {
        let entry = self.clients.entry(client).or_insert(Client {
            address,
            token,
            presence: None,
        });
        let has_presence = entry.presence.is_some();
        self.by_token.remove(&entry.token);
        entry.token = token;
        self.by_token.insert(token, client);
        self.greeted.insert(client);
        let before = resume.and_then(|token| self.by_token.get(&token).copied());
        let resumed = before
            .filter(|before| *before != client && !has_presence)
            .and_then(|before| self.move_presence(before, client).map(|n| (n, before)));
        Greeted {
            replaced: resumed.as_ref().map(|(_, before)| *before),
            resumed: resumed.map(|(name, _)| name),
        }
    }

    /// Carries out a request that is about people and what they say. Those about rooms alone are the
    /// directory's.
    ///
    /// # Errors
    /// The refusal to answer. Nothing has changed then.
    pub fn request(
        &mut self,
        client: ClientId,
        request: Request,
        directory: &Directory,
        at: Timestamp,
    ) -> Result<Done, Refusal> {
        match request {
            Request::Name(name) => self.take_name(client, name, at),
            Request::Names => {
                let names = self.names();
                let avatars = self.avatars_online(&names);
                Ok(Done::new(Reply::Names { names, avatars }))
            }
            Request::Report => Ok(Done::new(Reply::Report(self.report()))),
            Request::Enter {
                room,
                via,
                member,
                name,
                ..
            } => match (self.presence(client), name) {
                (None, Some(_)) if via != Via::Hosted => self.enter_unseen(&room, directory),
                _ => {
                    let seat = Seat { room, via, member };
                    self.enter(client, seat, directory, at)
                }
            },
            Request::Leave(room) => Ok(Done::telling(self.leave(client, &room, at))),
            Request::Say {
                room,
                text,
                said_at,
            } => {
                let when = When::new(said_at, at);
                self.say(client, room, text, directory, when)
            }
            Request::Watch => {
                self.watching.insert(client);
                Ok(Done::new(Reply::Done))
            }
            Request::Members(room) => self.members_of(client, &room),
            Request::Whisper { to, text } => self.whisper(client, &to, text),
            Request::OfferFile { to, offer, said_at } => {
                let when = When::new(said_at, at);
                self.offer_file(client, to, offer, directory, when)
            }
            Request::GroupSet { group, members } => self.group_set(client, group, members),
            Request::GroupSend(text) => self.group_send(client, &text),
            Request::GroupLeave(group) => self.group_leave(client, &group),
            Request::GroupDelete(group) => self.group_delete(client, &group),
            Request::Groups => self.groups_of(client),
            Request::Follow(what) => self.follow(client, what),
            Request::Unfollow(what) => Ok(self.unfollow(client, &what)),
            Request::Following => self.following(client),
            Request::Away(reason) => {
                self.present_mut(client)?.away = reason;
                Ok(Done::new(Reply::Done))
            }
            Request::GetFile { .. }
            | Request::PutFile { .. }
            | Request::Ping
            | Request::Bye
            | Request::Hello { .. }
            | Request::Topic { .. }
            | Request::History { .. }
            | Request::Search { .. }
            | Request::GetDirectory
            | Request::MakeRoom(_)
            | Request::DeleteRoom(_) => Ok(Done::new(Reply::Done)),
        }
    }

    /// The connection has ended. Tells what the others hear of it.
    pub fn gone(&mut self, client: ClientId, at: Timestamp) -> Vec<Addressed> {
        let events = self.end_presence(client, at);
        if let Some(gone) = self.clients.remove(&client) {
            self.by_token.remove(&gone.token);
            self.greeted.remove(client);
        }
        self.watching.remove(client);
        events
    }

    /// What this client is called, if it is online.
    pub fn name_of(&self, client: ClientId) -> Option<&UserName> {
        self.presence(client).map(|presence| &presence.name)
    }

    /// What the client with this token is called, if it is online.
    pub fn name_by_token(&self, token: Token) -> Option<&UserName> {
        self.name_of(*self.by_token.get(&token)?)
    }

    /// Whether anybody follows anything.
    pub fn is_followed(&self) -> bool {
        !self.follows.is_empty()
    }

    /// All that have said hello.
    pub fn greeted(&mut self) -> Audience {
        self.greeted.audience()
    }

    /// Those who want to hear how much goes on; none if nobody does.
    pub fn watching(&mut self) -> Option<Audience> {
        (self.watching.len() > 0).then(|| self.watching.audience())
    }

    /// The rooms in which somebody came or went since this was last asked.
    pub fn take_stirred(&mut self) -> BTreeSet<RoomName> {
        std::mem::take(&mut self.stirred)
    }

    /// The number of what happens in the lobby now.
    fn count_in_lobby(&mut self) -> u64 {
        let number = self.lobby_next;
        self.lobby_next += 1;
        number
    }

    fn presence(&self, client: ClientId) -> Option<&Presence> {
        self.clients.get(&client)?.presence.as_ref()
    }

    /// The presence of whoever must be online to do something.
    fn present(&self, client: ClientId) -> Result<&Presence, Refusal> {
        self.presence(client).ok_or_else(name_first)
    }

    fn present_mut(&mut self, client: ClientId) -> Result<&mut Presence, Refusal> {
        let client = self.clients.get_mut(&client);
        let presence = client.and_then(|client| client.presence.as_mut());
        presence.ok_or_else(name_first)
    }

    fn follow(&mut self, client: ClientId, what: Followed) -> Result<Done, Refusal> {
        self.present(client)?;
        self.follows.follow(client, what)?;
        Ok(Done::new(Reply::Done))
    }

    fn unfollow(&mut self, client: ClientId, what: &Followed) -> Done {
        self.follows.unfollow(client, what);
        Done::new(Reply::Done)
    }

    fn following(&self, client: ClientId) -> Result<Done, Refusal> {
        self.present(client)?;
        let followed = self.follows.of(client).cloned().collect();
        Ok(Done::new(Reply::Following(followed)))
    }
}

fn name_first() -> Refusal {
    Refusal::new(
        RefusalCode::NameFirst,
        "take a name first: only who has one may do this",
    )
}
