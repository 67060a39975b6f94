//! Sums of products of symbols with elements of GF(2^8).
//!
//! A symbol is eight strips: byte n of them all holds bit 0 to 7 of eight elements. A product of a symbol with an element
//! is then eight XORs of some of its strips, which every processor does at a good pace. For many products of one symbol, all XORs of four
//! strips are reckoned before, and each strip of a product takes two of them (Arlazarov, Dinic, Kronrod and Faradžev,
//! 1970).

use super::field::matrix;
#[cfg(target_arch = "x86_64")]
use super::gfni;
use crate::multicast::config::SYMBOL_BYTES_STEP;

/// Strips of a symbol.
pub const STRIPS: usize = 8;

/// What is XORed at once, in bytes.
const UNIT_BYTES: usize = 16;

const _: () = assert!(SYMBOL_BYTES_STEP == STRIPS * UNIT_BYTES);

/// Products that are summed up at once, which the fastest cache holds.
const SUMS_AT_ONCE: usize = 16;

/// Symbols whose products are added at once: each sum is read and written half as often.
const PAIR: usize = 2;

/// XORs of four strips that there are.
const XORS: usize = 16;

/// A part of a strip.
pub type Unit = [u8; UNIT_BYTES];

/// Adds up products; keeps its working space from one time to the next.
#[derive(Default)]
pub struct Products {
    /// Of each of a pair of symbols: the XORs of its first four strips, and those of the others.
    xors: [Vec<Unit>; 2 * PAIR],
}

impl Products {
    /// Adds to each sum all symbols, each times its coefficient. `sums` has one after the other, each as long as a symbol,
    /// and `coefficients` those of the first, then those of the second.
    pub fn add(&mut self, sums: &mut [Unit], symbols: &[&[Unit]], coefficients: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        if gfni::is_there() && coefficients.iter().any(|coefficient| *coefficient != 1) {
            return gfni::add_products(sums, symbols, coefficients);
        }
        self.add_by_xor(sums, symbols, coefficients);
    }

    fn add_by_xor(&mut self, sums: &mut [Unit], symbols: &[&[Unit]], coefficients: &[u8]) {
        let Some(units) = symbols.first().map(|symbol| symbol.len()) else {
            return;
        };
        let portions = sums.chunks_mut(SUMS_AT_ONCE * units);
        let rows = coefficients.chunks(SUMS_AT_ONCE * symbols.len());
        for (sums, rows) in portions.zip(rows) {
            for (number, pair) in symbols.chunks(PAIR).enumerate() {
                let mut has_xors = false;
                let rows = rows.chunks_exact(symbols.len());
                for (sum, row) in sums.chunks_exact_mut(units).zip(rows) {
                    let element = |at: usize| row.get(PAIR * number + at).copied().unwrap_or(0);
                    match ([element(0), element(1)], pair) {
                        ([1, 1], [a, b]) => add(sum, [a, b]),
                        ([1, _], [a]) => add(sum, [a]),
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
    fn reckon_xors(&mut self, pair: &[&[Unit]]) {
        for (symbol, xors) in pair.iter().zip(self.xors.chunks_exact_mut(2)) {
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
        let strip = pair.first().map_or(0, |symbol| symbol.len() / STRIPS);
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
    use crate::multicast::file::field::multiply;

    /// Element `at` of a symbol: a bit of each strip.
    fn element(symbol: &[u8], at: usize) -> u8 {
        let strips = symbol.chunks_exact(symbol.len() / STRIPS);
        let bits = strips.map(|strip| strip[at / 8] >> (at % 8) & 1);
        bits.enumerate().map(|(strip, bit)| bit << strip).sum()
    }

    fn is_right(add: impl FnOnce(&mut [Unit], &[&[Unit]], &[u8]), symbols: usize, sums: usize) {
        const UNITS: usize = 3 * STRIPS;
        let byte = |seed: usize| ((seed * seed % 251) ^ (seed / 7)) as u8;
        let units = |from: usize, count: usize| -> Vec<Unit> {
            (from..from + count)
                .map(|unit| std::array::from_fn(|at| byte(unit * UNIT_BYTES + at)))
                .collect()
        };
        let of: Vec<Vec<Unit>> = (0..symbols).map(|n| units(n * UNITS, UNITS)).collect();
        // Of 0 and 1 too.
        let coefficients: Vec<u8> = (0..symbols * sums).map(byte).collect();
        let before = units(symbols * UNITS, sums * UNITS);
        let mut after = before.clone();
        let slices: Vec<&[Unit]> = of.iter().map(Vec::as_slice).collect();
        add(&mut after, &slices, &coefficients);
        for (number, (after, before)) in after.chunks(UNITS).zip(before.chunks(UNITS)).enumerate() {
            for at in 0..UNITS * UNIT_BYTES {
                let products = of.iter().zip(&coefficients[number * symbols..]);
                let products =
                    products.map(|(symbol, by)| multiply(*by, element(symbol.as_flattened(), at)));
                let sum = products.fold(element(before.as_flattened(), at), |a, b| a ^ b);
                assert_eq!(
                    element(after.as_flattened(), at),
                    sum,
                    "sum {number}, element {at}"
                );
            }
        }
    }

    #[test]
    fn each_sum_gets_each_symbol_times_its_coefficient() {
        for symbols in [1, 2, 5] {
            for sums in [1, 2, 3, 4, SUMS_AT_ONCE + 1] {
                let mut products = Products::default();
                is_right(
                    |sums, of, by| products.add_by_xor(sums, of, by),
                    symbols,
                    sums,
                );
                is_right(|sums, of, by| products.add(sums, of, by), symbols, sums);
            }
        }
        Products::default().add(&mut [], &[], &[]);
        Products::default().add(&mut [[0; UNIT_BYTES]; STRIPS], &[], &[]);
    }
}
