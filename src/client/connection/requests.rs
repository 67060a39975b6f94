//! What can be asked of a server.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::route::{Entry, Route};
use super::task::Command;
use super::{Connection, RequestError};
use crate::chat::{
    Followed, Found, GroupName, HistoryPage, HistoryQuery, MessageText, NewRoom, OneLine, Room,
    RoomName, SearchWords, TransportChoice, UserName, to_the_millisecond,
};
use crate::control::{Group, Online, RefusalCode, Reply, Request, Via};
use crate::net::RelayLink;

/// How long a server may take to answer a request. A disk that must be waited for takes the longest.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// The same for what was said before, of which much may come: on a slow network that takes long. A server that is
/// silent meanwhile is found so sooner.
const PAST_WAIT: Duration = Duration::from_secs(60);

/// How long to wait when the server says that requests come too fast: its limit is for each second.
const TOO_FAST_WAIT: Duration = Duration::from_secs(1);

/// How often a request that came too fast is made again.
const TOO_FAST_TRIES_MAX: u32 = 10;

/// Each of these fails as [`RequestError`] says; while the connection is lost, at once.
impl Connection {
    /// All rooms, in the order of making.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn get_directory(&self) -> Result<Vec<Room>, RequestError> {
        match self.ask(Request::GetDirectory).await? {
            Reply::Directory(rooms) => Ok(rooms),
            _ => Err(unexpected()),
        }
    }

    /// Makes a room.
    ///
    /// # Errors
    /// Name or address taken, no room or address left, or the server could not save it.
    pub async fn make_room(&self, room: NewRoom) -> Result<Room, RequestError> {
        match self.ask(Request::MakeRoom(room)).await? {
            Reply::RoomMade(room) => Ok(room),
            _ => Err(unexpected()),
        }
    }

    /// Takes a room out of the directory. Those in it may go on.
    ///
    /// # Errors
    /// No such room, or the server could not save it.
    pub async fn delete_room(&self, name: RoomName) -> Result<Room, RequestError> {
        match self.ask(Request::DeleteRoom(name)).await? {
            Reply::RoomDeleted(room) => Ok(room),
            _ => Err(unexpected()),
        }
    }

    /// Takes this name, and with it comes online, or changes it.
    ///
    /// # Errors
    /// Somebody has it, it is reserved, or as many are online as the server lets in.
    pub async fn set_name(&self, name: &UserName) -> Result<(), RequestError> {
        self.done(Request::Name(name.clone())).await
    }

    /// Who is online, in the order of coming.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn names(&self) -> Result<Vec<UserName>, RequestError> {
        match self.ask(Request::Names).await? {
            Reply::Names { names, .. } => Ok(names),
            _ => Err(unexpected()),
        }
    }

    /// Who is online, from where, since when and in which room.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn report(&self) -> Result<Vec<Online>, RequestError> {
        match self.ask(Request::Report).await? {
            Reply::Report(online) => Ok(online),
            _ => Err(unexpected()),
        }
    }

    /// Tells the server that this client is in a room of the directory, one at a time. What comes back
    /// belongs into [`RoomOptions::relay`](crate::client::RoomOptions::relay).
    ///
    /// # Errors
    /// No such room, it is full, or there is no name yet.
    pub async fn enter(
        &self,
        entry: Entry,
        choice: TransportChoice,
    ) -> Result<RelayLink, RequestError> {
        let mut link = None;
        // Who is refused, also for the moment, has lost its way: each try has one of its own.
        let enter = || {
            let (route, new_link) = Route::new(entry.clone(), choice);
            link = Some(new_link);
            (route.enter(), Some(route))
        };
        match (self.ask_with(enter, ANSWER_WAIT).await?, link) {
            (Reply::Entered { bridge, .. }, Some(mut link)) => {
                link.server = bridge.map(|id| id.0);
                Ok(link)
            }
            _ => Err(unexpected()),
        }
    }

    /// Enters the lobby.
    ///
    /// # Errors
    /// There is no name yet.
    pub async fn enter_lobby(&self) -> Result<(), RequestError> {
        let enter = Request::Enter {
            room: RoomName::lobby(),
            via: Via::Relay,
            member: None,
            interface: None,
            name: None,
        };
        self.done(enter).await
    }

    /// Tells the server that this client is no longer in a room. If the server relays for it there, that is told when
    /// the [`Room`](crate::client::Room) has said its last.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn leave(&self, room: RoomName) -> Result<(), RequestError> {
        self.done(Request::Leave(room)).await
    }

    /// Says something in the lobby.
    ///
    /// # Errors
    /// It was not entered.
    pub async fn say(&self, room: RoomName, text: MessageText) -> Result<(), RequestError> {
        let said_at = Some(now());
        let say = Request::Say {
            room,
            text,
            said_at,
        };
        self.done(say).await
    }

    /// Says something to one person alone.
    ///
    /// # Errors
    /// They are not online, or there is no name yet.
    pub async fn whisper(&self, to: UserName, text: MessageText) -> Result<(), RequestError> {
        self.done(Request::Whisper { to, text }).await
    }

    /// Makes a group of these people; one is a member only if listed.
    ///
    /// # Errors
    /// The name is not allowed or taken, somebody is not known, or it could not be saved.
    pub async fn set_group(
        &self,
        group: GroupName,
        members: Vec<UserName>,
    ) -> Result<(), RequestError> {
        self.done(Request::GroupSet { group, members }).await
    }

    /// Says something to a group: to the one that the first word names, or else to the only one.
    ///
    /// # Errors
    /// Not a member, or it is not clear of which.
    pub async fn say_to_group(&self, text: MessageText) -> Result<(), RequestError> {
        self.done(Request::GroupSend(text)).await
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// Not a member.
    pub async fn leave_group(&self, group: GroupName) -> Result<(), RequestError> {
        self.done(Request::GroupLeave(group)).await
    }

    /// Deletes a group for all its members.
    ///
    /// # Errors
    /// Not a member.
    pub async fn delete_group(&self, group: GroupName) -> Result<(), RequestError> {
        self.done(Request::GroupDelete(group)).await
    }

    /// The groups that one is a member of.
    ///
    /// # Errors
    /// There is no connection, or no name yet.
    pub async fn groups(&self) -> Result<Vec<Group>, RequestError> {
        match self.ask(Request::Groups).await? {
            Reply::Groups(groups) => Ok(groups),
            _ => Err(unexpected()),
        }
    }

    /// Hears from now on what a person says, or what holds a word, in any room.
    ///
    /// # Errors
    /// Too many are followed, or there is no name yet.
    pub async fn follow(&self, what: Followed) -> Result<(), RequestError> {
        self.done(Request::Follow(what)).await
    }

    /// Follows no longer.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn unfollow(&self, what: Followed) -> Result<(), RequestError> {
        self.done(Request::Unfollow(what)).await
    }

    /// Whom and which words one follows.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn following(&self) -> Result<Vec<Followed>, RequestError> {
        match self.ask(Request::Following).await? {
            Reply::Following(what) => Ok(what),
            _ => Err(unexpected()),
        }
    }

    /// Is away, with a word to those who whisper; or back, without one.
    ///
    /// # Errors
    /// There is no name yet.
    pub async fn set_away(&self, text: Option<OneLine>) -> Result<(), RequestError> {
        self.done(Request::Away(text)).await
    }

    /// Sets what a room is about, or takes that away.
    ///
    /// # Errors
    /// No such room, or it could not be saved.
    pub async fn set_topic(
        &self,
        room: RoomName,
        topic: Option<OneLine>,
    ) -> Result<(), RequestError> {
        self.done(Request::Topic { room, topic }).await
    }

    /// A part of what was said in a room before: of what fits, the newest. Entering a reliable room comes first, then
    /// this, then [`Room::join`](crate::client::Room::join) with the positions as its
    /// [`KnownPast`](crate::client::KnownPast): so nothing is missed between the two and nothing comes twice.
    ///
    /// # Errors
    /// No such room, nothing of it is kept, or there is no name yet and the room was not entered.
    pub async fn history(
        &self,
        room: RoomName,
        query: HistoryQuery,
    ) -> Result<HistoryPage, RequestError> {
        match self.ask_past(Request::History { room, query }).await? {
            Reply::History(page) => Ok(page),
            _ => Err(unexpected()),
        }
    }

    /// The same with as many entries as are asked for, however many pages that takes; none for all.
    ///
    /// # Errors
    /// As [`Connection::history`].
    pub async fn whole_history(
        &self,
        room: RoomName,
        query: HistoryQuery,
        entries_max: Option<usize>,
    ) -> Result<HistoryPage, RequestError> {
        let limit = |have: usize| {
            let wanted = entries_max?.saturating_sub(have);
            Some(u32::try_from(wanted).unwrap_or(u32::MAX))
        };
        let mut query = query;
        query.limit = limit(0);
        let mut whole = self.history(room.clone(), query.clone()).await?;
        let mut have = whole.entries.len();
        // The newest first.
        let mut older = Vec::new();
        while whole.before.is_some() && entries_max.is_none_or(|max| have < max) {
            query.before = whole.before;
            query.limit = limit(have);
            let page = self.history(room.clone(), query.clone()).await?;
            whole.before = page.before;
            have += page.entries.len();
            older.push(page.entries);
        }
        let newest = std::mem::take(&mut whole.entries);
        whole.entries = older.into_iter().rev().flatten().chain(newest).collect();
        Ok(whole)
    }

    /// What was said with all of these words in it, in a room or in any; of what fits, the newest. With the place
    /// before which there is more.
    ///
    /// # Errors
    /// There is no name yet, no such room, or nothing of it is kept.
    pub async fn search(
        &self,
        room: Option<RoomName>,
        words: SearchWords,
        before: Option<u64>,
        limit: Option<u32>,
    ) -> Result<(Vec<Found>, Option<u64>), RequestError> {
        let request = Request::Search {
            room,
            words,
            before,
            limit,
        };
        match self.ask_past(request).await? {
            Reply::Found { found, before } => Ok((found, before)),
            _ => Err(unexpected()),
        }
    }

    /// Says goodbye and closes. It is closed afterwards, whatever the server makes of it.
    pub async fn bye(self) {
        let _ = self.ask(Request::Bye).await;
        drop(self.commands);
        // It ends by itself when nobody can ask it any more.
        let _ = self.task.await;
    }

    async fn done(&self, request: Request) -> Result<(), RequestError> {
        self.ask(request).await.map(drop)
    }

    /// Sends a request and waits for its answer.
    async fn ask(&self, request: Request) -> Result<Reply, RequestError> {
        self.ask_with(|| (request.clone(), None), ANSWER_WAIT).await
    }

    async fn ask_past(&self, request: Request) -> Result<Reply, RequestError> {
        self.ask_with(|| (request.clone(), None), PAST_WAIT).await
    }

    /// The same, as it is made for each try; the task has the route from when it sends the request.
    async fn ask_with(
        &self,
        mut make: impl FnMut() -> (Request, Option<Route>),
        wait: Duration,
    ) -> Result<Reply, RequestError> {
        let mut tries = 0;
        loop {
            let (request, route) = make();
            let answer = timeout(wait, self.exchange(request, route)).await;
            match answer {
                // It was not read, so asking again does nothing twice.
                Ok(Err(RequestError::Refusal(refusal)))
                    if refusal.code == RefusalCode::TooFast && tries < TOO_FAST_TRIES_MAX =>
                {
                    tries += 1;
                    sleep(TOO_FAST_WAIT).await;
                }
                Ok(answer) => return answer,
                Err(_) => return Err(RequestError::Gone("it does not answer".to_owned())),
            }
        }
    }

    async fn exchange(
        &self,
        request: Request,
        route: Option<Route>,
    ) -> Result<Reply, RequestError> {
        let ended = |_| RequestError::Gone("it was closed".to_owned());
        let (answer, answered) = oneshot::channel();
        let command = Command {
            request,
            answer,
            route,
        };
        self.commands.send(command).await.map_err(|_| ended(()))?;
        answered.await.map_err(|_| ended(()))?
    }
}

/// This machine's time, as precise as it is told.
pub(super) fn now() -> Timestamp {
    to_the_millisecond(Timestamp::now())
}

fn unexpected() -> RequestError {
    RequestError::Gone("it answers another question".to_owned())
}
