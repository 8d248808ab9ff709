//! Points of a curve y² = x³ + ax + b, in Jacobian coordinates: x = X/Z², y = Y/Z³.
//!
//! Every case of a sum is told apart: where the cofactor is 4, any of them may come.

use std::iter::successors;
use std::ops::Neg;

use crypto_bigint::{CheckedAdd, Uint};

use super::curves::Curve;
use super::digits::non_adjacent;
use super::element::Element;

/// How wide the digits are that the base point is multiplied by: its multiples are made once.
const BASE_WIDTH: u32 = 8;
/// The same for a key, whose multiples are made for each signature.
const KEY_WIDTH: u32 = 5;

/// A point by its coordinates; so the identity cannot be.
#[derive(Clone, Copy)]
pub(super) struct Affine<C: Curve<N>, const N: usize> {
    pub(super) x: Element<C, N>,
    pub(super) y: Element<C, N>,
}

/// A point, or with Z = 0 the identity.
#[derive(Clone, Copy)]
pub(super) struct Jacobian<C: Curve<N>, const N: usize> {
    pub(super) x: Element<C, N>,
    pub(super) y: Element<C, N>,
    pub(super) z: Element<C, N>,
}

/// The multiple `of_base` of the base point and the multiple `of_point` of `point`, added up.
pub(super) fn sum_of_multiples<C: Curve<N>, const N: usize>(
    of_base: &Uint<N>,
    of_point: &Uint<N>,
    point: Affine<C, N>,
) -> Jacobian<C, N> {
    let base_multiples = C::base_multiples().get_or_init(|| {
        let [x, y] = C::P;
        let multiples = Jacobian::from(Affine { x, y }).odd_multiples(BASE_WIDTH);
        multiples.map(Jacobian::to_affine).collect()
    });
    let multiples: Vec<_> = Jacobian::from(point).odd_multiples(KEY_WIDTH).collect();
    let of_base = non_adjacent(of_base, BASE_WIDTH);
    let of_point = non_adjacent(of_point, KEY_WIDTH);
    let mut sum = Jacobian::IDENTITY;
    for place in (0..of_base.len().max(of_point.len())).rev() {
        sum = sum.double();
        if let Some(multiple) = multiple(base_multiples, of_base.get(place)) {
            sum = sum.add_affine(&multiple);
        }
        if let Some(multiple) = multiple(&multiples, of_point.get(place)) {
            sum = sum.add(&multiple);
        }
    }
    sum
}

/// What is to be added for a digit, if it is there and not zero.
fn multiple<P: Copy + Neg<Output = P>>(odd_multiples: &[P], digit: Option<&i8>) -> Option<P> {
    let digit = *digit.filter(|digit| **digit != 0)?;
    let multiple = *odd_multiples.get(usize::from(digit.unsigned_abs() / 2))?;
    Some(if digit < 0 { -multiple } else { multiple })
}

impl<C: Curve<N>, const N: usize> Affine<C, N> {
    /// The point with these coordinates, if it is on the curve.
    pub(super) fn new(x: Element<C, N>, y: Element<C, N>) -> Option<Self> {
        (y.square() == (x.square() + C::A) * x + C::B).then_some(Self { x, y })
    }
}

impl<C: Curve<N>, const N: usize> Jacobian<C, N> {
    pub(super) const IDENTITY: Self = Self {
        x: Element::ONE,
        y: Element::ONE,
        z: Element::ZERO,
    };

    pub(super) fn is_identity(&self) -> bool {
        self.z == Element::ZERO
    }

    /// Whether this point's x is `number` modulo q.
    pub(super) fn has_x(&self, number: &Uint<N>) -> bool {
        let zz = self.z.square();
        // There may be several numbers below p that are the same modulo q.
        successors(Some(*number), |x| {
            x.checked_add(C::Q.as_ref()).into_option()
        })
        .take_while(|x| x < C::prime())
        .any(|x| Element::new(&x) * zz == self.x)
            && !self.is_identity()
    }

    pub(super) fn double(&self) -> Self {
        let Self { x, y, z } = *self;
        let zz = z.square();
        let yy = y.square();
        let slope = if C::A_IS_MINUS_3 {
            triple((x - zz) * (x + zz))
        } else {
            triple(x.square()) + C::A * zz.square()
        };
        let xyy4 = (x * yy).double().double();
        let doubled = slope.square() - xyy4.double();
        Self {
            x: doubled,
            y: slope * (xyy4 - doubled) - yy.square().double().double().double(),
            z: (y * z).double(),
        }
    }

    fn add(&self, other: &Self) -> Self {
        if self.is_identity() {
            return *other;
        }
        if other.is_identity() {
            return *self;
        }
        let [zz, other_zz] = [self.z.square(), other.z.square()];
        self.add_scaled(
            [self.x * other_zz, self.y * other_zz * other.z],
            [other.x * zz, other.y * zz * self.z],
            self.z * other.z,
        )
    }

    pub(super) fn add_affine(&self, other: &Affine<C, N>) -> Self {
        if self.is_identity() {
            return (*other).into();
        }
        let zz = self.z.square();
        let other = [other.x * zz, other.y * zz * self.z];
        self.add_scaled([self.x, self.y], other, self.z)
    }

    /// This point and another added up, given both with the same Z.
    fn add_scaled(
        &self,
        [x1, y1]: [Element<C, N>; 2],
        [x2, y2]: [Element<C, N>; 2],
        z: Element<C, N>,
    ) -> Self {
        let dx = x2 - x1;
        let dy = y2 - y1;
        if dx == Element::ZERO {
            return if dy == Element::ZERO {
                self.double()
            } else {
                Self::IDENTITY
            };
        }
        let dxx = dx.square();
        let dxxx = dxx * dx;
        let xdxx = x1 * dxx;
        let x = dy.square() - dxxx - xdxx.double();
        Self {
            x,
            y: dy * (xdxx - x) - y1 * dxxx,
            z: z * dx,
        }
    }

    /// Itself, three times itself, and so on: what digits of this width need.
    fn odd_multiples(self, width: u32) -> impl Iterator<Item = Self> {
        let twice = self.double();
        successors(Some(self), move |last| Some(last.add(&twice))).take(1 << (width - 2))
    }

    /// The same point by its coordinates. It must not be the identity.
    pub(super) fn to_affine(self) -> Affine<C, N> {
        let inverse = self.z.inverse();
        let square = inverse.square();
        Affine {
            x: self.x * square,
            y: self.y * square * inverse,
        }
    }
}

fn triple<C: Curve<N>, const N: usize>(number: Element<C, N>) -> Element<C, N> {
    number.double() + number
}

impl<C: Curve<N>, const N: usize> From<Affine<C, N>> for Jacobian<C, N> {
    fn from(Affine { x, y }: Affine<C, N>) -> Self {
        Self {
            x,
            y,
            z: Element::ONE,
        }
    }
}

impl<C: Curve<N>, const N: usize> Neg for Affine<C, N> {
    type Output = Self;

    fn neg(self) -> Self {
        Self { y: -self.y, ..self }
    }
}

impl<C: Curve<N>, const N: usize> Neg for Jacobian<C, N> {
    type Output = Self;

    fn neg(self) -> Self {
        Self { y: -self.y, ..self }
    }
}
