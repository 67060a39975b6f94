//! Where a file that was offered can be had from.

use std::path::Path;

use super::{Fetched, Files, Offer, RoomFileError, RoomFiles, Transfer, Turn};
use crate::chat::FileOffer;

/// Where a file that was offered can be had from.
#[derive(Clone, Debug)]
pub enum FileSource {
    /// The server keeps it, or will.
    Server(Files, FileOffer),
    /// Who offered it in a room sends it; the server too, if it must.
    Room(RoomFiles, Offer),
}

impl FileSource {
    /// Which file it is.
    pub fn file(&self) -> &FileOffer {
        match self {
            Self::Server(_, file) => file,
            Self::Room(_, offer) => &offer.file,
        }
    }

    /// Fetches it into `folder`, see [`Files::download`] and [`RoomFiles::fetch`].
    ///
    /// # Errors
    /// See [`RoomFileError`].
    pub async fn fetch(
        &self,
        folder: &Path,
        transfer: &Transfer,
        turn: &mut Turn,
    ) -> Result<Fetched, RoomFileError> {
        match self {
            Self::Server(files, file) => {
                let path = files.download(file, folder, transfer).await?;
                Ok(Fetched::at(path))
            }
            Self::Room(files, offer) => files.fetch(offer, folder, transfer, turn).await,
        }
    }
}
