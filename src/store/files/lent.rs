//! Files that are received by another way than pieces: their part files are given out.

use super::part::Part;
use super::room::on_disk;
use super::{Begun, FileStore, KeepError, KeptFile};
use crate::chat::{FileHash, FileOffer};
use crate::files::PartFile;

impl FileStore {
    /// Gives out the part file of what is received by another way than pieces: nobody writes it meanwhile. Nothing
    /// is removed for it, as nothing has come yet: see [`FileStore::keep_within_limits`].
    ///
    /// # Errors
    /// See [`KeepError`]; [`KeepError::NotWhole`] where it is given out already.
    pub fn begin(&mut self, offer: &FileOffer, block_bytes: u32) -> Result<Begun, KeepError> {
        if let Some(kept) = self.find_sound(offer.hash) {
            return Ok(Begun::Kept(kept));
        }
        self.check_size(offer.size_bytes)?;
        let part = self.open_part(offer, block_bytes)?;
        self.checking.retain(|hash| *hash != offer.hash);
        let lent = Part::Lent {
            size_bytes: offer.size_bytes,
            received_bytes: part.progress(),
        };
        self.parts.insert(offer.hash, lent);
        Ok(Begun::Part(Box::new(part)))
    }

    /// Makes room for what has come of files that are given out. To be called while they grow.
    ///
    /// # Errors
    /// [`KeepError::NoSpace`] if what is on its way takes all.
    pub fn keep_within_limits(&mut self) -> Result<(), KeepError> {
        self.make_room(0)
    }

    /// Keeps a file whose part was given out. It takes long unless the part has caught up with its hash.
    ///
    /// # Errors
    /// See [`KeepError`].
    pub fn finish(&mut self, part: PartFile) -> Result<KeptFile, KeepError> {
        self.parts.remove(&part.offer().hash);
        let room = self.make_room(on_disk(part.offer().size_bytes));
        if let Err(error) = room {
            self.abandon(part);
            return Err(error);
        }
        self.publish(part)
    }

    /// Takes a part back with which nobody goes on by that way: pieces may follow.
    pub fn abandon(&mut self, part: PartFile) {
        let received_bytes = part.received_bytes();
        let offer = part.offer().clone();
        if received_bytes > 0 {
            let asleep = Part::just_asleep(offer, received_bytes);
            self.parts.insert(part.offer().hash, asleep);
            return;
        }
        self.parts.remove(&offer.hash);
        // One that cannot be removed is found when it is looked for what is old.
        if let Err(error) = part.discard() {
            tracing::warn!("{error}");
        }
    }

    /// Who was given a part has it no more, and did not bring it back: what it wrote is there.
    pub fn lost(&mut self, offer: &FileOffer) {
        let hash: FileHash = offer.hash;
        if let Some(Part::Lent { .. }) = self.parts.get(&hash)
            && let Some(lent) = self.parts.remove(&hash)
        {
            let asleep = Part::just_asleep(offer.clone(), lent.received_bytes());
            self.parts.insert(hash, asleep);
        }
    }
}
