//! Numbers written in digits most of which are zero, so that a multiple of a point is the sum of few.

use crypto_bigint::Uint;

/// The digits of `number` in the non-adjacent form of this width, which is 8 at most, the lowest
/// first: each is zero, or odd and smaller than 2^(width - 1), and may be negative; of `width`
/// digits in a row at most one is not zero.
pub(super) fn non_adjacent<const N: usize>(number: &Uint<N>, width: u32) -> Vec<i8> {
    let count = Uint::<N>::BITS - number.leading_zeros_vartime() + 1;
    let mut digits = Vec::with_capacity((count + width) as usize);
    let mut carry = false;
    let mut at = 0;
    while at < count {
        if number.bit_vartime(at) == carry {
            digits.push(0);
            at += 1;
            continue;
        }
        let bits = (at..at + width).rev();
        let window = bits.fold(0, |sum, bit| 2 * sum + i16::from(number.bit_vartime(bit)));
        let odd = window + i16::from(carry);
        carry = odd >> (width - 1) != 0;
        let digit = odd - (i16::from(carry) << width);
        digits.push(digit as i8);
        digits.extend((1..width).map(|_| 0));
        at += width;
    }
    digits.truncate(count as usize);
    digits
}

#[cfg(test)]
mod tests {
    use crypto_bigint::{Limb, U256};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_sum_up_and_are_few(bytes in any::<[u8; 32]>(), width in 2u32..=8) {
            check(&U256::from_le_slice(&bytes), width);
        }
    }

    #[test]
    fn at_the_limits() {
        for width in 2..=8 {
            for number in [
                U256::ZERO,
                U256::ONE,
                U256::MAX,
                U256::MAX.wrapping_sub(&U256::ONE),
            ] {
                check(&number, width);
            }
            for bit in 0..256 {
                let power = U256::ONE.shl(bit);
                check(&power, width);
                check(&power.wrapping_sub(&U256::ONE), width);
            }
        }
    }

    fn check(number: &U256, width: u32) {
        let digits = non_adjacent(number, width);
        let sum = digits.iter().rev().fold(U256::ZERO, |sum, digit| {
            let size = U256::from_u8(digit.unsigned_abs());
            let twice = sum.carrying_add(&sum, Limb::ZERO).0;
            match digit {
                0.. => twice.wrapping_add(&size),
                _ => twice.wrapping_sub(&size),
            }
        });
        assert_eq!(sum, *number);
        let limit = 1 << (width - 1);
        let fits = |digit: &i8| *digit == 0 || digit % 2 != 0 && i16::from(*digit).abs() < limit;
        assert!(digits.iter().all(fits));
        let few = |row: &[i8]| row.iter().filter(|digit| **digit != 0).count() <= 1;
        assert!(digits.windows(width as usize).all(few));
    }
}
