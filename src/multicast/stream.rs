//! What one origin said, as one member has it: in order, with what is missing.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::config::{
    GIVE_UP_WAIT, GIVE_UP_WAIT_PAST, GIVE_UP_WAIT_REPAIRED, KEPT_AGE_MAX, LOST_TOLD,
    MESSAGE_BYTES_MAX, NACK_HORIZON, NACK_RETRY_MAX, SEQUENCES_AHEAD_MAX, SLOT_BYTES,
};
use super::nack::retry_wait;
use super::packet::{MemberId, RECORD_HEADER_BYTES, Record};
use crate::time::{Instant, Micros};

/// Sequences of one origin, from the oldest record kept to the highest known to exist.
#[derive(Debug)]
pub(super) struct Stream {
    /// The next to hand to the application.
    next: u64,
    /// The sequence of the first slot.
    base: u64,
    slots: VecDeque<Slot>,
    /// What the records kept take, with the room that each takes here.
    kept_bytes: usize,
    missing: usize,
    /// No missing record is due before this.
    due: Instant,
    /// Fragments of a message that is not yet whole.
    partial: Vec<u8>,
    /// The first of them.
    partial_from: u64,
    /// A record before the next was lost, and no message has begun since.
    is_torn: bool,
    assembly: Assembly,
    /// Since when its origin has been further ahead than can be believed.
    pub(super) far_since: Option<Instant>,
    /// What was reported last as the first sequence that is not there.
    pub(super) reported: u64,
    /// When it was begun.
    pub(super) created: Instant,
    /// When a sequence last became known.
    pub(super) active: Instant,
    /// When the origin's session began, by our clock.
    pub(super) origin_started: Instant,
    /// Records before this were said before we came, and are not waited for as long.
    pub(super) past_end: u64,
    /// When a record that was missing last came.
    recovered: Instant,
    /// What was given up of late of what was said since we came, and when that last grew.
    lost: Range<u64>,
    lost_at: Instant,
}

#[derive(Debug)]
enum Slot {
    Have(Kept),
    Missing(Missing),
    Lost,
}

/// A record that is there, and what was done to repair it for others.
#[derive(Debug)]
pub(super) struct Kept {
    clock: u32,
    is_first: bool,
    is_last: bool,
    /// Shared with the message, if that has no other record.
    body: Arc<[u8]>,
    pub(super) since: Instant,
    /// When it was last seen on the network, said or repaired by anyone.
    pub(super) seen: Instant,
    pub(super) repairs: u32,
}

impl Kept {
    /// The record as it travels.
    pub(super) fn record(&self, origin: MemberId, sequence: u64) -> Record<'_> {
        Record {
            origin,
            sequence: sequence as u32,
            clock: self.clock,
            is_first: self.is_first,
            is_last: self.is_last,
            body: &self.body,
        }
    }

    pub(super) fn wire_bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.body.len()
    }

    fn kept_bytes(&self) -> usize {
        SLOT_BYTES + self.body.len()
    }
}

/// A record that is known to exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    since: Instant,
    /// When to ask for it.
    pub(super) due: Instant,
    /// How often it was asked for, by us or by another.
    attempts: u32,
}

impl Missing {
    /// It was asked for, by us or by another: it is waited for, and then asked for again.
    pub(super) fn asked(&mut self, round_trip: Micros, spread: f64, now: Instant) {
        self.attempts += 1;
        self.due = now + retry_wait(self.attempts, round_trip, spread);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Assembly {
    /// Between two messages.
    Between,
    /// Inside a message whose fragments are all there so far.
    Inside,
    /// Inside a message of which something is lost or was said before we came.
    Skipping,
}

/// What comes out of a stream, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// A whole message; the sequence is its last record's.
    Message {
        sequence: u64,
        clock: u32,
        text: Arc<[u8]>,
    },
    /// So many records from this one on can no longer be had.
    Gap { first: u64, records: u64 },
}

/// What became of a record that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    New,
    /// It is there already, or was let go.
    Known,
    /// Further ahead than can be.
    TooFarAhead,
    /// There is no room for it before others were handed out.
    NoRoom,
}

impl Stream {
    /// A stream whose first record to hand out is `start`. `midway` if the origin said something before.
    pub(super) fn new(start: u64, midway: bool, origin_started: Instant, now: Instant) -> Self {
        Self {
            next: start,
            base: start,
            slots: VecDeque::new(),
            kept_bytes: 0,
            missing: 0,
            due: Instant::START,
            partial: Vec::new(),
            partial_from: start,
            is_torn: false,
            assembly: match midway {
                true => Assembly::Skipping,
                false => Assembly::Between,
            },
            far_since: None,
            reported: start,
            created: now,
            // Nothing was said yet.
            active: Instant::START,
            origin_started,
            past_end: start,
            recovered: now,
            lost: start..start,
            lost_at: now,
        }
    }

    /// The first sequence that is not there, or not yet in order.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// As [`Stream::next`]; inside a message where that begins.
    pub(super) fn position(&self) -> u64 {
        match self.assembly {
            Assembly::Inside => self.partial_from,
            Assembly::Between | Assembly::Skipping => self.next,
        }
    }

    /// What the fragments of a message that is not yet whole take, in bytes.
    pub(super) fn partial_bytes(&self) -> usize {
        self.partial.capacity()
    }

    /// The sequence after the highest known to exist.
    pub(super) fn top(&self) -> u64 {
        self.base + self.slots.len() as u64
    }

    /// How many records are known to exist and not there.
    pub(super) fn missing_count(&self) -> usize {
        self.missing
    }

    /// The sequence whose low 32 bits these are, next to what is known (RFC 1982).
    pub(super) fn expand(&self, low: u32) -> u64 {
        expand(low, self.top())
    }

    /// Learns that everything before `top` exists. What is new is to be asked for at `due`. False if
    /// that is further ahead than can be.
    pub(super) fn exists(&mut self, top: u64, due: Instant, now: Instant) -> bool {
        if top > self.next + SEQUENCES_AHEAD_MAX {
            return false;
        }
        if self.top() < top {
            let due_before = if self.missing == 0 { due } else { self.due };
            self.due = due.min(due_before);
        }
        while self.top() < top {
            self.slots.push_back(Slot::Missing(Missing {
                since: now,
                due,
                attempts: 0,
            }));
            self.missing += 1;
            self.active = now;
        }
        true
    }

    /// Takes a record. Those before it that are missing are to be asked for at `due`. What is kept of
    /// others may take `bytes_max`.
    pub(super) fn offer(
        &mut self,
        record: &Record<'_>,
        due: Instant,
        bytes_max: usize,
        now: Instant,
    ) -> Offer {
        let sequence = self.expand(record.sequence);
        if sequence < self.next {
            // It was handed out: it is seen once more, if it is kept.
            if let Some(kept) = self.kept(sequence) {
                kept.seen = now;
            }
            return Offer::Known;
        }
        let bytes = SLOT_BYTES + record.body.len();
        if self.kept_bytes + bytes > bytes_max {
            self.trim(bytes_max - bytes.min(bytes_max), self.next, now);
            // What can be handed out at once makes room for itself.
            if self.kept_bytes + bytes > bytes_max && sequence != self.next {
                return Offer::NoRoom;
            }
        }
        if !self.exists(sequence, due, now) {
            return Offer::TooFarAhead;
        }
        let index = (sequence - self.base) as usize;
        match self.slots.get_mut(index) {
            None => self.slots.push_back(kept(record, now)),
            Some(slot @ Slot::Missing(_)) => {
                *slot = kept(record, now);
                self.missing -= 1;
                self.recovered = now;
            }
            Some(Slot::Have(known)) => {
                known.seen = now;
                return Offer::Known;
            }
            Some(Slot::Lost) => return Offer::Known,
        }
        self.kept_bytes += bytes;
        self.active = now;
        Offer::New
    }

    /// The next thing in order, if it is there.
    pub(super) fn deliver(&mut self, now: Instant) -> Option<Delivery> {
        let mut lost = 0;
        if self.missing > 0 && self.top() - self.next > NACK_HORIZON as u64 {
            // What comes into sight may be due.
            self.due = Instant::START;
        }
        while let Some(slot) = self.slots.get((self.next - self.base) as usize) {
            let kept = match slot {
                // What is left of a message of which something is lost is lost with it.
                Slot::Have(kept) if self.is_torn && !kept.is_first => {
                    lost += 1;
                    self.next += 1;
                    continue;
                }
                Slot::Have(_) if lost > 0 => break,
                Slot::Have(kept) => kept,
                Slot::Missing(_) => break,
                Slot::Lost => {
                    lost += 1;
                    self.next += 1;
                    self.partial = Vec::new();
                    self.assembly = Assembly::Skipping;
                    self.is_torn = true;
                    continue;
                }
            };
            let (is_first, is_last, clock) = (kept.is_first, kept.is_last, kept.clock);
            let body = Arc::clone(&kept.body);
            if is_first {
                self.partial_from = self.next;
                self.is_torn = false;
            }
            self.next += 1;
            if let Some(text) = self.assemble(is_first, is_last, body) {
                let sequence = self.next - 1;
                return Some(Delivery::Message {
                    sequence,
                    clock,
                    text,
                });
            }
        }
        (lost > 0).then(|| self.gap(self.next - lost, now))
    }

    /// The text of a message that is whole with this record. One of a single record shares its memory.
    fn assemble(&mut self, is_first: bool, is_last: bool, body: Arc<[u8]>) -> Option<Arc<[u8]>> {
        if is_first {
            self.partial = Vec::new();
            self.assembly = Assembly::Inside;
        }
        if self.assembly != Assembly::Inside {
            return None;
        }
        if is_first && is_last {
            self.assembly = Assembly::Between;
            return Some(body);
        }
        if self.partial.len() + body.len() > MESSAGE_BYTES_MAX {
            self.partial = Vec::new();
            self.assembly = Assembly::Skipping;
            return None;
        }
        self.partial.extend_from_slice(&body);
        if !is_last {
            return None;
        }
        self.assembly = Assembly::Between;
        Some(std::mem::take(&mut self.partial).into())
    }

    /// Lets go of a message that is not yet whole: what there is of it, which is lost.
    pub(super) fn give_up_partial(&mut self, now: Instant) -> Delivery {
        self.partial = Vec::new();
        self.assembly = Assembly::Skipping;
        self.is_torn = true;
        self.gap(self.partial_from, now)
    }

    /// What there is from this one on to the next is lost.
    fn gap(&mut self, first: u64, now: Instant) -> Delivery {
        let end = self.next;
        // Nobody counts on us for what was said before we came.
        let lost = first.max(self.past_end)..end;
        if !lost.is_empty() {
            self.lost = match self.lost(now) {
                before if before.is_empty() => lost,
                before => before.start.min(lost.start)..end,
            };
            self.lost_at = now;
        }
        Delivery::Gap {
            first,
            records: end - first,
        }
    }

    /// What was given up of late, from the first to the last; not all between need be lost.
    pub(super) fn lost(&self, now: Instant) -> Range<u64> {
        match now.since(self.lost_at) < LOST_TOLD {
            true => self.lost.clone(),
            false => self.next..self.next,
        }
    }

    /// Goes on with this one: what was said before is more than can be asked for.
    pub(super) fn skip_to(&mut self, live: u64, now: Instant) -> Delivery {
        let (first, past_end) = (self.next, self.past_end);
        *self = Self::new(live, true, self.origin_started, now);
        self.past_end = past_end;
        self.gap(first, now)
    }

    /// Since when a record is there.
    pub(super) fn kept_since(&self, sequence: u64) -> Option<Instant> {
        let index = usize::try_from(sequence.checked_sub(self.base)?).ok()?;
        match self.slots.get(index)? {
            Slot::Have(kept) => Some(kept.since),
            Slot::Missing(_) | Slot::Lost => None,
        }
    }

    /// Whether something was not handed out yet: it is missing, or waits for what is.
    pub(super) fn has_undelivered(&self) -> bool {
        self.next < self.top()
    }

    /// A record that is there.
    pub(super) fn kept(&mut self, sequence: u64) -> Option<&mut Kept> {
        let index = sequence.checked_sub(self.base)?;
        match self.slots.get_mut(usize::try_from(index).ok()?)? {
            Slot::Have(kept) => Some(kept),
            Slot::Missing(_) | Slot::Lost => None,
        }
    }

    /// What is missing, in order, as far as is looked at once.
    pub(super) fn missing(&mut self) -> impl Iterator<Item = (u64, &mut Missing)> {
        let (base, first) = (self.base, (self.next - self.base) as usize);
        let from = if self.missing == 0 {
            self.slots.len()
        } else {
            first
        };
        let slots = self.slots.iter_mut().enumerate().skip(from);
        let slots = slots.take(NACK_HORIZON);
        slots.filter_map(move |(index, slot)| match slot {
            Slot::Missing(missing) => Some((base + index as u64, missing)),
            Slot::Have(_) | Slot::Lost => None,
        })
    }

    /// Another member asked for a record: if it is missing here too, and soon to be asked for, that waits.
    pub(super) fn heard_nack(
        &mut self,
        sequence: u64,
        round_trip: Micros,
        spread: f64,
        now: Instant,
    ) {
        let index = sequence.checked_sub(self.base);
        let index = index.and_then(|index| usize::try_from(index).ok());
        if let Some(Slot::Missing(missing)) = index.and_then(|index| self.slots.get_mut(index))
            && missing.due <= now + NACK_RETRY_MAX
        {
            missing.asked(round_trip, spread, now);
            self.due = self.due.min(missing.due);
        }
    }

    /// Nothing that is missing is to be asked for before this; none if nothing is missing.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.missing > 0).then_some(self.due)
    }

    /// Looks anew when the first of the missing is due: they were put off one by one.
    pub(super) fn settle_due(&mut self) {
        let first = self.missing().map(|(_, missing)| missing.due).min();
        // None in sight: what is delivered brings others there.
        self.due = first.unwrap_or(Instant::NEVER);
    }

    /// Gives up what was missed for long.
    pub(super) fn give_up(&mut self, now: Instant) {
        if self.missing == 0 {
            return;
        }
        let unrepaired = now.since(self.recovered);
        let is_past_over = unrepaired >= GIVE_UP_WAIT_PAST;
        let wait = match unrepaired >= GIVE_UP_WAIT {
            true => GIVE_UP_WAIT,
            false => GIVE_UP_WAIT_REPAIRED,
        };
        for (slot, sequence) in self.slots.iter_mut().zip(self.base..) {
            if let Slot::Missing(missing) = slot {
                let waited = now.since(missing.since);
                let is_over = match sequence < self.past_end && is_past_over {
                    true => waited >= GIVE_UP_WAIT_PAST,
                    false => waited >= wait,
                };
                if !is_over {
                    continue;
                }
                *slot = Slot::Lost;
                self.missing -= 1;
            }
        }
    }

    /// Lets go the oldest records before `end`, and of those that were handed out: those that are too
    /// old, and more while all take more than `bytes_max`.
    pub(super) fn trim(&mut self, bytes_max: usize, end: u64, now: Instant) {
        while self.base < self.next.min(end) {
            let bytes = match self.slots.front() {
                Some(Slot::Have(kept)) => {
                    if now.since(kept.since) <= KEPT_AGE_MAX && self.kept_bytes <= bytes_max {
                        return;
                    }
                    kept.kept_bytes()
                }
                Some(Slot::Lost) => 0,
                Some(Slot::Missing(_)) | None => return,
            };
            self.slots.pop_front();
            self.kept_bytes -= bytes;
            self.base += 1;
        }
        // A flow leaves much room behind that an idle member does not need.
        if self.slots.capacity() > 64 && self.slots.len() < self.slots.capacity() / 8 {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }
}

fn kept(record: &Record<'_>, now: Instant) -> Slot {
    Slot::Have(Kept {
        clock: record.clock,
        is_first: record.is_first,
        is_last: record.is_last,
        body: record.body.into(),
        since: now,
        seen: now,
        repairs: 0,
    })
}

/// The sequence next to `near` whose low 32 bits these are.
pub(super) fn expand(low: u32, near: u64) -> u64 {
    let ahead = low.wrapping_sub(near as u32) as i32;
    near.saturating_add_signed(i64::from(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_what_would_make_room_is_known() {
        let (now, body) = (Instant::START, [0; 100]);
        let bytes_max = 10 * (SLOT_BYTES + body.len());
        let mut stream = Stream::new(0, false, now, now);
        let mut offer = |sequence| {
            let record = Record {
                origin: MemberId(1),
                sequence,
                clock: 0,
                is_first: true,
                is_last: true,
                body: &body,
            };
            let offer = stream.offer(&record, now, bytes_max, now);
            (offer, stream.deliver(now).is_some())
        };
        for sequence in 0..20 {
            assert_eq!(offer(sequence), (Offer::New, true));
        }
        for sequence in 0..20 {
            assert_eq!(offer(sequence), (Offer::Known, false));
        }
        assert_eq!((stream.next(), stream.top()), (20, 20));
    }
}
