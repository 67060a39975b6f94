//! What a session sends: records, repairs, nacks, reports and signs of life.

use std::collections::VecDeque;

use rand::RngExt;

use super::Session;
use crate::multicast::config::{
    DATAGRAM_BYTES_MAX, NACK_BITMAP_BYTES_MAX, NACK_SLACK, REPAIR_COPY_WAIT, REPORT_ACTIVE,
    RIDE_ALONG_RECORDS, TAIL_FIRST, TAIL_LATE_MAX, TAIL_MAX, TAIL_RECORDS_AGAIN,
};
use crate::multicast::packet::{
    Body, HEADER_BYTES, Heartbeat, NACK_ENTRIES_MAX, NackEntry, REPORT_ENTRIES_MAX, Record,
    ReportEntry,
};
use crate::time::Micros;

impl Session {
    /// Sends what was said and not yet sent. Each datagram takes along the records before its own.
    pub(super) fn send_new(&mut self) {
        let top = self.streams[&self.me].top();
        while self.unsent < top {
            let first = self.unsent;
            let mut room = DATAGRAM_BYTES_MAX - HEADER_BYTES;
            let mut records = Vec::new();
            while let Some(record) = self.own_record(self.unsent)
                && record.wire_bytes() <= room
            {
                room -= record.wire_bytes();
                records.push(record);
                self.unsent += 1;
            }
            let mut datagram = self.records_before(first, room);
            datagram.append(&mut records);
            self.transmit(&Body::Data(datagram));
            self.begin_tail();
        }
    }

    /// The signs of life after a record wait until the next record is late: while lines come, each
    /// datagram is the sign of life of those before it.
    fn begin_tail(&mut self) {
        let gap = self.now.since(self.said).min(TAIL_LATE_MAX);
        self.said = self.now;
        self.line_gap = self.line_gap.mul_f64(0.75) + gap.mul_f64(0.25);
        let is_flowing = self.line_gap < TAIL_LATE_MAX.mul_f64(0.5);
        let late = match is_flowing {
            true => self.line_gap.mul_f64(3.0),
            false => Micros::default(),
        };
        self.tail = Some((0, self.now + TAIL_FIRST.max(late)));
    }

    fn own_record(&mut self, sequence: u64) -> Option<Record> {
        let own = self.streams.get_mut(&self.me)?;
        own.kept(sequence).map(|kept| kept.record.clone())
    }

    /// After the last record soon and then less and less often, so that its loss is noticed; when
    /// idle at the group's pace.
    pub(super) fn send_signs_of_life(&mut self) {
        if let Some((step, due)) = self.tail
            && due <= self.now
        {
            let again = match step {
                0..TAIL_RECORDS_AGAIN => {
                    self.records_before(self.unsent, DATAGRAM_BYTES_MAX - HEADER_BYTES)
                }
                _ => Vec::new(),
            };
            if again.is_empty() {
                self.poll_next = true;
                self.heartbeat();
            } else {
                self.transmit(&Body::Data(again));
            }
            let wait = Micros(TAIL_FIRST.0 << (step + 1).min(20));
            let is_heard = self.members.all_have(self.unsent);
            self.tail = match wait <= TAIL_MAX && !is_heard {
                true => Some((step + 1, self.now + wait)),
                false => None,
            };
        }
        if self.heartbeat_due <= self.now {
            self.heartbeat();
            // So that the survivors of a member that is gone, or of a partition, agree on what it said.
            self.report();
        }
    }

    /// Our last records before this one, as many as ride along and fit.
    fn records_before(&mut self, sequence: u64, mut room: usize) -> Vec<Record> {
        let mut records = VecDeque::new();
        for back in 1..=RIDE_ALONG_RECORDS {
            let record = sequence.checked_sub(back).and_then(|s| self.own_record(s));
            match record {
                Some(record) if record.wire_bytes() <= room => {
                    room -= record.wire_bytes();
                    records.push_front(record);
                }
                _ => break,
            }
        }
        records.into()
    }

    fn heartbeat(&mut self) {
        let heartbeat = Heartbeat {
            next: self.unsent as u32,
            name: self.config.name.clone(),
        };
        self.transmit(&Body::Heartbeat(heartbeat));
        self.answered = self.now;
        let interval = self.members.idle_interval();
        self.heartbeat_due = self.now + interval.mul_f64(self.random.random_range(0.75..1.25));
    }

    pub(super) fn send_repairs(&mut self) {
        let now = self.now;
        let due = self.repairs.iter().filter(|(_, due)| **due <= now);
        let due: Vec<_> = due.map(|(key, _)| *key).collect();
        let mut room = 0;
        let mut records: Vec<Record> = Vec::new();
        for (origin, sequence) in due {
            if self.repair_budget.left(now) == 0 {
                break;
            }
            self.repairs.remove(&(origin, sequence));
            if !self.config.repairs {
                continue;
            }
            let kept = self.streams.get_mut(&origin).and_then(|s| s.kept(sequence));
            let Some(kept) = kept else { continue };
            kept.seen = now;
            kept.repairs += 1;
            // What had to be repaired before is sent twice, a little apart: even repairs are lost.
            if kept.repairs % 2 == 0 {
                self.repairs
                    .insert((origin, sequence), now + REPAIR_COPY_WAIT);
            }
            let record = kept.record.clone();
            self.stats.repaired_records += 1;
            self.repair_budget.spend(record.wire_bytes());
            if record.wire_bytes() > room {
                self.transmit_repair(std::mem::take(&mut records));
                room = DATAGRAM_BYTES_MAX - HEADER_BYTES;
            }
            room -= record.wire_bytes();
            records.push(record);
        }
        self.transmit_repair(records);
    }

    fn transmit_repair(&mut self, records: Vec<Record>) {
        if !records.is_empty() {
            self.transmit(&Body::Repair(records));
        }
    }

    /// Asks for everything that is due, of all origins, in one datagram; what does not fit follows.
    pub(super) fn send_nacks(&mut self) {
        let until = self.now + NACK_SLACK;
        let round_trip = self.members.round_trip();
        let mut entries = Vec::new();
        for origin in &self.gappy {
            let Some(stream) = self.streams.get_mut(origin) else {
                continue;
            };
            let is_due = stream.missing().any(|(_, missing)| missing.due <= self.now);
            let mut entry: Option<NackEntry> = None;
            for (sequence, missing) in stream.missing() {
                if !is_due || missing.due > until {
                    continue;
                }
                let nack = entry.get_or_insert_with(|| NackEntry {
                    origin: *origin,
                    base: sequence as u32,
                    bitmap: Vec::new(),
                });
                let bit = (sequence as u32).wrapping_sub(nack.base) as usize;
                if bit >= 8 * NACK_BITMAP_BYTES_MAX {
                    break;
                }
                nack.bitmap.resize(nack.bitmap.len().max(bit / 8 + 1), 0);
                nack.bitmap[bit / 8] |= 1 << (bit % 8);
                missing.asked(round_trip, &mut self.random, self.now);
            }
            entries.extend(entry);
            if entries.len() == NACK_ENTRIES_MAX {
                break;
            }
        }
        if !entries.is_empty() {
            self.stats.nacks += 1;
            self.transmit(&Body::Nack(entries));
        }
    }

    /// Tells what of whom has arrived, the latest first.
    pub(super) fn report(&mut self) {
        self.report_due = None;
        self.reported = self.now;
        let now = self.now;
        let streams = self.streams.iter();
        let mut active: Vec<_> = streams
            .filter(|(_, s)| now.since(s.active) < REPORT_ACTIVE)
            .collect();
        active.sort_by_key(|(_, stream)| std::cmp::Reverse(stream.active));
        let entries: Vec<_> = active
            .into_iter()
            .take(REPORT_ENTRIES_MAX)
            .map(|(&origin, stream)| {
                let (echo_stamp_us, echo_delay_us) = self.members.echo(origin, now);
                ReportEntry {
                    origin,
                    next: stream.next() as u32,
                    top: stream.top() as u32,
                    age_ms: (now.since(stream.origin_started).0 / 1000) as u32,
                    echo_stamp_us,
                    echo_delay_us,
                }
            })
            .collect();
        if !entries.is_empty() {
            self.transmit(&Body::Report(entries));
        }
    }
}
