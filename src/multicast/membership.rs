//! Who is in the room, how far away, and how far each has what we said.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::config::{
    IDLE_BYTES_PER_SECOND, IDLE_HEARTBEAT_BYTES, IDLE_INTERVAL_MIN, MEMBER_KEPT,
    MISSED_INTERVALS_MAX, ROUND_TRIP_FIRST, ROUND_TRIP_MIN, STREAMS_MAX,
};
use super::packet::{Header, MemberId};
use super::session::{Delivered, Event, MemberInfo};
use crate::time::{Instant, Micros};

/// A measured round trip counts this much against those before it (RFC 6298's alpha).
const ROUND_TRIP_WEIGHT: f64 = 0.125;

/// A round trip longer than this is a clock's mistake or a lie.
const ROUND_TRIP_MAX: Micros = Micros::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Members {
    all: BTreeMap<MemberId, Member>,
    live: usize,
}

#[derive(Debug)]
struct Member {
    address: SocketAddr,
    /// None until its first heartbeat.
    name: Option<String>,
    is_live: bool,
    heard: Instant,
    stamp_us: u32,
    round_trip: Option<Micros>,
    /// Our sequence up to which it has everything.
    has: u64,
}

impl Members {
    /// A datagram of this member came. `Some(true)` if it was not there before; `None` if there are
    /// too many already.
    pub(super) fn heard(
        &mut self,
        id: MemberId,
        source: SocketAddr,
        header: &Header,
        now: Instant,
    ) -> Option<bool> {
        if !self.all.contains_key(&id) && self.all.len() >= STREAMS_MAX {
            return None;
        }
        let member = self.all.entry(id).or_insert_with(|| Member {
            address: source,
            name: None,
            is_live: false,
            heard: now,
            stamp_us: 0,
            round_trip: None,
            has: 0,
        });
        member.address = source;
        member.heard = now;
        member.stamp_us = header.stamp_us;
        let is_new = !std::mem::replace(&mut member.is_live, true);
        self.live += usize::from(is_new);
        Some(is_new)
    }

    /// A member told its name. The event to tell, if that is news.
    pub(super) fn named(&mut self, id: MemberId, name: String) -> Option<Event> {
        let member = self.all.get_mut(&id)?;
        let before = member.name.replace(name.clone());
        match before {
            None => Some(Event::Joined(id, name)),
            Some(before) if before != name => Some(Event::Renamed(id, name)),
            Some(_) => None,
        }
    }

    /// A member left. True if that is news.
    pub(super) fn left(&mut self, id: MemberId, now: Instant) -> bool {
        let Some(member) = self.all.get_mut(&id) else {
            return false;
        };
        member.heard = now;
        self.live -= usize::from(std::mem::take(&mut member.is_live));
        // When it comes back it joins again.
        member.name.take().is_some()
    }

    /// Members that were silent for too long: they are taken as gone. Those to be told of.
    pub(super) fn silent(&mut self, now: Instant) -> Vec<MemberId> {
        let wait = Micros(self.idle_interval().0 * MISSED_INTERVALS_MAX);
        let silent = |m: &Member| m.is_live && now.since(m.heard) > wait;
        let told = self.those(silent).into_iter().filter(|&id| {
            let heard = self.all[&id].heard;
            self.left(id, heard)
        });
        told.collect()
    }

    /// Forgets those that left long ago.
    pub(super) fn forget(&mut self, now: Instant) -> Vec<MemberId> {
        let is_old = |m: &Member| !m.is_live && now.since(m.heard) > MEMBER_KEPT;
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

    /// The members there whose names are known.
    pub(super) fn live(&self) -> impl Iterator<Item = MemberInfo<'_>> {
        let live = self.all.iter().filter(|(_, member)| member.is_live);
        live.filter_map(|(&id, member)| {
            Some(MemberInfo {
                id,
                name: member.name.as_deref()?,
                address: member.address,
                round_trip: member.round_trip,
            })
        })
    }

    /// Members there, and us.
    pub(super) fn len(&self) -> usize {
        self.live + 1
    }

    /// A member has everything of ours before `next`.
    pub(super) fn reported(&mut self, id: MemberId, next: u64) {
        if let Some(member) = self.all.get_mut(&id) {
            member.has = member.has.max(next);
        }
    }

    pub(super) fn all_have(&self, next: u64) -> bool {
        let mut live = self.all.values().filter(|member| member.is_live).peekable();
        live.peek().is_some() && live.all(|member| member.has >= next)
    }

    pub(super) fn delivered(&self, sequence: u64) -> Delivered {
        let live = self.all.values().filter(|member| member.is_live);
        let (of, by) = live.fold((0, 0), |(of, by), member| {
            (of + 1, by + usize::from(member.has > sequence))
        });
        Delivered { by, of }
    }

    /// A round trip to this member was measured.
    pub(super) fn measured(&mut self, id: MemberId, round_trip: Micros) {
        if let Some(member) = self.all.get_mut(&id)
            && round_trip <= ROUND_TRIP_MAX
        {
            member.round_trip = Some(match member.round_trip {
                None => round_trip,
                Some(before) => {
                    before.mul_f64(1.0 - ROUND_TRIP_WEIGHT) + round_trip.mul_f64(ROUND_TRIP_WEIGHT)
                }
            });
        }
    }

    /// The longest round trip to a member there.
    pub(super) fn round_trip(&self) -> Micros {
        let live = self.all.values().filter(|member| member.is_live);
        let longest = live.filter_map(|member| member.round_trip).max();
        longest.unwrap_or(ROUND_TRIP_FIRST).max(ROUND_TRIP_MIN)
    }

    /// The time stamp last heard of this member, and how long ago in µs.
    pub(super) fn echo(&self, id: MemberId, now: Instant) -> (u32, u32) {
        match self.all.get(&id) {
            Some(member) => {
                let delay = now.since(member.heard).0;
                (member.stamp_us, u32::try_from(delay).unwrap_or(u32::MAX))
            }
            None => (0, u32::MAX),
        }
    }

    /// The time between two signs of life of an idle member, so that those of all stay within a
    /// fixed share of the network (as RTCP's, RFC 3550, section 6.2).
    pub(super) fn idle_interval(&self) -> Micros {
        let bytes = self.len() as u64 * IDLE_HEARTBEAT_BYTES;
        Micros(bytes * 1_000_000 / IDLE_BYTES_PER_SECOND).max(IDLE_INTERVAL_MIN)
    }
}
