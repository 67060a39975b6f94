//! Holds what members were promised against what they were told.

use std::collections::BTreeMap;

use crate::multicast::packet::MemberId;
use crate::multicast::session::{MessageId, Past};
use crate::time::Instant;

/// A promise that was not kept, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

/// Everything said and heard so far.
#[derive(Debug, Default)]
pub(super) struct Checker {
    said: BTreeMap<MemberId, Vec<Line>>,
    joined: BTreeMap<MemberId, Instant>,
    /// What a member heard last of an origin, and how many gaps it was told of.
    heard: BTreeMap<(MemberId, MemberId), Heard>,
}

#[derive(Debug)]
struct Line {
    sequence: u64,
    text: Vec<u8>,
    at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    /// Index of the last line heard; none before the first.
    last: Option<usize>,
    /// Before that it has missed nothing.
    is_from_first: bool,
    /// A gap was told since then.
    gap: bool,
    gaps: u64,
}

impl Checker {
    pub(super) fn joined(&mut self, member: MemberId, now: Instant) {
        self.joined.insert(member, now);
        self.said.entry(member).or_default();
    }

    /// A member that has a history: it was there since that was asked for, as far as it is promised anything, and
    /// has heard what stands in it.
    pub(super) fn joined_with(&mut self, member: MemberId, past: &Past) {
        self.joined(member, past.since);
        for &(origin, next) in &past.positions {
            let lines = self.said.get(&origin).map_or(&[][..], Vec::as_slice);
            let known = lines.iter().filter(|line| line.sequence < next).count();
            let heard = Heard {
                last: known.checked_sub(1),
                is_from_first: true,
                gap: false,
                gaps: 0,
            };
            self.heard.insert((member, origin), heard);
        }
    }

    pub(super) fn said(&mut self, id: MessageId, text: Vec<u8>, at: Instant) {
        let lines = self.said.entry(id.origin).or_default();
        lines.push(Line {
            sequence: id.sequence,
            text,
            at,
        });
    }

    /// A member was handed a line. Gives when it was said.
    pub(super) fn heard(
        &mut self,
        member: MemberId,
        id: MessageId,
        text: &[u8],
    ) -> Result<Instant, Violation> {
        let lines = self.said.get(&id.origin).map_or(&[][..], Vec::as_slice);
        let found = lines.iter().position(|line| line.sequence == id.sequence);
        let told = |what: &str| {
            Violation(format!(
                "member {:x}: {what}: {:x}/{}",
                member.0, id.origin.0, id.sequence
            ))
        };
        let index = found.ok_or_else(|| told("a line that nobody said"))?;
        if lines[index].text != text {
            return Err(told("a line whose text changed on the way"));
        }
        let is_older = self.joined[&member] <= self.joined[&id.origin];
        let heard = self.heard.entry((member, id.origin)).or_insert(Heard {
            last: None,
            is_from_first: is_older,
            gap: false,
            gaps: 0,
        });
        match heard.last {
            Some(last) if index <= last => return Err(told("a line again, or out of order")),
            Some(last) if index > last + 1 && !heard.gap => {
                return Err(told("a line was left out before"));
            }
            None if heard.is_from_first && index > 0 && !heard.gap => {
                return Err(told("the first lines were left out before"));
            }
            _ => {}
        }
        heard.last = Some(index);
        heard.gap = false;
        Ok(lines[index].at)
    }

    /// A member was told of a gap, which only the end of an origin excuses.
    pub(super) fn gap(
        &mut self,
        member: MemberId,
        origin: MemberId,
        origin_is_there: bool,
    ) -> Result<(), Violation> {
        if origin_is_there {
            let text = format!(
                "member {:x} was told of a gap of {:x}, which is there",
                member.0, origin.0
            );
            return Err(Violation(text));
        }
        let is_older = self.joined[&member] <= self.joined[&origin];
        let heard = self.heard.entry((member, origin)).or_insert(Heard {
            last: None,
            is_from_first: is_older,
            gap: false,
            gaps: 0,
        });
        heard.gap = true;
        heard.gaps += 1;
        Ok(())
    }

    /// At the end, after a quiet time on a whole network: everyone there has everything said by whoever
    /// is there; of an origin that is gone all who were there before it have the same.
    pub(super) fn all_heard(&self, there: &[MemberId]) -> Result<(), Violation> {
        for (&origin, lines) in &self.said {
            let started = self.joined[&origin];
            let older = there
                .iter()
                .filter(|&&m| m != origin && self.joined[&m] <= started);
            let counts: Vec<(MemberId, usize)> =
                older.map(|&m| (m, self.count(m, origin))).collect();
            let most = match there.contains(&origin) {
                true => lines.len(),
                false => counts.iter().map(|(_, count)| *count).max().unwrap_or(0),
            };
            for (member, count) in counts {
                let is_told = self
                    .heard
                    .get(&(member, origin))
                    .is_some_and(|h| h.gaps > 0);
                if count < most && !is_told {
                    return Err(Violation(format!(
                        "member {:x} has {count} lines of {:x}, others {most} of {}",
                        member.0,
                        origin.0,
                        lines.len()
                    )));
                }
            }
            self.young_are_up_to_date(origin, lines, there)?;
        }
        Ok(())
    }

    /// A younger member begins somewhere and then has everything to the end.
    fn young_are_up_to_date(
        &self,
        origin: MemberId,
        lines: &[Line],
        there: &[MemberId],
    ) -> Result<(), Violation> {
        let Some(last) = lines.last().filter(|_| there.contains(&origin)) else {
            return Ok(());
        };
        for member in there.iter().filter(|&&m| m != origin) {
            let has_last = self.count(*member, origin) == lines.len();
            if self.joined[member] <= last.at && self.joined[member] > self.joined[&origin] {
                // It may have come while the last line was on its way.
                let was_settled = lines.iter().any(|l| l.at > self.joined[member] + SETTLED);
                if was_settled && !has_last {
                    return Err(Violation(format!(
                        "member {:x}, younger than {:x}, does not have its last line",
                        member.0, origin.0
                    )));
                }
            }
        }
        Ok(())
    }

    /// One more than the index of the last line heard.
    fn count(&self, member: MemberId, origin: MemberId) -> usize {
        let heard = self.heard.get(&(member, origin));
        heard.and_then(|h| h.last).map_or(0, |last| last + 1)
    }
}

/// Who came longer ago than this knows the others.
const SETTLED: crate::time::Micros = crate::time::Micros::from_millis(3000);
