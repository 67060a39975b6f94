//! What is done between requests: hashes of files that did not come in one go, and an end to what nobody goes on
//! with.

use std::collections::BTreeSet;

use super::part::Part;
use super::{CATCH_UP_BYTES, FAILED_MAX, FileStore, PART_IDLE_MAX, PART_REST};
use crate::chat::FileHash;
use crate::files::parts_in;

impl FileStore {
    /// Goes on with the hashes of files that did not come in one go, then of those that are unknown, for some milliseconds. Tells whether there is
    /// more to do.
    pub fn catch_up(&mut self) -> bool {
        let Some(hash) = self.checking.front().copied() else {
            return self.look_at_unknown();
        };
        let Some(Part::Here { mut part, touched }) = self.parts.remove(&hash) else {
            self.checking.pop_front();
            return self.is_behind();
        };
        let offer = part.offer().clone();
        let done = match part.catch_up(CATCH_UP_BYTES) {
            Ok(true) => {
                self.parts.insert(hash, Part::Here { part, touched });
                return true;
            }
            Ok(false) => self.publish(*part).map(drop),
            Err(error) => Err(error.into()),
        };
        self.checking.pop_front();
        if let Err(error) = done {
            tracing::warn!("A file could not be kept: {error}");
            self.leave_whole(offer, &error);
            if self.failed.len() >= FAILED_MAX {
                self.failed.pop_front();
            }
            self.failed.push_back((hash, error));
        }
        self.is_behind()
    }

    fn is_behind(&self) -> bool {
        !self.checking.is_empty() || !self.unknown.is_empty()
    }

    /// Closes what nobody goes on with, and removes what nobody went on with for a day. To be called now and then.
    pub fn tidy(&mut self) {
        self.rest();
        match parts_in(&self.folder, PART_IDLE_MAX) {
            Ok(found) => {
                let there: BTreeSet<FileHash> = found.iter().map(|part| part.offer.hash).collect();
                self.parts.retain(|hash, part| match part {
                    Part::Asleep { .. } => there.contains(hash),
                    _ => true,
                });
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }

    pub(super) fn rest(&mut self) {
        for (hash, part) in &mut self.parts {
            if let Part::Here { touched, .. } = part
                && touched.elapsed() >= PART_REST
                && !self.checking.contains(hash)
                && let Some(asleep) = part.asleep()
            {
                *part = asleep;
            }
        }
    }
}
