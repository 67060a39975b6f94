//! What short text files say: they are shown as their sender's messages, also those of a history.

use super::ahead::PIECES_WAITING_MAX;
use super::files::{Files, answered};
use crate::chat::{FileHash, Happening, HistoryEntry, MessageText};
use crate::control::{FILE_PIECE_BYTES, Reply};

/// What may be shown as a message is one piece.
const _: () = assert!(MessageText::BYTES_MAX <= FILE_PIECE_BYTES as usize);

impl Files {
    /// Has the last `files_max` files of a history that are texts of at most 64 KiB, and that the server still has,
    /// become what they say. Nothing is saved. May be dropped at any time: those that are done stay so.
    pub async fn show_texts(&self, entries: &mut [HistoryEntry], files_max: usize) {
        let offers = entries.iter().enumerate().rev();
        let offers = offers.filter_map(|(index, entry)| match &entry.what {
            Happening::File(offer) if offer.may_be_text() => Some((index, offer.clone())),
            _ => None,
        });
        let offers: Vec<_> = offers.take(files_max).collect();
        for together in offers.chunks(PIECES_WAITING_MAX) {
            let mut waiting = Vec::new();
            for (index, offer) in together {
                waiting.push((index, offer.hash, self.get(offer.hash, 0).await));
            }
            for (index, hash, answer) in waiting {
                let Ok(answer) = answer else { return };
                if let Ok(Reply::FilePiece { bytes, .. }) = answered(answer).await
                    && hash == FileHash(*blake3::hash(&bytes).as_bytes())
                    && let Some(text) = MessageText::of_file(bytes.into())
                {
                    entries[*index].what = Happening::Text(text);
                }
            }
        }
    }
}
