//! Symbols of a file that is sent.

use std::collections::VecDeque;

use crate::files::{FileError, SourceFile};
use crate::multicast::config::{BLOCKS_KEPT, PARITY_AT_ONCE};
use crate::multicast::file::{Fec, FecError, Layout};

/// Why there is no symbol.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Fec(#[from] FecError),
}

/// Reads blocks of a file, and reckons their parity when it is asked for.
pub(super) struct BlockReader {
    source: SourceFile,
    layout: Layout,
    fec: Fec,
    /// The one that was used last is the last.
    kept: VecDeque<Block>,
}

#[derive(Default)]
struct Block {
    number: u32,
    /// Filled up to whole symbols.
    sources: Vec<u8>,
    /// As much as was asked for.
    parity: Vec<u8>,
}

impl BlockReader {
    pub(super) fn new(source: SourceFile, layout: Layout) -> Self {
        Self {
            source,
            layout,
            fec: Fec::default(),
            kept: VecDeque::new(),
        }
    }

    /// Appends a symbol to `out`.
    pub(super) fn append(
        &mut self,
        block: u32,
        symbol: u16,
        out: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let symbol_bytes = self.layout.symbol_bytes();
        let sources = self.layout.symbols_in(block);
        let at = self.read(block)?;
        let kept = &mut self.kept[at];
        let (from, index) = match symbol.checked_sub(sources) {
            None => (&kept.sources, symbol),
            Some(parity) => {
                let made = (kept.parity.len() / symbol_bytes) as u16;
                if parity >= made {
                    let rows = made..(parity + 1).next_multiple_of(PARITY_AT_ONCE);
                    self.fec
                        .encode(&kept.sources, symbol_bytes, rows, &mut kept.parity)?;
                }
                (&kept.parity, parity)
            }
        };
        out.extend_from_slice(&from[usize::from(index) * symbol_bytes..][..symbol_bytes]);
        Ok(())
    }

    /// Where among those kept the block is.
    fn read(&mut self, block: u32) -> Result<usize, ReadError> {
        let last = self.kept.len().saturating_sub(1);
        if let Some(at) = self.kept.iter().rposition(|kept| kept.number == block) {
            // Those that take turns stay, however many others are repaired between them.
            let used = self.kept.remove(at);
            self.kept.extend(used);
            return Ok(last);
        }
        let mut kept = match self.kept.len() {
            BLOCKS_KEPT.. => self.kept.pop_front().unwrap_or_default(),
            _ => Block::default(),
        };
        let bytes = self.layout.bytes_in(block);
        let filled = usize::from(self.layout.symbols_in(block)) * self.layout.symbol_bytes();
        kept.number = block;
        kept.parity.clear();
        kept.sources.resize(filled, 0);
        kept.sources[bytes..].fill(0);
        self.source.check_unchanged()?;
        let offset = self.layout.offset(block);
        self.source.read_at(&mut kept.sources[..bytes], offset)?;
        self.kept.push_back(kept);
        Ok(self.kept.len() - 1)
    }
}
