//! What one origin said, as one member has it: in order, with what is missing.

use std::collections::VecDeque;

use rand::rngs::SmallRng;

use super::config::{MESSAGE_BYTES_MAX, SEQUENCES_AHEAD_MAX};
use super::nack::retry_wait;
use super::packet::Record;
use crate::time::{Instant, Micros};

/// Sequences of one origin, from the oldest record kept to the highest known to exist.
#[derive(Debug)]
pub(super) struct Stream {
    /// The next to hand to the application.
    next: u64,
    /// The sequence of the first slot.
    base: u64,
    slots: VecDeque<Slot>,
    kept_bytes: usize,
    missing: usize,
    /// Fragments of a message that is not yet whole.
    partial: Vec<u8>,
    assembly: Assembly,
    /// When a sequence last became known.
    pub(super) active: Instant,
    /// When the origin's session began, by our clock.
    pub(super) origin_started: Instant,
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
    pub(super) record: Record,
    since: Instant,
    /// When it was last seen on the network, said or repaired by anyone.
    pub(super) seen: Instant,
    pub(super) repairs: u32,
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
    pub(super) fn asked(&mut self, round_trip: Micros, random: &mut SmallRng, now: Instant) {
        self.attempts += 1;
        self.due = now + retry_wait(self.attempts, round_trip, random);
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
        text: Vec<u8>,
    },
    /// So many records can no longer be had.
    Gap(u64),
}

/// What became of a record that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    New,
    /// It is there already, or was let go.
    Known,
    /// Further ahead than can be.
    TooFarAhead,
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
            partial: Vec::new(),
            assembly: match midway {
                true => Assembly::Skipping,
                false => Assembly::Between,
            },
            active: now,
            origin_started,
        }
    }

    /// The first sequence that is not there, or not yet in order.
    pub(super) fn next(&self) -> u64 {
        self.next
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

    /// Takes a record. Those before it that are missing are to be asked for at `due`.
    pub(super) fn offer(&mut self, record: Record, due: Instant, now: Instant) -> Offer {
        let sequence = self.expand(record.sequence);
        if sequence < self.base {
            return Offer::Known;
        }
        if !self.exists(sequence, due, now) {
            return Offer::TooFarAhead;
        }
        let bytes = record.wire_bytes();
        let kept = Slot::Have(Kept {
            record,
            since: now,
            seen: now,
            repairs: 0,
        });
        if sequence == self.top() {
            self.slots.push_back(kept);
        } else {
            let slot = &mut self.slots[(sequence - self.base) as usize];
            match slot {
                Slot::Missing(_) => {
                    *slot = kept;
                    self.missing -= 1;
                }
                Slot::Have(known) => {
                    known.seen = now;
                    return Offer::Known;
                }
                Slot::Lost => return Offer::Known,
            }
        }
        self.kept_bytes += bytes;
        self.active = now;
        Offer::New
    }

    /// The next thing in order, if it is there.
    pub(super) fn deliver(&mut self) -> Option<Delivery> {
        let mut lost = 0;
        while let Some(slot) = self.slots.get((self.next - self.base) as usize) {
            let kept = match slot {
                Slot::Have(_) if lost > 0 => break,
                Slot::Have(kept) => kept,
                Slot::Missing(_) => break,
                Slot::Lost => {
                    lost += 1;
                    self.next += 1;
                    self.partial.clear();
                    self.assembly = Assembly::Skipping;
                    continue;
                }
            };
            let record = kept.record.clone();
            self.next += 1;
            if let Some(message) = self.assemble(&record) {
                return Some(message);
            }
        }
        (lost > 0).then_some(Delivery::Gap(lost))
    }

    fn assemble(&mut self, record: &Record) -> Option<Delivery> {
        if record.is_first {
            self.partial.clear();
            self.assembly = Assembly::Inside;
        }
        if self.assembly != Assembly::Inside {
            return None;
        }
        if self.partial.len() + record.body.len() > MESSAGE_BYTES_MAX {
            self.partial.clear();
            self.assembly = Assembly::Skipping;
            return None;
        }
        self.partial.extend_from_slice(&record.body);
        if !record.is_last {
            return None;
        }
        self.assembly = Assembly::Between;
        Some(Delivery::Message {
            sequence: self.next - 1,
            clock: record.clock,
            text: std::mem::take(&mut self.partial),
        })
    }

    /// A record that is there.
    pub(super) fn kept(&mut self, sequence: u64) -> Option<&mut Kept> {
        let index = sequence.checked_sub(self.base)?;
        match self.slots.get_mut(usize::try_from(index).ok()?)? {
            Slot::Have(kept) => Some(kept),
            Slot::Missing(_) | Slot::Lost => None,
        }
    }

    /// What is missing, in order.
    pub(super) fn missing(&mut self) -> impl Iterator<Item = (u64, &mut Missing)> {
        let (base, first) = (self.base, (self.next - self.base) as usize);
        let from = if self.missing == 0 {
            self.slots.len()
        } else {
            first
        };
        let slots = self.slots.iter_mut().enumerate().skip(from);
        slots.filter_map(move |(index, slot)| match slot {
            Slot::Missing(missing) => Some((base + index as u64, missing)),
            Slot::Have(_) | Slot::Lost => None,
        })
    }

    /// Gives up what was missed for longer than `wait`.
    pub(super) fn give_up(&mut self, wait: Micros, now: Instant) {
        if self.missing == 0 {
            return;
        }
        for slot in &mut self.slots {
            if let Slot::Missing(missing) = slot
                && now.since(missing.since) >= wait
            {
                *slot = Slot::Lost;
                self.missing -= 1;
            }
        }
    }

    /// Lets go the oldest records that were handed out: those older than `age_max`, and more while
    /// they take more than `bytes_max`.
    pub(super) fn trim(&mut self, age_max: Micros, bytes_max: usize, now: Instant) {
        while self.base < self.next {
            let bytes = match self.slots.front() {
                Some(Slot::Have(kept)) => {
                    if now.since(kept.since) <= age_max && self.kept_bytes <= bytes_max {
                        return;
                    }
                    kept.record.wire_bytes()
                }
                Some(Slot::Lost) => 0,
                Some(Slot::Missing(_)) | None => return,
            };
            self.slots.pop_front();
            self.kept_bytes -= bytes;
            self.base += 1;
        }
    }
}

/// The sequence next to `near` whose low 32 bits these are.
pub(super) fn expand(low: u32, near: u64) -> u64 {
    let ahead = low.wrapping_sub(near as u32) as i32;
    near.saturating_add_signed(i64::from(ahead))
}
