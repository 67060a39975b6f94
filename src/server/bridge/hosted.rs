//! Those whom the server takes part for in one room: clients that cannot themselves, as a page in a browser. In a
//! reliable room each is a member, whose datagrams go straight into the seat that relays for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV4;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;

use super::Guest;
use crate::chat::{RecordId, RoomName, UserName, to_the_millisecond};
use crate::control::{self, Event, Refusal, RefusalCode, Reply, datagrams};
use crate::hub::ClientId;
use crate::multicast::content::Content;
use crate::multicast::packet::{self, Body, MemberId, Role};
use crate::net::{HostedMember, MemberTold, SayError};
use crate::server::job::Answer;
use crate::server::outbox::{LetGo, Outbox};

/// Lines of one client that wait until the room can take more: as many as a connection waits for.
const WAITING_MAX: usize = 256;

/// Lines of one client of which it is looked whether all have them; of more the first are not any more.
const AWAITED_MAX: usize = 64;

/// After this it is told who has a line, if not all do.
const DELIVERY_WAIT: Duration = Duration::from_secs(5);

/// Who has not got a line after this is not waited for.
const DELIVERY_WAIT_MAX: Duration = Duration::from_secs(60);

/// How often that is looked at. In a large room members report seldom.
const DELIVERY_LOOK: Duration = Duration::from_millis(50);
const DELIVERY_LOOK_LARGE: Duration = Duration::from_millis(500);
const LARGE: usize = 16;

/// Whom one room's seat takes part for. Each has a key: its member in a reliable room, its client in a plain one.
#[derive(Default)]
pub(super) struct HostedClients {
    all: BTreeMap<u64, Hosted>,
    by_client: BTreeMap<ClientId, u64>,
    /// When each has something to do by itself.
    wakes: BTreeSet<(Instant, u64)>,
    /// What they have not heard yet, and for whom it is.
    unheard: VecDeque<(SocketAddrV4, Vec<u8>, For)>,
    /// Those who may have something to send.
    stirred: BTreeSet<u64>,
    /// Those of whose lines it is not known that all have them, and when that was last looked at.
    awaiting: BTreeSet<u64>,
    looked: Option<Instant>,
}

/// Whom a datagram is for.
enum For {
    All,
    These(Vec<u64>),
}

struct Hosted {
    /// None while it leaves.
    client: Option<ClientId>,
    name: UserName,
    outbox: Outbox,
    member: Option<Box<HostedMember>>,
    wake: Option<Instant>,
    /// What it wants to say, until there is room for it.
    waiting: VecDeque<(Content, Timestamp, Answer)>,
    awaited: VecDeque<Awaited>,
}

/// A line of which not all are known to have it.
struct Awaited {
    record: RecordId,
    said: Instant,
    is_told: bool,
    /// So many were hosted beside who says it, and whether they were told.
    beside: usize,
    is_heard: bool,
}

/// What is to be done for one of them.
pub(super) enum Wanted {
    /// These datagrams are to be carried.
    Carry(u64, Vec<Vec<u8>>),
    /// It is to be told this.
    Tell(u64, MemberTold),
}

/// The client is not hosted in the room.
pub(super) fn not_there() -> Refusal {
    Refusal::new(
        RefusalCode::EnterFirst,
        "enter the room first: only who is in it may speak",
    )
}

impl HostedClients {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn key_of(&self, client: ClientId) -> Option<u64> {
        self.by_client.get(&client).copied()
    }

    pub(super) fn has_member(&self, member: u64) -> bool {
        let hosted = self.all.get(&member);
        hosted.is_some_and(|hosted| hosted.member.is_some())
    }

    /// What they are called.
    pub(super) fn names(&self) -> impl Iterator<Item = (u64, &UserName)> {
        let here = self
            .all
            .iter()
            .filter(|(_, hosted)| hosted.client.is_some());
        here.map(|(key, hosted)| (*key, &hosted.name))
    }

    pub(super) fn name_of(&self, key: u64) -> Option<&UserName> {
        self.all.get(&key).map(|hosted| &hosted.name)
    }

    /// Takes part for somebody, unless that is done.
    pub(super) fn host(
        &mut self,
        client: ClientId,
        guest: Guest,
        member: Option<Box<HostedMember>>,
    ) {
        if let Some(hosted) = self.of(client) {
            hosted.outbox = guest.outbox;
            return;
        }
        let key = member.as_ref().map_or(client.0, |member| member.id());
        self.by_client.insert(client, key);
        self.stirred.insert(key);
        self.all.insert(
            key,
            Hosted {
                client: Some(client),
                name: guest.name,
                outbox: guest.outbox,
                member,
                wake: None,
                waiting: VecDeque::new(),
                awaited: VecDeque::new(),
            },
        );
    }

    fn of(&mut self, client: ClientId) -> Option<&mut Hosted> {
        let key = self.by_client.get(&client)?;
        self.all.get_mut(key)
    }

    pub(super) fn rename(&mut self, client: ClientId, name: UserName) {
        let Some(key) = self.key_of(client) else {
            return;
        };
        if let Some(hosted) = self.all.get_mut(&key) {
            hosted.member.iter_mut().for_each(|m| m.rename(&name));
            hosted.name = name;
            self.stirred.insert(key);
        }
    }

    /// The same one at another connection.
    pub(super) fn move_to(&mut self, before: ClientId, after: ClientId, outbox: Outbox) {
        let Some(key) = self.by_client.remove(&before) else {
            return;
        };
        self.by_client.insert(after, key);
        if let Some(hosted) = self.all.get_mut(&key) {
            hosted.client = Some(after);
            hosted.outbox = outbox;
        }
    }

    /// It says its last, and is gone then.
    pub(super) fn leave(&mut self, client: ClientId) {
        let Some(key) = self.by_client.remove(&client) else {
            return;
        };
        let Some(hosted) = self.all.get_mut(&key) else {
            return;
        };
        hosted.client = None;
        hosted.say_waiting(0);
        hosted.waiting.clear();
        match &mut hosted.member {
            Some(member) => {
                member.leave();
                self.stirred.insert(key);
            }
            None => _ = self.all.remove(&key),
        }
    }

    pub(super) fn leave_all(&mut self) {
        let clients: Vec<ClientId> = self.by_client.keys().copied().collect();
        clients.into_iter().for_each(|client| self.leave(client));
    }

    /// Those whose connection has ended.
    pub(super) fn leave_closed(&mut self) {
        let closed = self.all.values().filter(|hosted| hosted.outbox.is_closed());
        let closed: Vec<ClientId> = closed.filter_map(|hosted| hosted.client).collect();
        closed.into_iter().for_each(|client| self.leave(client));
    }

    /// Says something in a reliable room, when there is room for it.
    pub(super) fn say(
        &mut self,
        key: u64,
        content: Content,
        said_at: Option<Timestamp>,
        answer: Answer,
    ) {
        let beside = self.all.len().saturating_sub(1);
        let Some(hosted) = self.all.get_mut(&key) else {
            return;
        };
        if hosted.waiting.len() >= WAITING_MAX {
            let text = "more is said than the room takes: wait for the answers";
            let _ = answer.send(Err(Refusal::new(RefusalCode::TooFast, text)));
            return;
        }
        let said_at = said_at.unwrap_or_else(Timestamp::now);
        hosted.waiting.push_back((content, said_at, answer));
        hosted.say_waiting(beside);
        self.stirred.insert(key);
    }

    /// They hear of this piece what concerns them, when the others have been served. The talk itself the seat hears for
    /// all of them, and it knows who is hosted: so what is said, and by whom of them, costs them nothing.
    pub(super) fn hear(&mut self, piece: &[u8]) {
        // In a plain room none is a member.
        let mut all = self.all.values();
        if all.next().is_none_or(|hosted| hosted.member.is_none()) {
            return;
        }
        for (source, datagram) in datagrams::read(piece) {
            let Ok((header, body)) = packet::decode(datagram) else {
                continue;
            };
            let whom = match body {
                _ if self.all.contains_key(&header.transmitter.0) => continue,
                Body::Data(_) | Body::Repair(_) => continue,
                Body::Heartbeat(_) if header.role == Role::Observer => continue,
                Body::Heartbeat(_) | Body::Leave(_) => For::All,
                Body::Report(entries) => self.those(entries.iter().map(|entry| entry.origin)),
                Body::Nack(entries) => self.those(entries.iter().map(|entry| entry.origin)),
            };
            if !matches!(&whom, For::These(keys) if keys.is_empty()) {
                self.unheard.push_back((source, datagram.to_vec(), whom));
            }
        }
    }

    fn those(&self, members: impl Iterator<Item = MemberId>) -> For {
        let keys = members.map(|member| member.0);
        For::These(keys.filter(|key| self.all.contains_key(key)).collect())
    }

    /// When one of them has something to do by itself.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Whether there is something to do for them.
    pub(super) fn has_work(&self) -> bool {
        !self.unheard.is_empty() || !self.stirred.is_empty()
    }

    /// Those whose time has come look.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        while let Some(&(at, key)) = self.wakes.first()
            && at <= now
        {
            self.wakes.pop_first();
            if let Some(hosted) = self.all.get_mut(&key) {
                hosted.wake = None;
                hosted.member.iter_mut().for_each(|member| member.look());
                self.stirred.insert(key);
            }
        }
    }

    /// They hear what waits; what they want then comes back.
    pub(super) fn work(&mut self) -> Vec<Wanted> {
        for (source, datagram, whom) in std::mem::take(&mut self.unheard) {
            match whom {
                For::All => {
                    for (key, hosted) in &mut self.all {
                        hosted.hear(source, &datagram);
                        self.stirred.insert(*key);
                    }
                }
                For::These(keys) => {
                    for key in keys {
                        let hosted = self.all.get_mut(&key);
                        hosted.into_iter().for_each(|h| h.hear(source, &datagram));
                        self.stirred.insert(key);
                    }
                }
            }
        }
        let mut wanted = Vec::new();
        for key in std::mem::take(&mut self.stirred) {
            self.flush(key, &mut wanted);
        }
        wanted
    }

    fn flush(&mut self, key: u64, wanted: &mut Vec<Wanted>) {
        let beside = self.all.len().saturating_sub(1);
        let Some(hosted) = self.all.get_mut(&key) else {
            return;
        };
        hosted.say_waiting(beside);
        if !hosted.awaited.is_empty() {
            self.awaiting.insert(key);
        }
        let Some(member) = &mut hosted.member else {
            return;
        };
        member.set_beside(beside);
        let mut sent = Vec::new();
        let mut told = Vec::new();
        let wake = member.flush(|d| sent.push(d.to_vec()), |t| told.push(t));
        let is_over = hosted.client.is_none() && member.is_over();
        if !sent.is_empty() {
            wanted.push(Wanted::Carry(key, sent));
        }
        wanted.extend(told.into_iter().map(|told| Wanted::Tell(key, told)));
        if let Some(before) = hosted.wake.replace(wake) {
            self.wakes.remove(&(before, key));
        }
        match is_over {
            true => _ = self.all.remove(&key),
            false => _ = self.wakes.insert((wake, key)),
        }
    }

    /// Tells all of them, and one of them something else. Who does not read is let go of.
    pub(super) fn tell(&mut self, event: &Event, own: Option<(u64, Option<&Event>)>) {
        let mut line = None;
        let mut slow = Vec::new();
        for (key, hosted) in &self.all {
            let Some(client) = hosted.client else {
                continue;
            };
            let chunk = match own {
                Some((own, event)) if own == *key => match event {
                    Some(event) => Bytes::from(control::event_line(event)),
                    None => continue,
                },
                _ => {
                    let line = line.get_or_insert_with(|| Bytes::from(control::event_line(event)));
                    line.clone()
                }
            };
            if hosted.outbox.push(chunk).is_err() {
                hosted.outbox.clone().let_go(LetGo::TooSlow);
                slow.push(client);
            }
        }
        slow.into_iter().for_each(|client| self.leave(client));
    }

    /// Tells one of them.
    pub(super) fn tell_one(&mut self, key: u64, event: &Event) {
        let Some(hosted) = self.all.get(&key) else {
            return;
        };
        let Some(client) = hosted.client else {
            return;
        };
        if hosted
            .outbox
            .push(control::event_line(event).into())
            .is_err()
        {
            hosted.outbox.clone().let_go(LetGo::TooSlow);
            self.leave(client);
        }
    }

    /// What one of them said has been told to all of them.
    pub(super) fn note_heard(&mut self, record: RecordId) {
        if let Some(hosted) = self.all.get_mut(&record.origin.0) {
            let mut awaited = hosted.awaited.iter_mut();
            let awaited = awaited.find(|awaited| awaited.record == record);
            awaited.into_iter().for_each(|a| a.is_heard = true);
        }
    }

    /// When it is to be looked next who has what was said.
    pub(super) fn delivery_look(&self) -> Option<Instant> {
        let wait = match self.all.len() {
            ..=LARGE => DELIVERY_LOOK,
            _ => DELIVERY_LOOK_LARGE,
        };
        let looked = self
            .looked
            .map_or_else(Instant::now, |looked| looked + wait);
        (!self.awaiting.is_empty()).then_some(looked)
    }

    /// Tells those who said something how many of the others have it.
    pub(super) fn look_at_deliveries(&mut self, room: &RoomName) {
        let now = Instant::now();
        self.looked = Some(now);
        let mut told = Vec::new();
        self.awaiting.retain(|key| {
            let hosted = self.all.get_mut(key);
            let Some((awaited, member)) = hosted.and_then(Hosted::split) else {
                return false;
            };
            awaited.retain_mut(|awaited| {
                let delivered = member.delivered(awaited.record);
                let beside = awaited.beside;
                let of = delivered.of + beside;
                let by = delivered.by + if awaited.is_heard { beside } else { 0 };
                let is_by_all = awaited.is_heard && by == of;
                let waited = now.duration_since(awaited.said);
                let is_late = waited >= DELIVERY_WAIT && !awaited.is_told;
                if is_by_all || is_late {
                    awaited.is_told = true;
                    let event = Event::Delivered {
                        room: room.clone(),
                        record: awaited.record,
                        by: by as u64,
                        of: of as u64,
                    };
                    told.push((*key, event));
                }
                !is_by_all && waited < DELIVERY_WAIT_MAX
            });
            !awaited.is_empty()
        });
        told.iter()
            .for_each(|(key, event)| self.tell_one(*key, event));
    }
}

impl Hosted {
    fn hear(&mut self, source: SocketAddrV4, datagram: &[u8]) {
        let member = self.member.iter_mut();
        member.for_each(|member| member.hear(source, datagram));
    }

    /// What it awaits, and who knows it.
    fn split(&mut self) -> Option<(&mut VecDeque<Awaited>, &HostedMember)> {
        let member = self.member.as_deref()?;
        Some((&mut self.awaited, member))
    }

    /// Says what waits, as far as there is room for it.
    fn say_waiting(&mut self, beside: usize) {
        let Some(member) = &mut self.member else {
            return;
        };
        while member.can_say()
            && let Some((content, said_at, answer)) = self.waiting.pop_front()
        {
            let said = member.say(&content, said_at);
            if let Ok(record) = said {
                if self.awaited.len() >= AWAITED_MAX {
                    self.awaited.pop_front();
                }
                self.awaited.push_back(Awaited {
                    record,
                    said: Instant::now(),
                    is_told: false,
                    beside,
                    is_heard: false,
                });
            }
            let refused = |error: SayError| Refusal::new(RefusalCode::NoRelay, error.to_string());
            // Before the line itself comes back.
            let _ = answer.send(said.map(Reply::Said).map_err(refused));
        }
    }
}

/// When something is heard, as it is kept and told.
pub(super) fn heard_now() -> Timestamp {
    to_the_millisecond(Timestamp::now())
}
