//! Numbers modulo the prime of a curve.

use std::marker::PhantomData;
use std::ops::{Add, Mul, Neg, Sub};

use crypto_bigint::modular::ConstMontyForm;
use crypto_bigint::{Uint, Word};

use super::curves::Curve;
use super::words;

/// A number modulo the prime p of the curve `C`, so that numbers of two curves cannot be mixed.
///
/// Where p is little below a power of two ([`Curve::BELOW_POWER`]) it is held as it is, otherwise in
/// Montgomery's form. It is below p either way, so that equal numbers look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<C, const N: usize>([Word; N], PhantomData<C>);

impl<C: Curve<N>, const N: usize> Element<C, N> {
    pub(super) const ZERO: Self = Self([0; N], PhantomData);
    pub(super) const ONE: Self = Self::new(&Uint::ONE);

    /// Of a number below p.
    pub(super) const fn new(number: &Uint<N>) -> Self {
        let form = match C::BELOW_POWER {
            Some(_) => *number,
            None => ConstMontyForm::<C, N>::new(number).to_montgomery(),
        };
        Self(form.to_words(), PhantomData)
    }

    pub(super) const fn number(&self) -> Uint<N> {
        let form = Uint::from_words(self.0);
        match C::BELOW_POWER {
            Some(_) => form,
            None => ConstMontyForm::<C, N>::from_montgomery(form).retrieve(),
        }
    }

    #[inline(always)]
    pub(super) fn double(&self) -> Self {
        *self + *self
    }

    #[inline(always)]
    pub(super) fn square(&self) -> Self {
        self.times(self)
    }

    fn times(&self, other: &Self) -> Self {
        let Some(c) = C::BELOW_POWER else {
            let [one, other] = [self, other]
                .map(|form| ConstMontyForm::<C, N>::from_montgomery(Uint::from_words(form.0)));
            return Self((one * other).to_montgomery().to_words(), PhantomData);
        };
        // What stands above the N words counts c times; what is then above them, once more.
        let (low, high) = words::multiply(&self.0, &other.0);
        let (sum, above) = words::add_product(&low, &high, c);
        Self::reduced(words::add_word(&sum, above * c))
    }

    /// One over this number; zero for zero.
    pub(super) fn inverse(&self) -> Self {
        let inverse = self.number().invert_odd_mod_vartime(C::PARAMS.modulus());
        Self::new(&inverse.unwrap_or(Uint::ZERO))
    }

    /// Of a number of N words and perhaps one bit more, that is below 2p.
    #[inline(always)]
    fn reduced((number, carry): ([Word; N], bool)) -> Self {
        let (less, is_below) = words::subtract(&number, C::prime().as_words());
        let form = if is_below && !carry { number } else { less };
        Self(form, PhantomData)
    }
}

impl<C: Curve<N>, const N: usize> Add for Element<C, N> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self::reduced(words::add(&self.0, &other.0))
    }
}

impl<C: Curve<N>, const N: usize> Sub for Element<C, N> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let (difference, is_negative) = words::subtract(&self.0, &other.0);
        let prime = C::prime().as_words();
        // No branch, which could not be foretold.
        let added = prime.map(|word| if is_negative { word } else { 0 });
        Self(words::add(&difference, &added).0, PhantomData)
    }
}

impl<C: Curve<N>, const N: usize> Mul for Element<C, N> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.times(&other)
    }
}

impl<C: Curve<N>, const N: usize> Neg for Element<C, N> {
    type Output = Self;

    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

#[cfg(test)]
mod tests {
    use super::super::curves::{
        CryptoProA, CryptoProB, CryptoProC, Tc26A512, Tc26B512, Tc26C512, Test512,
    };
    use super::*;

    /// Numbers at the limits, and some of no kind, beside the library's arithmetic.
    #[test]
    fn like_the_library() {
        fn alike<C: Curve<N>, const N: usize>() {
            let p = C::PARAMS.modulus().as_nz_ref();
            let small = [0, 1, 2, 3, 568, 569, 570, 616, 617, 618].map(Uint::<N>::from_u32);
            let halves = [
                Uint::MAX.shr_vartime(2),
                Uint::MAX.shr_vartime(Uint::<N>::BITS / 2),
            ];
            let odd = C::Q.as_ref().shr_vartime(1);
            let below = [&small[..], &halves, &[odd]].concat();
            let above = below.iter().map(|number| number.neg_mod(p));
            let numbers: Vec<_> = below.iter().copied().chain(above).collect();
            for one in &numbers {
                let element = Element::<C, N>::new(one);
                assert_eq!(element.number(), *one);
                assert_eq!((-element).number(), one.neg_mod(p));
                assert_eq!(element.double().number(), one.add_mod(one, p));
                assert_eq!(element.square().number(), one.mul_mod(one, p));
                let product = element * element.inverse();
                assert_eq!(product == Element::ONE, element != Element::ZERO);
                for other in &numbers {
                    let second = Element::<C, N>::new(other);
                    assert_eq!((element + second).number(), one.add_mod(other, p));
                    assert_eq!((element - second).number(), one.sub_mod(other, p));
                    assert_eq!((element * second).number(), one.mul_mod(other, p));
                }
            }
        }
        alike::<CryptoProA, _>();
        alike::<CryptoProB, _>();
        alike::<CryptoProC, _>();
        alike::<Tc26A512, _>();
        alike::<Tc26B512, _>();
        alike::<Tc26C512, _>();
        alike::<Test512, _>();
        let special = [CryptoProA::BELOW_POWER, CryptoProC::BELOW_POWER];
        assert_eq!(special, [Some(617), None]);
        assert_eq!(Tc26A512::BELOW_POWER, Some(569));
    }
}
