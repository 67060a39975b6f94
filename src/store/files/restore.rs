//! Index and folder are brought together when the server starts.

use std::collections::BTreeSet;
use std::fs::{self, File};

use super::FileStore;
use super::index::Row;
use crate::chat::FileOffer;
use crate::files::hash_of;

impl FileStore {
    /// Takes over what the index knows, as far as it is there.
    pub(super) fn restore(&mut self, rows: Vec<Row>) {
        let known: BTreeSet<String> = rows.iter().filter_map(|row| row.kept_as.clone()).collect();
        for row in rows {
            let size_bytes = row.offer.size_bytes;
            let is_there = |name: &String| {
                let metadata = fs::symlink_metadata(self.folder.join(name));
                metadata.is_ok_and(|found| found.is_file() && found.len() == size_bytes)
            };
            let kept_as = match &row.kept_as {
                Some(name) => Some(name.clone()).filter(is_there),
                // The crash came between its name and the word of it.
                None => self.find_unknown(&known, &row.offer),
            };
            let noted = match &kept_as {
                Some(name) if row.kept_as.is_none() => self.index.kept(row.offer.hash, name),
                Some(_) => Ok(()),
                None => self.index.forget(row.offer.hash),
            };
            if let Err(error) = noted {
                tracing::warn!("The index of files could not be written: {error}");
            }
            if let Some(kept_as) = kept_as {
                self.insert(row.offer, kept_as, row.used);
            }
        }
    }

    /// A file in the folder that the index does not know and that holds this.
    fn find_unknown(&self, known: &BTreeSet<String>, offer: &FileOffer) -> Option<String> {
        let names = fs::read_dir(&self.folder).ok()?.filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            let is_candidate = metadata.is_file() && metadata.len() == offer.size_bytes;
            let name = entry.file_name().into_string().ok()?;
            (is_candidate && !name.starts_with('.') && !known.contains(&name)).then_some(name)
        });
        names.into_iter().find(|name| {
            let file = File::open(self.folder.join(name));
            let hash = file.and_then(|file| hash_of(&file, offer.size_bytes));
            hash.is_ok_and(|hash| hash == offer.hash)
        })
    }
}
