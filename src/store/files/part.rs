//! A file on its way to the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::KeepError;
use super::room::on_disk;
use crate::chat::FileOffer;
use crate::files::PartFile;

#[derive(Debug)]
pub(super) enum Part {
    /// Nobody goes on with it at the moment.
    Asleep {
        offer: FileOffer,
        received_bytes: u64,
        /// When somebody did last.
        touched: Instant,
    },
    /// Pieces come.
    Here {
        part: Box<PartFile>,
        touched: Instant,
    },
    /// It is received by another way.
    Lent {
        size_bytes: u64,
        received_bytes: Arc<AtomicU64>,
    },
}

impl Part {
    /// One with which somebody went on until now.
    pub(super) fn just_asleep(offer: FileOffer, received_bytes: u64) -> Self {
        Self::Asleep {
            offer,
            received_bytes,
            touched: Instant::now(),
        }
    }

    pub(super) fn is_asleep(&self) -> bool {
        matches!(self, Self::Asleep { .. })
    }

    /// What it is when it is closed; none where somebody else has it.
    pub(super) fn asleep(&self) -> Option<Self> {
        let (offer, touched) = match self {
            Self::Asleep { offer, touched, .. } => (offer, *touched),
            Self::Here { part, touched } => (part.offer(), *touched),
            Self::Lent { .. } => return None,
        };
        Some(Self::Asleep {
            offer: offer.clone(),
            received_bytes: self.received_bytes(),
            touched,
        })
    }

    /// What it may take in the end, as somebody goes on with it.
    pub(super) fn promised_bytes(&self) -> u64 {
        match self {
            Self::Asleep { .. } => 0,
            Self::Here { part, .. } => on_disk(part.offer().size_bytes),
            Self::Lent { size_bytes, .. } => on_disk(*size_bytes),
        }
    }

    /// What it takes of the disk.
    pub(super) fn taken_bytes(&self) -> u64 {
        on_disk(self.received_bytes())
    }

    /// How much of it is there.
    pub(super) fn received_bytes(&self) -> u64 {
        match self {
            Self::Asleep { received_bytes, .. } => *received_bytes,
            Self::Here { part, .. } => part.received_bytes(),
            Self::Lent { received_bytes, .. } => received_bytes.load(Ordering::Relaxed),
        }
    }

    pub(super) fn not_whole(&self) -> KeepError {
        let size_bytes = match self {
            Self::Asleep { offer, .. } => offer.size_bytes,
            Self::Here { part, .. } => part.offer().size_bytes,
            Self::Lent { size_bytes, .. } => *size_bytes,
        };
        KeepError::NotWhole {
            have_bytes: self.received_bytes(),
            size_bytes,
        }
    }
}
