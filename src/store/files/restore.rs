//! Index and folder are brought together when the server starts.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io;

use super::index::Row;
use super::unknown::{Known, State, Unknown};
use super::{FileStore, Kept};

impl FileStore {
    /// Takes over what the index knows, as far as it is there as it was. What else is in the folder is looked at afterwards: a
    /// crash came between its name and the word of it, somebody changed it, or the index was lost.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn restore(&mut self, rows: Vec<Row>) -> io::Result<()> {
        for row in rows {
            let hash = row.offer.hash;
            let there = row.kept_as.and_then(|name| {
                let state = State::of(&self.folder.join(&name)).ok()?;
                Some((name, state))
            });
            match there {
                // Of one from before that was noted, the length must do.
                Some((kept_as, state))
                    if state.size_bytes == row.offer.size_bytes
                        && row
                            .modified
                            .is_none_or(|modified| modified == state.modified) =>
                {
                    if row.modified.is_none()
                        && let Err(error) = self.index.kept(hash, &kept_as, state.modified)
                    {
                        tracing::warn!("The index of files could not be written: {error}");
                    }
                    self.insert(Kept {
                        offer: row.offer,
                        kept_as,
                        used: row.used,
                        modified: state.modified,
                    });
                }
                _ => {
                    let known = Known {
                        offer: row.offer,
                        used: row.used,
                    };
                    self.before.insert(hash, known);
                    self.forget_or_warn(hash);
                }
            }
        }
        self.unknown = self.names_unknown()?;
        if self.unknown.is_empty() {
            self.before.clear();
        }
        Ok(())
    }

    fn names_unknown(&self) -> io::Result<VecDeque<Unknown>> {
        let known = self.kept.values().map(|kept| &*kept.kept_as);
        let known: BTreeSet<&str> = known.collect();
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Other names are not ours.
            if let Ok(name) = entry.file_name().into_string()
                && !name.starts_with('.')
                && !known.contains(name.as_str())
                && entry.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names.into_iter().map(Unknown::new).collect())
    }
}
