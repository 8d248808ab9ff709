//! Arithmetic of numbers of N words, the lowest first.
//!
//! `crypto-bigint` has all of this, and takes the same time for all numbers. These are public, and so
//! may be faster.

use crypto_bigint::{WideWord, Word};

/// A sum, and whether there is more of it than N words hold.
#[inline(always)]
pub(super) fn add<const N: usize>(one: &[Word; N], other: &[Word; N]) -> ([Word; N], bool) {
    let mut sum = [0; N];
    let mut carry = false;
    for ((sum, &one), &other) in sum.iter_mut().zip(one).zip(other) {
        let (word, first) = one.overflowing_add(other);
        let (word, second) = word.overflowing_add(Word::from(carry));
        (*sum, carry) = (word, first | second);
    }
    (sum, carry)
}

/// A difference, and whether it is negative.
#[inline(always)]
pub(super) fn subtract<const N: usize>(one: &[Word; N], other: &[Word; N]) -> ([Word; N], bool) {
    let mut difference = [0; N];
    let mut borrow = false;
    for ((difference, &one), &other) in difference.iter_mut().zip(one).zip(other) {
        let (word, first) = one.overflowing_sub(other);
        let (word, second) = word.overflowing_sub(Word::from(borrow));
        (*difference, borrow) = (word, first | second);
    }
    (difference, borrow)
}

/// A product, in its low and its high words.
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "i, j and place - N are below N")]
pub(super) fn multiply<const N: usize>(
    one: &[Word; N],
    other: &[Word; N],
) -> ([Word; N], [Word; N]) {
    let (mut low, mut high) = ([0; N], [0; N]);
    for (i, &one) in one.iter().enumerate() {
        let mut carry = 0;
        for (j, &other) in other.iter().enumerate() {
            let place = i + j;
            let word = if place < N {
                &mut low[place]
            } else {
                &mut high[place - N]
            };
            (*word, carry) = multiply_word(one, other, *word, carry);
        }
        high[i] = carry;
    }
    (low, high)
}

/// `sum` + `number`·`factor`, and the word above it.
#[inline(always)]
pub(super) fn add_product<const N: usize>(
    sum: &[Word; N],
    number: &[Word; N],
    factor: Word,
) -> ([Word; N], Word) {
    let mut result = *sum;
    let mut carry = 0;
    for (word, &number) in result.iter_mut().zip(number) {
        (*word, carry) = multiply_word(number, factor, *word, carry);
    }
    (result, carry)
}

/// A sum, and whether there is more of it than N words hold.
#[inline(always)]
pub(super) fn add_word<const N: usize>(number: &[Word; N], word: Word) -> ([Word; N], bool) {
    let mut sum = *number;
    let mut carry = word;
    for word in &mut sum {
        let (added, more) = word.overflowing_add(carry);
        (*word, carry) = (added, Word::from(more));
    }
    (sum, carry != 0)
}

/// `one`·`other` + `word` + `carry`, which two words can hold: the low one and the high one.
#[inline(always)]
fn multiply_word(one: Word, other: Word, word: Word, carry: Word) -> (Word, Word) {
    let wide =
        WideWord::from(one) * WideWord::from(other) + WideWord::from(word) + WideWord::from(carry);
    (wide as Word, (wide >> Word::BITS) as Word)
}
