//! What a session does with what it hears.

use std::net::SocketAddr;

use super::{Event, MessageId, Output, Session};
use crate::chat::UserName;
use crate::multicast::config::{
    ASKED_SPREAD_EACH, CATCH_UP_AFTER, FLOW_GAP_MAX, MISSING_MAX, NAME_WAIT, PARTIAL_BYTES_MAX,
    PEER_REPAIR_WAIT, POLL_ANSWER_INTERVAL, POLL_ANSWER_MAX, REPAIR_HOLD, REPAIRS_WAITING_MAX,
    REPORT_INTERVAL, REPORT_SOON, RIDE_ALONG_WAIT_MAX, SEQUENCES_AHEAD_MAX, STREAMS_MAX,
};
use crate::multicast::membership::{Heard, ROUND_TRIP_MAX};
use crate::multicast::nack::retry_spread;
use crate::multicast::packet::{
    Body, Header, Heartbeat, MemberId, NackEntry, Record, Records, ReportEntry, Role,
};
use crate::multicast::progress::Reported;
use crate::multicast::stream::{Delivery, Offer, Stream, expand};
use crate::time::{Instant, Micros};

impl Session {
    pub(super) fn hear(&mut self, source: SocketAddr, header: &Header, body: Body<'_>) {
        let from = header.transmitter;
        let heard = self.members.heard(source, header, self.unsent, self.now);
        if heard == Heard::TooMany {
            self.stats.ignored += 1;
            return;
        }
        self.told_size = header.group_size;
        if heard == Heard::New || header.poll {
            self.answer_soon();
        }
        let origin_started = self.now - Micros::from_millis(header.age_ms.into());
        match body {
            Body::Data(records) => {
                if let Some(last) = records.last() {
                    // A younger member begins with what is said now, not with what rides along.
                    self.follow(from, origin_started, last.sequence);
                    self.catch_up(from, last.sequence);
                }
                self.hear_records(records);
            }
            // Of an origin that we do not follow a report tells where to begin.
            Body::Repair(records) => self.hear_records(records),
            Body::Heartbeat(heartbeat) => self.hear_heartbeat(from, origin_started, &heartbeat),
            Body::Report(entries) => entries
                .iter()
                .for_each(|entry| self.hear_report(from, entry)),
            Body::Nack(entries) => entries.iter().for_each(|entry| self.hear_nack(entry)),
            Body::Leave(leave) => {
                self.hear_of(from, origin_started, leave.next);
                let report = leave.report.iter();
                report.for_each(|entry| self.hear_report(from, entry));
                self.let_go(from);
            }
        }
        if header.wants_report && self.streams.contains_key(&from) {
            self.report_at_once(from);
        }
    }

    /// Whoever comes should hear of us soon; so should who asks. But not more often than is useful, and in
    /// a large group not more often than the network's share for signs of life allows.
    fn answer_soon(&mut self) {
        let (within, interval) = match self.is_small_group() {
            true => (POLL_ANSWER_MAX, POLL_ANSWER_INTERVAL),
            false => {
                let share = self.members.heartbeat_share();
                (share.max(POLL_ANSWER_MAX), share.max(POLL_ANSWER_INTERVAL))
            }
        };
        let due = self.soon(within).max(self.answered + interval);
        self.answer_due = Some(self.answer_due.map_or(due, |was| was.min(due)));
    }

    fn hear_heartbeat(&mut self, from: MemberId, origin_started: Instant, heartbeat: &Heartbeat) {
        if let Some(replaced) = self.members.replaced(from, heartbeat.replaces) {
            self.let_go(replaced);
        }
        // A name that nobody can have here might pass for a line of somebody else.
        let is_nobody = self.members.is_observer(from);
        if !is_nobody && heartbeat.name.parse::<UserName>().is_err() {
            self.stats.ignored += 1;
        } else if !is_nobody
            && let Some(event) = self.members.named(from, &heartbeat.name, self.now)
        {
            self.output.push_back(Output::Event(event));
            self.note_shown_name();
            // What it said before it was known by name.
            self.deliver(from);
        }
        self.catch_up(from, heartbeat.next);
        self.hear_of(from, origin_started, heartbeat.next);
    }

    /// Who was away while an origin said more than can be asked for goes on with what it says now.
    fn catch_up(&mut self, origin: MemberId, live: u32) {
        let Some(stream) = self.streams.get_mut(&origin) else {
            return;
        };
        let live = stream.expand(live);
        if live <= stream.next() + SEQUENCES_AHEAD_MAX {
            stream.far_since = None;
            return;
        }
        let since = *stream.far_since.get_or_insert(self.now);
        if self.now.since(since) < CATCH_UP_AFTER {
            return;
        }
        self.partial_bytes -= stream.partial_bytes();
        let gap = stream.skip_to(live, self.now);
        self.output.push_back(handed_out(origin, gap));
        self.note_gaps(origin);
    }

    /// A member is gone.
    fn let_go(&mut self, id: MemberId) {
        if self.members.left(id, self.now, self.now) {
            self.output.push_back(Output::Event(Event::Left(id)));
            self.note_shown_name();
        }
        self.advance_window();
    }

    /// The answers of several are spread over a time that grows with the group, so that the network can
    /// carry all, and none stands in the way of what made them.
    fn report_at_once(&mut self, to: MemberId) {
        let due = match self.members.len() {
            ..=2 => self.now,
            members => self.soon(Micros(ASKED_SPREAD_EACH.0 * members as u64)),
        };
        self.asked_by.entry(to).or_insert(due);
    }

    fn hear_records(&mut self, records: Records<'_>) {
        let mut is_new = false;
        let mut is_talk = false;
        let mut of: Option<MemberId> = None;
        for record in records {
            if record.origin == self.me {
                continue;
            }
            if of != Some(record.origin) {
                of.into_iter().for_each(|origin| self.records_heard(origin));
                of = Some(record.origin);
            }
            let active = self.streams.get(&record.origin).map(|s| s.active);
            if self.hear_record(&record) {
                is_new = true;
                is_talk |= active.is_some_and(|at| self.now.since(at) > FLOW_GAP_MAX);
            }
        }
        of.into_iter().for_each(|origin| self.records_heard(origin));
        if is_new {
            self.report_later(is_talk);
        }
    }

    fn records_heard(&mut self, origin: MemberId) {
        self.deliver(origin);
        self.note_gaps(origin);
    }

    /// Begins to follow an origin, unless that is done: where we or a history stopped, or with its first record if
    /// either was here before it, else with `live`. What is too far back is told as a gap.
    fn follow(&mut self, origin: MemberId, origin_started: Instant, live: u32) {
        // An observer hears for who is hosted.
        let is_hosted = self.config.role == Role::Hosted;
        // Anybody can tell of origins that there never were: they take no place of who speaks itself.
        let is_told_of = !self.members.is_known(origin);
        let is_full = is_told_of && self.streams.len() >= STREAMS_MAX;
        if is_hosted || is_full || self.streams.contains_key(&origin) {
            return;
        }
        let first = self.config.first_sequence;
        let was_here = self.heard_since <= origin_started;
        let mut followed = self.followed.iter();
        let known = followed.position(|(id, _)| *id == origin);
        let known = known.and_then(|index| self.followed.remove(index));
        let known = known.map(|(_, position)| position);
        let start = match known.or(was_here.then_some(first)) {
            // Nothing is known yet of how often it has wrapped.
            None => first + u64::from(live.wrapping_sub(first as u32)),
            Some(known) => {
                let live = expand(live, known);
                let too_far = live.saturating_sub(known + SEQUENCES_AHEAD_MAX) > 0;
                if too_far {
                    self.output.push_back(Output::Event(Event::Gap {
                        origin,
                        first: known,
                        records: live - known,
                    }));
                }
                if too_far { live } else { known }
            }
        };
        let mut stream = Stream::new(start, start != first, origin_started, self.now);
        if known.is_some() {
            stream.past_end = expand(live, start);
        }
        self.streams.insert(origin, stream);
    }

    /// Takes a record. True if it is new.
    fn hear_record(&mut self, record: &Record<'_>) -> bool {
        let origin = record.origin;
        let Some(stream) = self.streams.get(&origin) else {
            return false;
        };
        let sequence = stream.expand(record.sequence);
        // In order, nothing needs to be reckoned.
        let claimed = sequence.saturating_sub(stream.top());
        let due = match claimed {
            0 => self.now,
            _ if claimed > self.claims_left() => {
                self.stats.ignored += 1;
                return false;
            }
            _ => self.now + self.backoff(origin),
        };
        let bytes_max = self.kept_bytes_max();
        let Some(stream) = self.streams.get_mut(&origin) else {
            return false;
        };
        let missing = stream.missing_count();
        let offer = stream.offer(record, due, bytes_max, self.now);
        match offer {
            Offer::New => {
                if record.clock.wrapping_sub(self.clock) as i32 > 0 {
                    self.clock = record.clock;
                }
                self.stats.recovered_records += u64::from(stream.missing_count() < missing);
            }
            Offer::Known => self.stats.known_records += 1,
            Offer::TooFarAhead | Offer::NoRoom => self.stats.ignored += 1,
        }
        if claimed > 0 {
            self.note_gaps(origin);
        }
        // Whoever it came from, nobody need repair it now.
        if let Some(due) = self.repairs.get(&(origin, sequence))
            && *due > self.now
        {
            self.repairs.remove(&(origin, sequence));
        }
        offer == Offer::New
    }

    /// Learns from anyone that an origin has said everything before `next`.
    fn hear_of(&mut self, origin: MemberId, origin_started: Instant, next: u32) {
        if origin == self.me {
            return;
        }
        self.follow(origin, origin_started, next);
        let Some(stream) = self.streams.get(&origin) else {
            return;
        };
        let top = stream.expand(next);
        let claimed = top.saturating_sub(stream.top());
        if claimed == 0 {
            return;
        }
        // While lines come, the next datagram may bring what is missing.
        let backoff = self.backoff(origin);
        let room = self.claims_left();
        let Some(stream) = self.streams.get_mut(&origin) else {
            return;
        };
        let wait = match self.now.since(stream.active) < RIDE_ALONG_WAIT_MAX {
            true => backoff + RIDE_ALONG_WAIT_MAX,
            false => backoff,
        };
        if claimed > room || !stream.exists(top, self.now + wait, self.now) {
            self.stats.ignored += 1;
        }
        self.note_gaps(origin);
    }

    /// How many more records may be claimed to exist: claims are cheap to forge.
    fn claims_left(&self) -> u64 {
        MISSING_MAX.saturating_sub(self.missing) as u64
    }

    fn hear_report(&mut self, from: MemberId, entry: &ReportEntry) {
        if entry.origin != self.me {
            let started = self.now - Micros::from_millis(entry.age_ms.into());
            self.hear_of(entry.origin, started, entry.top);
            return;
        }
        let known = |low| expand(low, self.unsent).min(self.unsent);
        let (next, top) = (known(entry.next), known(entry.top));
        let lost = known(entry.lost.0)..known(entry.lost.1);
        let loss = entry.loss.share();
        let round_trip = (entry.echo_delay_us != u32::MAX).then(|| {
            let stamp = self.now.as_micros() as u32;
            let round_trip = stamp
                .wrapping_sub(entry.echo_stamp_us)
                .wrapping_sub(entry.echo_delay_us);
            Micros(round_trip.into())
        });
        // More is a clock's mistake or a lie.
        let round_trip = round_trip.filter(|time| *time <= ROUND_TRIP_MAX);
        let queue_delay = round_trip.map(|time| self.members.measured(from, time, self.now));
        let queue_delay = queue_delay.filter(|_| self.members.is_slowest(from));
        self.pace.reported(queue_delay, loss);
        let is_flowing = self.has_unsent() && self.pace.is_used();
        if self.members.note_slow(from, is_flowing, self.now) {
            self.output.push_back(Output::Event(Event::Slow(from)));
        }
        let told = Reported { next, top, lost };
        self.members.reported(from, &told, loss, self.now);
        self.advance_window();
    }

    /// Somebody misses something: we wait with asking for the same, and repair what we have.
    fn hear_nack(&mut self, entry: &NackEntry) {
        let is_mine = entry.origin == self.me;
        let is_there = is_mine || self.members.is_live(entry.origin, self.now);
        let round_trip = self.members.round_trip_of(entry.origin);
        let hold = REPAIR_HOLD.max(round_trip);
        let due = match (is_mine, is_there) {
            (true, _) => self.now,
            (false, true) => self.now + PEER_REPAIR_WAIT + self.backoff(entry.origin),
            (false, false) => self.now + self.backoff(entry.origin),
        };
        let Some(stream) = self.streams.get_mut(&entry.origin) else {
            return;
        };
        let base = stream.expand(entry.base);
        let spread = retry_spread(&mut self.random);
        for sequence in bits(&entry.bitmap).map(|bit| base + bit) {
            stream.heard_nack(sequence, round_trip, spread, self.now);
            let Some(kept) = stream.kept(sequence) else {
                continue;
            };
            if is_mine && sequence >= self.unsent || self.now.since(kept.seen) < hold {
                continue;
            }
            let key = (entry.origin, sequence);
            if self.repairs.len() >= REPAIRS_WAITING_MAX && !self.repairs.contains_key(&key) {
                return;
            }
            self.repairs
                .entry(key)
                .and_modify(|was| *was = due.min(*was))
                .or_insert(due);
            self.repairs_due = self.repairs_due.min(due);
        }
    }

    pub(super) fn deliver(&mut self, origin: MemberId) {
        let is_named = self.members.is_named(origin);
        let Some(stream) = self.streams.get_mut(&origin) else {
            return;
        };
        // A heartbeat soon tells the name.
        if !is_named && self.now < stream.created + NAME_WAIT {
            return;
        }
        let partial_bytes = stream.partial_bytes();
        let mut is_lost = false;
        while let Some(delivery) = stream.deliver(self.now) {
            is_lost |= matches!(delivery, Delivery::Gap { .. });
            self.output.push_back(handed_out(origin, delivery));
        }
        self.partial_bytes = self.partial_bytes + stream.partial_bytes() - partial_bytes;
        if is_lost {
            // Else its origin would take it for delivered.
            self.report_later(true);
        }
        while self.partial_bytes > PARTIAL_BYTES_MAX && self.give_up_partial() {}
    }

    /// Of the messages that are not yet whole, the one to which nothing was added for longest is lost. False if all are whole.
    fn give_up_partial(&mut self) -> bool {
        let unfinished = self.streams.iter_mut();
        let unfinished = unfinished.filter(|(_, stream)| stream.partial_bytes() > 0);
        let Some((&origin, stream)) = unfinished.min_by_key(|(_, stream)| stream.active) else {
            return false;
        };
        self.partial_bytes -= stream.partial_bytes();
        let lost = stream.give_up_partial(self.now);
        self.output.push_back(handed_out(origin, lost));
        true
    }

    /// What an origin's stream misses may have changed.
    pub(super) fn note_gaps(&mut self, origin: MemberId) {
        let stream = self.streams.get(&origin);
        let missing = stream.map_or(0, Stream::missing_count);
        let before = match missing {
            0 if self.gappy.is_empty() => return,
            0 => self.gappy.remove(&origin),
            _ => self.gappy.insert(origin, missing),
        };
        self.missing = self.missing + missing - before.unwrap_or(0);
    }

    /// In a small group a line of talk is reported soon, a flow now and then; in a large one all reports
    /// stay within the share that signs of life have.
    fn report_later(&mut self, is_talk: bool) {
        let interval = self.members.idle_interval();
        let due = match self.is_small_group() {
            true if is_talk => self.soon(REPORT_SOON),
            true => (self.reported + REPORT_INTERVAL).max(self.soon(REPORT_SOON)),
            false => (self.reported + interval).max(self.soon(interval)),
        };
        let due = self.report_due.map_or(due, |was| was.min(due));
        self.report_due = Some(due);
    }
}

/// What the application is told of it.
fn handed_out(origin: MemberId, delivery: Delivery) -> Output {
    Output::Event(match delivery {
        Delivery::Message {
            sequence,
            clock,
            text,
        } => Event::Message {
            id: MessageId { origin, sequence },
            clock,
            text,
        },
        Delivery::Gap { first, records } => Event::Gap {
            origin,
            first,
            records,
        },
    })
}

/// The positions of the bits that are set.
fn bits(bitmap: &[u8]) -> impl Iterator<Item = u64> {
    let bytes = bitmap.iter().zip(0_u64..);
    bytes.flat_map(|(byte, at)| {
        (0..8)
            .filter(move |bit| byte >> bit & 1 == 1)
            .map(move |bit| 8 * at + bit)
    })
}
