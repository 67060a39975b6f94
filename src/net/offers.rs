//! Which files were offered in a room, and by whom.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::chat::FileHash;
use crate::multicast::config::OFFERS_KNOWN_MAX;
use crate::multicast::packet::MemberId;

/// Whose offer of which file.
type Key = (MemberId, FileHash);

/// What is announced again and again is told once.
#[derive(Default)]
pub(super) struct Offers {
    known: BTreeMap<Key, Known>,
}

#[derive(Clone, Copy)]
struct Known {
    /// By the clock of who offers it.
    at: Timestamp,
    is_withdrawn: bool,
    /// Who offered it has left since.
    has_left: bool,
    /// When we last heard of it.
    heard: Instant,
}

/// What is new of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// It was not offered, or not any more.
    New,
    /// It is known, and stands.
    Standing,
    /// This offer, or a later one, was withdrawn already.
    Withdrawn,
}

impl Offers {
    /// A file is offered, or offered still.
    pub(super) fn note(&mut self, key: Key, mut said_at: Timestamp, now: Instant) -> Noted {
        let noted = match self.known.get(&key) {
            Some(known) if known.is_withdrawn && said_at <= known.at => return Noted::Withdrawn,
            Some(known) if known.is_withdrawn || known.has_left => Noted::New,
            Some(known) => {
                said_at = said_at.max(known.at);
                Noted::Standing
            }
            None => {
                if self.known.len() >= OFFERS_KNOWN_MAX {
                    self.forget_one();
                }
                Noted::New
            }
        };
        let known = Known {
            at: said_at,
            is_withdrawn: false,
            has_left: false,
            heard: now,
        };
        self.known.insert(key, known);
        noted
    }

    /// A file is not offered any more. True if that is news: it is told several times, and may have been offered again since.
    pub(super) fn withdraw(&mut self, key: Key, said_at: Timestamp) -> bool {
        let known = self.known.get_mut(&key);
        let known = known.filter(|known| !known.is_withdrawn && known.at <= said_at);
        known.is_some_and(|known| {
            known.is_withdrawn = true;
            true
        })
    }

    /// What somebody announces who left and is back is news.
    pub(super) fn note_left(&mut self, left: MemberId) {
        for ((member, _), known) in &mut self.known {
            known.has_left |= *member == left;
        }
    }

    /// One that was withdrawn, if there is one, and the one that was not heard of for longest: what stands is announced again
    /// and again, and must not be news each time.
    fn forget_one(&mut self) {
        let known = self.known.iter();
        let least = known.min_by_key(|(_, known)| (!known.is_withdrawn, known.heard));
        if let Some(least) = least.map(|(key, _)| *key) {
            self.known.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Of so many standing offers of one member, and one more of another, announced in turns three times: how many are news.
    fn news_of(standing: usize, withdrawn: usize) -> usize {
        let (mut offers, mut now) = (Offers::default(), Instant::now());
        let hash = |number: usize| {
            let mut hash = FileHash([0; 32]);
            hash.0[..8].copy_from_slice(&number.to_be_bytes());
            hash
        };
        let at = Timestamp::UNIX_EPOCH;
        let mut note = |offers: &mut Offers, member, number| {
            now += Duration::from_millis(1);
            let noted = offers.note((MemberId(member), hash(number)), at, now);
            usize::from(noted == Noted::New)
        };
        for number in 0..withdrawn {
            note(&mut offers, 9, number);
        }
        for number in 0..withdrawn {
            assert!(offers.withdraw((MemberId(9), hash(number)), at));
        }
        let mut news = 0;
        for _ in 0..3 {
            for number in 0..standing {
                news += note(&mut offers, 1, number);
            }
        }
        assert!(offers.known.len() <= OFFERS_KNOWN_MAX);
        news
    }

    #[test]
    fn an_offer_that_stands_is_news_once_however_many_were_withdrawn() {
        assert_eq!(news_of(10, 0), 10);
        assert_eq!(news_of(10, OFFERS_KNOWN_MAX), 10);
        assert_eq!(
            news_of(OFFERS_KNOWN_MAX, OFFERS_KNOWN_MAX),
            OFFERS_KNOWN_MAX
        );
    }
}
