//! The one owner of hub, directory and store. Requests that wait together share one commit, and lines
//! that wait together go out together.

mod saving;

use std::thread;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::activity;
use super::bridge::{Bridge, Guest, Overheard, RoomAsk};
use super::delivery::Delivery;
use super::files::Files;
use super::job::{Answer, Caller, Job};
use super::outbox::{LetGo, Outbox};
use super::outcome::{Entering, Onward, Outcome, Pending, Undo};
use super::rendered::Rendered;
use super::told::Told;
use super::{Shutdown, past};
use crate::chat::{NewRoom, OneLine, Origin, RoomName, to_the_millisecond};
use crate::control::{Event, FileFor, Refusal, Reply, Request, Token, VERSION, Via};
use crate::directory::Directory;
use crate::hub::{Addressed, Audience, ClientId, Hub};
use crate::store::{Change, History, Store};

/// Requests that may wait; who comes after them waits to ask.
const JOBS_WAITING_MAX: usize = 1024;

/// Requests that share a commit at most: it bounds how long the first of them waits.
const COMMIT_JOBS_MAX: usize = 1024;

/// Changes that share one, but for those of the last request: each may hold a whole group.
const COMMIT_CHANGES_MAX: usize = 1024;

/// How connections reach the owner.
#[derive(Clone, Debug)]
pub(super) struct HubHandle {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) bridge: Bridge,
    /// What was said before; none where nothing is kept.
    pub(super) history: Option<History>,
}

/// What the owner keeps on disk.
pub(super) struct Stores {
    pub(super) store: Store,
    pub(super) history: Option<History>,
    pub(super) files: Files,
}

/// The owner's thread, and the task with the server's seats.
#[derive(Debug)]
pub(super) struct Owners {
    pub(super) hub: thread::JoinHandle<()>,
    pub(super) bridge: JoinHandle<()>,
}

/// Starts the owner on a thread of its own, as its commits block, and the server's seats, which are taken on
/// `interface`. Both end when no handle is left. Must be called on a tokio runtime.
pub(super) fn spawn(
    hub: Hub,
    directory: Directory,
    stores: Stores,
    interface: Option<String>,
    shutdown: Shutdown,
) -> (HubHandle, Owners) {
    let (jobs, jobs_in) = mpsc::channel(JOBS_WAITING_MAX);
    let Stores {
        store,
        history,
        files,
    } = stores;
    let (bridge, bridge_task) = Bridge::spawn(interface, jobs.downgrade(), history.clone(), files);
    let task = HubTask {
        hub,
        directory,
        store,
        history: history.clone(),
        delivery: Delivery::default(),
        rendered: Rendered::default(),
        bridge: bridge.clone(),
        is_followed: false,
        may_follow: false,
    };
    tokio::spawn(activity::remind(jobs.downgrade()));
    let thread = thread::Builder::new().name("hub".to_owned());
    let thread = thread.spawn(move || task.run(jobs_in));
    let thread = thread.unwrap_or_else(|error| {
        shutdown.fail(format!("cannot start the hub's thread: {error}"));
        thread::spawn(|| {})
    });
    let owners = Owners {
        hub: thread,
        bridge: bridge_task,
    };
    let handle = HubHandle {
        jobs,
        bridge,
        history,
    };
    (handle, owners)
}

struct HubTask {
    hub: Hub,
    directory: Directory,
    store: Store,
    history: Option<History>,
    delivery: Delivery,
    rendered: Rendered,
    bridge: Bridge,
    /// The seats were told that somebody follows.
    is_followed: bool,
    /// Whom somebody follows, or where, may have changed since.
    may_follow: bool,
}

impl HubTask {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        while let Some(first) = jobs.blocking_recv() {
            batch.push(first);
            while batch.len() < COMMIT_JOBS_MAX
                && let Ok(job) = jobs.try_recv()
            {
                batch.push(job);
            }
            let mut jobs = batch.drain(..).peekable();
            while jobs.peek().is_some() {
                self.carry_out(&mut jobs);
            }
        }
    }

    /// Carries out a batch in its order, or as much of it as goes into one commit, saves its changes together, then answers
    /// and tells. What is shown is saved: if it could not be, the directory is shown without it.
    fn carry_out(&mut self, batch: &mut impl Iterator<Item = Job>) {
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut shows = Vec::new();
        let mut changes = 0;
        while changes < COMMIT_CHANGES_MAX
            && let Some(job) = batch.next()
        {
            match job {
                Job::Show { form, answer } => {
                    let text = self.rendered.get(form, &self.directory);
                    shows.push((form, text, answer));
                }
                job => {
                    let outcome = self.outcome(job);
                    changes += outcome.as_ref().map_or(0, |outcome| outcome.pending.len());
                    outcomes.extend(outcome);
                }
            }
        }
        let saved = self.save(&mut outcomes);
        for (form, text, answer) in shows {
            let text = match saved {
                true => text,
                false => self.rendered.get(form, &self.directory),
            };
            // A client that has gone in the meantime needs no answer; so below.
            let _ = answer.send(text);
        }
        for outcome in outcomes {
            self.release(outcome);
        }
        self.flush();
        self.follow();
    }

    fn outcome(&mut self, job: Job) -> Option<Outcome> {
        match job {
            Job::Hello {
                by,
                outbox,
                token,
                resume,
                answer,
            } => Some(self.hello(by, outbox, token, resume, answer)),
            Job::Ask {
                by,
                request,
                answer,
            } => Some(self.ask(by, request, answer)),
            Job::Gone(client) => {
                self.delivery.remove(client);
                let events = self.end(client);
                Some(Outcome {
                    events,
                    ..Outcome::new(None, Ok(Reply::Done))
                })
            }
            Job::NotHosted(client, room) => {
                // Where it was taken in meanwhile after all, both are to say the same.
                if self.hub.not_hosted(client, &room) {
                    self.bridge.leave(client, Some(room));
                }
                None
            }
            Job::Overheard(Overheard { room, message }) => {
                let told = self.hub.overheard(&room, &message.from, &message.text);
                Some(Outcome {
                    events: told.into_iter().collect(),
                    ..Outcome::new(None, Ok(Reply::Done))
                })
            }
            Job::SetAvatar {
                token,
                picture,
                answer,
            } => Some(self.set_avatar(token, picture, answer)),
            Job::Avatar { id, answer } => {
                let found = self.hub.avatar(id);
                let _ = answer.send(found.map(|avatar| avatar.picture.clone()));
                None
            }
            Job::WhoIs { token, answer } => {
                let _ = answer.send(self.hub.name_by_token(token).cloned());
                None
            }
            Job::Tick => {
                let event =
                    activity::changed(&mut self.hub, &self.directory, self.history.as_ref());
                let told = event.zip(self.hub.watching());
                let told = told.map(|(event, to)| Addressed { to, event });
                Some(Outcome {
                    events: told.into_iter().collect(),
                    ..Outcome::new(None, Ok(Reply::Done))
                })
            }
            Job::Show { .. } => None,
        }
    }

    fn hello(
        &mut self,
        by: Caller,
        outbox: Option<Outbox>,
        token: Token,
        resume: Option<Token>,
        answer: Answer,
    ) -> Outcome {
        if let Some(outbox) = outbox {
            self.delivery.add(by.client, outbox);
        }
        let greeted = self.hub.hello(by.client, by.address, token, resume);
        if let Some(replaced) = greeted.replaced {
            self.move_seat(replaced, by.client);
            self.delivery.let_go(replaced, LetGo::Resumed);
        }
        if let Some(name) = &greeted.resumed {
            tracing::info!("{name} is back from {}", by.address);
        }
        let hello = Reply::Hello {
            version: VERSION,
            program: concat!("crds ", env!("CARGO_PKG_VERSION")).to_owned(),
            token,
            name: greeted.resumed,
        };
        Outcome::new(Some(answer), Ok(hello))
    }

    /// Who is back on another connection stays in the room that the server is in for them; into others they come by
    /// themselves.
    fn move_seat(&self, before: ClientId, after: ClientId) {
        match (self.hub.hosted_in(after), self.delivery.outbox(after)) {
            (Some(_), Some(outbox)) => self.bridge.move_hosted(before, after, outbox),
            _ => self.bridge.leave(before, None),
        }
    }

    fn set_avatar(&mut self, token: Token, picture: Option<Bytes>, answer: Answer) -> Outcome {
        match self.hub.set_avatar(token, picture) {
            Ok(done) => Outcome {
                answer: Some(answer),
                events: done.events,
                pending: done.avatars.into_iter().map(Pending::avatar).collect(),
                must_save: true,
                ..Outcome::new(None, Ok(done.reply))
            },
            Err(refusal) => Outcome::new(Some(answer), Err(refusal)),
        }
    }

    /// Nobody is at this client any more.
    fn end(&mut self, client: ClientId) -> Vec<Addressed> {
        if let Some(name) = self.hub.name_of(client) {
            tracing::info!("{name} exited");
        }
        self.bridge.leave(client, None);
        self.may_follow = true;
        self.hub.gone(client, now())
    }

    /// Carries out one request in memory.
    fn ask(&mut self, by: Caller, request: Request, answer: Answer) -> Outcome {
        let origin = Origin {
            name: self.hub.name_of(by.client).cloned(),
            address: by.address,
        };
        let told = Told::of(&origin, &request);
        let outcome = match request {
            Request::MakeRoom(new) => self.make(new, origin),
            Request::DeleteRoom(name) => self.delete(&name, &origin),
            Request::Topic { room, topic } => self.set_topic(by.client, &room, topic),
            Request::Watch => self.watch(by.client),
            request => self.people(by, request, &origin),
        };
        match outcome {
            Ok(outcome) => Outcome {
                answer: Some(answer),
                told: outcome.told.or(Some(told)),
                ..outcome
            },
            Err(refusal) => Outcome {
                told: Some(told),
                ..Outcome::new(Some(answer), Err(refusal))
            },
        }
    }

    fn make(&mut self, new: NewRoom, by: Origin) -> Result<Outcome, Refusal> {
        let id = self.directory.make(new, by, Timestamp::now())?;
        self.rendered = Rendered::default();
        self.may_follow = true;
        let room = self.directory.get(id).expect("just made").clone();
        let pending = Pending {
            change: Change::Made(id, room.clone()),
            undo: Undo::Unmake(room.name.clone()),
        };
        let told = self.hub.watching().map(|to| Addressed {
            to,
            event: Event::RoomMade(Box::new(room.clone())),
        });
        let events = told.into_iter().collect();
        Ok(Outcome::changed(Reply::RoomMade(room), pending, events))
    }

    fn delete(&mut self, name: &RoomName, by: &Origin) -> Result<Outcome, Refusal> {
        let (id, room) = self.directory.delete(name)?;
        self.rendered = Rendered::default();
        self.may_follow = true;
        let seats = self.hub.room_deleted(&room.name);
        let told = Addressed {
            to: self.hub.greeted(),
            event: Event::RoomDeleted {
                name: room.name.clone(),
                by: by.to_string(),
            },
        };
        let pending = Pending {
            change: Change::Deleted(id),
            undo: Undo::Restore(id, room.clone(), seats),
        };
        Ok(Outcome::changed(
            Reply::RoomDeleted(room),
            pending,
            vec![told],
        ))
    }

    fn set_topic(
        &mut self,
        client: ClientId,
        room: &RoomName,
        topic: Option<OneLine>,
    ) -> Result<Outcome, Refusal> {
        let by = self.hub.topic_setter(client, room)?;
        let (id, before) = self.directory.set_topic(room, topic.clone())?;
        self.rendered = Rendered::default();
        let pending = Pending {
            change: Change::Topic(id, topic.clone()),
            undo: Undo::Topic(room.clone(), before),
        };
        let event = self.hub.topic_set(room.clone(), topic, by);
        let events = event.into_iter().collect();
        Ok(Outcome::changed(Reply::Done, pending, events))
    }

    /// From now on this client hears how much goes on; first of all rooms.
    fn watch(&mut self, client: ClientId) -> Result<Outcome, Refusal> {
        let done = self
            .hub
            .request(client, Request::Watch, &self.directory, now())?;
        let told = Addressed {
            to: Audience::of([client]),
            event: activity::of_all(&self.hub, &self.directory, self.history.as_ref()),
        };
        Ok(Outcome {
            events: vec![told],
            ..Outcome::new(None, Ok(done.reply))
        })
    }

    /// A request about people.
    fn people(
        &mut self,
        caller: Caller,
        request: Request,
        by: &Origin,
    ) -> Result<Outcome, Refusal> {
        let client = caller.client;
        let onward = self.onward(caller, &request);
        let renamed = match &request {
            Request::Name(name) => Some(name.clone()),
            _ => None,
        };
        if let Request::Leave(room) = &request
            && !room.is_lobby()
        {
            self.bridge.leave(client, Some(room.clone()));
        }
        self.may_follow |= matches!(request, Request::Follow(_) | Request::Unfollow(_));
        let must_save = matches!(
            request,
            Request::GroupSet { .. } | Request::GroupLeave(_) | Request::GroupDelete(_)
        );
        let done = self.hub.request(client, request, &self.directory, now())?;
        let before = renamed.as_ref().and(by.name.clone());
        if let Some(name) = renamed.filter(|_| self.hub.hosted_in(client).is_some()) {
            self.bridge.rename(client, name);
        }
        let told = done
            .events
            .first()
            .and_then(|told| self.group_line(by, told));
        let pending = done.changes.into_iter().map(Pending::group);
        let pending = pending.chain(done.avatars.into_iter().map(Pending::avatar));
        let pending: Vec<Pending> = pending.collect();
        // Groups and picture go with the name, or none of them does.
        let before = before.filter(|_| !pending.is_empty());
        Ok(Outcome {
            events: done.events,
            pending,
            must_save: must_save || before.is_some(),
            renamed: before.map(|before| (client, before)),
            told,
            onward: onward.map(Box::new),
            ..Outcome::new(None, Ok(done.reply))
        })
    }

    fn group_line(&self, by: &Origin, told: &Addressed) -> Option<Told> {
        let Event::GroupLine { group, text, .. } = &told.event else {
            return None;
        };
        let to: Vec<_> = told
            .to
            .iter()
            .filter_map(|client| self.hub.name_of(client).cloned())
            .collect();
        let bytes = text.as_str().len();
        Some(Told::group_line(by, group.as_str(), &to, bytes))
    }

    fn release(&mut self, outcome: Outcome) {
        match &outcome.result {
            Ok(Reply::RoomMade(room)) => {
                let (name, address, by) = (&room.name, room.address, &room.made_by);
                tracing::info!("Room {name} ({address}) made by {by}");
            }
            Ok(Reply::RoomDeleted(room)) => {
                let by = outcome.events.iter().find_map(|told| match &told.event {
                    Event::RoomDeleted { by, .. } => Some(by.as_str()),
                    _ => None,
                });
                let (name, address) = (&room.name, room.address);
                tracing::info!(
                    "Room {name} ({address}) deleted by {}",
                    by.unwrap_or_default()
                );
            }
            result => {
                if let Some(told) = &outcome.told {
                    told.log(result.as_ref().err());
                }
            }
        }
        for pending in &outcome.pending {
            if let Undo::Restore(_, room, seats) = &pending.undo {
                let hosted = seats.iter().filter(|(_, seat)| seat.via == Via::Hosted);
                hosted.for_each(|(client, _)| self.bridge.leave(*client, Some(room.name.clone())));
            }
            let history = self.history.iter();
            history.for_each(|history| past::note_room(history, &pending.change));
        }
        for addressed in &outcome.events {
            self.tell(addressed);
        }
        match (outcome.answer, outcome.onward, &outcome.result) {
            (Some(answer), Some(onward), Ok(_)) => match *onward {
                Onward::Enter((client, room, guest)) => {
                    self.bridge.enter(client, room, guest, answer);
                }
                Onward::Ask(client, room, ask) => self.bridge.ask(client, room, ask, answer),
            },
            (Some(answer), ..) => _ = answer.send(outcome.result),
            (None, ..) => {}
        }
    }

    /// First kept, then told: who hears it and asks for the history finds it there.
    fn tell(&mut self, addressed: &Addressed) {
        if let Some(history) = &self.history {
            past::keep_lobby(history, &addressed.event);
        }
        self.delivery.deliver(addressed);
    }

    /// What a room's seat is to do for this request, if it is granted.
    fn onward(&self, caller: Caller, request: &Request) -> Option<Onward> {
        let (room, ask) = match request {
            Request::Enter { .. } => return self.guest(caller, request).map(Onward::Enter),
            Request::Say {
                room,
                text,
                said_at,
            } => (room, RoomAsk::Say(text.clone(), *said_at)),
            Request::OfferFile {
                to: FileFor::Room(room),
                offer,
                said_at,
            } => (room, RoomAsk::Offer(offer.clone(), *said_at)),
            Request::Members(room) => (room, RoomAsk::Members),
            _ => return None,
        };
        let ask = (!room.is_lobby()).then_some(ask)?;
        Some(Onward::Ask(caller.client, room.clone(), ask))
    }

    /// Who asks to be in a room of the directory, for the server's seat there.
    fn guest(&self, caller: Caller, request: &Request) -> Option<Entering> {
        let Request::Enter {
            room,
            via,
            member,
            interface,
            name,
        } = request
        else {
            return None;
        };
        let id = self.directory.id_of(room)?;
        let room = self.directory.get(id)?.clone();
        let name = self.hub.name_of(caller.client).or(name.as_ref())?;
        let guest = Guest {
            member: member.map(|member| member.0),
            name: name.clone(),
            is_relayed: *via == Via::Relay,
            is_hosted: *via == Via::Hosted,
            local: caller.local,
            interface: *interface,
            outbox: self.delivery.outbox(caller.client)?,
        };
        Some((caller.client, (id, room), guest))
    }

    /// Has the seats listen in all rooms while somebody follows.
    fn follow(&mut self) {
        if !std::mem::take(&mut self.may_follow) {
            return;
        }
        let was_followed = std::mem::replace(&mut self.is_followed, self.hub.is_followed());
        if was_followed || self.is_followed {
            let rooms = self.directory.entries().filter(|_| self.is_followed);
            let rooms = rooms.map(|(id, room)| (id, room.clone()));
            self.bridge.follow(rooms.collect());
        }
    }

    /// Passes all events on. Whoever does not read them is gone, which the others hear in turn.
    fn flush(&mut self) {
        loop {
            let slow = self.delivery.flush();
            if slow.is_empty() {
                return;
            }
            for client in slow {
                for addressed in self.end(client) {
                    self.tell(&addressed);
                }
            }
        }
    }
}

/// As precise as it is told.
fn now() -> Timestamp {
    to_the_millisecond(Timestamp::now())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::*;
    use crate::chat::{Dialect, MemberLimit};
    use crate::control::RefusalCode;
    use crate::server::bridge::SEATS_MAX;
    use crate::server::outbox::{OutboxReader, Outgoing, outbox};
    use crate::server::rendered::Form;
    use crate::{directory, hub};

    struct Running {
        handle: HubHandle,
        _folder: tempfile::TempDir,
    }

    fn running() -> Running {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        let directory = Directory::new(directory::Config {
            rooms_max: 1000,
            port_picked: 12000,
            seed: 1,
        });
        let hub = Hub::new(hub::Config::default());
        let stores = Stores {
            store,
            history: None,
            files: Files::spawn(None, &Shutdown::default()),
        };
        // Seats are on no interface, and so without sockets.
        let interface = Some("no such interface".to_owned());
        let (handle, _owners) = spawn(hub, directory, stores, interface, Shutdown::default());
        Running {
            handle,
            _folder: folder,
        }
    }

    impl Running {
        async fn send<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> T {
            let (answer, answered) = oneshot::channel();
            self.handle.jobs.send(job(answer)).await.unwrap();
            answered.await.unwrap()
        }

        async fn ask(&self, client: u64, request: Request) -> Result<Reply, Refusal> {
            let by = caller(client);
            self.send(|answer| Job::Ask {
                by,
                request,
                answer,
            })
            .await
        }

        async fn make(&self, name: &str) -> Result<Reply, Refusal> {
            self.make_room(name, Dialect::Plain, None).await
        }

        async fn make_room(
            &self,
            name: &str,
            dialect: Dialect,
            limit: Option<i64>,
        ) -> Result<Reply, Refusal> {
            let new = NewRoom {
                name: name.parse().unwrap(),
                address: None,
                dialect,
                limit: limit.map(|limit| MemberLimit::new(limit).unwrap()),
                topic: None,
                history: None,
            };
            self.ask(1, Request::MakeRoom(new)).await
        }

        async fn show(&self, form: Form) -> Arc<str> {
            self.send(|answer| Job::Show { form, answer }).await
        }

        /// A connection of this client, which goes on from that of another, if given.
        async fn connected(&self, client: u64, resumed: Option<u64>) -> OutboxReader {
            let (outbox, reader) = outbox(None);
            let hello = |answer| Job::Hello {
                by: caller(client),
                outbox: Some(outbox),
                token: token(client),
                resume: resumed.map(token),
                answer,
            };
            self.send(hello).await.unwrap();
            reader
        }

        /// A client that is online, and what it is sent.
        async fn online(&self, client: u64, name: &str) -> OutboxReader {
            let reader = self.connected(client, None).await;
            let name = Request::Name(name.parse().unwrap());
            self.ask(client, name).await.unwrap();
            reader
        }

        async fn enter(&self, client: u64, room: &str, via: Via) -> Result<Reply, Refusal> {
            let enter = Request::Enter {
                room: room.parse().unwrap(),
                via,
                member: None,
                interface: None,
                name: None,
            };
            self.ask(client, enter).await
        }

        /// A client in the lobby, and what it is sent.
        async fn in_lobby(&self, client: u64, name: &str) -> OutboxReader {
            let reader = self.online(client, name).await;
            self.enter(client, "lobby", Via::Relay).await.unwrap();
            reader
        }
    }

    fn token(client: u64) -> Token {
        Token::from_random(u128::from(client).to_be_bytes())
    }

    fn caller(client: u64) -> Caller {
        Caller {
            client: ClientId(client),
            address: "127.0.0.1:5".parse().unwrap(),
            local: "127.0.0.1".parse().unwrap(),
        }
    }

    fn chunks(reader: &mut OutboxReader) -> Vec<bytes::Bytes> {
        match reader.try_next() {
            Some(Outgoing::Chunks(chunks)) => chunks,
            _ => Vec::new(),
        }
    }

    fn say(text: &str) -> Request {
        Request::Say {
            room: RoomName::lobby(),
            text: text.parse().unwrap(),
            said_at: None,
        }
    }

    #[tokio::test]
    async fn the_directory_is_rendered_once_for_each_change() {
        let running = running();
        running.make("a").await.unwrap();
        for form in [Form::Line, Form::Object, Form::Array] {
            let first = running.show(form).await;
            assert!(Arc::ptr_eq(&first, &running.show(form).await));
            // A request that changes nothing does not cost a rendering.
            running.make("a").await.unwrap_err();
            assert!(Arc::ptr_eq(&first, &running.show(form).await));
        }
        let before = running.show(Form::Line).await;
        running.make("b").await.unwrap();
        assert!(!Arc::ptr_eq(&before, &running.show(Form::Line).await));
    }

    #[tokio::test]
    async fn a_line_is_rendered_once_for_all_who_hear_it() {
        let running = running();
        let mut readers = [
            running.in_lobby(1, "Ann").await,
            running.in_lobby(2, "Bob").await,
        ];
        running.ask(1, say("hi")).await.unwrap();
        // The answer comes last: what it has to follow is there.
        running.ask(1, Request::Names).await.unwrap();
        let last = readers.each_mut().map(|reader| {
            let chunks = chunks(reader);
            let last = chunks.last().unwrap().clone();
            assert!(last.starts_with(br#"{"event":"line","room":"lobby""#));
            last
        });
        assert_eq!(last[0].as_ptr(), last[1].as_ptr());
    }

    #[tokio::test]
    async fn who_cannot_be_hosted_is_not_in_the_room() {
        let running = running();
        let mut readers = Vec::new();
        for number in 0..SEATS_MAX as u64 {
            let (client, room) = (100 + number, format!("r{number}"));
            running.make(&room).await.unwrap();
            readers.push(running.online(client, &format!("p{number}")).await);
            running.enter(client, &room, Via::Hosted).await.unwrap();
        }
        running
            .make_room("small", Dialect::Plain, Some(1))
            .await
            .unwrap();
        let _ann = running.online(1, "Ann").await;
        let _bob = running.online(2, "Bob").await;
        let refused = running.enter(1, "small", Via::Hosted).await;
        assert_eq!(refused.unwrap_err().code, RefusalCode::NoRelay);
        // There is a place for somebody else, who only gets no way into the room from the server.
        let refused = running.enter(2, "small", Via::Multicast).await;
        assert_eq!(refused.unwrap_err().code, RefusalCode::NoRelay);
    }

    #[tokio::test]
    async fn who_becomes_hosted_is_told_as_which_member() {
        let running = running();
        running
            .make_room("lab", Dialect::Reliable, None)
            .await
            .unwrap();
        let _ann = running.online(1, "Ann").await;
        let told = async |client, via| match running.enter(client, "lab", via).await {
            Ok(Reply::Entered { member, .. }) => member.is_some(),
            other => panic!("{other:?}"),
        };
        assert!(!told(1, Via::Relay).await);
        assert!(told(1, Via::Hosted).await);
        // Who is hosted already stays the same one, also over another connection.
        assert!(!told(1, Via::Hosted).await);
        let _again = running.connected(2, Some(1)).await;
        assert!(!told(2, Via::Hosted).await);
        assert!(!told(2, Via::Relay).await);
        assert!(told(2, Via::Hosted).await);
    }

    #[tokio::test]
    async fn who_does_not_read_is_let_go_and_the_others_hear_of_it() {
        let running = running();
        let mut slow = running.in_lobby(1, "Ann").await;
        let mut quick = running.in_lobby(2, "Bob").await;
        let long = "x".repeat(60_000);
        let exited: &[u8] = br#"{"event":"exited","name":"Ann"}"#;
        let has = |chunk: &bytes::Bytes| chunk.windows(exited.len()).any(|w| w == exited);
        let mut is_told = false;
        while !is_told {
            running.ask(2, say(&long)).await.unwrap();
            is_told = chunks(&mut quick).iter().any(has);
        }
        let end = loop {
            match slow.next().await {
                Outgoing::Chunks(_) => {}
                Outgoing::LetGo(reason) => break reason,
            }
        };
        assert_eq!(end, LetGo::TooSlow);
        let names = running.ask(2, Request::Names).await.unwrap();
        let bob = Reply::Names {
            names: vec!["Bob".parse().unwrap()],
            avatars: Vec::new(),
        };
        assert_eq!(names, bob);
    }
}
