//! Parity: any of the symbols of a block, as many as it has source symbols, give it back (an MDS code, Reed-Solomon
//! over GF(2^16) in O(n log n), Leopard by C. Taylor after Lin, Han and Chung, 2014).

use reed_solomon_simd::{Error, ReedSolomonDecoder, ReedSolomonEncoder};

use crate::multicast::config;

/// Parity symbols of every block: what they hold depends on how many there could be.
const PARITY_SYMBOLS: usize = config::PARITY_SYMBOLS as usize;

/// Too few symbols, or of a wrong length: a mistake of the caller's.
#[derive(Debug, thiserror::Error)]
#[error("parity cannot be reckoned: {0}")]
pub struct FecError(#[from] Error);

/// Reckons parity and source symbols; keeps its working space from one block to the next.
#[derive(Default)]
pub struct Fec {
    encoder: Option<ReedSolomonEncoder>,
    decoder: Option<ReedSolomonDecoder>,
}

impl Fec {
    /// Appends the parity of a block to `out`, all of it. `block` has whole symbols.
    ///
    /// # Errors
    /// It has not.
    pub fn encode(
        &mut self,
        block: &[u8],
        symbol_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), FecError> {
        let sources = block.len() / symbol_bytes;
        let encoder = match &mut self.encoder {
            Some(encoder) => {
                encoder.reset(sources, PARITY_SYMBOLS, symbol_bytes)?;
                encoder
            }
            none => none.insert(ReedSolomonEncoder::new(
                sources,
                PARITY_SYMBOLS,
                symbol_bytes,
            )?),
        };
        for symbol in block.chunks(symbol_bytes) {
            encoder.add_original_shard(symbol)?;
        }
        let parity = encoder.encode()?;
        parity
            .recovery_iter()
            .for_each(|symbol| out.extend_from_slice(symbol));
        Ok(())
    }

    /// Fills in the source symbols of `block` that `has` says are not there, from parity symbols and their numbers.
    ///
    /// # Errors
    /// There are too few.
    pub fn restore(
        &mut self,
        block: &mut [u8],
        symbol_bytes: usize,
        has: impl Fn(usize) -> bool,
        parity: &[(u16, Vec<u8>)],
    ) -> Result<(), FecError> {
        let sources = block.len() / symbol_bytes;
        let decoder = match &mut self.decoder {
            Some(decoder) => {
                decoder.reset(sources, PARITY_SYMBOLS, symbol_bytes)?;
                decoder
            }
            none => none.insert(ReedSolomonDecoder::new(
                sources,
                PARITY_SYMBOLS,
                symbol_bytes,
            )?),
        };
        for (index, symbol) in block.chunks(symbol_bytes).enumerate() {
            if has(index) {
                decoder.add_original_shard(index, symbol)?;
            }
        }
        for (index, symbol) in parity {
            decoder.add_recovery_shard(usize::from(*index), symbol)?;
        }
        let restored = decoder.decode()?;
        for (index, symbol) in restored.restored_original_iter() {
            block[index * symbol_bytes..][..symbol_bytes].copy_from_slice(symbol);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_symbols_give_the_block_back() {
        const BYTES: usize = 64;
        for sources in [1_usize, 2, 7, 256, 500] {
            let block: Vec<u8> = (0..sources * BYTES).map(|n| (n * 31 % 251) as u8).collect();
            let mut parity = Vec::new();
            let mut fec = Fec::default();
            fec.encode(&block, BYTES, &mut parity).unwrap();
            assert_eq!(parity.len(), PARITY_SYMBOLS * BYTES);
            // Every other one is lost, and the last parity symbols are those that came.
            let lost = |index: usize| index.is_multiple_of(2);
            let mut damaged = block.clone();
            for index in (0..sources).filter(|index| lost(*index)) {
                damaged[index * BYTES..][..BYTES].fill(0);
            }
            let needed = sources.div_ceil(2);
            let came = PARITY_SYMBOLS - needed..PARITY_SYMBOLS;
            let came: Vec<_> = came
                .map(|index| (index as u16, parity[index * BYTES..][..BYTES].to_vec()))
                .collect();
            fec.restore(&mut damaged, BYTES, |index| !lost(index), &came)
                .unwrap();
            assert!(damaged == block, "{sources}");
            assert!(fec.restore(&mut damaged, BYTES, |_| false, &[]).is_err());
        }
    }
}
