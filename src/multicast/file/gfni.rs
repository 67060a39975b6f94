//! Products with the instructions of newer x86-64 processors (GFNI and AVX2; Intel since 2019, AMD since 2022): one
//! of them multiplies an 8x8 matrix of bits by eight bytes, four times at once.
#![expect(
    unsafe_code,
    reason = "only whoever asked the processor may use its newer instructions"
)]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_storeu_si128, _mm_xor_si128, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_gf2p8affine_epi64_epi8, _mm256_permutevar8x32_epi32,
    _mm256_set_epi8, _mm256_set_m128i, _mm256_set1_epi64x, _mm256_setr_epi32, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
    _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use super::field::matrix;
use super::products::{STRIPS, Unit};

/// Sums that are held at once: with a column of a symbol they fit into the registers that there are.
const SUMS: usize = 2;

/// One unit of each strip, so that each eight bytes have one byte of each strip.
type Column = [__m256i; PARTS];

/// Registers of a column.
const PARTS: usize = 4;

/// True where the processor has these instructions.
pub fn is_there() -> bool {
    is_x86_feature_detected!("gfni") && is_x86_feature_detected!("avx2")
}

/// Adds to each sum all symbols, each times its coefficient: `coefficients` has those of the first sum, then those of the second.
///
/// # Panics
/// The processor has not these instructions.
pub fn add_products(sums: &mut [Unit], symbols: &[&[Unit]], coefficients: &[u8]) {
    assert!(is_there());
    // SAFETY: the processor has them.
    unsafe { add_all(sums, symbols, coefficients) }
}

#[target_feature(enable = "gfni,avx2")]
fn add_all(sums: &mut [Unit], symbols: &[&[Unit]], coefficients: &[u8]) {
    let units = symbols.first().map_or(0, |symbol| symbol.len());
    // For what the last sums lack to as many as are held.
    let zeros = vec![0; symbols.len()];
    let mut columns = Vec::with_capacity(symbols.len());
    for at in 0..units / STRIPS {
        columns.clear();
        for symbol in symbols {
            columns.push(gather(symbol, at));
        }
        let mut rows = coefficients.chunks_exact(symbols.len());
        for sums in sums.chunks_mut(SUMS * units) {
            let rows = std::array::from_fn(|_| rows.next().unwrap_or(&zeros));
            let products = products(&columns, rows);
            for (sum, product) in sums.chunks_exact_mut(units).zip(products) {
                scatter_add(sum, at, product);
            }
        }
    }
}

/// The sums of these columns, each times its coefficients. In plain loops: iterators of the standard library are compiled
/// without the instructions and stay calls.
#[target_feature(enable = "gfni,avx2")]
fn products(columns: &[Column], rows: [&[u8]; SUMS]) -> [Column; SUMS] {
    let mut sums = [[_mm256_setzero_si256(); PARTS]; SUMS];
    let rows = rows.map(|row| &row[..columns.len()]);
    for (at, column) in columns.iter().enumerate() {
        for sum in 0..SUMS {
            let coefficient = i64::from_le_bytes(*matrix(rows[sum][at]));
            let coefficient = _mm256_set1_epi64x(coefficient);
            for part in 0..PARTS {
                let product = _mm256_gf2p8affine_epi64_epi8::<0>(coefficient, column[part]);
                sums[sum][part] = _mm256_xor_si256(sums[sum][part], product);
            }
        }
    }
    sums
}

/// A column of a symbol as a matrix to multiply by: turned, and its strips from last to first, as the instruction
/// counts the rows of a matrix.
#[target_feature(enable = "gfni,avx2")]
#[inline]
fn gather(symbol: &[Unit], at: usize) -> Column {
    let strip = symbol.len() / STRIPS;
    let unit = |number: usize| load(&symbol[number * strip + at]);
    let dwords = transposed([
        _mm256_set_m128i(unit(3), unit(7)),
        _mm256_set_m128i(unit(2), unit(6)),
        _mm256_set_m128i(unit(1), unit(5)),
        _mm256_set_m128i(unit(0), unit(4)),
    ]);
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    // Row i of the identity, its bits from last to first.
    let identity = _mm256_set1_epi64x(0x0102_0408_1020_4080);
    let mut column = dwords;
    for part in &mut column {
        let bytes = _mm256_shuffle_epi8(*part, turn());
        let bytes = _mm256_permutevar8x32_epi32(bytes, order);
        *part = _mm256_gf2p8affine_epi64_epi8::<0>(identity, bytes);
    }
    column
}

/// Adds a column to its units of the sum.
#[target_feature(enable = "gfni,avx2")]
#[inline]
fn scatter_add(sum: &mut [Unit], at: usize, column: Column) {
    let strip = sum.len() / STRIPS;
    let order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    let mut dwords = column;
    for part in &mut dwords {
        let bytes = _mm256_permutevar8x32_epi32(*part, order);
        *part = _mm256_shuffle_epi8(bytes, turn());
    }
    for (number, pair) in transposed(dwords).into_iter().enumerate() {
        let units = [
            (number, _mm256_castsi256_si128(pair)),
            (number + 4, _mm256_extracti128_si256::<1>(pair)),
        ];
        for (number, unit) in units {
            let place = &mut sum[number * strip + at];
            store(place, _mm_xor_si128(load(place), unit));
        }
    }
}

/// What turns four by four bytes in each half.
#[target_feature(enable = "gfni,avx2")]
#[inline]
fn turn() -> __m256i {
    _mm256_set_epi8(
        15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0, //
        15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0,
    )
}

/// Four by four numbers of 32 bits in each half, rows for columns.
#[target_feature(enable = "gfni,avx2")]
#[inline]
fn transposed([a, b, c, d]: Column) -> Column {
    let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
    let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(ab, cd),
        _mm256_unpackhi_epi64(ab, cd),
        _mm256_unpacklo_epi64(ab_high, cd_high),
        _mm256_unpackhi_epi64(ab_high, cd_high),
    ]
}

#[target_feature(enable = "gfni,avx2")]
#[inline]
fn load(unit: &Unit) -> __m128i {
    // SAFETY: it has as many bytes, and may lie anywhere.
    unsafe { _mm_loadu_si128(unit.as_ptr().cast()) }
}

#[target_feature(enable = "gfni,avx2")]
#[inline]
fn store(unit: &mut Unit, value: __m128i) {
    // SAFETY: it has as many bytes, and may lie anywhere.
    unsafe { _mm_storeu_si128(unit.as_mut_ptr().cast(), value) }
}
