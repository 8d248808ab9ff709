//! The arithmetic.

use num_bigint::BigUint;

/// y² = x³ + ax + b over the field of p elements. b is not needed to compute.
pub struct Curve {
    p: BigUint,
    a: BigUint,
    /// The order of the base point.
    pub q: BigUint,
    base: Point,
}

/// x/z² and y/z³, so that few numbers are divided. At infinity z is zero.
#[derive(Clone, Default)]
struct Point {
    x: BigUint,
    y: BigUint,
    z: BigUint,
}

impl Curve {
    /// p, a, q, and the coordinates of the base point, in hexadecimal.
    pub fn new(numbers: [&str; 5]) -> Self {
        let [p, a, q, x, y] = numbers.map(number);
        let z = BigUint::from(1u8);
        let base = Point { x, y, z };
        Self { p, a, q, base }
    }

    /// Signs a digest as it was hashed: GOST R 34.10-2012 section 6.1.
    pub fn sign(&self, d: &BigUint, nonce: &BigUint, digest: &[u8]) -> Vec<u8> {
        let (x, _) = self.of_base(nonce);
        let r = x % &self.q;
        let s = (&r * d + nonce * self.hashed(digest)) % &self.q;
        [self.bytes(&s), self.bytes(&r)].concat()
    }

    /// Section 6.2.
    pub fn verifies(&self, public: &[u8], digest: &[u8], signature: &[u8]) -> bool {
        let half = self.bytes(&self.p).len();
        if (public.len(), signature.len()) != (2 * half, 2 * half) {
            return false;
        }
        let [x, y] = [&public[..half], &public[half..]].map(BigUint::from_bytes_le);
        let [s, r] = [&signature[..half], &signature[half..]].map(BigUint::from_bytes_be);
        let in_range = |number: &BigUint| *number != BigUint::ZERO && *number < self.q;
        if !in_range(&r) || !in_range(&s) {
            return false;
        }
        let v = self.hashed(digest).modinv(&self.q).expect("q is prime");
        let [z1, z2] = [s * &v, (&self.q - &r) * &v].map(|z| z % &self.q);
        let z = BigUint::from(1u8);
        let c = self.add(
            &self.multiply(&z1, &self.base),
            &self.multiply(&z2, &Point { x, y, z }),
        );
        self.affine(c).is_some_and(|(x, _)| x % &self.q == r)
    }

    /// The point that two keys agree on, as a public key is written: RFC 7836 section 4.3.1. None where
    /// the other's is no public key.
    pub fn agree(&self, d: &BigUint, public: &[u8], ukm: &[u8]) -> Option<Vec<u8>> {
        let half = self.bytes(&self.p).len();
        let (x, y) = public
            .split_at_checked(half)
            .filter(|(_, y)| y.len() == half)?;
        let [x, y] = [x, y].map(BigUint::from_bytes_le);
        if x >= self.p || y >= self.p || self.b(&x, &y) != self.b(&self.base.x, &self.base.y) {
            return None;
        }
        // By Hasse the order of the whole group is near p.
        let cofactor = (&self.p + &self.q / 2u8) / &self.q;
        let number = BigUint::from_bytes_le(ukm) * cofactor * d;
        let z = BigUint::from(1u8);
        let point = self.multiply(&number, &Point { x, y, z });
        Some(self.written(self.affine(point)?))
    }

    /// The b of the curve of this form that a point is on.
    fn b(&self, x: &BigUint, y: &BigUint) -> BigUint {
        self.minus(y * y, &(x * x * x + &self.a * x))
    }

    /// X ‖ Y, each with its least byte first.
    pub fn public(&self, d: &BigUint) -> Vec<u8> {
        self.written(self.of_base(d))
    }

    fn written(&self, (x, y): (BigUint, BigUint)) -> Vec<u8> {
        let mut bytes = [self.bytes(&y), self.bytes(&x)].concat();
        bytes.reverse();
        bytes
    }

    /// As long as p, with the highest byte first.
    pub fn bytes(&self, number: &BigUint) -> Vec<u8> {
        let bytes = number.to_bytes_be();
        let zeros = self.p.to_bytes_be().len() - bytes.len();
        [vec![0; zeros], bytes].concat()
    }

    fn of_base(&self, number: &BigUint) -> (BigUint, BigUint) {
        let point = self.multiply(number, &self.base);
        self.affine(point).expect("neither zero nor q")
    }

    /// What a digest counts as.
    fn hashed(&self, digest: &[u8]) -> BigUint {
        let number = BigUint::from_bytes_le(digest) % &self.q;
        number.max(BigUint::from(1u8))
    }

    fn multiply(&self, number: &BigUint, base: &Point) -> Point {
        let mut sum = Point::default();
        for bit in (0..number.bits()).rev() {
            sum = self.double(&sum);
            if number.bit(bit) {
                sum = self.add(&sum, base);
            }
        }
        sum
    }

    fn add(&self, one: &Point, other: &Point) -> Point {
        if one.z == BigUint::ZERO {
            return other.clone();
        }
        if other.z == BigUint::ZERO {
            return one.clone();
        }
        let p = &self.p;
        let [zz1, zz2] = [one, other].map(|point| &point.z * &point.z % p);
        let [u1, u2] = [&one.x * &zz2 % p, &other.x * &zz1 % p];
        let [s1, s2] = [&one.y * &other.z * zz2 % p, &other.y * &one.z * zz1 % p];
        let [h, r] = [self.minus(u2, &u1), self.minus(s2, &s1)];
        if h == BigUint::ZERO {
            return match r == BigUint::ZERO {
                true => self.double(one),
                false => Point::default(),
            };
        }
        let hh = &h * &h % p;
        let hhh = &hh * &h % p;
        let v = u1 * hh % p;
        let x = self.minus(&r * &r, &(hhh.clone() + &v + &v));
        let y = self.minus(r * self.minus(v, &x), &(s1 * hhh));
        let z = &one.z * &other.z * h % p;
        Point { x, y, z }
    }

    fn double(&self, Point { x, y, z }: &Point) -> Point {
        let p = &self.p;
        let yy = y * y % p;
        let zz = z * z % p;
        let s = x * &yy * 4u8 % p;
        let m = (x * x * 3u8 + &self.a * &zz * &zz) % p;
        let doubled = self.minus(&m * &m, &(&s * 2u8));
        Point {
            y: self.minus(m * self.minus(s, &doubled), &(&yy * &yy * 8u8)),
            z: y * z * 2u8 % p,
            x: doubled,
        }
    }

    fn minus(&self, one: BigUint, other: &BigUint) -> BigUint {
        (one + &self.p - other % &self.p) % &self.p
    }

    /// The two coordinates, which the point at infinity lacks.
    fn affine(&self, Point { x, y, z }: Point) -> Option<(BigUint, BigUint)> {
        let z = z.modinv(&self.p)?;
        let zz = &z * &z;
        Some((x * &zz % &self.p, y * z * zz % &self.p))
    }
}

fn number(hex: &str) -> BigUint {
    BigUint::parse_bytes(hex.as_bytes(), 16).expect("hexadecimal")
}
