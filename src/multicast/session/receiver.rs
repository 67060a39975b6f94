//! What a session does with what it hears.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::{Event, MessageId, Output, Session};
use crate::multicast::config::{
    MISSING_MAX, NACK_RETRY_MAX, PEER_REPAIR_WAIT, POLL_ANSWER_INTERVAL, POLL_ANSWER_MAX,
    REPAIR_HOLD, REPORT_INTERVAL, REPORT_SOON, RIDE_ALONG_WAIT_MAX, SEQUENCES_AHEAD_MAX,
    STREAMS_MAX,
};
use crate::multicast::packet::{Body, Header, MemberId, NackEntry, Record, ReportEntry};
use crate::multicast::stream::{Delivery, Offer, Stream, expand};
use crate::time::{Instant, Micros};

impl Session {
    pub(super) fn hear(&mut self, source: SocketAddr, header: &Header, body: Body) {
        let from = header.transmitter;
        let heard = self.members.heard(from, source, header, self.now);
        let Some(is_new) = heard else {
            self.stats.ignored += 1;
            return;
        };
        if is_new || header.poll {
            // Whoever comes should hear of us soon; so should who asks, but not more often than is useful.
            let due = self
                .soon(POLL_ANSWER_MAX)
                .max(self.answered + POLL_ANSWER_INTERVAL);
            self.heartbeat_due = self.heartbeat_due.min(due);
        }
        let origin_started = self.now - Micros::from_millis(header.age_ms.into());
        match body {
            Body::Data(records) => self.hear_data(from, origin_started, records),
            Body::Repair(records) => {
                for record in records {
                    let origin = record.origin;
                    // Of an origin that we do not follow a report tells where to begin.
                    if origin != self.me && self.streams.contains_key(&origin) {
                        self.hear_record(origin, record);
                    }
                }
            }
            Body::Heartbeat(heartbeat) => {
                let event = self.members.named(from, heartbeat.name);
                self.output.extend(event.map(Output::Event));
                self.hear_of(from, origin_started, heartbeat.next);
            }
            Body::Report(entries) => entries
                .iter()
                .for_each(|entry| self.hear_report(from, entry)),
            Body::Nack(entries) => entries.iter().for_each(|entry| self.hear_nack(entry)),
            Body::Leave(next) => {
                self.hear_of(from, origin_started, next);
                if self.members.left(from, self.now) {
                    self.output.push_back(Output::Event(Event::Left(from)));
                }
            }
        }
    }

    fn hear_data(&mut self, from: MemberId, origin_started: Instant, records: Vec<Record>) {
        if let Some(last) = records.last() {
            // A younger member begins with what is said now, not with what rides along.
            self.follow(from, origin_started, last.sequence);
        }
        for record in records {
            self.hear_record(from, record);
        }
    }

    /// Begins to follow an origin, unless that is done: where we stopped, or with its first record if we
    /// were here before it, else with `live`. What is too far back is told as a gap.
    fn follow(&mut self, origin: MemberId, origin_started: Instant, live: u32) {
        if self.streams.contains_key(&origin) || self.streams.len() >= STREAMS_MAX {
            return;
        }
        let first = self.config.first_sequence;
        let was_here = self.started <= origin_started;
        let known = self.followed.remove(&origin);
        let start = match known.or(was_here.then_some(first)) {
            None => expand(live, first),
            Some(known) => {
                let live = expand(live, known);
                let too_far = live.saturating_sub(known + SEQUENCES_AHEAD_MAX) > 0;
                if too_far {
                    let gap = Event::Gap(origin, live - known);
                    self.output.push_back(Output::Event(gap));
                }
                if too_far { live } else { known }
            }
        };
        let stream = Stream::new(start, start != first, origin_started, self.now);
        self.streams.insert(origin, stream);
    }

    fn hear_record(&mut self, origin: MemberId, record: Record) {
        let due = self.now + self.backoff();
        let room = self.claims_left();
        let Some(stream) = self.streams.get_mut(&origin) else {
            return;
        };
        let sequence = stream.expand(record.sequence);
        let clock = record.clock;
        let claimed = sequence.saturating_sub(stream.top());
        if claimed > room {
            self.stats.ignored += 1;
            return;
        }
        match stream.offer(record, due, self.now) {
            Offer::New => {
                if clock.wrapping_sub(self.clock) as i32 > 0 {
                    self.clock = clock;
                }
                self.deliver(origin);
                self.report_later();
            }
            Offer::Known => self.stats.known_records += 1,
            Offer::TooFarAhead => self.stats.ignored += 1,
        }
        // Whoever it came from, nobody need repair it now.
        if let Some(due) = self.repairs.get(&(origin, sequence))
            && *due > self.now
        {
            self.repairs.remove(&(origin, sequence));
        }
        self.note_gaps(origin);
    }

    /// Learns from anyone that an origin has said everything before `next`.
    fn hear_of(&mut self, origin: MemberId, origin_started: Instant, next: u32) {
        if origin == self.me {
            return;
        }
        self.follow(origin, origin_started, next);
        // While lines come, the next datagram may bring what is missing.
        let backoff = self.backoff();
        let room = self.claims_left();
        let Some(stream) = self.streams.get_mut(&origin) else {
            return;
        };
        let wait = match self.now.since(stream.active) < RIDE_ALONG_WAIT_MAX {
            true => backoff + RIDE_ALONG_WAIT_MAX,
            false => backoff,
        };
        let top = stream.expand(next);
        let claimed = top.saturating_sub(stream.top());
        if claimed > room || claimed > 0 && !stream.exists(top, self.now + wait, self.now) {
            self.stats.ignored += 1;
        }
        self.note_gaps(origin);
    }

    /// How many more records may be claimed to exist: claims are cheap to forge.
    fn claims_left(&self) -> u64 {
        let gappy = self
            .gappy
            .iter()
            .filter_map(|origin| self.streams.get(origin));
        let missing: usize = gappy.map(Stream::missing_count).sum();
        MISSING_MAX.saturating_sub(missing) as u64
    }

    fn hear_report(&mut self, from: MemberId, entry: &ReportEntry) {
        if entry.origin == self.me {
            let top = self.streams[&self.me].top();
            let next = expand(entry.next, top).min(top);
            self.members.reported(from, next);
            if entry.echo_delay_us != u32::MAX {
                let stamp = self.now.as_micros() as u32;
                let round_trip = stamp
                    .wrapping_sub(entry.echo_stamp_us)
                    .wrapping_sub(entry.echo_delay_us);
                self.members.measured(from, Micros(round_trip.into()));
            }
        } else {
            let started = self.now - Micros::from_millis(entry.age_ms.into());
            self.hear_of(entry.origin, started, entry.top);
        }
    }

    /// Somebody misses something: we wait with asking for the same, and repair what we have.
    fn hear_nack(&mut self, entry: &NackEntry) {
        let is_mine = entry.origin == self.me;
        let is_there = is_mine || self.members.is_live(entry.origin, self.now);
        let hold = REPAIR_HOLD.max(self.members.round_trip());
        let peer_due = match is_there {
            true => self.now + PEER_REPAIR_WAIT + self.backoff(),
            false => self.now + self.backoff(),
        };
        let Some(stream) = self.streams.get_mut(&entry.origin) else {
            return;
        };
        let base = stream.expand(entry.base);
        let wanted: BTreeSet<u64> = bits(&entry.bitmap).map(|bit| base + bit).collect();
        let round_trip = self.members.round_trip();
        for (sequence, missing) in stream.missing() {
            if wanted.contains(&sequence) && missing.due <= self.now + NACK_RETRY_MAX {
                missing.asked(round_trip, &mut self.random, self.now);
            }
        }
        for sequence in wanted {
            let Some(kept) = stream.kept(sequence) else {
                continue;
            };
            if is_mine && sequence >= self.unsent || self.now.since(kept.seen) < hold {
                continue;
            }
            let due = if is_mine { self.now } else { peer_due };
            let key = (entry.origin, sequence);
            self.repairs
                .entry(key)
                .and_modify(|was| *was = due.min(*was))
                .or_insert(due);
        }
    }

    pub(super) fn deliver(&mut self, origin: MemberId) {
        let Some(stream) = self.streams.get_mut(&origin) else {
            return;
        };
        while let Some(delivery) = stream.deliver() {
            let event = match delivery {
                Delivery::Message {
                    sequence,
                    clock,
                    text,
                } => Event::Message {
                    id: MessageId { origin, sequence },
                    clock,
                    text,
                },
                Delivery::Gap(records) => Event::Gap(origin, records),
            };
            self.output.push_back(Output::Event(event));
        }
    }

    pub(super) fn note_gaps(&mut self, origin: MemberId) {
        let has_missing = self
            .streams
            .get(&origin)
            .is_some_and(|s| s.missing_count() > 0);
        match has_missing {
            true => self.gappy.insert(origin),
            false => self.gappy.remove(&origin),
        };
    }

    fn report_later(&mut self) {
        let due = (self.reported + REPORT_INTERVAL).max(self.soon(REPORT_SOON));
        self.report_due.get_or_insert(due);
    }
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
