//! The numbers of the curves, and the laws of their groups.

use std::collections::HashSet;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Limb, Odd};

use super::*;

#[test]
fn numbers_are_sound() {
    fn sound<C: Curve<N>, const N: usize>() {
        let (p, q) = (C::PARAMS.modulus(), C::Q);
        assert!(is_probably_prime(p) && is_probably_prime(&q));
        // Neither half the points of the curve, nor none: 4a³ + 27b² is not zero.
        let small = |number: u8| Element::<C, N>::new(&Uint::from_u8(number));
        let discriminant = small(4) * C::A.square() * C::A + small(27) * C::B.square();
        assert_ne!(discriminant, Element::ZERO);
        // Hasse: the number of points differs from p + 1 by 2√p at most, so that no other multiple
        // of q is there.
        let points = C::Q.as_ref().widening_mul(&Uint::<N>::from_u8(C::COFACTOR));
        let prime = (*C::prime(), Uint::ZERO);
        let (low, borrow) = points.0.borrowing_sub(&prime.0, Limb::ZERO);
        let (high, _) = points.1.borrowing_sub(&prime.1, borrow);
        let size = if high == Uint::ZERO {
            low
        } else {
            low.wrapping_neg()
        };
        assert!(high == Uint::ZERO || high == Uint::MAX);
        assert!(
            size.leading_zeros_vartime() >= Uint::<N>::BITS / 2 - 2,
            "{size}"
        );
        assert_ne!(p.as_ref(), q.as_ref(), "an anomalous curve");
        let base = base::<C, N>();
        let twice = sum_of_multiples(&Uint::ONE, &Uint::ONE, base);
        assert!(!twice.is_identity());
        assert!(times(C::Q.as_ref(), base).is_identity());
        let before = C::Q.as_ref().wrapping_sub(&Uint::ONE);
        assert!(sum_of_multiples(&before, &Uint::ONE, base).is_identity());
    }
    on_each_curve!(sound);
}

/// Sums in which equal, opposite and absent points meet.
#[test]
fn small_multiples_add_up() {
    fn adds_up<C: Curve<N>, const N: usize>() {
        let base = base::<C, N>();
        let number = |of: i8| match of {
            0.. => Uint::from_u8(of.unsigned_abs()),
            _ => C::Q
                .as_ref()
                .wrapping_sub(&Uint::from_u8(of.unsigned_abs())),
        };
        let by_steps: Vec<_> = (0..40)
            .scan(Jacobian::IDENTITY, |sum, _| {
                *sum = sum.add_affine(&base);
                Some(sum.to_affine())
            })
            .collect();
        let expected = |of: i8| {
            let point = by_steps[usize::from(of.unsigned_abs()) - 1];
            if of < 0 { -point } else { point }
        };
        for factor in [1, -1, 3] {
            for of_base in [-1, 0, 1, 2, 3, 9] {
                for of_point in [-1, 0, 1, 2, 3] {
                    let sum =
                        sum_of_multiples(&number(of_base), &number(of_point), expected(factor));
                    match of_base + factor * of_point {
                        0 => assert!(sum.is_identity()),
                        other => {
                            assert_eq!(coordinates(sum.to_affine()), coordinates(expected(other)))
                        }
                    }
                }
            }
        }
    }
    on_each_curve!(adds_up);
}

/// On the curves of cofactor 4: points of the orders 2, 4 and 4q.
#[test]
fn points_of_another_order_are_refused() {
    fn refused<C: Curve<N>, const N: usize>() {
        let mut orders = HashSet::new();
        let points = (0..200).filter_map(|x| with_x::<C, N>(x));
        for point in points {
            let rest = times(C::Q.as_ref(), point);
            let order = match rest {
                _ if rest.is_identity() => 1,
                _ if rest.double().is_identity() => 2,
                _ => 4,
            };
            assert!(rest.double().double().is_identity());
            orders.insert(order);
            let accepted = Key::<C, N>::from_bytes(&bytes(point)).is_ok();
            assert_eq!(accepted, order == 1);
            if order > 1 {
                let small = rest.to_affine();
                let refused = Key::<C, N>::from_bytes(&bytes(small)).err();
                assert_eq!(refused, Some("its order is not that of its parameter set"));
                // Sums among these few are right too.
                for count in 0..=8u8 {
                    let sum = sum_of_multiples(&Uint::ZERO, &Uint::from_u8(count), small);
                    assert_eq!(sum.is_identity(), count % order == 0);
                }
            }
        }
        assert_eq!(orders, HashSet::from([1, 2, 4]));
    }
    refused::<Tc26A256, _>();
    refused::<Tc26C512, _>();
}

/// The x of a point is a number modulo p, and r the same modulo q: where p is the greater, x may be
/// r and some times q.
#[test]
fn x_may_be_above_q() {
    fn found<C: Curve<N>, const N: usize>() {
        let q = C::Q.as_nz_ref();
        let mut times_above = HashSet::new();
        for k in 1..60 {
            let point = times(&Uint::from_u8(k), base::<C, N>());
            let x = point.to_affine().x.number();
            let (times, r) = x.div_rem_vartime(q);
            times_above.insert(times.as_limbs()[0].0);
            assert!(point.has_x(&r));
            assert!(!point.has_x(&r.wrapping_add(&Uint::ONE)));
        }
        assert_eq!(times_above, HashSet::from([0, 1, 2, 3]));
    }
    found::<Tc26A256, _>();
    found::<Tc26C512, _>();
}

/// Here q > p, and x = 1: so p + 1 is x modulo p, and is not x modulo q.
#[test]
fn r_may_be_above_p() {
    let point = Jacobian::from(base::<CryptoProB, _>());
    let above = CryptoProB::prime().wrapping_add(&Uint::ONE);
    assert!(above < *CryptoProB::Q.as_ref());
    assert!(point.has_x(&Uint::ONE));
    assert!(!point.has_x(&above));
}

/// A point with this x, if there is one. All primes here are 3 modulo 4.
fn with_x<C: Curve<N>, const N: usize>(x: u8) -> Option<Affine<C, N>> {
    let x = Element::<C, N>::new(&Uint::from_u8(x));
    let square = (x.square() + C::A) * x + C::B;
    let exponent = C::prime().shr_vartime(2).wrapping_add(&Uint::ONE);
    Affine::new(x, power(square, &exponent))
}

fn power<C: Curve<N>, const N: usize>(number: Element<C, N>, exponent: &Uint<N>) -> Element<C, N> {
    let bits = (0..Uint::<N>::BITS).rev();
    bits.fold(Element::ONE, |power, bit| match exponent.bit_vartime(bit) {
        true => power.square() * number,
        false => power.square(),
    })
}

/// Miller and Rabin's test, to some small bases.
fn is_probably_prime<const N: usize>(number: &Odd<Uint<N>>) -> bool {
    let parameters = FixedMontyParams::new_vartime(*number);
    let one = FixedMontyForm::one(&parameters);
    let before = number.as_ref().wrapping_sub(&Uint::ONE);
    let twos = before.trailing_zeros_vartime();
    [2u8, 3, 5, 7, 11, 13, 17, 19, 23, 29].iter().all(|&base| {
        let base = FixedMontyForm::new(&Uint::from_u8(base), &parameters);
        let first = base.pow(&before.shr_vartime(twos));
        let mut squares = std::iter::successors(Some(first), |last| Some(last.square()));
        first == one
            || squares
                .by_ref()
                .take(twos as usize)
                .any(|square| square == -one)
    })
}
