//! Files that are received by another way than pieces, into a part file that is given out meanwhile.

use super::part::Part;
use super::{Begun, FileStore, KeepError, KeptFile};
use crate::chat::FileOffer;
use crate::files::PartFile;

impl FileStore {
    /// Gives out the part file of what is received by another way than pieces: nobody writes it meanwhile.
    ///
    /// # Errors
    /// See [`KeepError`]; [`KeepError::NotWhole`] where it is given out already.
    pub fn begin(&mut self, offer: &FileOffer, block_bytes: u32) -> Result<Begun, KeepError> {
        if let Some(kept) = self.find(offer.hash) {
            return Ok(Begun::Kept(kept));
        }
        self.check_size(offer)?;
        match self.parts.remove(&offer.hash) {
            Some(lent @ Part::Lent { .. }) => {
                let error = lent.not_whole();
                self.parts.insert(offer.hash, lent);
                return Err(error);
            }
            Some(_) => {}
            None => self.make_place()?,
        }
        self.checking.retain(|hash| *hash != offer.hash);
        self.make_room(offer.size_bytes)?;
        let part = PartFile::open(&self.folder, offer, block_bytes)?;
        let lent = Part::Lent {
            size_bytes: offer.size_bytes,
            received_bytes: part.progress(),
        };
        self.parts.insert(offer.hash, lent);
        Ok(Begun::Part(Box::new(part)))
    }

    /// Keeps a file whose part was given out. It takes long unless the part has caught up with its hash.
    ///
    /// # Errors
    /// See [`KeepError`].
    pub fn finish(&mut self, part: PartFile) -> Result<KeptFile, KeepError> {
        self.parts.remove(&part.offer().hash);
        self.publish(part)
    }

    /// Takes a part back with which nobody goes on by that way: pieces may follow.
    pub fn abandon(&mut self, part: PartFile) {
        let asleep = Part::Asleep {
            offer: part.offer().clone(),
            received_bytes: part.received_bytes(),
        };
        self.parts.insert(part.offer().hash, asleep);
    }
}
