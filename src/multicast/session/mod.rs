//! One member of a reliable room. What it may rely on: every line said by any member reaches every
//! member that stays reachable, exactly once, in the order its sender said it; what can no longer be
//! had is told as a gap.
//!
//! NACK-based, in the line of SRM (Floyd et al., 1997) and NORM (RFC 5740, RFC 5401): only who misses
//! something speaks. Change a session, then drain [`Session::poll_output`] until it says `Wait`.

mod receiver;
mod sender;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::budget::Budget;
use super::config::{
    GIVE_UP_WAIT, KEPT_AGE_MAX, KEPT_BYTES_MAX, LEAVE_INTERVAL, LEAVES, MESSAGE_BYTES_MAX,
    RECORD_BODY_BYTES_MAX, REPAIR_BURST_BYTES, REPAIR_BYTES_PER_SECOND, STREAMS_MAX,
    SWEEP_INTERVAL, TAIL_FIRST, TAIL_LATE_MAX, TAIL_MAX, TAIL_RECORDS_AGAIN,
};
use super::membership::Members;
use super::nack::group_backoff;
use super::packet::{Body, Header, MemberId, Record, decode, encode};
use super::stream::Stream;
use crate::time::{Instant, Micros};

/// What a session is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Tells this room's datagrams from a stray group's.
    pub room_tag: u32,
    /// What the person is called, at most 128 bytes.
    pub name: String,
    /// The sequence that every member of the room begins with: 1, but for a simulator that wants to
    /// see them wrap.
    pub first_sequence: u64,
    /// Whether this member repairs anything; only a test of the tests switches it off.
    pub repairs: bool,
}

/// What happens to a session.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A datagram came.
    Datagram {
        /// Where from.
        source: SocketAddr,
        /// What it holds; hostile until parsed.
        bytes: &'a [u8],
    },
    /// The time of the last `Wait` has come, or it is time to look.
    Timeout,
}

/// What is to be done for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram to the group.
    Transmit(Vec<u8>),
    /// Tell the application.
    Event(Event),
    /// Nothing more until a datagram comes, something is said, or this time.
    Wait(Instant),
}

/// A message, by whom and as which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// Who said it.
    pub origin: MemberId,
    /// The sequence of its last record.
    pub sequence: u64,
}

/// What the application is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member is there.
    Joined(MemberId, String),
    /// A member calls itself something else.
    Renamed(MemberId, String),
    /// A member has left, or was not heard for long.
    Left(MemberId),
    /// Somebody said something.
    Message {
        /// By whom, as which.
        id: MessageId,
        /// The origin's logical clock.
        clock: u32,
        /// UTF-8 if the origin is honest.
        text: Vec<u8>,
    },
    /// So many records of this member can no longer be had from anyone.
    Gap(MemberId, u64),
}

/// Why a text was not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Blank, or longer than 64 KiB.
    #[error("a message has 1 to 65536 bytes")]
    Length,
    /// The session has left the room.
    #[error("the room was left")]
    Left,
}

/// What went through a session so far, in datagrams unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sent, of every kind.
    pub sent: u64,
    /// Heard from others, well formed.
    pub heard: u64,
    /// Of another dialect, version or room, or damaged.
    pub ignored: u64,
    /// Nacks sent.
    pub nacks: u64,
    /// Records repaired, our own and others'.
    pub repaired_records: u64,
    /// Records that came again.
    pub known_records: u64,
}

/// Who has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Members that reported it.
    pub by: usize,
    /// Members there.
    pub of: usize,
}

/// A member that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberInfo<'a> {
    /// Which.
    pub id: MemberId,
    /// What it calls itself; not safe to show as it is.
    pub name: &'a str,
    /// Where it last spoke from.
    pub address: SocketAddr,
    /// To it and back, smoothed; none before it was measured.
    pub round_trip: Option<Micros>,
}

/// One member's side of a room.
#[derive(Debug)]
pub struct Session {
    me: MemberId,
    config: Config,
    random: SmallRng,
    started: Instant,
    now: Instant,
    members: Members,
    streams: BTreeMap<MemberId, Stream>,
    /// How far origins were followed that were forgotten since: what they said is not handed out again.
    followed: BTreeMap<MemberId, u64>,
    /// Streams that miss something.
    gappy: BTreeSet<MemberId>,
    /// Our first record that was not sent yet.
    unsent: u64,
    clock: u32,
    number: u32,
    /// Records to repair, and when.
    repairs: BTreeMap<(MemberId, u64), Instant>,
    /// How many signs of life followed the last record, and when the next is due.
    tail: Option<(u32, Instant)>,
    repair_budget: Budget,
    /// When the last sign of life was given.
    answered: Instant,
    /// The time between our last records, smoothed: a tail has not begun before the next is late.
    line_gap: Micros,
    said: Instant,
    heartbeat_due: Instant,
    poll_next: bool,
    report_due: Option<Instant>,
    reported: Instant,
    sweep_due: Instant,
    leaves: Option<(u32, Instant)>,
    output: VecDeque<Output>,
    stats: Stats,
}

impl Session {
    /// A member that joins now. `me` must differ from every other session's; `seed` spreads its waits.
    pub fn new(me: MemberId, config: Config, seed: u64, now: Instant) -> Self {
        let mut session = Self {
            me,
            random: SmallRng::seed_from_u64(seed ^ me.0),
            started: now,
            now,
            members: Members::default(),
            streams: BTreeMap::new(),
            followed: BTreeMap::new(),
            gappy: BTreeSet::new(),
            unsent: config.first_sequence,
            clock: 0,
            number: 0,
            repairs: BTreeMap::new(),
            // A newcomer shows itself as after a record: soon, again, and then less and less often.
            tail: Some((TAIL_RECORDS_AGAIN, now + TAIL_FIRST)),
            repair_budget: Budget::new(REPAIR_BYTES_PER_SECOND, REPAIR_BURST_BYTES, now),
            answered: Instant::START,
            line_gap: TAIL_LATE_MAX,
            said: now,
            heartbeat_due: now,
            poll_next: true,
            report_due: None,
            reported: Instant::START,
            sweep_due: now + SWEEP_INTERVAL,
            leaves: None,
            output: VecDeque::new(),
            stats: Stats::default(),
            config,
        };
        let own = Stream::new(session.config.first_sequence, false, now, now);
        session.streams.insert(me, own);
        session.work();
        session
    }

    /// Says `text` to the room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing was said then.
    pub fn say(&mut self, text: &[u8], now: Instant) -> Result<MessageId, SendError> {
        self.now = self.now.max(now);
        if text.is_empty() || text.len() > MESSAGE_BYTES_MAX {
            return Err(SendError::Length);
        }
        if self.leaves.is_some() {
            return Err(SendError::Left);
        }
        self.clock = self.clock.wrapping_add(1);
        let fragments = text.len().div_ceil(RECORD_BODY_BYTES_MAX);
        for (index, body) in text.chunks(RECORD_BODY_BYTES_MAX).enumerate() {
            let own = self
                .streams
                .get_mut(&self.me)
                .expect("our own stream is always there");
            let record = Record {
                origin: self.me,
                sequence: own.top() as u32,
                clock: self.clock,
                is_first: index == 0,
                is_last: index + 1 == fragments,
                body: Bytes::copy_from_slice(body),
            };
            own.offer(record, self.now, self.now);
            // Our own records are handed out by saying them.
            while own.deliver().is_some() {}
        }
        let sequence = self.streams[&self.me].top() - 1;
        self.work();
        Ok(MessageId {
            origin: self.me,
            sequence,
        })
    }

    /// Changes what the person is called; told to the others at once.
    pub fn rename(&mut self, name: String, now: Instant) {
        self.now = self.now.max(now);
        self.config.name = name;
        self.heartbeat_due = self.now;
        self.tail = Some((TAIL_RECORDS_AGAIN, self.now + TAIL_FIRST));
        self.work();
    }

    /// Leaves the room: told three times, so that it is heard. Drain outputs until
    /// [`Session::is_over`].
    pub fn leave(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.leaves.get_or_insert((0, now));
        self.work();
    }

    /// Whether the last leave was sent.
    pub fn is_over(&self) -> bool {
        self.leaves.is_some_and(|(sent, _)| sent >= LEAVES)
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
                Ok(_) | Err(_) => self.stats.ignored += 1,
            }
        }
        self.work();
    }

    /// The next thing to do for this session; `Wait` is always last.
    pub fn poll_output(&mut self) -> Output {
        match self.output.pop_front() {
            Some(output) => output,
            None => Output::Wait(self.wake()),
        }
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The members there, other than this one.
    pub fn members(&self) -> impl Iterator<Item = MemberInfo<'_>> {
        self.members.live()
    }

    /// Who has reported this message of ours.
    pub fn delivered(&self, message: MessageId) -> Delivered {
        self.members.delivered(message.sequence)
    }

    /// Does everything that is due.
    fn work(&mut self) {
        if let Some((sent, due)) = self.leaves {
            if sent < LEAVES && due <= self.now {
                self.report();
                self.transmit(&Body::Leave(self.unsent as u32));
                self.leaves = Some((sent + 1, self.now + LEAVE_INTERVAL));
            }
        } else {
            self.send_new();
            self.send_signs_of_life();
        }
        self.send_repairs();
        self.send_nacks();
        if self.report_due.is_some_and(|due| due <= self.now) {
            self.report();
        }
        if self.sweep_due <= self.now {
            self.sweep();
        }
    }

    fn transmit(&mut self, body: &Body) {
        self.number = self.number.wrapping_add(1);
        let header = Header {
            room_tag: self.config.room_tag,
            transmitter: self.me,
            number: self.number,
            stamp_us: self.now.as_micros() as u32,
            age_ms: (self.now.since(self.started).0 / 1000) as u32,
            poll: std::mem::take(&mut self.poll_next),
        };
        self.stats.sent += 1;
        self.output
            .push_back(Output::Transmit(encode(&header, body)));
    }

    /// Lets go what is old, gives up what cannot be had, and notices who is gone.
    fn sweep(&mut self) {
        self.sweep_due = self.now + SWEEP_INTERVAL;
        for id in self.members.silent(self.now) {
            self.output.push_back(Output::Event(Event::Left(id)));
        }
        let forgotten = self.members.forget(self.now);
        for (&origin, stream) in &mut self.streams {
            stream.trim(KEPT_AGE_MAX, KEPT_BYTES_MAX, self.now);
            if origin != self.me {
                stream.give_up(GIVE_UP_WAIT, self.now);
            }
        }
        for origin in forgotten {
            if let Some(stream) = self.streams.remove(&origin)
                && self.followed.len() < STREAMS_MAX
            {
                self.followed.insert(origin, stream.next());
            }
            self.gappy.remove(&origin);
        }
        for origin in self.gappy.clone() {
            self.deliver(origin);
            self.note_gaps(origin);
        }
    }

    /// When to look again.
    fn wake(&mut self) -> Instant {
        if self.is_over() {
            return self.now + TAIL_MAX;
        }
        let mut wake = self.sweep_due;
        match self.leaves {
            Some((_, due)) => wake = wake.min(due),
            None => {
                wake = wake.min(self.heartbeat_due);
                wake = self.tail.map_or(wake, |(_, due)| wake.min(due));
            }
        }
        wake = self.report_due.map_or(wake, |due| wake.min(due));
        if let Some(due) = self.repairs.values().min() {
            wake = wake.min((*due).max(self.repair_budget.ready()));
        }
        for origin in &self.gappy {
            if let Some(stream) = self.streams.get_mut(origin) {
                wake = stream
                    .missing()
                    .fold(wake, |wake, (_, missing)| wake.min(missing.due));
            }
        }
        wake
    }

    fn backoff(&mut self) -> Micros {
        group_backoff(
            self.members.len(),
            self.members.round_trip(),
            &mut self.random,
        )
    }

    fn soon(&mut self, within: Micros) -> Instant {
        self.now + within.mul_f64(self.random.random_range(0.1..1.0))
    }
}
