//! What a session sends: records, repairs, nacks, reports and signs of life.

use rand::RngExt;

use super::Session;
use crate::multicast::config::{
    DATAGRAM_BYTES_MAX, NACK_BITMAP_BYTES_MAX, NACK_SLACK, REPAIR_COPY_WAIT, REPORT_ACTIVE,
    REPORT_ENTRIES_LARGE_GROUP, RIDE_ALONG_RECORDS, TAIL_FIRST, TAIL_LATE_MAX, TAIL_MAX,
    TAIL_RECORDS_AGAIN, TAIL_STEPS_RELAYED,
};
use crate::multicast::nack::retry_spread;
use crate::multicast::packet::{
    Body, HEADER_BYTES, Heartbeat, MemberId, NACK_ENTRIES_MAX, NackEntry, REPORT_ENTRIES_MAX,
    Records, ReportEntry,
};
use crate::multicast::stream::Stream;
use crate::time::Micros;

impl Session {
    /// Sends what was said and not yet sent, as fast as the members take it. Each datagram takes along
    /// the records before its own.
    pub(super) fn send_new(&mut self) {
        if !self.has_unsent() {
            return;
        }
        let now = self.now;
        if let Some(since) = self.pace.stalled(|| self.round_trip(), now) {
            self.members.stall(since);
            self.advance_window();
        }
        self.trim_own();
        let is_alone = self.is_alone();
        while self.has_unsent() && self.pace.is_open(is_alone, now) {
            let (new, bytes) = self.put_new_in_scratch();
            let wants_report = self.pace.sent(self.unsent, new, now);
            self.pace.spend(bytes);
            self.repair_budget.earn(new as u64 / 2);
            self.transmit_gathered(wants_report);
            self.begin_tail();
        }
        if self.has_unsent() && self.pace.probes(now) {
            self.heartbeat(true);
        }
        if is_alone {
            // Nobody takes it, so nothing is on the way.
            self.advance_window();
        }
    }

    /// As many new records as a datagram holds, and before them those that ride along. Gives what is new,
    /// and the datagram's length, in bytes.
    fn put_new_in_scratch(&mut self) -> (usize, usize) {
        let (me, first) = (self.me, self.unsent);
        let own = self.streams.get_mut(&me).expect("always there");
        let mut room = DATAGRAM_BYTES_MAX - HEADER_BYTES;
        let mut end = first;
        while let Some(kept) = own.kept(end)
            && kept.wire_bytes() <= room
        {
            room -= kept.wire_bytes();
            self.queued_bytes -= kept.record(me, end).body.len() as u64;
            // From now on it can be asked for.
            (kept.since, kept.seen) = (self.now, self.now);
            end += 1;
        }
        self.unsent = end;
        let new = DATAGRAM_BYTES_MAX - HEADER_BYTES - room;
        let start = self.ride_along(first, room);
        (new, self.put_in_scratch(start, end))
    }

    /// The first of our records before this one that ride along: as many as fit, and not more than help.
    fn ride_along(&mut self, end: u64, mut room: usize) -> u64 {
        let mut start = end;
        for sequence in (end.saturating_sub(RIDE_ALONG_RECORDS)..end).rev() {
            match self.own().kept(sequence) {
                Some(kept) if kept.wire_bytes() <= room => room -= kept.wire_bytes(),
                _ => break,
            }
            start = sequence;
        }
        start
    }

    fn put_in_scratch(&mut self, start: u64, end: u64) -> usize {
        let me = self.me;
        let own = self.streams.get_mut(&me).expect("always there");
        self.scratch.clear();
        for sequence in start..end {
            if let Some(kept) = own.kept(sequence) {
                kept.record(me, sequence).write(&mut self.scratch);
            }
        }
        HEADER_BYTES + self.scratch.len()
    }

    /// Sends our own records that were gathered.
    fn transmit_gathered(&mut self, wants_report: bool) {
        let records = std::mem::take(&mut self.scratch);
        self.transmit(&Body::Data(Records::written(&records)), wants_report);
        self.scratch = records;
        self.scratch.clear();
    }

    /// The signs of life after a record wait until the next record is late: while lines come, each
    /// datagram is the sign of life of those before it. So is the next one where others wait for their turn, however late
    /// that is: a slow way has no room for what is said once more.
    fn begin_tail(&mut self) {
        let gap = self.now.since(self.said).min(TAIL_LATE_MAX);
        self.said = self.now;
        self.line_gap = self.line_gap.mul_f64(0.75) + gap.mul_f64(0.25);
        let is_flowing = self.line_gap < TAIL_LATE_MAX.mul_f64(0.5);
        let late = match is_flowing {
            true => self.line_gap.mul_f64(3.0),
            false => Micros::default(),
        };
        let (step, wait) = self.tail_from(0);
        self.tail = (!self.has_unsent()).then_some((step, self.now + wait.max(late)));
    }

    /// The step to begin with, and the wait before it.
    pub(super) fn tail_from(&self, step: u32) -> (u32, Micros) {
        match self.is_relayed() {
            true => (
                TAIL_STEPS_RELAYED,
                Micros(TAIL_FIRST.0 << TAIL_STEPS_RELAYED),
            ),
            false => (step, TAIL_FIRST),
        }
    }

    /// After the last record soon and then less and less often, so that its loss is noticed; when
    /// idle at the group's pace.
    pub(super) fn send_signs_of_life(&mut self) {
        if let Some((step, due)) = self.tail
            && due <= self.now
        {
            let end = self.unsent;
            let start = match step {
                0..TAIL_RECORDS_AGAIN => self.ride_along(end, DATAGRAM_BYTES_MAX - HEADER_BYTES),
                _ => end,
            };
            if start < end {
                let bytes = self.put_in_scratch(start, end);
                self.pace.spend(bytes);
                self.transmit_gathered(false);
            } else {
                // A newcomer wants to know who is there; others know who should report.
                self.poll_next = self.is_gathering();
                // In a large group once: most have reported by then.
                let is_last = TAIL_FIRST.0 << (step + 1).min(20) > TAIL_MAX.0;
                self.heartbeat(is_last || self.is_small_group());
            }
            let wait = Micros(TAIL_FIRST.0 << (step + 1).min(20));
            let is_heard = self.members.all_have(self.unsent);
            self.tail = match wait <= TAIL_MAX && !is_heard {
                true => Some((step + 1, self.now + wait)),
                false => None,
            };
        }
        if self.answer_due.is_some_and(|due| due <= self.now) {
            self.heartbeat(false);
        }
        if self.heartbeat_due <= self.now {
            self.heartbeat(false);
            // So that the survivors of a member that is gone, or of a partition, agree on what it said.
            self.report();
        }
    }

    pub(super) fn heartbeat(&mut self, wants_report: bool) {
        let heartbeat = Heartbeat {
            next: self.unsent as u32,
            replaces: self.config.replaces.unwrap_or(MemberId(0)),
            name: self.members.my_name().to_owned(),
        };
        self.transmit(&Body::Heartbeat(heartbeat), wants_report);
        self.answered = self.now;
        self.answer_due = None;
        let interval = self.members.idle_interval();
        self.heartbeat_due = self.now + interval.mul_f64(self.random.random_range(0.75..1.25));
    }

    pub(super) fn send_repairs(&mut self) {
        let now = self.now;
        if self.repairs.is_empty() || self.repairs_due > now {
            return;
        }
        let due = self.repairs.iter().filter(|(_, due)| **due <= now);
        let due: Vec<_> = due.map(|(key, _)| *key).collect();
        for (origin, sequence) in due {
            if self.repair_budget.left(now) == 0 {
                break;
            }
            self.repairs.remove(&(origin, sequence));
            if self.config.repairs {
                self.repair(origin, sequence);
            }
        }
        self.transmit_repairs();
        let first = self.repairs.values().min();
        self.repairs_due = first.copied().unwrap_or_default();
    }

    fn repair(&mut self, origin: MemberId, sequence: u64) {
        let now = self.now;
        let kept = self.streams.get_mut(&origin).and_then(|s| s.kept(sequence));
        let Some(kept) = kept else { return };
        kept.seen = now;
        kept.repairs += 1;
        // What had to be repaired before is sent twice, a little apart: even repairs are lost.
        if kept.repairs % 2 == 0 {
            self.repairs
                .insert((origin, sequence), now + REPAIR_COPY_WAIT);
        }
        let bytes = kept.wire_bytes();
        self.stats.repaired_records += 1;
        self.repair_budget.spend(bytes);
        self.pace.spend(bytes);
        if HEADER_BYTES + self.scratch.len() + bytes > DATAGRAM_BYTES_MAX {
            self.transmit_repairs();
        }
        // It was there a moment ago; looked up again because a datagram may have gone out between.
        if let Some(kept) = self.streams.get_mut(&origin).and_then(|s| s.kept(sequence)) {
            kept.record(origin, sequence).write(&mut self.scratch);
        }
    }

    fn transmit_repairs(&mut self) {
        if self.scratch.is_empty() {
            return;
        }
        let records = std::mem::take(&mut self.scratch);
        self.transmit(&Body::Repair(Records::written(&records)), false);
        self.scratch = records;
        self.scratch.clear();
    }

    /// Asks for everything that is due, of all origins, in one datagram; what does not fit follows.
    pub(super) fn send_nacks(&mut self) {
        let now = self.now;
        let mut entries = Vec::new();
        let gappy = self.gappy.keys().copied();
        let is_due = |origin: &MemberId| {
            let due = self.streams.get(origin).and_then(|s| s.due());
            due.is_some_and(|due| due <= now)
        };
        let due: Vec<MemberId> = gappy.filter(is_due).take(NACK_ENTRIES_MAX).collect();
        if due.is_empty() || self.nack_budget.left(now) == 0 {
            return;
        }
        for origin in due {
            entries.extend(self.nack_entry(origin));
        }
        if !entries.is_empty() {
            self.stats.nacks += 1;
            let bytes = self.transmit(&Body::Nack(entries), false);
            self.nack_budget.spend(bytes);
        }
    }

    /// What is due of this origin, or nearly, from the first on, as far as a bitmap reaches.
    fn nack_entry(&mut self, origin: MemberId) -> Option<NackEntry> {
        let until = self.now + NACK_SLACK;
        let round_trip = self.members.round_trip_of(origin);
        let spread = retry_spread(&mut self.random);
        let stream = self.streams.get_mut(&origin)?;
        // The time noted may be that of one that came meanwhile.
        stream.settle_due();
        stream.due().filter(|due| *due <= self.now)?;
        let mut entry: Option<NackEntry> = None;
        for (sequence, missing) in stream.missing() {
            if missing.due > until {
                continue;
            }
            let nack = entry.get_or_insert_with(|| NackEntry {
                origin,
                base: sequence as u32,
                bitmap: Vec::new(),
            });
            let bit = (sequence as u32).wrapping_sub(nack.base) as usize;
            if bit >= 8 * NACK_BITMAP_BYTES_MAX {
                break;
            }
            nack.bitmap.resize(nack.bitmap.len().max(bit / 8 + 1), 0);
            nack.bitmap[bit / 8] |= 1 << (bit % 8);
            missing.asked(round_trip, spread, self.now);
        }
        stream.settle_due();
        entry
    }

    /// Sends the reports that are due: to all about all, or at once to who asked for it.
    pub(super) fn send_reports(&mut self) {
        if self.report_due.is_some_and(|due| due <= self.now) {
            self.report();
        }
        while let Some((&origin, _)) = self.asked_by.iter().find(|(_, due)| **due <= self.now) {
            self.asked_by.remove(&origin);
            // Where one talks, this is the report about all.
            if self.streams.len() <= 2 {
                self.report_due = None;
                self.reported = self.now;
            }
            if let Some(entry) = self.report_entry(origin) {
                self.transmit(&Body::Report(vec![entry]), false);
            }
        }
    }

    /// Tells what of whom has arrived, the latest first.
    pub(super) fn report(&mut self) {
        self.report_due = None;
        self.reported = self.now;
        let entries = self.report_entries();
        for entry in &entries {
            if let Some(stream) = self.streams.get_mut(&entry.origin) {
                stream.reported = stream.next();
            }
        }
        if !entries.is_empty() {
            self.transmit(&Body::Report(entries), false);
        }
        // What did not fit follows at the pace of a large group.
        if self.active_streams().any(|(_, s)| s.reported < s.next()) {
            self.report_due = Some(self.now + self.members.idle_interval());
        }
    }

    /// Streams of others that were active lately, or that lost something.
    fn active_streams(&self) -> impl Iterator<Item = (MemberId, &Stream)> {
        let streams = self
            .streams
            .iter()
            .map(|(&origin, stream)| (origin, stream));
        streams.filter(|(origin, stream)| {
            let is_active = self.now.since(stream.active) < REPORT_ACTIVE;
            *origin != self.me && (is_active || !stream.lost(self.now).is_empty())
        })
    }

    pub(super) fn report_entries(&self) -> Vec<ReportEntry> {
        let mut active: Vec<_> = self.active_streams().collect();
        let is_news = |stream: &Stream| stream.reported < stream.next();
        active.sort_by_key(|(_, stream)| std::cmp::Reverse((is_news(stream), stream.active)));
        let most = match self.is_small_group() {
            true => REPORT_ENTRIES_MAX,
            false => REPORT_ENTRIES_LARGE_GROUP,
        };
        let most = active.into_iter().take(most);
        most.filter_map(|(origin, _)| self.report_entry(origin))
            .collect()
    }

    fn report_entry(&self, origin: MemberId) -> Option<ReportEntry> {
        let stream = self.streams.get(&origin)?;
        let (echo_stamp_us, echo_delay_us, loss) = self.members.echo(origin, self.now);
        let lost = stream.lost(self.now);
        Some(ReportEntry {
            origin,
            next: stream.next() as u32,
            top: stream.top() as u32,
            lost: (lost.start as u32, lost.end as u32),
            age_ms: (self.now.since(stream.origin_started).0 / 1000) as u32,
            echo_stamp_us,
            echo_delay_us,
            loss,
        })
    }
}
