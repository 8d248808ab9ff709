//! A public key on one of the curves, and what it verifies.

use std::cmp::Ordering;

use crypto_bigint::Uint;

use super::curves::Curve;
use super::element::Element;
use super::point::{Affine, sum_of_multiples};

/// A key on whichever curve.
pub(super) trait Verify: Send + Sync {
    /// Whether `signature` is one of `digest`.
    fn verify(&self, digest: &[u8], signature: &[u8]) -> bool;
}

/// A point of the order q.
pub(super) struct Key<C: Curve<N>, const N: usize>(Affine<C, N>);

impl<C: Curve<N>, const N: usize> Key<C, N> {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        let (x, y) = halves::<N>(bytes).ok_or("its length is not that of a point of its curve")?;
        let [x, y] = [x, y].map(Uint::from_le_slice);
        if x >= *C::prime() || y >= *C::prime() {
            return Err("a coordinate is not below the prime of its curve");
        }
        let point = Affine::new(Element::new(&x), Element::new(&y))
            .ok_or("it is not a point of its curve")?;
        if C::COFACTOR != 1 && !sum_of_multiples(&Uint::ZERO, C::Q.as_ref(), point).is_identity() {
            return Err("its order is not that of its parameter set");
        }
        Ok(Self(point))
    }
}

impl<C: Curve<N>, const N: usize> Verify for Key<C, N> {
    /// RFC 7091 section 6.2.
    fn verify(&self, digest: &[u8], signature: &[u8]) -> bool {
        let Some((s, r)) = halves::<N>(signature) else {
            return false;
        };
        let [s, r] = [s, r].map(Uint::from_be_slice);
        if digest.len() != Uint::<N>::BYTES || !is_scalar::<C, N>(&s) || !is_scalar::<C, N>(&r) {
            return false;
        }
        let q = C::Q.as_nz_ref();
        let mut e = Uint::<N>::from_le_slice(digest).rem_vartime(q);
        if e == Uint::ZERO {
            e = Uint::ONE;
        }
        let inverse = e.invert_odd_mod_vartime(&C::Q).into_option();
        inverse.is_some_and(|v| {
            let z1 = s.mul_mod_vartime(&v, q);
            let z2 = r.mul_mod_vartime(&v, q).neg_mod(q);
            sum_of_multiples(&z1, &z2, self.0).has_x(&r)
        })
    }
}

/// Whether 0 < `number` < q.
fn is_scalar<C: Curve<N>, const N: usize>(number: &Uint<N>) -> bool {
    *number != Uint::ZERO && number.cmp_vartime(C::Q.as_ref()) == Ordering::Less
}

/// Two numbers that stand one after the other, where the length is right.
fn halves<const N: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let half = Uint::<N>::BYTES;
    (bytes.len() == 2 * half).then(|| bytes.split_at(half))
}
