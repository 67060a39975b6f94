//! One member of a reliable room. What it may rely on: every line said by any member reaches every
//! member that stays reachable, exactly once, in the order its sender said it; what can no longer be
//! had is told as a gap.
//!
//! NACK-based, in the line of SRM (Floyd et al., 1997) and NORM (RFC 5740, RFC 5401): only who misses
//! something speaks. Change a session, then drain [`Session::poll_output`] until it says `Wait`.

mod receiver;
mod seam;
mod sender;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

pub use seam::{
    Config, Delivered, Event, Input, MemberInfo, MessageId, Output, Past, SendError, Stats,
};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::budget::Budget;
use super::config::{
    ASLEEP_MIN, GATHER, HISTORY_SLACK, KEPT_BYTES_MAX, KEPT_BYTES_MAX_ALL, KEPT_BYTES_MAX_OWN,
    KEPT_BYTES_MIN, LEAVE_INTERVAL, LEAVE_WAIT_ALL, LEAVE_WAIT_MAX, LEAVES, LINGER_MAX,
    MEMBER_KEPT, MESSAGE_BYTES_MAX, NACK_BURST_BYTES, NACK_BYTES_PER_SECOND, QUEUED_BYTES_MAX,
    RECORD_BODY_BYTES_MAX, REPAIR_BURST_BYTES, REPAIR_BYTES_PER_SECOND, SMALL_GROUP_MAX,
    STREAMS_MAX, SWEEP_INTERVAL, TAIL_LATE_MAX, TAIL_MAX, TAIL_RECORDS_AGAIN,
};
use super::membership::Members;
use super::nack::group_backoff;
use super::pace::Pace;
use super::packet::{
    Body, Header, Leave, Malformed, MemberId, QuantisedSize, Record, Role, decode, encode,
};
use super::stream::Stream;
use crate::time::{Instant, Micros};

/// How far a leave has got.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    /// How often it was told.
    sent: u32,
    /// When it is told next, at the latest.
    due: Instant,
    /// What still waits to be sent is waited for until then.
    until: Instant,
    /// Longer if more than this was sent, but not after that.
    unsent: u64,
    until_all: Instant,
}

/// One member's side of a room.
#[derive(Debug)]
pub struct Session {
    me: MemberId,
    config: Config,
    random: SmallRng,
    started: Instant,
    /// Whoever came after this is heard from its first record on.
    heard_since: Instant,
    now: Instant,
    members: Members,
    streams: BTreeMap<MemberId, Stream>,
    /// How far origins were followed that were forgotten since, the last of them at the end: what they said is not handed
    /// out again.
    followed: VecDeque<(MemberId, u64)>,
    /// Streams that miss something, and how many records.
    gappy: BTreeMap<MemberId, usize>,
    /// What all of them miss.
    missing: usize,
    /// What messages take that are not yet whole, of all streams.
    partial_bytes: usize,
    /// Our first record that was not sent yet.
    unsent: u64,
    /// Bytes of texts that wait to be sent.
    queued_bytes: u64,
    pace: Pace,
    clock: u32,
    number: u32,
    /// Records to repair, and when.
    repairs: BTreeMap<(MemberId, u64), Instant>,
    /// None of them is due before this.
    repairs_due: Instant,
    /// How many signs of life followed the last record, and when the next is due.
    tail: Option<(u32, Instant)>,
    repair_budget: Budget,
    nack_budget: Budget,
    /// When the last sign of life was given.
    answered: Instant,
    /// The time between our last records, smoothed: a tail has not begun before the next is late.
    line_gap: Micros,
    said: Instant,
    heartbeat_due: Instant,
    /// Somebody came or polled: when it is answered.
    answer_due: Option<Instant>,
    poll_next: bool,
    /// What others see us as.
    shown_as: String,
    /// The size of the group as others tell it, for who does not know it yet.
    told_size: QuantisedSize,
    /// Who wants to know at once how far we have what it said, and when it is told.
    asked_by: BTreeMap<MemberId, Instant>,
    report_due: Option<Instant>,
    reported: Instant,
    sweep_due: Instant,
    /// When we were last asleep.
    asleep: Instant,
    leaving: Option<Leaving>,
    output: VecDeque<Output>,
    /// Something came in since what is due was looked at.
    is_work_due: bool,
    /// Records on their way into a datagram.
    scratch: Vec<u8>,
    stats: Stats,
}

impl Session {
    /// A member that joins now. `me` must differ from every other session's; `seed` spreads its waits.
    pub fn new(me: MemberId, config: Config, seed: u64, now: Instant) -> Self {
        // A nack, whoever forged it, never takes more than half of what may be sent.
        let repair_rate = config.rate_max.map_or(u64::MAX, |rate| rate / 2);
        let repair_rate = repair_rate.min(REPAIR_BYTES_PER_SECOND);
        let mut session = Self {
            me,
            random: SmallRng::seed_from_u64(seed ^ me.0),
            started: now,
            heard_since: match &config.past {
                Some(past) => (past.since - HISTORY_SLACK).min(now),
                None => now,
            },
            now,
            members: Members::new(me, config.name.clone(), now),
            streams: BTreeMap::new(),
            followed: config
                .past
                .iter()
                .flat_map(|past| past.positions.iter().copied())
                .filter(|(origin, _)| *origin != me)
                .take(STREAMS_MAX)
                .collect(),
            gappy: BTreeMap::new(),
            missing: 0,
            partial_bytes: 0,
            unsent: config.first_sequence,
            queued_bytes: 0,
            pace: Pace::new(config.rate_max, now),
            clock: 0,
            number: 0,
            repairs: BTreeMap::new(),
            repairs_due: Instant::START,
            tail: None,
            repair_budget: Budget::new(repair_rate, REPAIR_BURST_BYTES.min(repair_rate), now),
            nack_budget: Budget::new(NACK_BYTES_PER_SECOND, NACK_BURST_BYTES, now),
            answered: Instant::START,
            line_gap: TAIL_LATE_MAX,
            said: now,
            heartbeat_due: now,
            answer_due: None,
            poll_next: true,
            shown_as: config.name.clone(),
            told_size: QuantisedSize::default(),
            asked_by: BTreeMap::new(),
            report_due: None,
            reported: Instant::START,
            sweep_due: now + SWEEP_INTERVAL,
            asleep: Instant::START,
            leaving: None,
            output: VecDeque::new(),
            is_work_due: false,
            scratch: Vec::new(),
            stats: Stats::default(),
            config,
        };
        session.members.set_relayed(false, session.is_relayed());
        let own = Stream::new(session.config.first_sequence, false, now, now);
        session.streams.insert(me, own);
        session.pace.set_relayed(session.is_relayed(), now);
        session.show_name_soon();
        session.work();
        session
    }

    /// As after a record: soon, again, and then less and less often.
    fn show_name_soon(&mut self) {
        let (step, wait) = self.tail_from(TAIL_RECORDS_AGAIN);
        self.tail = Some((step, self.now + wait));
    }

    /// Says `text` to the room. Texts said before the next [`Session::poll_output`] travel together.
    ///
    /// # Errors
    /// See [`SendError`]; nothing was said then.
    pub fn say(&mut self, text: &[u8], now: Instant) -> Result<MessageId, SendError> {
        self.now = self.now.max(now);
        if text.is_empty() || text.len() > MESSAGE_BYTES_MAX {
            return Err(SendError::Length);
        }
        if self.leaving.is_some() {
            return Err(SendError::Left);
        }
        if !self.can_say() {
            return Err(SendError::Busy);
        }
        self.clock = self.clock.wrapping_add(1);
        self.queued_bytes += text.len() as u64;
        let (me, clock, now) = (self.me, self.clock, self.now);
        let own = self.own();
        let fragments = text.len().div_ceil(RECORD_BODY_BYTES_MAX);
        for (index, body) in text.chunks(RECORD_BODY_BYTES_MAX).enumerate() {
            let record = Record {
                origin: me,
                sequence: own.top() as u32,
                clock,
                is_first: index == 0,
                is_last: index + 1 == fragments,
                body,
            };
            own.offer(&record, now, usize::MAX, now);
            // Our own records are handed out by saying them.
            while own.deliver(now).is_some() {}
        }
        let sequence = own.top() - 1;
        Ok(MessageId {
            origin: me,
            sequence,
        })
    }

    /// Whether there is room for one more text to wait to be sent.
    pub fn can_say(&self) -> bool {
        self.queued_bytes < QUEUED_BYTES_MAX
    }

    /// Lets go of what every member has, and of what is too much or too old.
    pub(super) fn trim_own(&mut self) {
        let reported = self.members.reported_by_all().unwrap_or(self.unsent);
        let (unsent, now) = (self.unsent, self.now);
        let own = self.own();
        own.trim(KEPT_BYTES_MAX, reported, now);
        own.trim(KEPT_BYTES_MAX_OWN, unsent, now);
    }

    fn own(&mut self) -> &mut Stream {
        let own = self.streams.get_mut(&self.me);
        own.expect("our own stream is always there")
    }

    /// Changes what the person is called; told to the others at once.
    pub fn rename(&mut self, name: String, now: Instant) {
        self.now = self.now.max(now);
        self.members.rename(name, self.now);
        self.note_shown_name();
        self.heartbeat_due = self.now;
        self.show_name_soon();
        self.work();
    }

    /// Whether its datagrams go through a relay.
    pub fn is_relayed(&self) -> bool {
        self.config.role.is_relayed()
    }

    /// Its datagrams go through a relay from now on, or no longer; told to the others at once.
    pub fn set_relayed(&mut self, is_relayed: bool, now: Instant) {
        self.now = self.now.max(now);
        self.members.set_relayed(self.is_relayed(), is_relayed);
        self.config.role = match is_relayed {
            true => Role::Relayed,
            false => Role::Member,
        };
        self.pace.set_relayed(is_relayed, self.now);
        self.heartbeat_due = self.now;
        self.work();
    }

    /// So many members are there besides those whom this session hears: one of role [`Role::Hosted`] need not hear the
    /// others who are hosted beside it.
    pub fn set_beside(&mut self, members: usize) {
        self.members.set_beside(members);
    }

    /// Leaves the room, once every member there has reported what was said last, or half a second has
    /// passed: told several times, so that it is heard. Drain outputs until [`Session::is_over`].
    pub fn leave(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let (due, until) = (self.now + LINGER_MAX, self.now + LEAVE_WAIT_MAX);
        self.leaving.get_or_insert(Leaving {
            sent: 0,
            due,
            until,
            unsent: self.unsent,
            until_all: self.now + LEAVE_WAIT_ALL,
        });
        self.work();
    }

    /// Whether the last leave was sent.
    pub fn is_over(&self) -> bool {
        self.leaving.is_some_and(|leaving| leaving.sent >= LEAVES)
    }

    /// Something happened.
    pub fn handle_input(&mut self, input: Input<'_>, now: Instant) {
        self.now = self.now.max(now);
        if let Input::Datagram { source, bytes } = input {
            match decode(bytes) {
                Ok((header, body))
                    if header.room_tag == self.config.room_tag && header.transmitter != self.me =>
                {
                    self.stats.heard += 1;
                    self.hear(source, &header, body);
                }
                // Our own datagram comes back from the group.
                Ok((header, _)) if header.transmitter == self.me => {}
                // Others look after files.
                Err(Malformed::OfFile) => {}
                Ok(_) | Err(_) => self.stats.ignored += 1,
            }
        }
        self.is_work_due = true;
    }

    /// The next thing to do for this session; `Wait` is always last.
    pub fn poll_output(&mut self) -> Output {
        // First what is heard and said, which somebody waits for; then what is due besides.
        if self.output.is_empty() && !self.is_silent() {
            self.send_new();
        }
        if self.output.is_empty() && std::mem::take(&mut self.is_work_due) {
            self.work();
        }
        match self.output.pop_front() {
            Some(output) => output,
            None => Output::Wait(self.wake()),
        }
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What tells this room's datagrams from others.
    pub fn room_tag(&self) -> u32 {
        self.config.room_tag
    }

    /// When this session began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The members there, other than this one.
    pub fn members(&self) -> impl Iterator<Item = MemberInfo> {
        self.members.live()
    }

    /// What is known of a member, also for a while after it has left; none before it told its name.
    pub fn member(&self, id: MemberId) -> Option<MemberInfo> {
        self.members.info(id)
    }

    /// Whether a member is there that told its name.
    pub fn is_there(&self, id: MemberId) -> bool {
        self.members.is_there(id)
    }

    /// How far each other member was heard: the first record that was not handed out, where a message begins. A
    /// member that is given these as its past goes on from there.
    pub fn positions(&self) -> impl Iterator<Item = (MemberId, u64)> {
        let streams = self.streams.iter().filter(|(id, _)| **id != self.me);
        streams.map(|(&id, stream)| (id, stream.position()))
    }

    /// The same of one of them, if it is heard.
    pub fn position(&self, id: MemberId) -> Option<u64> {
        self.streams.get(&id).map(Stream::position)
    }

    /// Bytes of texts that wait to be sent.
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes
    }

    /// The longest round trip to a member there.
    pub fn round_trip(&self) -> Micros {
        self.members.round_trip()
    }

    /// The time between two signs of life of a member that has nothing to say.
    pub fn idle_interval(&self) -> Micros {
        self.members.idle_interval()
    }

    /// How many bytes may be on the way to the slowest member at once.
    pub fn window_bytes(&self) -> u64 {
        self.pace.window()
    }

    /// Who has reported this message of ours. Counted are the members that were there when it was said; of those who left
    /// since, not who said so before it reported it.
    pub fn delivered(&self, message: MessageId) -> Delivered {
        let said = self.said_at(message);
        let record = message.sequence..=message.sequence;
        self.members.delivered(&record, (said, said))
    }

    /// The same of all that we said, to this message. Who came later is counted for what was said since.
    pub fn delivered_until(&self, message: MessageId) -> Delivered {
        let records = self.config.first_sequence..=message.sequence;
        let last = self.said_at(message);
        self.members.delivered(&records, (self.started, last))
    }

    /// How far those have come together who are there and may report this message of ours yet, to see whether anything comes on; none
    /// if nobody may.
    pub fn reporting(&self, message: MessageId) -> Option<u64> {
        self.members
            .reporting(message.sequence, self.said_at(message))
    }

    /// What the members are called that have not reported this message of ours.
    pub fn lacking(&self, message: MessageId) -> Vec<String> {
        self.members
            .lacking(message.sequence, self.said_at(message))
    }

    fn said_at(&self, message: MessageId) -> Instant {
        let own = &self.streams[&self.me];
        own.kept_since(message.sequence).unwrap_or(self.started)
    }

    /// Does everything that is due.
    fn work(&mut self) {
        self.send_leaves();
        if !self.is_silent() {
            self.send_new();
            self.send_signs_of_life();
            self.send_repairs();
            self.send_nacks();
            self.send_reports();
        }
        if self.sweep_due <= self.now {
            self.sweep();
        }
    }

    /// Puts a datagram out; gives its length in bytes.
    fn transmit(&mut self, body: &Body<'_>, wants_report: bool) -> usize {
        self.number = self.number.wrapping_add(1);
        let header = Header {
            room_tag: self.config.room_tag,
            transmitter: self.me,
            number: self.number,
            stamp_us: self.now.as_micros() as u32,
            age_ms: (self.now.since(self.started).0 / 1000) as u32,
            round_trip: self.members.quantised_round_trip(),
            group_size: QuantisedSize::of(self.members.len()),
            role: self.config.role,
            poll: std::mem::take(&mut self.poll_next),
            wants_report,
        };
        self.stats.sent += 1;
        let datagram = encode(&header, body);
        let bytes = datagram.len();
        self.output.push_back(Output::Transmit(datagram));
        bytes
    }

    /// Lets go what is old, gives up what cannot be had, and notices who is gone.
    fn sweep(&mut self) {
        if self.now.since(self.sweep_due) >= ASLEEP_MIN {
            self.asleep = self.now;
        }
        self.sweep_due = self.now + SWEEP_INTERVAL;
        let forgotten = self.members.forget(self.now);
        for id in self.members.silent(self.asleep, self.now) {
            self.output.push_back(Output::Event(Event::Left(id)));
        }
        self.advance_window();
        self.trim_own();
        let bytes_max = self.kept_bytes_max();
        for (&origin, stream) in &mut self.streams {
            if origin != self.me {
                stream.trim(bytes_max, u64::MAX, self.now);
                stream.give_up(self.now);
            }
        }
        let unknown = self.streams.iter().filter(|(origin, stream)| {
            let last = stream.active.max(stream.created);
            **origin != self.me
                && !self.members.is_known(**origin)
                && self.now.since(last) > MEMBER_KEPT
        });
        let unknown: Vec<MemberId> = unknown.map(|(&origin, _)| origin).collect();
        for origin in forgotten.into_iter().chain(unknown) {
            if let Some(stream) = self.streams.remove(&origin) {
                self.partial_bytes -= stream.partial_bytes();
                if self.followed.len() >= STREAMS_MAX {
                    self.followed.pop_front();
                }
                self.followed.push_back((origin, stream.position()));
            }
            self.note_gaps(origin);
        }
        let waiting = self.streams.iter().filter(|(_, s)| s.has_undelivered());
        let waiting: Vec<MemberId> = waiting.map(|(&origin, _)| origin).collect();
        for origin in waiting {
            self.deliver(origin);
            self.note_gaps(origin);
        }
        self.note_shown_name();
    }

    /// What of each other's records may be kept: where many talk, less of each.
    fn kept_bytes_max(&self) -> usize {
        let each = KEPT_BYTES_MAX_ALL / self.streams.len().max(1);
        each.clamp(KEPT_BYTES_MIN, KEPT_BYTES_MAX)
            .min(self.config.kept_bytes_max)
    }

    /// Tells the application if others see this member under another name now.
    fn note_shown_name(&mut self) {
        let shown = self.members.my_shown_name();
        let name = self.members.my_name();
        let suffix = self.shown_as.strip_prefix(name);
        let was_second = suffix.is_some_and(|suffix| suffix.starts_with('~'));
        // A new name of our own is no news, unless another has it.
        if shown != self.shown_as && (shown != name || was_second) {
            let event = Event::ShownAs(shown.clone());
            self.output.push_back(Output::Event(event));
        }
        self.shown_as = shown;
    }

    /// When to look again.
    fn wake(&mut self) -> Instant {
        if self.is_over() {
            return self.now + TAIL_MAX;
        }
        let mut wake = self.sweep_due;
        wake = self.leaving.map_or(wake, |leaving| wake.min(leaving.due));
        if self.is_silent() {
            return wake;
        }
        wake = wake.min(self.heartbeat_due);
        wake = self.answer_due.map_or(wake, |due| wake.min(due));
        wake = self.tail.map_or(wake, |(_, due)| wake.min(due));
        if self.has_unsent() {
            wake = wake.min(self.pace.wake(self.is_alone()));
        }
        wake = self.report_due.map_or(wake, |due| wake.min(due));
        wake = self
            .asked_by
            .values()
            .fold(wake, |wake, due| wake.min(*due));
        if !self.repairs.is_empty() {
            wake = wake.min(self.repairs_due.max(self.repair_budget.ready()));
        }
        let gappy = self.gappy.keys().filter_map(|o| self.streams.get(o));
        let nack_due = gappy.filter_map(Stream::due).min();
        let nack_due = nack_due.map(|due| due.max(self.nack_budget.ready()));
        nack_due.map_or(wake, |due| wake.min(due))
    }

    /// Only leaves are sent any more.
    fn is_silent(&self) -> bool {
        self.leaving.is_some_and(|leaving| leaving.sent > 0)
    }

    fn send_leaves(&mut self) {
        let Some(mut leaving) = self.leaving else {
            return;
        };
        if self.unsent > leaving.unsent {
            leaving.unsent = self.unsent;
            leaving.until = (self.now + LEAVE_WAIT_MAX).min(leaving.until_all);
        }
        if leaving.sent == 0 && self.has_unsent() && self.now < leaving.until {
            leaving.due = (self.now + LINGER_MAX).min(leaving.until);
            self.leaving = Some(leaving);
        }
        let Leaving { sent, due, .. } = leaving;
        let has_nothing_to_wait_for = self.unsent == self.config.first_sequence
            || self.members.len() == 1
            || self.members.all_have(self.unsent);
        let is_heard = !self.has_unsent() && has_nothing_to_wait_for;
        if sent < LEAVES && (due <= self.now || sent == 0 && is_heard) {
            let (next, report) = (self.unsent as u32, self.report_entries());
            self.transmit(&Body::Leave(Leave { next, report }), false);
            self.leaving = Some(Leaving {
                sent: sent + 1,
                due: self.now + LEAVE_INTERVAL,
                ..leaving
            });
        }
    }

    fn has_unsent(&self) -> bool {
        self.unsent < self.streams[&self.me].top()
    }

    /// Nobody is there, or waited for, who would report.
    fn is_alone(&self) -> bool {
        self.members.slowest().is_none()
    }

    fn advance_window(&mut self) {
        let top = self.members.slowest().unwrap_or(self.unsent);
        self.pace.arrived(top, self.now);
    }

    fn is_small_group(&self) -> bool {
        self.members.len() <= SMALL_GROUP_MAX
    }

    /// Whether we have just come.
    fn is_gathering(&self) -> bool {
        self.now.since(self.started) < GATHER
    }

    /// How long to wait with a nack for this origin's records.
    fn backoff(&mut self, origin: MemberId) -> Micros {
        // Who has just come knows few of the members yet.
        let told = match self.is_gathering() {
            true => self.told_size.size(),
            false => 0,
        };
        let round_trip = self.members.round_trip_of(origin);
        group_backoff(self.members.len().max(told), round_trip, &mut self.random)
    }

    fn soon(&mut self, within: Micros) -> Instant {
        self.now + within.mul_f64(self.random.random_range(0.1..1.0))
    }
}
