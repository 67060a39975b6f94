//! The field GF(2^8), and its elements as matrices of bits.

/// x^8 + x^4 + x^3 + x^2 + 1, of which x is a generator.
const POLYNOMIAL: u16 = 0x11D;

/// Powers of x, twice over, so that a sum of two logarithms needs no reduction.
const POWERS: [u8; 510] = powers();

/// Logarithms to the base x; that of 0 is not used.
const LOGARITHMS: [u8; 256] = logarithms();

/// Of each element: row i has bit j set if bit j of what is multiplied counts for bit i of the product.
static MATRICES: [[u8; 8]; 256] = matrices();

const fn powers() -> [u8; 510] {
    let mut powers = [0; 510];
    let mut power: u16 = 1;
    let mut exponent = 0;
    while exponent < 255 {
        powers[exponent] = power as u8;
        powers[exponent + 255] = power as u8;
        power <<= 1;
        if power > 0xFF {
            power ^= POLYNOMIAL;
        }
        exponent += 1;
    }
    powers
}

const fn logarithms() -> [u8; 256] {
    let mut logarithms = [0; 256];
    let mut exponent = 0;
    while exponent < 255 {
        logarithms[POWERS[exponent] as usize] = exponent as u8;
        exponent += 1;
    }
    logarithms
}

const fn matrices() -> [[u8; 8]; 256] {
    let mut matrices = [[0; 8]; 256];
    let mut element = 1;
    while element < 256 {
        let mut column = 0;
        while column < 8 {
            let product = POWERS[LOGARITHMS[element] as usize + column];
            let mut row = 0;
            while row < 8 {
                matrices[element][row] |= (product >> row & 1) << column;
                row += 1;
            }
            column += 1;
        }
        element += 1;
    }
    matrices
}

/// The product of two elements.
pub fn multiply(a: u8, b: u8) -> u8 {
    match a == 0 || b == 0 {
        true => 0,
        false => POWERS[logarithm(a) + logarithm(b)],
    }
}

/// The quotient of two elements, the second of which is not 0.
pub const fn divide(a: u8, b: u8) -> u8 {
    match a == 0 {
        true => 0,
        false => POWERS[logarithm(a) + 255 - logarithm(b)],
    }
}

/// The matrix of an element.
pub fn matrix(element: u8) -> &'static [u8; 8] {
    &MATRICES[usize::from(element)]
}

const fn logarithm(element: u8) -> usize {
    LOGARITHMS[element as usize] as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_matrix(a: u8, b: u8) -> u8 {
        let rows = matrix(a).iter().enumerate();
        rows.map(|(bit, row)| (((row & b).count_ones() & 1) as u8) << bit)
            .sum()
    }

    #[test]
    fn it_is_a_field() {
        for a in 0..=255 {
            assert_eq!(multiply(a, 1), a);
            assert_eq!(by_matrix(1, a), a);
            for b in 0..=255 {
                assert_eq!(multiply(a, b), multiply(b, a));
                assert_eq!(multiply(a, b), by_matrix(a, b));
                if b != 0 {
                    assert_eq!(multiply(divide(a, b), b), a);
                }
                let twice = multiply(a, multiply(b, 0x53));
                assert_eq!(twice, multiply(multiply(a, b), 0x53));
                let sum = multiply(a, b) ^ multiply(a, 0x53);
                assert_eq!(sum, multiply(a, b ^ 0x53));
            }
        }
    }
}
