//! What stands in a part file behind the file's own bytes: one byte for each block, and at the end what it is a
//! part of. So a part file tells all by itself, and is gone with one removal.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::chat::{FileHash, FileName, FileOffer};

/// Marks a part file of ours, and what it looks like.
const MAGIC: &[u8; 8] = b"CRDSPRT1";

/// The last bytes of a part file: magic, block length, size, hash, length of the name, the name, zeros.
const FOOTER_BYTES: u64 = 256;

/// Where the name begins in the footer.
const NAME_AT: usize = 8 + 4 + 8 + 32 + 1;

/// A block that is there.
pub(super) const THERE: u8 = 1;

/// How a file is cut into blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) size_bytes: u64,
    /// The length of each block but the last; at least 1.
    pub(super) block_bytes: u32,
}

impl Layout {
    /// How many blocks there are; none in an empty file.
    pub(super) fn blocks(self) -> u64 {
        self.size_bytes.div_ceil(self.block_bytes.into())
    }

    pub(super) fn block_at(self, block: u64) -> u64 {
        block * u64::from(self.block_bytes)
    }

    /// The length of this block: the last may be shorter.
    pub(super) fn bytes_of(self, block: u64) -> u64 {
        let rest = self.size_bytes.saturating_sub(self.block_at(block));
        rest.min(self.block_bytes.into())
    }

    /// How long the part file is.
    pub(super) fn part_bytes(self) -> u64 {
        self.size_bytes + self.blocks() + FOOTER_BYTES
    }
}

/// Writes map and footer. The footer is the last, so that a part file that has one has its map.
pub(super) fn write(file: &File, offer: &FileOffer, layout: Layout, map: &[u8]) -> io::Result<()> {
    let footer_at = layout.part_bytes() - FOOTER_BYTES;
    // First without a footer; and never, not even in between, as long as the file itself: that would be one that is whole.
    file.set_len(footer_at)?;
    file.set_len(layout.part_bytes())?;
    file.write_all_at(map, layout.size_bytes)?;
    file.write_all_at(&footer(offer, layout.block_bytes), footer_at)
}

fn footer(offer: &FileOffer, block_bytes: u32) -> Vec<u8> {
    let name = offer.name.as_str();
    let mut footer = Vec::with_capacity(FOOTER_BYTES as usize);
    footer.extend_from_slice(MAGIC);
    footer.extend_from_slice(&block_bytes.to_be_bytes());
    footer.extend_from_slice(&offer.size_bytes.to_be_bytes());
    footer.extend_from_slice(&offer.hash.0);
    footer.push(u8::try_from(name.len()).expect("a file name has at most 200 bytes"));
    footer.extend_from_slice(name.as_bytes());
    footer.resize(FOOTER_BYTES as usize, 0);
    footer
}

/// Reads what a part file is a part of, and which blocks are there; `None` if it is none.
pub(super) fn read(file: &File) -> io::Result<Option<(FileOffer, Layout, Vec<u8>)>> {
    let part_bytes = file.metadata()?.len();
    let Some(footer_at) = part_bytes.checked_sub(FOOTER_BYTES) else {
        return Ok(None);
    };
    let mut footer = [0; FOOTER_BYTES as usize];
    file.read_exact_at(&mut footer, footer_at)?;
    let Some((offer, layout)) = parse(&footer).filter(|(_, layout)| {
        // A length that does not fit is no part file of ours; nor is memory taken for its map.
        let blocks = layout.size_bytes / u64::from(layout.block_bytes);
        blocks <= part_bytes && layout.part_bytes() == part_bytes
    }) else {
        return Ok(None);
    };
    let mut map = vec![0; usize::try_from(layout.blocks()).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut map, layout.size_bytes)?;
    Ok(Some((offer, layout, map)))
}

fn parse(footer: &[u8; FOOTER_BYTES as usize]) -> Option<(FileOffer, Layout)> {
    let (magic, rest) = footer.split_first_chunk::<8>()?;
    let (block_bytes, rest) = rest.split_first_chunk::<4>()?;
    let (size_bytes, rest) = rest.split_first_chunk::<8>()?;
    let (hash, _) = rest.split_first_chunk::<32>()?;
    let name = &footer[NAME_AT..][..usize::from(footer[NAME_AT - 1]).min(FileName::BYTES_MAX)];
    let layout = Layout {
        size_bytes: u64::from_be_bytes(*size_bytes),
        block_bytes: u32::from_be_bytes(*block_bytes),
    };
    let is_ours = magic == MAGIC && layout.block_bytes > 0 && layout.size_bytes < u64::MAX / 4;
    is_ours.then(|| {
        let offer = FileOffer {
            name: FileName::of(&String::from_utf8_lossy(name)),
            size_bytes: layout.size_bytes,
            hash: FileHash(*hash),
        };
        (offer, layout)
    })
}
