//! How a file is cut into blocks and symbols.

use crate::chat::FileHash;
use crate::multicast::config::BLOCK_SYMBOLS;
use crate::multicast::content::Offer;

/// Which file a symbol is of: the first bytes of its hash, so that it is the same file after its sender was started
/// again, and for whoever else has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

impl ObjectId {
    /// Of the file with this hash.
    pub fn of(hash: &FileHash) -> Self {
        let [a, b, c, d, ..] = hash.0;
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

/// The blocks and symbols of one file. The last block may have fewer symbols than others, and the last symbol fewer
/// bytes; for parity it is filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    size_bytes: u64,
    symbol_bytes: u16,
}

impl Layout {
    /// As the offer has it.
    pub fn of(offer: &Offer) -> Self {
        Self {
            size_bytes: offer.file.size_bytes,
            symbol_bytes: offer.symbol_bytes,
        }
    }

    /// Bytes of the file.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Bytes of a symbol.
    pub fn symbol_bytes(&self) -> usize {
        self.symbol_bytes.into()
    }

    /// Bytes of a whole block.
    pub fn block_bytes(&self) -> usize {
        self.symbol_bytes() * usize::from(BLOCK_SYMBOLS)
    }

    /// How many blocks there are; none of an empty file.
    pub fn blocks(&self) -> u32 {
        let blocks = self.size_bytes.div_ceil(self.block_bytes() as u64);
        u32::try_from(blocks).unwrap_or(u32::MAX)
    }

    /// Where a block begins in the file.
    pub fn offset(&self, block: u32) -> u64 {
        u64::from(block) * self.block_bytes() as u64
    }

    /// Bytes of the file in this block.
    pub fn bytes_in(&self, block: u32) -> usize {
        let rest = self.size_bytes.saturating_sub(self.offset(block));
        usize::try_from(rest).map_or(self.block_bytes(), |rest| rest.min(self.block_bytes()))
    }

    /// Source symbols of this block.
    pub fn symbols_in(&self, block: u32) -> u16 {
        self.bytes_in(block).div_ceil(self.symbol_bytes()) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size_bytes: u64) -> Layout {
        Layout {
            size_bytes,
            symbol_bytes: 100,
        }
    }

    #[test]
    fn the_last_block_has_the_rest() {
        let layout = layout(2 * 16_000 + 201);
        assert_eq!(layout.blocks(), 3);
        assert_eq!((layout.bytes_in(1), layout.symbols_in(1)), (16_000, 160));
        assert_eq!((layout.bytes_in(2), layout.symbols_in(2)), (201, 3));
        assert_eq!(layout.offset(2), 32_000);
    }

    #[test]
    fn an_empty_file_has_no_block() {
        assert_eq!(layout(0).blocks(), 0);
        assert_eq!(layout(1).blocks(), 1);
        assert_eq!(layout(16_000).blocks(), 1);
    }
}
