//! The server's seat in one room: it carries datagrams between the group and those whom multicast does not
//! reach, tells its guests whether they are heard by multicast, and hears what is said.

mod audience;
mod heard;
mod hosting;

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use self::audience::{Audience, Speaker};
use super::hosted::{HostedClients, heard_now};
use super::kept::{Kept, RoomHistory};
use super::room_files::{self, RoomFiles};
use super::talk_log::TalkLog;
use super::{Guest, HeardSoFar, ToRoom};
use crate::chat::{Dialect, Happening, Room};
use crate::control::{self, Event, datagrams};
use crate::hub::ClientId;
use crate::multicast::config::IDLE_INTERVAL_MIN;
use crate::multicast::file::{self, FileDatagram};
use crate::multicast::packet::{self, Body, Malformed, MemberId, room_tag};
use crate::multicast::plain;
use crate::multicast::transport::silence;
use crate::net::{GroupSockets, HostedMember, Interface, Observer};
use crate::server::job::Job;

/// How often guests are told whether they are heard, and interfaces that were lost are tried again.
const LOOK: Duration = Duration::from_millis(500);

/// How late signs of life may reach those who are relayed, so that several travel together.
const SIGNS_OF_LIFE_WAIT: Duration = Duration::from_millis(100);

/// Whoever is in a room has answered the poll of a new seat after this, so that it is known how far each was heard.
const SETTLE: Duration = Duration::from_millis(150);

/// Who leaves has said all after this.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(2);

pub(super) struct RoomBridge {
    room: Room,
    sockets: GroupSockets,
    /// Hears a reliable room as its members do.
    observer: Option<Observer>,
    /// When the observer has something to do.
    wake: Instant,
    guests: BTreeMap<ClientId, Seated>,
    /// Those whom we take part for.
    hosted: HostedClients,
    /// Signs of life of guests for those who are relayed, and when they go out.
    signs: Vec<u8>,
    signs_due: Instant,
    /// To the owner of the hub.
    jobs: mpsc::WeakSender<Job>,
    log: TalkLog,
    /// Somebody wants to know what is said here.
    is_followed: bool,
    /// What is said here is kept.
    history: Option<RoomHistory>,
    /// Files of a reliable room.
    files: Option<RoomFiles>,
    /// Nobody is heard here; for who decides whether this seat is needed.
    is_alone: Arc<AtomicBool>,
    /// When it is known who is here, and who waits to be told how far they were heard.
    settled: Instant,
    asking: Vec<(bool, oneshot::Sender<HeardSoFar>)>,
}

/// A guest, and what is known of it.
struct Seated {
    guest: Guest,
    /// The interface where it hears the group.
    interface: Option<u32>,
    /// When it was last heard by multicast.
    heard: Option<Instant>,
    told_heard: bool,
}

impl RoomBridge {
    /// The seat, which takes no part yet, and the pieces that it will hear.
    pub(super) fn new(
        room: Room,
        jobs: mpsc::WeakSender<Job>,
        kept: Kept,
        is_alone: Arc<AtomicBool>,
    ) -> std::io::Result<(Self, mpsc::Receiver<Bytes>)> {
        let (sockets, pieces) = GroupSockets::new(room.address);
        let Kept {
            history,
            files,
            places,
        } = kept;
        let observer = match room.dialect {
            Dialect::Plain => None,
            Dialect::Reliable => {
                // After a restart it asks for what was said meanwhile.
                let past = history
                    .as_ref()
                    .map(|kept| kept.history.positions(kept.room, None));
                Some(Observer::new(room.address, past)?)
            }
        };
        let log = TalkLog::new(&room, Instant::now().into_std());
        let files = observer
            .as_ref()
            .map(|observer| RoomFiles::new(&room, observer.id(), files, places));
        let bridge = Self {
            room,
            sockets,
            observer,
            wake: Instant::now(),
            guests: BTreeMap::new(),
            hosted: HostedClients::default(),
            signs: Vec::new(),
            signs_due: Instant::now(),
            jobs,
            log,
            is_followed: false,
            history,
            files,
            is_alone,
            settled: Instant::now() + SETTLE,
            asking: Vec::new(),
        };
        Ok((bridge, pieces))
    }

    /// Which member of a reliable room the seat is.
    pub(super) fn member(&self) -> Option<u64> {
        self.observer.as_ref().map(Observer::id)
    }

    /// Takes part until nobody commands any more; then leaves.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<ToRoom>,
        mut pieces: mpsc::Receiver<Bytes>,
    ) {
        let mut look = ticks();
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                piece = pieces.recv() => piece.iter().for_each(|piece| self.hear(piece)),
                () = sleep_until(self.wake), if self.observer.is_some() => self.look(),
                () = sleep_until(self.signs_due), if !self.signs.is_empty() => self.pass_signs_on(),
                () = sleep_until(self.settled), if !self.asking.is_empty() => self.tell_positions(),
                ended = room_files::next_end(&mut self.files) => self.go_on_with_files(ended),
                () = hosting::until(self.hosted.wake()) => self.hosted.look(),
                () = hosting::until(self.hosted.delivery_look()) => {
                    self.hosted.look_at_deliveries(&self.room.name);
                }
                () = std::future::ready(()), if self.hosted.has_work() => {}
                _ = look.tick() => {
                    self.sockets.mend();
                    self.start_files();
                    self.note_whether_alone();
                    self.tell_who_is_heard();
                    self.hosted.leave_closed();
                }
            }
            self.serve_hosted();
        }
        self.leave(pieces).await;
    }

    async fn leave(mut self, mut pieces: mpsc::Receiver<Bytes>) {
        self.guests.clear();
        self.files = None;
        let end = Instant::now() + LEAVE_WAIT_MAX;
        // First those whom we take part for: we carry their last words.
        self.hosted.leave_all();
        while !self.hosted.is_empty() && Instant::now() < end {
            self.serve_hosted();
            tokio::select! {
                piece = pieces.recv() => piece.iter().for_each(|piece| self.hear(piece)),
                () = sleep_until(self.wake.min(end)) => self.look(),
                () = hosting::until(self.hosted.wake()) => self.hosted.look(),
            }
        }
        if let Some(observer) = &mut self.observer {
            observer.leave();
        }
        self.flush();
        while self.observer.as_ref().is_some_and(|o| !o.is_over()) && Instant::now() < end {
            tokio::select! {
                piece = pieces.recv() => piece.iter().for_each(|piece| self.hear(piece)),
                () = sleep_until(self.wake.min(end)) => self.look(),
            }
        }
    }

    fn obey(&mut self, command: ToRoom) {
        match command {
            ToRoom::Enter(id, guest, interface) => {
                self.enter(id, guest, interface.as_ref().map(|i| i.index));
                interface.iter().for_each(|interface| self.join(interface));
            }
            ToRoom::Host(id, guest, member, interface) => {
                let before = guest.member.filter(|id| !self.is_guest(MemberId(*id)));
                let address = self.room.address;
                let member =
                    member.map(|id| Box::new(HostedMember::new(id, before, address, &guest.name)));
                interface.iter().for_each(|interface| self.join(interface));
                self.guests.remove(&id);
                self.hosted.host(id, guest, member);
            }
            ToRoom::Ask(id, ask, answer) => self.answer_hosted(id, ask, answer),
            ToRoom::Rename(id, name) => self.hosted.rename(id, name),
            ToRoom::Move(before, after, outbox) => self.hosted.move_to(before, after, outbox),
            ToRoom::Leave(id) => {
                self.guests.remove(&id);
                self.hosted.leave(id);
            }
            ToRoom::Datagrams(id, piece) => self.carry(id, &piece),
            ToRoom::Follow(is_followed, interface) => {
                self.is_followed = is_followed;
                interface.iter().for_each(|interface| self.join(interface));
            }
            ToRoom::Positions(is_guest, answer) => {
                self.asking.push((is_guest, answer));
                if self.settled <= Instant::now() {
                    self.tell_positions();
                }
            }
        }
    }

    fn tell_positions(&mut self) {
        for (is_guest, answer) in std::mem::take(&mut self.asking) {
            let positions = self.observer.as_ref().map(Observer::positions);
            // Whoever asked may have stopped waiting.
            let _ = answer.send(HeardSoFar {
                is_guest,
                positions: positions.unwrap_or_default(),
            });
        }
    }

    fn note_whether_alone(&self) {
        let is_alone = self.observer.as_ref().is_none_or(Observer::is_alone);
        self.is_alone.store(is_alone, Relaxed);
    }

    /// Who enters again tells by which way it takes part now.
    fn enter(&mut self, id: ClientId, guest: Guest, interface: Option<u32>) {
        self.hosted.leave(id);
        let before = self.guests.remove(&id);
        let is_same = |before: &Seated| before.guest.member == guest.member;
        let heard = before.filter(is_same).and_then(|before| before.heard);
        let seated = Seated {
            guest,
            interface,
            heard,
            // A program that enters again may have forgotten what it was told.
            told_heard: false,
        };
        self.guests.insert(id, seated);
    }

    fn join(&mut self, interface: &Interface) {
        if let Err(error) = self.sockets.join(interface) {
            tracing::warn!("Room {}: {error}", self.room.name);
        }
    }

    /// A piece came by multicast.
    fn hear(&mut self, piece: &Bytes) {
        let now = Instant::now();
        let piece = self.talk_of_others(piece);
        for (source, datagram) in datagrams::read(&piece) {
            if let Some(member) = packet::transmitter(datagram) {
                let seated = self.guests.values_mut();
                let same = seated.filter(|s| s.guest.member == Some(member.0));
                same.for_each(|seated| seated.heard = Some(now));
            }
            self.note(source, datagram, Speaker::Nobody);
        }
        if !piece.is_empty() {
            self.pass_on(&piece, Audience::All);
        }
        self.flush();
    }

    /// The talk of others: what we send on one interface may come in on another, and what carries files has a group of its
    /// own: whoever sends it to this one shall not have it copied to everybody.
    fn talk_of_others(&self, piece: &Bytes) -> Bytes {
        let is_talk = |source, datagram: &[u8]| {
            !self.sockets.is_source(source) && !packet::carries_file(datagram)
        };
        if datagrams::read(piece).all(|(source, datagram)| is_talk(source, datagram)) {
            return piece.clone();
        }
        let mut others = Vec::new();
        for (source, datagram) in datagrams::read(piece) {
            if is_talk(source, datagram) {
                datagrams::push(&mut others, source, datagram);
            }
        }
        others.into()
    }

    /// A piece came from a guest.
    fn carry(&mut self, id: ClientId, piece: &[u8]) {
        let Some(seated) = self.guests.get(&id) else {
            return;
        };
        let source = self.sockets.source();
        let said = datagrams::read(piece).map(|(_, datagram)| datagram);
        let said = said.filter(|datagram| self.is_of(&seated.guest, source, datagram));
        let said: Vec<&[u8]> = said.collect();
        self.spread(Speaker::Guest(id), &said);
    }

    /// What somebody says whom multicast does not reach: to the group, to the observer, and to the others of these. A
    /// report only to those of whom it tells, as else a line would cost the square of the guests: what they learn of
    /// others, our own seat reports to all.
    fn spread(&mut self, by: Speaker, said: &[impl AsRef<[u8]>]) {
        let source = self.sockets.source();
        let (mut for_all, mut signs, mut reports) = (Vec::new(), Vec::new(), Vec::new());
        for datagram in said {
            let datagram = datagram.as_ref();
            self.sockets.send(datagram);
            if packet::can_wait(datagram) {
                signs.push(datagram);
            } else if let Some(origins) = packet::reported_on(datagram) {
                reports.push((datagram, origins));
            } else {
                datagrams::push(&mut for_all, source, datagram);
            }
        }
        for sign in signs {
            self.note(source, sign, by);
            self.pass_on_later(source, sign);
        }
        for (source, datagram) in datagrams::read(&for_all) {
            self.note(source, datagram, by);
        }
        if !for_all.is_empty() {
            self.pass_on(&for_all, Audience::AllBut(by));
        }
        for (report, origins) in reports {
            self.note(source, report, by);
            let mut piece = Vec::new();
            datagrams::push(&mut piece, source, report);
            self.pass_on(&piece, Audience::Of(&origins, by));
        }
        self.flush();
    }

    /// A guest speaks for itself and in its room only.
    fn is_of(&self, guest: &Guest, source: SocketAddrV4, datagram: &[u8]) -> bool {
        let Dialect::Reliable = self.room.dialect else {
            let said = plain::decode(datagram, source);
            return said.is_ok_and(|message| message.from == guest.name.as_str());
        };
        let (header, takes_place) = match packet::decode(datagram) {
            // To the others all guests are on our machine, where one may take the place of another.
            Ok((header, Body::Heartbeat(told))) => (header, self.is_guest(told.replaces)),
            Ok((header, _)) => (header, false),
            // Of files only that there are some: they themselves come over the connection.
            Err(Malformed::OfFile) => match file::decode(datagram) {
                Ok((header, FileDatagram::Announcement(_))) => (header, false),
                _ => return false,
            },
            Err(_) => return false,
        };
        let transmitter = Some(header.transmitter.0);
        header.room_tag == room_tag(self.room.address)
            && guest.member == transmitter
            && self.member() != transmitter
            && !takes_place
    }

    fn is_guest(&self, member: MemberId) -> bool {
        let mut members = self.guests.values().map(|seated| seated.guest.member);
        members.any(|of_guest| of_guest == Some(member.0)) || self.hosted.has_member(member.0)
    }

    /// Something was said, or another datagram came.
    fn note(&mut self, source: SocketAddrV4, datagram: &[u8], by: Speaker) {
        if let Some(observer) = &mut self.observer {
            observer.hear(source, datagram);
            self.note_stranger(source, datagram);
        } else if let Ok(message) = plain::decode(datagram, source) {
            let at = heard_now();
            if let Some(history) = &self.history {
                let what = Happening::Text(message.text.clone());
                history.keep(message.from.clone(), what, (at, None), None);
            }
            self.tell_plain(&message, at, by);
            self.overhear(message);
        }
    }

    fn look(&mut self) {
        if let Some(observer) = &mut self.observer {
            observer.look();
        }
        self.flush();
    }

    /// Sends what the observer has to send: its guests do not hear the group.
    fn flush(&mut self) {
        let Some(observer) = &mut self.observer else {
            return;
        };
        let (sockets, mut sent, mut said) = (&self.sockets, Vec::new(), Vec::new());
        let source = sockets.source();
        self.wake = observer.flush(
            |datagram| {
                sockets.send(datagram);
                datagrams::push(&mut sent, source, datagram);
            },
            |observed| said.push(observed),
        );
        said.into_iter().for_each(|observed| self.notice(observed));
        if !sent.is_empty() {
            self.pass_on(&sent, Audience::All);
        }
    }

    /// Its sender gets it too, and takes no notice of it.
    fn pass_on_later(&mut self, source: SocketAddrV4, sign: &[u8]) {
        if self.signs.is_empty() {
            self.signs_due = Instant::now() + SIGNS_OF_LIFE_WAIT;
        }
        if !datagrams::push(&mut self.signs, source, sign) {
            self.pass_signs_on();
            datagrams::push(&mut self.signs, source, sign);
        }
    }

    fn pass_signs_on(&mut self) {
        let signs = std::mem::take(&mut self.signs);
        self.pass_on(&signs, Audience::All);
    }

    /// To those among them whom multicast does not reach. Who does not read is let go of.
    fn pass_on(&mut self, piece: &[u8], to: Audience<'_>) {
        let mut line = None;
        self.guests.retain(|id, seated| {
            if !seated.guest.is_relayed || !to.has(*id, &seated.guest) {
                return true;
            }
            let line = line.get_or_insert_with(|| datagrams::line(&self.room.name, piece));
            seated.guest.send(line.clone())
        });
        self.hosted.hear(piece);
    }

    /// Who hears the group on another interface than the first is to be relayed: we do not carry datagrams from one
    /// network to another.
    fn tell_who_is_heard(&mut self) {
        let interval = self
            .observer
            .as_ref()
            .map_or(IDLE_INTERVAL_MIN, Observer::idle_interval);
        let silence = Duration::from_micros(silence(interval).0);
        let first = self.sockets.first_interface().map(|i| i.index);
        self.guests.retain(|_, seated| {
            let is_near = seated.interface.is_none() || seated.interface == first;
            let is_heard = seated.heard.is_some_and(|heard| heard.elapsed() < silence);
            let is_heard = is_near && is_heard;
            if std::mem::replace(&mut seated.told_heard, is_heard) == is_heard {
                return !seated.guest.outbox.is_closed();
            }
            let event = Event::Reach {
                room: self.room.name.clone(),
                heard: is_heard,
            };
            seated.guest.send(control::event_line(&event).into())
        });
    }
}

fn ticks() -> Interval {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{FileHash, FileName, FileOffer, Origin};
    use crate::multicast::content::Offer;
    use crate::multicast::file::Announcement;
    use crate::multicast::packet::{Header, Heartbeat, QuantisedShare, ReportEntry, Role, encode};
    use crate::server::Shutdown;
    use crate::server::bridge::room_files::Places;
    use crate::server::files::Files;
    use crate::server::outbox::{OutboxReader, Outgoing, outbox};

    const MEMBER: u64 = 5;

    fn bridge(dialect: Dialect) -> RoomBridge {
        let room = Room {
            name: "lab1".parse().unwrap(),
            // On no interface, so that nothing is sent.
            address: "239.7.7.7:7000".parse().unwrap(),
            dialect,
            made_by: Origin {
                name: None,
                address: "127.0.0.1:5".parse().unwrap(),
            },
            made_at: jiff::Timestamp::UNIX_EPOCH,
            limit: None,
            topic: None,
            history: None,
        };
        let (jobs, _) = mpsc::channel(1);
        let alone = Arc::default();
        let kept = Kept {
            history: None,
            files: Files::spawn(None, &Shutdown::default()),
            places: Places::default(),
        };
        let bridge = RoomBridge::new(room, jobs.downgrade(), kept, alone);
        let (bridge, _pieces) = bridge.unwrap();
        bridge
    }

    fn enter(bridge: &mut RoomBridge, id: u64, is_relayed: bool) -> OutboxReader {
        let (outbox, reader) = outbox(None);
        let guest = Guest {
            member: Some(id),
            name: format!("guest{id}").parse().unwrap(),
            is_relayed,
            is_hosted: false,
            local: "127.0.0.1".parse().unwrap(),
            interface: None,
            outbox,
        };
        bridge.enter(ClientId(id), guest, None);
        reader
    }

    fn heartbeat(bridge: &RoomBridge, member: u64, room_tag_change: u32) -> Vec<u8> {
        let heartbeat = Heartbeat {
            next: 1,
            replaces: MemberId(0),
            name: "guest5".to_owned(),
        };
        datagram(bridge, member, room_tag_change, &Body::Heartbeat(heartbeat))
    }

    fn entry_on(origin: u64) -> ReportEntry {
        ReportEntry {
            origin: MemberId(origin),
            next: 1,
            top: 1,
            lost: (0, 0),
            age_ms: 0,
            echo_stamp_us: 0,
            echo_delay_us: u32::MAX,
            loss: QuantisedShare::of(None),
        }
    }

    fn datagram(
        bridge: &RoomBridge,
        member: u64,
        room_tag_change: u32,
        body: &Body<'_>,
    ) -> Vec<u8> {
        let header = Header {
            number: 1,
            role: Role::Relayed,
            ..Header::new(
                room_tag(bridge.room.address) ^ room_tag_change,
                MemberId(member),
            )
        };
        encode(&header, body)
    }

    fn waiting(reader: &mut OutboxReader) -> Vec<Bytes> {
        match reader.try_next() {
            Some(Outgoing::Chunks(chunks)) => chunks,
            Some(Outgoing::LetGo(reason)) => panic!("{reason:?}"),
            None => Vec::new(),
        }
    }

    /// What a guest's datagram is to the other guests: carried or not.
    fn is_carried(bridge: &mut RoomBridge, others: &mut OutboxReader, datagram: &[u8]) -> bool {
        let mut piece = Vec::new();
        assert!(datagrams::push(&mut piece, datagrams::NO_SOURCE, datagram));
        bridge.carry(ClientId(MEMBER), &piece);
        bridge.pass_signs_on();
        let found = |chunk: &Bytes| chunk.windows(datagram.len()).any(|w| w == datagram);
        waiting(others).iter().any(found)
    }

    #[tokio::test]
    async fn a_guest_speaks_for_itself_and_in_its_room_only() {
        let mut reliable = bridge(Dialect::Reliable);
        let _own = enter(&mut reliable, MEMBER, true);
        let mut others = enter(&mut reliable, 6, true);
        let own = heartbeat(&reliable, MEMBER, 0);
        assert!(is_carried(&mut reliable, &mut others, &own));
        for (member, change) in [(6, 0), (MEMBER, 1)] {
            let forged = heartbeat(&reliable, member, change);
            assert!(!is_carried(&mut reliable, &mut others, &forged));
        }
        assert!(!is_carried(&mut reliable, &mut others, b"guest5: hi"));

        let mut plain = bridge(Dialect::Plain);
        let _own = enter(&mut plain, MEMBER, true);
        let mut others = enter(&mut plain, 6, true);
        assert!(is_carried(&mut plain, &mut others, b"guest5: hi"));
        assert!(!is_carried(&mut plain, &mut others, b"guest6: hi"));
    }

    fn announcement(bridge: &RoomBridge, member: u64) -> Vec<u8> {
        let body = Body::Report(Vec::new());
        let datagram = datagram(bridge, member, 0, &body);
        let (header, _) = packet::decode(&datagram).unwrap();
        let file = FileOffer {
            name: FileName::of("a.txt"),
            size_bytes: 5,
            hash: FileHash([3; 32]),
        };
        let symbol_bytes = 128;
        let announcement = Announcement {
            is_withdrawn: false,
            offer: Offer { file, symbol_bytes },
            said_at: jiff::Timestamp::UNIX_EPOCH,
        };
        file::encode_announcement(&header, &announcement)
    }

    #[tokio::test]
    async fn of_files_only_announcements_are_carried_and_each_only_its_owns() {
        let mut bridge = bridge(Dialect::Reliable);
        let _own = enter(&mut bridge, MEMBER, true);
        let mut others = enter(&mut bridge, 6, true);
        let own = announcement(&bridge, MEMBER);
        assert!(is_carried(&mut bridge, &mut others, &own));
        let forged = announcement(&bridge, 6);
        assert!(!is_carried(&mut bridge, &mut others, &forged));
        let source = "10.0.0.5:4000".parse().unwrap();
        for kind in [packet::SYMBOL, packet::NEED, packet::ANNOUNCEMENT] {
            let mut datagram = announcement(&bridge, 9);
            datagram[2] = kind;
            assert!(!is_carried(&mut bridge, &mut others, &datagram));
            // By multicast, with a system that does not keep them from us.
            let mut piece = Vec::new();
            datagrams::push(&mut piece, source, &datagram);
            bridge.hear(&Bytes::from(piece));
            let found = |chunk: &Bytes| chunk.windows(datagram.len()).any(|w| w == datagram);
            let is_passed_on = waiting(&mut others).iter().any(found);
            assert_eq!(is_passed_on, kind == packet::ANNOUNCEMENT);
        }
    }

    #[tokio::test]
    async fn signs_of_life_travel_together() {
        let mut bridge = bridge(Dialect::Reliable);
        let mut all = [MEMBER, 6, 7].map(|member| enter(&mut bridge, member, true));
        for member in [MEMBER, 6, 7] {
            let mut piece = Vec::new();
            let sign = heartbeat(&bridge, member, 0);
            assert!(datagrams::push(&mut piece, datagrams::NO_SOURCE, &sign));
            bridge.carry(ClientId(member), &piece);
        }
        // How many of them each chunk has, of those that have any: our own seat speaks too.
        let signs = [MEMBER, 6, 7].map(|member| heartbeat(&bridge, member, 0));
        let has = |chunk: &Bytes, sign: &[u8]| chunk.windows(sign.len()).any(|w| w == sign);
        let together = |reader: &mut OutboxReader| {
            let chunks = waiting(reader).into_iter();
            let counts = chunks.map(|chunk| signs.iter().filter(|sign| has(&chunk, sign)).count());
            counts.filter(|&count| count > 0).collect::<Vec<_>>()
        };
        assert!(all.iter_mut().all(|reader| together(reader).is_empty()));
        bridge.pass_signs_on();
        assert!(all.iter_mut().all(|reader| together(reader) == [3]));
    }

    #[tokio::test]
    async fn a_report_goes_to_those_of_whom_it_tells() {
        let mut bridge = bridge(Dialect::Reliable);
        let _own = enter(&mut bridge, MEMBER, true);
        let mut reported = enter(&mut bridge, 6, true);
        let mut other = enter(&mut bridge, 7, true);
        let report = datagram(&bridge, MEMBER, 0, &Body::Report(vec![entry_on(6)]));
        assert!(!is_carried(&mut bridge, &mut other, &report));
        let has_it = |chunk: &Bytes| chunk.windows(report.len()).any(|w| w == report);
        assert!(waiting(&mut reported).iter().any(has_it));
    }

    #[tokio::test]
    async fn who_hears_the_group_is_not_sent_it() {
        let mut bridge = bridge(Dialect::Reliable);
        let _own = enter(&mut bridge, MEMBER, true);
        let mut others = enter(&mut bridge, 6, false);
        let own = heartbeat(&bridge, MEMBER, 0);
        assert!(!is_carried(&mut bridge, &mut others, &own));
    }

    #[tokio::test]
    async fn a_guest_is_told_once_that_it_is_heard() {
        let mut bridge = bridge(Dialect::Reliable);
        let mut own = enter(&mut bridge, MEMBER, false);
        bridge.tell_who_is_heard();
        assert!(waiting(&mut own).is_empty());
        let mut piece = Vec::new();
        let source = "10.0.0.5:4000".parse().unwrap();
        datagrams::push(&mut piece, source, &heartbeat(&bridge, MEMBER, 0));
        bridge.hear(&Bytes::from(piece));
        for expected in [1, 0] {
            bridge.tell_who_is_heard();
            assert_eq!(waiting(&mut own).len(), expected);
        }
    }
}
