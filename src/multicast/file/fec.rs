//! Parity: any of the symbols of a block, as many as it has source symbols, give it back. It is a Cauchy Reed-Solomon
//! code over GF(2^8) (Blömer, Kalfane, Karp, Karpinski, Luby, Zuckerman: An XOR-based erasure-resilient coding scheme,
//! ICSI TR-95-048, 1995), so its work grows with what is missing.
//!
//! Parity row `i` has for the source symbol `j` the coefficient `y / (i + y)` with `y = PARITY_SYMBOLS + j`: a Cauchy
//! matrix with its columns scaled, so that row 0 is the plain XOR of all.

use std::ops::Range;

use super::field::{divide, multiply};
use super::products::{Products, Unit};
use crate::multicast::config::{BLOCK_SYMBOLS, PARITY_SYMBOLS, SYMBOL_BYTES_STEP};

/// Every row and column of the matrix is an element of its own.
const _: () = assert!(BLOCK_SYMBOLS + PARITY_SYMBOLS <= 256);

/// Of each row, those of the source symbols.
static COEFFICIENTS: [[u8; BLOCK_SYMBOLS as usize]; PARITY_SYMBOLS as usize] = coefficients();

/// Too few symbols, or of a wrong length.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("these symbols do not give the block")]
pub struct FecError;

/// Reckons parity and source symbols; keeps its working space from one block to the next.
#[derive(Default)]
pub struct Fec {
    products: Products,
    sums: Vec<Unit>,
    restored: Vec<Unit>,
}

impl Fec {
    /// Appends these parity symbols of a block to `out`. `block` has whole symbols.
    ///
    /// # Errors
    /// It has not, or too many, or there are no such parity symbols.
    pub fn encode(
        &mut self,
        block: &[u8],
        symbol_bytes: usize,
        rows: Range<u16>,
        out: &mut Vec<u8>,
    ) -> Result<(), FecError> {
        let sources = sources(block, symbol_bytes)?;
        let rows: Vec<u8> = rows.map(row).collect::<Result<_, _>>()?;
        let from = out.len();
        out.resize(from + rows.len() * symbol_bytes, 0);
        let symbols: Vec<_> = symbols(block, symbol_bytes).collect();
        let coefficients = coefficients_of(&rows, 0..sources);
        let sums = out[from..].as_chunks_mut().0;
        self.products.add(sums, &symbols, &coefficients);
        Ok(())
    }

    /// Fills in the source symbols of `block` that `has` says are not there, from as many parity symbols with their numbers.
    ///
    /// # Errors
    /// There are too few, or one has the number or the length of none.
    pub fn restore(
        &mut self,
        block: &mut [u8],
        symbol_bytes: usize,
        has: impl Fn(usize) -> bool,
        parity: &[(u16, Vec<u8>)],
    ) -> Result<(), FecError> {
        let sources = sources(block, symbol_bytes)?;
        let (there, missing): (Vec<usize>, Vec<usize>) =
            (0..sources).partition(|index| has(*index));
        let parity = parity.get(..missing.len()).ok_or(FecError)?;
        if parity.iter().any(|(_, bytes)| bytes.len() != symbol_bytes) {
            return Err(FecError);
        }
        let rows = parity.iter().map(|(number, _)| row(*number));
        let rows: Vec<u8> = rows.collect::<Result<_, _>>()?;
        let columns: Vec<u8> = missing.iter().map(|index| column(*index)).collect();
        let inverse = inverse(&rows, &columns)?;

        // What the missing symbols alone add to the parity.
        self.sums.clear();
        let parity = parity.iter().map(|(_, bytes)| bytes.as_chunks().0);
        parity.for_each(|symbol| self.sums.extend_from_slice(symbol));
        let symbols: Vec<_> = symbols(block, symbol_bytes).collect();
        let coefficients = coefficients_of(&rows, there.iter().copied());
        let there: Vec<_> = there.iter().map(|index| symbols[*index]).collect();
        self.products.add(&mut self.sums, &there, &coefficients);

        self.restored.clear();
        self.restored.resize(self.sums.len(), Unit::default());
        let units = symbol_bytes / size_of::<Unit>();
        let sums: Vec<_> = self.sums.chunks(units).collect();
        self.products.add(&mut self.restored, &sums, &inverse);
        for (index, symbol) in missing.iter().zip(self.restored.chunks(units)) {
            block[index * symbol_bytes..][..symbol_bytes].copy_from_slice(symbol.as_flattened());
        }
        Ok(())
    }
}

/// The inverse of the matrix of some rows and as many columns: of each column, its elements for the rows. A Cauchy matrix
/// has one in closed form (Schechter, 1959), of products alone.
fn inverse(rows: &[u8], columns: &[u8]) -> Result<Vec<u8>, FecError> {
    // One that is there twice makes the matrix singular.
    let is_twice = |(at, row): (usize, &u8)| rows[..at].contains(row);
    if rows.iter().enumerate().any(is_twice) {
        return Err(FecError);
    }
    let others = |of: &[u8], this: u8| {
        let others = of.iter().filter(|other| **other != this);
        others.fold(1, |product, other| multiply(product, other ^ this))
    };
    let all = |of: &[u8], this: u8| {
        let sums = of.iter().map(|other| other ^ this);
        sums.fold(1, multiply)
    };
    let of_rows = rows
        .iter()
        .map(|row| divide(all(columns, *row), others(rows, *row)));
    let of_rows: Vec<u8> = of_rows.collect();
    let mut elements = Vec::with_capacity(rows.len() * columns.len());
    for column in columns {
        let of_column = divide(all(rows, *column), others(columns, *column));
        // The columns are scaled.
        let of_column = divide(of_column, *column);
        for (row, of_row) in rows.iter().zip(&of_rows) {
            elements.push(divide(multiply(of_column, *of_row), row ^ column));
        }
    }
    Ok(elements)
}

/// Of each row in turn, those by which these source symbols are multiplied.
fn coefficients_of(rows: &[u8], sources: impl Iterator<Item = usize> + Clone) -> Vec<u8> {
    let mut all = Vec::new();
    for row in rows {
        let row = &COEFFICIENTS[usize::from(*row)];
        all.extend(sources.clone().map(|source| row[source]));
    }
    all
}

const fn coefficients() -> [[u8; BLOCK_SYMBOLS as usize]; PARITY_SYMBOLS as usize] {
    let mut rows = [[0; BLOCK_SYMBOLS as usize]; PARITY_SYMBOLS as usize];
    let mut row = 0;
    while row < rows.len() {
        let mut source = 0;
        while source < rows[row].len() {
            let column = column(source);
            rows[row][source] = divide(column, row as u8 ^ column);
            source += 1;
        }
        row += 1;
    }
    rows
}

fn row(parity: u16) -> Result<u8, FecError> {
    match parity < PARITY_SYMBOLS {
        true => Ok(parity as u8),
        false => Err(FecError),
    }
}

const fn column(source: usize) -> u8 {
    (PARITY_SYMBOLS as usize + source) as u8
}

/// How many source symbols there are.
fn sources(block: &[u8], symbol_bytes: usize) -> Result<usize, FecError> {
    let is_whole = symbol_bytes > 0
        && symbol_bytes.is_multiple_of(SYMBOL_BYTES_STEP)
        && block.len().is_multiple_of(symbol_bytes)
        && block.len() / symbol_bytes <= usize::from(BLOCK_SYMBOLS);
    match is_whole {
        true => Ok(block.len() / symbol_bytes),
        false => Err(FecError),
    }
}

/// The symbols of a block, each in units.
fn symbols(block: &[u8], symbol_bytes: usize) -> impl Iterator<Item = &[Unit]> {
    block
        .chunks_exact(symbol_bytes)
        .map(|symbol| symbol.as_chunks().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = SYMBOL_BYTES_STEP;

    fn block(sources: usize) -> Vec<u8> {
        (0..sources * BYTES).map(|n| (n * 31 % 251) as u8).collect()
    }

    #[test]
    fn any_symbols_give_the_block_back() {
        for sources in [1_usize, 2, 7, 100, usize::from(BLOCK_SYMBOLS)] {
            let block = block(sources);
            let (mut parity, mut fec) = (Vec::new(), Fec::default());
            fec.encode(&block, BYTES, 0..PARITY_SYMBOLS, &mut parity)
                .unwrap();
            assert_eq!(parity.len(), usize::from(PARITY_SYMBOLS) * BYTES);
            for (every, first) in [(2, false), (3, true), (usize::MAX, true)] {
                // The last parity symbols are those that came, or the first.
                let lost = |index: usize| index.is_multiple_of(every);
                let needed = (0..sources).filter(|index| lost(*index)).count();
                let from = match first {
                    true => 0,
                    false => usize::from(PARITY_SYMBOLS) - needed,
                };
                let came = (from..from + needed).rev();
                let came: Vec<_> = came
                    .map(|index| (index as u16, parity[index * BYTES..][..BYTES].to_vec()))
                    .collect();
                let mut damaged = block.clone();
                for index in (0..sources).filter(|index| lost(*index)) {
                    damaged[index * BYTES..][..BYTES].fill(0);
                }
                fec.restore(&mut damaged, BYTES, |index| !lost(index), &came)
                    .unwrap();
                assert!(damaged == block, "{sources}, every {every}");
            }
        }
    }

    #[test]
    fn the_first_parity_symbol_is_the_xor_of_all() {
        let block = block(5);
        let mut parity = Vec::new();
        let mut fec = Fec::default();
        fec.encode(&block, BYTES, 0..1, &mut parity).unwrap();
        let xor = (0..BYTES).map(|at| block.iter().skip(at).step_by(BYTES).fold(0, |a, b| a ^ b));
        assert!(xor.eq(parity.iter().copied()));
    }

    #[test]
    fn parity_can_be_made_in_parts() {
        let block = block(9);
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        let mut fec = Fec::default();
        fec.encode(&block, BYTES, 0..PARITY_SYMBOLS, &mut whole)
            .unwrap();
        for from in (0..PARITY_SYMBOLS).step_by(8) {
            fec.encode(&block, BYTES, from..from + 8, &mut parts)
                .unwrap();
        }
        assert!(whole == parts);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut fec = Fec::default();
        let mut damaged = block(4);
        let there = |index: usize| index > 1;
        let one = (0, vec![0; BYTES]);
        let refused = [
            vec![],
            vec![one.clone()],
            vec![one.clone(), one.clone()],
            vec![one.clone(), (PARITY_SYMBOLS, vec![0; BYTES])],
            vec![one, (1, vec![0; BYTES - 1])],
        ];
        for parity in refused {
            let restored = fec.restore(&mut damaged, BYTES, there, &parity);
            assert_eq!(restored, Err(FecError));
        }
        let too_long = vec![0; (usize::from(BLOCK_SYMBOLS) + 1) * BYTES];
        for (block, bytes) in [
            (&too_long[..], BYTES),
            (&[0; BYTES + 1], BYTES),
            (&[0; 64], 64),
        ] {
            assert!(fec.encode(block, bytes, 0..1, &mut Vec::new()).is_err());
        }
        let past = PARITY_SYMBOLS..PARITY_SYMBOLS + 1;
        assert!(fec.encode(&block(1), BYTES, past, &mut Vec::new()).is_err());
    }
}
