//! Who offers a file in a room.

use std::collections::BTreeSet;

use crate::chat::FileHash;
use crate::client::RoomEvent;

/// The names of those who offer a file, as they are shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Offerers(BTreeSet<String>);

impl Offerers {
    pub(super) fn add(&mut self, name: String) {
        self.0.insert(name);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nobody is heard of who may offer it.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Somebody has left, and offers nothing any more. True if that was the last.
    pub(super) fn leave(&mut self, name: &str) -> bool {
        self.0.remove(name) && self.0.is_empty()
    }

    /// Notes who offers the file of this hash no longer, or by another name. True if that was the last.
    pub(super) fn note(&mut self, event: &RoomEvent, hash: FileHash) -> bool {
        match event {
            RoomEvent::Withdrawn { from, offer } if offer.file.hash == hash => self.leave(from),
            RoomEvent::Renamed { before, now } => {
                if self.0.remove(before) {
                    self.0.insert(now.clone());
                }
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{FileName, FileOffer};
    use crate::client::Offer;

    #[test]
    fn the_last_to_withdraw_is_known_under_a_new_name_too() {
        let hash = FileHash([1; 32]);
        let withdrawn = |from: &str, hash| RoomEvent::Withdrawn {
            from: from.to_owned(),
            offer: Offer {
                file: FileOffer {
                    name: FileName::of("notes.txt"),
                    size_bytes: 1,
                    hash,
                },
                symbol_bytes: 1,
            },
        };
        let mut offerers = Offerers::default();
        for name in ["Ana", "Mel"] {
            offerers.add(name.to_owned());
        }
        let renamed = RoomEvent::Renamed {
            before: "Ana".to_owned(),
            now: "Anna".to_owned(),
        };
        assert!(!offerers.note(&renamed, hash));
        assert!(!offerers.note(&withdrawn("Ana", hash), hash));
        assert!(!offerers.note(&withdrawn("Mel", hash), hash));
        assert!(!offerers.note(&withdrawn("Anna", FileHash([2; 32])), hash));
        assert!(offerers.note(&withdrawn("Anna", hash), hash));
        assert!(!offerers.note(&withdrawn("Anna", hash), hash));
        assert!(offerers.is_empty());
    }
}
