//! Parity: any of the symbols of a block, as many as it has source symbols, give it back. It is a Cauchy Reed-Solomon
//! code over GF(2^8) that is reckoned with XOR alone (Blömer, Kalfane, Karp, Karpinski, Luby, Zuckerman: An XOR-based
//! erasure-resilient coding scheme, ICSI TR-95-048, 1995), so its work grows with what is missing.
//!
//! A symbol is eight strips: byte n of them all holds bit 0 to 7 of eight elements. A product of a symbol with an element
//! is then eight XORs of some of its strips. For many products of one symbol, all XORs of four strips are reckoned
//! before, and each strip of a product takes two of them (Arlazarov, Dinic, Kronrod and Faradžev, 1970).
//!
//! Parity row `i` has for the source symbol `j` the coefficient `y / (i + y)` with `y = PARITY_SYMBOLS + j`: a Cauchy
//! matrix with its columns scaled, so that row 0 is the plain XOR of all.

use std::ops::Range;

use super::field::{divide, matrix, multiply};
use crate::multicast::config::{BLOCK_SYMBOLS, PARITY_SYMBOLS, SYMBOL_BYTES_STEP};

/// Every row and column of the matrix is an element of its own.
const _: () = assert!(BLOCK_SYMBOLS + PARITY_SYMBOLS <= 256);

/// Strips of a symbol.
const STRIPS: usize = 8;

/// What is XORed at once, in bytes.
const UNIT_BYTES: usize = 16;

const _: () = assert!(SYMBOL_BYTES_STEP == STRIPS * UNIT_BYTES);

/// Products that are summed up at once, which the fastest cache holds.
const SUMS_AT_ONCE: usize = 16;

/// Symbols whose products are added at once: each sum is read and written half as often.
const PAIR: usize = 2;

/// XORs of four strips that there are.
const XORS: usize = 16;

type Unit = [u8; UNIT_BYTES];

/// Too few symbols, or of a wrong length.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("these symbols do not give the block")]
pub struct FecError;

/// Reckons parity and source symbols; keeps its working space from one block to the next.
#[derive(Default)]
pub struct Fec {
    /// Of each of a pair of symbols: the XORs of its first four strips, and those of the others.
    xors: [Vec<Unit>; 2 * PAIR],
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
        let sums = units(&mut out[from..]);
        let symbols = (0..sources).map(|index| (column(index), symbol(block, index, symbol_bytes)));
        self.add_products(sums, &rows, &symbols.collect::<Vec<_>>(), coefficient);
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
        let missing: Vec<usize> = (0..sources).filter(|index| !has(*index)).collect();
        let parity = parity.get(..missing.len()).ok_or(FecError)?;
        if parity.iter().any(|(_, bytes)| bytes.len() != symbol_bytes) {
            return Err(FecError);
        }
        let rows = parity.iter().map(|(number, _)| row(*number));
        let rows: Vec<u8> = rows.collect::<Result<_, _>>()?;
        let columns: Vec<u8> = missing.iter().map(|index| column(*index)).collect();
        let inverse = Inverse::new(&rows, &columns)?;

        // What the missing symbols alone add to the parity.
        let mut sums = std::mem::take(&mut self.sums);
        sums.clear();
        let parity = parity.iter().map(|(_, bytes)| bytes);
        parity.for_each(|bytes| sums.extend_from_slice(bytes.as_chunks().0));
        let there = (0..sources).filter(|index| has(*index));
        let there = there.map(|index| (column(index), symbol(block, index, symbol_bytes)));
        self.add_products(&mut sums, &rows, &there.collect::<Vec<_>>(), coefficient);

        let mut restored = std::mem::take(&mut self.restored);
        restored.clear();
        restored.resize(sums.len(), [0; UNIT_BYTES]);
        let places: Vec<u8> = (0..=u8::MAX).take(missing.len()).collect();
        let sums_of_rows = sums.chunks(symbol_bytes / UNIT_BYTES).zip(&places);
        let sums_of_rows = sums_of_rows.map(|(sum, place)| (*place, sum));
        let sums_of_rows: Vec<_> = sums_of_rows.collect();
        self.add_products(&mut restored, &places, &sums_of_rows, |missing, row| {
            inverse.at(missing, row)
        });
        let restored_symbols = restored.chunks(symbol_bytes / UNIT_BYTES);
        for (index, bytes) in missing.iter().zip(restored_symbols) {
            block[index * symbol_bytes..][..symbol_bytes].copy_from_slice(bytes.as_flattened());
        }
        (self.sums, self.restored) = (sums, restored);
        Ok(())
    }

    /// Adds to the sum of each row all symbols, each times the coefficient of the row and its column.
    fn add_products(
        &mut self,
        sums: &mut [Unit],
        rows: &[u8],
        symbols: &[(u8, &[Unit])],
        coefficient: impl Fn(u8, u8) -> u8,
    ) {
        if rows.is_empty() {
            return;
        }
        let units = sums.len() / rows.len();
        let portions = sums.chunks_mut(SUMS_AT_ONCE * units);
        for (sums, rows) in portions.zip(rows.chunks(SUMS_AT_ONCE)) {
            for pair in symbols.chunks(PAIR) {
                let mut has_xors = false;
                for (sum, row) in sums.chunks_mut(units).zip(rows) {
                    let element = |at: usize| match pair.get(at) {
                        Some((column, _)) => coefficient(*row, *column),
                        None => 0,
                    };
                    match ([element(0), element(1)], pair) {
                        ([1, 1], [(_, a), (_, b)]) => add(sum, [a, b]),
                        ([1, _], [(_, a)]) => add(sum, [a]),
                        (elements, _) => {
                            if !std::mem::replace(&mut has_xors, true) {
                                self.reckon_xors(pair);
                            }
                            self.add_both_products(sum, elements);
                        }
                    }
                }
            }
        }
    }

    /// Reckons the XORs of the strips of these symbols.
    fn reckon_xors(&mut self, pair: &[(u8, &[Unit])]) {
        for ((_, symbol), xors) in pair.iter().zip(self.xors.chunks_exact_mut(2)) {
            let (half, strip) = (symbol.len() / 2, symbol.len() / STRIPS);
            for (xors, strips) in xors.iter_mut().zip(symbol.chunks_exact(half)) {
                // The first is the XOR of none.
                xors.resize(XORS * strip, [0; UNIT_BYTES]);
                xors[..strip].fill([0; UNIT_BYTES]);
                for (bit, one) in strips.chunks_exact(strip).enumerate() {
                    let (before, with) = xors.split_at_mut(strip << bit);
                    let with = with.chunks_exact_mut(strip);
                    with.zip(before.chunks_exact(strip))
                        .for_each(|(with, without)| set_to_xor(with, without, one));
                }
            }
        }
        // Of one that is missing the first is needed.
        let strip = pair.first().map_or(0, |(_, symbol)| symbol.len() / STRIPS);
        for xors in self.xors.iter_mut().skip(2 * pair.len()) {
            xors.clear();
            xors.resize(strip, [0; UNIT_BYTES]);
        }
    }

    /// Adds the products of the symbols whose XORs are reckoned.
    fn add_both_products(&self, sum: &mut [Unit], elements: [u8; PAIR]) {
        let strip = sum.len() / STRIPS;
        let [a, b] = elements.map(matrix);
        for (number, sum) in sum.chunks_exact_mut(strip).enumerate() {
            let (a, b) = (a[number], b[number]);
            let indices = [a & 0xF, a >> 4, b & 0xF, b >> 4];
            let xors = std::array::from_fn::<_, 4, _>(|at| {
                &self.xors[at][usize::from(indices[at]) * strip..][..strip]
            });
            add(sum, xors);
        }
    }
}

/// The inverse of the matrix of some rows and as many columns.
struct Inverse {
    elements: Vec<u8>,
    size: usize,
}

impl Inverse {
    /// A Cauchy matrix has an inverse in closed form (Schechter, 1959), of products alone.
    fn new(rows: &[u8], columns: &[u8]) -> Result<Self, FecError> {
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
        Ok(Self {
            elements,
            size: rows.len(),
        })
    }

    fn at(&self, missing: u8, row: u8) -> u8 {
        self.elements[usize::from(missing) * self.size + usize::from(row)]
    }
}

fn coefficient(row: u8, column: u8) -> u8 {
    divide(column, row ^ column)
}

fn row(parity: u16) -> Result<u8, FecError> {
    match parity < PARITY_SYMBOLS {
        true => Ok(parity as u8),
        false => Err(FecError),
    }
}

fn column(source: usize) -> u8 {
    (usize::from(PARITY_SYMBOLS) + source) as u8
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

fn symbol(block: &[u8], index: usize, symbol_bytes: usize) -> &[Unit] {
    block[index * symbol_bytes..][..symbol_bytes].as_chunks().0
}

fn units(bytes: &mut [u8]) -> &mut [Unit] {
    bytes.as_chunks_mut().0
}

/// Adds all of these to the sum.
fn add<const N: usize>(sum: &mut [Unit], of: [&[Unit]; N]) {
    let of = of.map(|units| &units[..sum.len()]);
    for at in 0..sum.len() {
        let mut unit = sum[at];
        for units in of {
            unit = xor(unit, units[at]);
        }
        sum[at] = unit;
    }
}

fn set_to_xor(sum: &mut [Unit], a: &[Unit], b: &[Unit]) {
    let (a, b) = (&a[..sum.len()], &b[..sum.len()]);
    for at in 0..sum.len() {
        sum[at] = xor(a[at], b[at]);
    }
}

#[inline(always)]
fn xor(a: Unit, b: Unit) -> Unit {
    (u128::from_ne_bytes(a) ^ u128::from_ne_bytes(b)).to_ne_bytes()
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
