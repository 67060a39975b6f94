//! Who is in the room, how far away, and how far each has what we said.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use super::arrivals::Arrivals;
use super::config::{
    IDLE_BYTES_PER_SECOND, IDLE_HEARTBEAT_BYTES, IDLE_INTERVAL_MIN, IDLE_RELAYED_BYTES_PER_SECOND,
    MEMBER_KEPT, MISSED_INTERVALS_MAX, REPAIR_ROUND_TRIP_MAX, ROUND_TRIP_FIRST, ROUND_TRIP_MIN,
    SLOW_AFTER, SLOW_MEMBERS_MIN, SLOW_ROUND_TRIPS, STREAMS_MAX,
};
use super::floor::Floor;
use super::packet::{Header, MemberId, QuantisedShare, QuantisedTime, Role};
use super::progress::{Progress, Reported};
use super::session::{Delivered, Event, MemberInfo};
use crate::time::{Instant, Micros};

/// A measured round trip counts this much against those before it (RFC 6298's alpha).
const ROUND_TRIP_WEIGHT: f64 = 0.125;

/// A round trip longer than this is a clock's mistake or a lie.
pub(super) const ROUND_TRIP_MAX: Micros = Micros::from_secs(2);

/// A round trip that is more than so many times those before it counts as so many: a program that stood still for a
/// moment tells nothing of the way.
const ROUND_TRIP_GROWTH_MAX: u64 = 4;

#[derive(Debug)]
pub(super) struct Members {
    me: MemberId,
    my_name: Name,
    all: BTreeMap<MemberId, Member>,
    live: usize,
    /// How many of those, and of us, a relay carries.
    relayed: usize,
    /// Members that are there besides, of whom we do not hear.
    beside: usize,
    /// The longest round trip among those there, never below the least reckoned with.
    round_trip: Micros,
    quantised_round_trip: QuantisedTime,
}

/// What a member calls itself.
#[derive(Debug)]
struct Name {
    text: String,
    /// Compared without case.
    folded: String,
    /// Of two members of one name the later is shown with a suffix.
    since: Instant,
}

#[derive(Debug)]
struct Member {
    address: SocketAddr,
    role: Role,
    /// None until its first heartbeat.
    name: Option<Name>,
    is_live: bool,
    /// The application was told that it is there.
    is_announced: bool,
    /// When its session began, by our clock.
    since: Instant,
    heard: Instant,
    /// When it left, or was heard last before it was taken as gone.
    left: Instant,
    /// When that was noticed.
    gone: Instant,
    stamp_us: u32,
    /// To it and back as we measured it.
    round_trip: Option<Micros>,
    /// The shortest of these of late: more comes from queues on the way.
    round_trip_floor: Floor<Micros>,
    /// The longest that it knows of.
    told_round_trip: QuantisedTime,
    arrivals: Arrivals,
    /// The loss of our datagrams that it told last.
    told_loss: Option<f64>,
    /// How far it has what we said.
    progress: Progress,
    /// It held everybody up and has not come on since.
    is_stalled: bool,
    /// Since when it has slowed a flow.
    slow: Option<Instant>,
    /// The application was told that it does.
    is_told_slow: bool,
}

/// What the first datagram of a member, or one after a while, means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was not there before.
    New,
    Known,
    /// There are too many already.
    TooMany,
}

impl Name {
    fn new(text: String, since: Instant) -> Self {
        Self {
            folded: text.to_lowercase(),
            text,
            since,
        }
    }
}

impl Members {
    pub(super) fn new(me: MemberId, name: String, now: Instant) -> Self {
        Self {
            me,
            my_name: Name::new(name, now),
            all: BTreeMap::new(),
            live: 0,
            relayed: 0,
            beside: 0,
            round_trip: ROUND_TRIP_FIRST,
            quantised_round_trip: QuantisedTime::of(ROUND_TRIP_FIRST),
        }
    }

    /// A datagram of this member came. `unsent` is our next sequence.
    pub(super) fn heard(
        &mut self,
        source: SocketAddr,
        header: &Header,
        unsent: u64,
        now: Instant,
    ) -> Heard {
        let id = header.transmitter;
        if self.all.len() >= STREAMS_MAX && !self.all.contains_key(&id) {
            return Heard::TooMany;
        }
        let since = now - Micros::from_millis(header.age_ms.into());
        let member = self.all.entry(id).or_insert_with(|| Member {
            address: source,
            role: header.role,
            name: None,
            is_live: false,
            is_announced: false,
            since,
            heard: now,
            left: now,
            gone: now,
            stamp_us: 0,
            round_trip: None,
            round_trip_floor: Floor::new(now),
            told_round_trip: QuantisedTime::default(),
            arrivals: Arrivals::default(),
            told_loss: None,
            progress: Progress::new(unsent, now),
            is_stalled: false,
            slow: None,
            is_told_slow: false,
        });
        let was_relayed = member.takes_relay();
        member.address = source;
        member.role = header.role;
        // What was long on its way makes its sender look younger.
        member.since = member.since.min(since);
        member.heard = now;
        member.stamp_us = header.stamp_us;
        member.told_round_trip = header.round_trip;
        member.arrivals.count(header.number);
        let was_live = std::mem::replace(&mut member.is_live, true);
        self.relayed += usize::from(member.takes_relay());
        self.relayed -= usize::from(was_relayed);
        if was_live {
            return Heard::Known;
        }
        member.progress.skip_to(unsent);
        self.live += 1;
        Heard::New
    }

    /// A member told its name. The event to tell, if that is news.
    pub(super) fn named(&mut self, id: MemberId, name: &str, now: Instant) -> Option<Event> {
        let known = self.all.get(&id)?;
        let before = known.name.as_ref();
        let is_same = before.is_some_and(|before| before.text == name);
        // As all signs of life but a few.
        if is_same && known.is_announced {
            return None;
        }
        let before = before.map(|before| self.shown(id, before));
        let member = self.all.get_mut(&id)?;
        let was_announced = std::mem::replace(&mut member.is_announced, true);
        if !is_same {
            let since = if was_announced { now } else { member.since };
            member.name = Some(Name::new(name.to_owned(), since));
        }
        match before {
            Some(before) if was_announced => Some(Event::Renamed { id, before }),
            _ => Some(Event::Joined(id)),
        }
    }

    /// A relay carries what we send from now on, or no longer.
    pub(super) fn set_relayed(&mut self, was: bool, is_relayed: bool) {
        self.relayed += usize::from(is_relayed);
        self.relayed -= usize::from(was);
    }

    /// We call ourselves something else.
    pub(super) fn rename(&mut self, name: String, now: Instant) {
        self.my_name = Name::new(name, now);
    }

    pub(super) fn my_name(&self) -> &str {
        &self.my_name.text
    }

    /// The member that another one, of the same machine, says it goes on from, if that is there still.
    pub(super) fn replaced(&self, by: MemberId, replaces: MemberId) -> Option<MemberId> {
        let (old, new) = (self.all.get(&replaces)?, self.all.get(&by)?);
        let is_same_machine = old.address.ip() == new.address.ip();
        (old.is_live && is_same_machine && by != replaces).then_some(replaces)
    }

    /// A member left, as is noticed now. True if that is news.
    pub(super) fn left(&mut self, id: MemberId, left: Instant, now: Instant) -> bool {
        let Some(member) = self.all.get_mut(&id) else {
            return false;
        };
        // When it comes back it joins again.
        let is_news = std::mem::take(&mut member.is_announced);
        self.relayed -= usize::from(member.takes_relay());
        if std::mem::take(&mut member.is_live) {
            (member.left, member.gone) = (left, now);
            self.live -= 1;
            self.measure_longest();
        }
        is_news
    }

    /// Members that were silent for too long, since we were last asleep: they are taken as gone. Those to be told of.
    pub(super) fn silent(&mut self, asleep: Instant, now: Instant) -> Vec<MemberId> {
        let wait = Micros(self.idle_interval().0 * MISSED_INTERVALS_MAX);
        let silent = |m: &Member| m.is_live && now.since(m.heard.max(asleep)) > wait;
        let mut told = self.those(silent);
        told.retain(|&id| {
            let heard = self.all[&id].heard;
            self.left(id, heard, now)
        });
        told
    }

    /// Forgets those of whom it was noticed long ago that they left; where there is no room for others, all who left.
    pub(super) fn forget(&mut self, now: Instant) -> Vec<MemberId> {
        let is_full = self.all.len() >= STREAMS_MAX;
        let is_old = |m: &Member| !m.is_live && (is_full || now.since(m.gone) > MEMBER_KEPT);
        let old = self.those(is_old);
        for id in &old {
            self.all.remove(id);
        }
        old
    }

    fn those(&self, are: impl Fn(&Member) -> bool) -> Vec<MemberId> {
        let those = self.all.iter().filter(|(_, member)| are(member));
        those.map(|(&id, _)| id).collect()
    }

    pub(super) fn is_live(&self, id: MemberId, now: Instant) -> bool {
        let wait = Micros(self.idle_interval().0 * 2);
        self.all
            .get(&id)
            .is_some_and(|m| m.is_live && now.since(m.heard) < wait)
    }

    fn live_members(&self) -> impl Iterator<Item = &Member> {
        self.all.values().filter(|member| member.is_live)
    }

    pub(super) fn is_known(&self, id: MemberId) -> bool {
        self.all.contains_key(&id)
    }

    pub(super) fn is_observer(&self, id: MemberId) -> bool {
        let member = self.all.get(&id);
        member.is_some_and(|member| member.role == Role::Observer)
    }

    pub(super) fn is_named(&self, id: MemberId) -> bool {
        self.all.get(&id).is_some_and(|m| m.name.is_some())
    }

    pub(super) fn is_there(&self, id: MemberId) -> bool {
        let member = self.all.get(&id);
        member.is_some_and(|m| m.is_live && m.name.is_some())
    }

    /// The members there whose names are known.
    pub(super) fn live(&self) -> impl Iterator<Item = MemberInfo> {
        let live = self.all.iter().filter(|(_, member)| member.is_live);
        live.filter_map(|(&id, _)| self.info(id))
    }

    /// What is known of a member that told its name, also of one that has left.
    pub(super) fn info(&self, id: MemberId) -> Option<MemberInfo> {
        let member = self.all.get(&id)?;
        let name = member.name.as_ref()?;
        Some(MemberInfo {
            id,
            name: self.shown(id, name),
            address: member.address,
            since: member.since,
            is_relayed: member.role.is_relayed(),
            round_trip: member.round_trip,
            loss_here: member.arrivals.loss(),
            loss_there: member.told_loss,
        })
    }

    /// The name to show: with a suffix if another had it before.
    fn shown(&self, id: MemberId, name: &Name) -> String {
        let is_earlier = |other: MemberId, other_name: &Name| {
            other != id
                && other_name.folded == name.folded
                && (other_name.since, other) < (name.since, id)
        };
        let others = self.all.iter().filter(|(_, member)| member.is_live);
        let mut named = others.filter_map(|(&other, m)| Some((other, m.name.as_ref()?)));
        let is_second = is_earlier(self.me, &self.my_name)
            || named.any(|(other, other_name)| is_earlier(other, other_name));
        match is_second {
            true => format!("{}~{:04x}", name.text, id.0 as u16),
            false => name.text.clone(),
        }
    }

    /// What the others see as our name.
    pub(super) fn my_shown_name(&self) -> String {
        self.shown(self.me, &self.my_name)
    }

    /// Members there, and us.
    pub(super) fn len(&self) -> usize {
        self.live + self.beside + 1
    }

    /// So many members are there besides those of whom we hear.
    pub(super) fn set_beside(&mut self, beside: usize) {
        self.beside = beside;
    }

    /// A member told how far it has what we said. What an observer tells stands for those whom it takes part for.
    pub(super) fn reported(
        &mut self,
        id: MemberId,
        told: &Reported,
        loss: Option<f64>,
        now: Instant,
    ) {
        let Some(member) = self.all.get_mut(&id) else {
            return;
        };
        member.reported(told, now);
        member.told_loss = loss.or(member.told_loss);
        if member.role == Role::Observer {
            let address = member.address;
            let is_its =
                |member: &&mut Member| member.role == Role::Hosted && member.address == address;
            let hosted = self.all.values_mut().filter(is_its);
            hosted.for_each(|member| member.reported(told, now));
        }
    }

    /// The sequence up to which the slowest member that is waited for knows of what we said; none if
    /// nobody is there by multicast. Who is relayed has a queue of its own before it.
    pub(super) fn slowest(&self) -> Option<u64> {
        let waited_for = self.live_members();
        let waited_for = waited_for.filter(|m| !m.is_stalled && m.role == Role::Member);
        waited_for.map(|member| member.progress.top).min()
    }

    /// Whether nobody who is waited for knows of less of what we said.
    pub(super) fn is_slowest(&self, id: MemberId) -> bool {
        let top = self.all.get(&id).map(|member| member.progress.top);
        top.is_some() && top <= self.slowest()
    }

    /// The slowest that have not come on since then are not waited for, until they do.
    pub(super) fn stall(&mut self, since: Instant) {
        let slowest = self.slowest();
        for member in self.all.values_mut().filter(|member| member.is_live) {
            member.is_stalled |=
                Some(member.progress.top) == slowest && member.progress.grew < since;
        }
    }

    /// A report of this member came. True if it has slowed a flow for long, and that is news.
    pub(super) fn note_slow(&mut self, id: MemberId, is_flowing: bool, now: Instant) -> bool {
        let usual = self.median_round_trip().filter(|_| is_flowing);
        let Some(member) = self.all.get_mut(&id) else {
            return false;
        };
        let is_slow = usual.is_some_and(|usual| {
            member.round_trip.unwrap_or_default() > usual.mul_f64(SLOW_ROUND_TRIPS)
        });
        if !is_slow {
            member.slow = None;
            return false;
        }
        let since = *member.slow.get_or_insert(now);
        since + SLOW_AFTER <= now && !std::mem::replace(&mut member.is_told_slow, true)
    }

    /// None where there are too few to compare.
    fn median_round_trip(&self) -> Option<Micros> {
        let measured = self.live_members().filter_map(|member| member.round_trip);
        let mut measured: Vec<_> = measured.collect();
        measured.sort_unstable();
        let median = measured.get(measured.len() / 2)?;
        (measured.len() >= SLOW_MEMBERS_MIN).then(|| (*median).max(ROUND_TRIP_MIN))
    }

    /// Our sequence up to which every member there has everything; none if nobody is there.
    pub(super) fn reported_by_all(&self) -> Option<u64> {
        self.live_members().map(|member| member.progress.has).min()
    }

    pub(super) fn all_have(&self, next: u64) -> bool {
        self.live > 0
            && self
                .live_members()
                .all(|member| member.progress.has >= next)
    }

    /// Who has these records of ours, the first of which was said at `first`, the last at `last`. Counted is who was there
    /// then. Not who left before it reported them, if it said so: who went without a word did not get them.
    pub(super) fn delivered(
        &self,
        records: &RangeInclusive<u64>,
        (first, last): (Instant, Instant),
    ) -> Delivered {
        let (mut of, mut by) = (0, 0);
        for member in self.all.values() {
            let has = member.progress.has_all(records);
            let was_there = member.since <= last && (member.is_live || member.left >= first);
            let is_somebody = member.role != Role::Observer;
            if is_somebody && was_there && (has || member.is_live || member.is_missed()) {
                of += 1;
                by += usize::from(has);
            }
        }
        Delivered { by, of }
    }

    /// How far those have come together, in records, who are there since before then and may report our record yet; none
    /// if nobody may.
    pub(super) fn reporting(&self, sequence: u64, said: Instant) -> Option<u64> {
        let may =
            |m: &&Member| m.role != Role::Observer && m.since <= said && m.progress.has <= sequence;
        let reporting = self.live_members().filter(may);
        let reporting = reporting.map(|member| member.progress.has);
        reporting.reduce(|all, has| all.saturating_add(has))
    }

    /// The members there, since before then, who have not reported our record.
    pub(super) fn lacking(&self, sequence: u64, said: Instant) -> Vec<String> {
        let lacking = |m: &Member| {
            m.is_live && m.since <= said && !m.progress.has_all(&(sequence..=sequence))
        };
        // An observer has no name, so it is left out.
        let ids = self.those(lacking).into_iter();
        ids.filter_map(|id| Some(self.info(id)?.name)).collect()
    }

    /// A round trip to this member was measured. Gives what of it comes from queues on the way.
    pub(super) fn measured(&mut self, id: MemberId, round_trip: Micros, now: Instant) -> Micros {
        let mut queue_delay = Micros::default();
        if let Some(member) = self.all.get_mut(&id) {
            let floor = member.round_trip_floor.with(round_trip, now);
            queue_delay = Micros(round_trip.0 - floor.0);
            let usual = member.round_trip.unwrap_or_default().max(ROUND_TRIP_FIRST);
            let round_trip = round_trip.min(Micros(usual.0 * ROUND_TRIP_GROWTH_MAX));
            member.round_trip = Some(match member.round_trip {
                None => round_trip,
                Some(before) => {
                    before.mul_f64(1.0 - ROUND_TRIP_WEIGHT) + round_trip.mul_f64(ROUND_TRIP_WEIGHT)
                }
            });
            self.measure_longest();
        }
        queue_delay
    }

    fn measure_longest(&mut self) {
        let by_multicast = self.live_members().filter(|m| !m.role.is_relayed());
        let measured = by_multicast.filter_map(|member| member.round_trip);
        let longest = measured.max().unwrap_or(ROUND_TRIP_FIRST);
        self.round_trip = longest.max(ROUND_TRIP_MIN);
        self.quantised_round_trip = QuantisedTime::of(self.round_trip);
    }

    /// The same, as headers have it.
    pub(super) fn quantised_round_trip(&self) -> QuantisedTime {
        self.quantised_round_trip
    }

    /// The longest round trip to a member there, as we measured it.
    pub(super) fn round_trip(&self) -> Micros {
        self.round_trip
    }

    /// The longest that a member told, or that we measured to it: who asks it for a repair must wait so long. Of us, and
    /// of whom we have not heard, the longest that we measured to anyone.
    pub(super) fn round_trip_of(&self, id: MemberId) -> Micros {
        let round_trip = match self.all.get(&id) {
            Some(member) => {
                let measured = member.round_trip.unwrap_or(ROUND_TRIP_FIRST);
                member.told_round_trip.time().max(measured)
            }
            None => self.round_trip,
        };
        round_trip.clamp(ROUND_TRIP_MIN, REPAIR_ROUND_TRIP_MAX)
    }

    /// The time stamp last heard of this member, how long ago in µs, and the loss on the way from it.
    pub(super) fn echo(&self, id: MemberId, now: Instant) -> (u32, u32, QuantisedShare) {
        match self.all.get(&id) {
            Some(member) => {
                let delay = now.since(member.heard).0;
                (
                    member.stamp_us,
                    u32::try_from(delay).unwrap_or(u32::MAX),
                    QuantisedShare::of(member.arrivals.loss()),
                )
            }
            None => (0, u32::MAX, QuantisedShare::of(None)),
        }
    }

    /// The time between two signs of life of an idle member, so that those of all stay within a
    /// fixed share of the network (as RTCP's, RFC 3550, section 6.2).
    pub(super) fn idle_interval(&self) -> Micros {
        self.heartbeat_share().max(IDLE_INTERVAL_MIN)
    }

    /// The time that a heartbeat of every member takes of that share, and of what a server sends: one copy goes to
    /// the network, and one to each who is relayed.
    pub(super) fn heartbeat_share(&self) -> Micros {
        let bytes = self.len() as u64 * IDLE_HEARTBEAT_BYTES;
        let copied = bytes * self.relayed as u64;
        let share =
            |bytes: u64, bytes_per_second: u64| Micros(bytes * 1_000_000 / bytes_per_second);
        share(bytes, IDLE_BYTES_PER_SECOND).max(share(copied, IDLE_RELAYED_BYTES_PER_SECOND))
    }
}

impl Member {
    fn reported(&mut self, told: &Reported, now: Instant) {
        if self.progress.reported(told, now) {
            self.is_stalled = false;
        }
    }

    /// It went without a word: that was noticed later.
    fn is_missed(&self) -> bool {
        !self.is_live && self.left < self.gone
    }

    fn takes_relay(&self) -> bool {
        self.is_live && self.role == Role::Relayed
    }
}
