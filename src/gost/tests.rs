//! The curves' numbers, the laws of their groups, and the examples of the standards.

use std::collections::HashSet;

use crypto_bigint::{CheckedAdd, Uint};
use streebog::{Digest, Streebog256, Streebog512};

use super::curves::{
    CryptoProA, CryptoProB, CryptoProC, Curve, Tc26A256, Tc26A512, Tc26B512, Tc26C512, Test256,
    Test512,
};
use super::element::Element;
use super::key::{Key, Verify};
use super::point::{Affine, Jacobian, sum_of_multiples};
use super::{GostKey, GostParameterSet};

/// Runs a generic function once for each curve.
macro_rules! on_each_curve {
    ($test:ident) => {
        $test::<CryptoProA, _>();
        $test::<CryptoProB, _>();
        $test::<CryptoProC, _>();
        $test::<Test256, _>();
        $test::<Tc26A256, _>();
        $test::<Test512, _>();
        $test::<Tc26A512, _>();
        $test::<Tc26B512, _>();
        $test::<Tc26C512, _>();
    };
}

mod laws;

/// RFC 7091 section 7.1: a signature, and the hash as a number.
#[test]
fn example_of_256_bits() {
    let point = point(
        "7F2B49E270DB6D90D8595BEC458B50C58585BA1D4E9B788F6689DBD8E56FD80B",
        "26F1B489D6701DD185C8413A977B3CBBAF64D1C593D26627DFFB101A87FF77DA",
    );
    let digest = reversed("2DFBC1B372D89A1188C09C52E0EEC61FCE52032AB1022E8E67ECE6672B043EE5");
    let signature = hex(
        "01456C64BA4642A1653C235A98A60249BCD6D3F746B631DF928014F6C5BF9C40\
         41AA28D2F1AB148280CD9ED56FEDA41974053554A42767B83AD043FD39DC0493",
    );
    accepted_and_refused_when_changed(GostParameterSet::Test256, &point, &digest, &signature);
}

/// GOST R 34.10-2012 appendix A.2.
#[test]
fn example_of_512_bits() {
    let point = point(
        "115DC5BC96760C7B48598D8AB9E740D4C4A85A65BE33C1815B5C320C854621DD\
         5A515856D13314AF69BC5B924C8B4DDFF75C45415C1D9DD9DD33612CD530EFE1",
        "37C7C90CD40B0F5621DC3AC1B751CFA0E2634FA0503B3D52639F5D7FB72AFD61\
         EA199441D943FFE7F0C70A2759A3CDB84C114E1F9339FDF27F35ECA93677BEEC",
    );
    let digest = reversed(
        "3754F3CFACC9E0615C4F4A7C4D8DAB531B09B6F9C170C533A71D147035B0C591\
         7184EE536593F4414339976C647C5D5A407ADEDB1D560C4FC6777D2972075B8C",
    );
    let signature = hex(
        "1081B394696FFE8E6585E7A9362D26B6325F56778AADBC081C0BFBE933D52FF5\
         823CE288E8C4F362526080DF7F70CE406A6EEB1F56919CB92A9853BDE73E5B4A\
         2F86FA60A081091A23DD795E1E3C689EE512A3C82EE0DCC2643C78EEA8FCACD3\
         5492558486B20F1C9EC197C90699850260C93BCBCD9C5C3317E19344E173AE36",
    );
    accepted_and_refused_when_changed(GostParameterSet::Test512, &point, &digest, &signature);
}

/// RFC 6986 section 10, in the order of bytes that every program has.
#[test]
fn examples_of_the_hash() {
    let first = b"012345678901234567890123456789012345678901234567890123456789012";
    let second = hex("d1e520e2e5f2f0e82c20d1f2f0e8e1eee6e820e2edf3f6e8\
         2c20e2e5fef2fa20f120eceef0ff20f1f2f0e5ebe0ece820\
         ede020f5f0e0e1f0fbff20efebfaeafb20c8e3eef0e5e2fb");
    assert_eq!(
        Streebog256::digest(first)[..],
        hex("9d151eefd8590b89daa6ba6cb74af9275dd051026bb149a452fd84e5e57b5500")
    );
    assert_eq!(
        Streebog512::digest(first)[..],
        hex(
            "1b54d01a4af5b9d5cc3d86d68d285462b19abc2475222f35c085122be4ba1ffa\
             00ad30f8767b3a82384c6574f024c311e2a481332b08ef7f41797891c1646f48"
        )
    );
    assert_eq!(
        Streebog256::digest(&second)[..],
        hex("9dd2fe4e90409e5da87f53976d7405b0c0cac628fc669a741d50063c557e8f50")
    );
    assert_eq!(
        Streebog512::digest(&second)[..],
        hex(
            "1e88e62226bfca6f9994f1f2d51569e0daf8475a3b0fe61a5300eee46d961376\
             035fe83549ada2b8620fcd7c496ce5b33f0cb9dddc2b6460143b03dabac9fb28"
        )
    );
}

#[test]
fn names_and_identifiers() {
    let all = GostParameterSet::ALL;
    let oids: HashSet<_> = all.iter().map(|set| set.oid()).collect();
    let names: HashSet<_> = all.iter().map(|set| set.to_string()).collect();
    assert_eq!((oids.len(), names.len()), (14, 14));
    for &set in all {
        assert_eq!(GostParameterSet::from_oid(set.oid()), Some(set));
        assert_eq!(set.curve().field_len(), set.field_len());
        assert_eq!(set.curve().curve(), set.curve());
    }
    let curves: HashSet<_> = all.iter().map(|set| set.curve()).collect();
    assert_eq!(curves.len(), 9);
}

/// A key of one name is a key of its twins, and of no other set.
#[test]
fn twins_have_one_curve() {
    for &one in GostParameterSet::ALL {
        let point = match one.curve() {
            GostParameterSet::CryptoProA => base_point::<CryptoProA, _>(),
            GostParameterSet::CryptoProB => base_point::<CryptoProB, _>(),
            GostParameterSet::CryptoProC => base_point::<CryptoProC, _>(),
            GostParameterSet::Test256 => base_point::<Test256, _>(),
            GostParameterSet::Tc26A256 => base_point::<Tc26A256, _>(),
            GostParameterSet::Test512 => base_point::<Test512, _>(),
            GostParameterSet::Tc26A512 => base_point::<Tc26A512, _>(),
            GostParameterSet::Tc26B512 => base_point::<Tc26B512, _>(),
            _ => base_point::<Tc26C512, _>(),
        };
        for &other in GostParameterSet::ALL {
            let fits = GostKey::from_bytes(other, &point).is_ok();
            assert_eq!(fits, one.curve() == other.curve(), "{one} {other}");
        }
    }
}

#[test]
fn keys_that_are_none_are_refused() {
    fn refused<C: Curve<N>, const N: usize>() {
        let refusal = |bytes: &[u8]| Key::<C, N>::from_bytes(bytes).err();
        let good = base_point::<C, N>();
        assert_eq!(refusal(&good), None);
        let length = Some("its length is not that of a point of its curve");
        for wrong in [0, 1, good.len() / 2, good.len() - 1] {
            assert_eq!(refusal(&good[..wrong]), length);
        }
        assert_eq!(refusal(&[&good[..], &[0]].concat()), length);
        for bit in 0..8 * good.len() {
            assert!(refusal(&with_bit_changed(&good, bit)).is_some(), "{bit}");
        }
        // A number that is the coordinate modulo p.
        let prime = C::prime().to_le_bytes();
        let above = [prime.as_ref(), &good[good.len() / 2..]].concat();
        let high = Some("a coordinate is not below the prime of its curve");
        assert_eq!(refusal(&above), high);
        let above = [&good[..good.len() / 2], prime.as_ref()].concat();
        assert_eq!(refusal(&above), high);
        let off = Some("it is not a point of its curve");
        assert_eq!(refusal(&vec![0; good.len()]), off);
    }
    on_each_curve!(refused);
}

/// On each curve: a signature of ours, and what is near it.
#[test]
fn signatures_are_verified() {
    fn verified<C: Curve<N>, const N: usize>() {
        let (d, k) = (scalar::<C, N>(3), scalar::<C, N>(5));
        let key = Key::<C, N>::from_bytes(&bytes(times(&d, base::<C, N>()).to_affine())).unwrap();
        let digest: Vec<u8> = (0..8 * N as u8).map(|at| at.wrapping_mul(37)).collect();
        let (s, r) = sign::<C, N>(&d, &k, &digest);
        let joined = |s: &Uint<N>, r: &Uint<N>| {
            [s.to_be_bytes().as_ref(), r.to_be_bytes().as_ref()].concat()
        };
        let good = joined(&s, &r);
        assert!(key.verify(&digest, &good));

        let q = C::Q.as_ref();
        assert!(!key.verify(&digest, &joined(&r, &s)));
        for wrong in [Uint::ZERO, *q, Uint::MAX] {
            assert!(!key.verify(&digest, &joined(&wrong, &r)));
            assert!(!key.verify(&digest, &joined(&s, &wrong)));
        }
        // The same numbers modulo q, where there is room for them.
        for number in [&s, &r] {
            let above = number.checked_add(q).into_option();
            let wrong = above.map(|above| match number == &s {
                true => joined(&above, &r),
                false => joined(&s, &above),
            });
            assert!(wrong.is_none_or(|wrong| !key.verify(&digest, &wrong)));
        }
        for length in [0, good.len() / 2, good.len() - 1] {
            assert!(!key.verify(&digest, &good[..length]));
            assert!(!key.verify(&digest[..length / 2], &good));
        }
        assert!(!key.verify(&digest, &[&good[..], &[0]].concat()));
        assert!(!key.verify(&[&digest[..], &[0]].concat(), &good));
        for bit in (0..8 * good.len()).step_by(29) {
            assert!(!key.verify(&digest, &with_bit_changed(&good, bit)));
        }
        for bit in (0..8 * digest.len()).step_by(29) {
            assert!(!key.verify(&with_bit_changed(&digest, bit), &good));
        }
        let other = Key::<C, N>::from_bytes(&base_point::<C, N>()).unwrap();
        assert!(!other.verify(&digest, &good));

        // A digest that is zero modulo q counts as one.
        let [zero, one] = [Uint::<N>::ZERO, Uint::ONE].map(|e| e.to_le_bytes().as_ref().to_vec());
        let q = q.to_le_bytes().as_ref().to_vec();
        let (s, r) = sign::<C, N>(&d, &k, &one);
        for same in [zero, one, q] {
            assert!(key.verify(&same, &joined(&s, &r)));
        }
    }
    on_each_curve!(verified);
}

/// Signatures that only the rule against zero refuses.
#[test]
fn zero_is_no_half_of_a_signature() {
    // s = 0, and a key that was made for the rest to fit: k = -r·d/e.
    fn refused<C: Curve<N>, const N: usize>() {
        let q = C::Q.as_nz_ref();
        let (k, e) = (scalar::<C, N>(7), scalar::<C, N>(9));
        let x = times(&k, base::<C, N>()).to_affine().x.number();
        let r = x.rem_vartime(q);
        let inverse = r.invert_odd_mod_vartime(&C::Q).unwrap_or(Uint::ZERO);
        let d = k
            .mul_mod_vartime(&e, q)
            .mul_mod_vartime(&inverse, q)
            .neg_mod(q);
        let point = times(&d, base::<C, N>()).to_affine();
        let key = Key::<C, N>::from_bytes(&bytes(point)).unwrap();
        let zero = Uint::<N>::ZERO.to_be_bytes();
        let signature = [zero.as_ref(), r.to_be_bytes().as_ref()].concat();
        assert!(!key.verify(e.to_le_bytes().as_ref(), &signature));
    }
    on_each_curve!(refused);

    // r = 0: there is a point whose x is zero, the base point of this curve. s = e comes to it.
    let key = Key::<CryptoProC, _>::from_bytes(&base_point::<CryptoProC, _>()).unwrap();
    let e = scalar::<CryptoProC, _>(9);
    let signature = [e.to_be_bytes().as_ref(), &[0; 32]].concat();
    assert!(!key.verify(e.to_le_bytes().as_ref(), &signature));
}

#[test]
fn the_identity_has_no_x() {
    fn none<C: Curve<N>, const N: usize>() {
        for x in [Element::ZERO, Element::ONE] {
            let identity = Jacobian::<C, N> {
                x,
                ..Jacobian::IDENTITY
            };
            assert!((0..3).all(|x| !identity.has_x(&Uint::from_u8(x))));
        }
        // Q = -P and z1 = z2, where s = -r.
        let digest = Uint::<N>::ONE.to_le_bytes();
        let key = Key::<C, N>::from_bytes(&bytes(-base::<C, N>())).unwrap();
        for r in [Uint::ONE, Uint::from_u8(2)] {
            let s = C::Q.as_ref().wrapping_sub(&r);
            let signature = [s.to_be_bytes().as_ref(), r.to_be_bytes().as_ref()].concat();
            assert!(!key.verify(digest.as_ref(), &signature));
        }
    }
    on_each_curve!(none);
}

fn accepted_and_refused_when_changed(
    set: GostParameterSet,
    point: &[u8],
    digest: &[u8],
    signature: &[u8],
) {
    let key = GostKey::from_bytes(set, point).unwrap();
    assert!(key.verify(digest, signature));
    for bit in (0..8 * signature.len()).step_by(7) {
        assert!(!key.verify(digest, &with_bit_changed(signature, bit)));
    }
    for bit in (0..8 * digest.len()).step_by(7) {
        assert!(!key.verify(&with_bit_changed(digest, bit), signature));
    }
    for bit in 0..8 * point.len() {
        let changed = GostKey::from_bytes(set, &with_bit_changed(point, bit));
        assert!(changed.is_err());
    }
}

/// RFC 7091 section 6.1.
fn sign<C: Curve<N>, const N: usize>(
    d: &Uint<N>,
    k: &Uint<N>,
    digest: &[u8],
) -> (Uint<N>, Uint<N>) {
    let q = C::Q.as_nz_ref();
    let e = Uint::<N>::from_le_slice(digest).rem_vartime(q);
    let x = times(k, base::<C, N>()).to_affine().x.number();
    let r = x.rem_vartime(q);
    let s = r
        .mul_mod_vartime(d, q)
        .add_mod(&k.mul_mod_vartime(&e, q), q);
    (s, r)
}

/// Bit by bit, so that it shares no more than the sum of two points with what it is compared to.
fn times<C: Curve<N>, const N: usize>(number: &Uint<N>, point: Affine<C, N>) -> Jacobian<C, N> {
    (0..Uint::<N>::BITS)
        .rev()
        .fold(Jacobian::IDENTITY, |sum, bit| {
            let sum = sum.double();
            match number.bit_vartime(bit) {
                true => sum.add_affine(&point),
                false => sum,
            }
        })
}

/// A number of many bits below q.
fn scalar<C: Curve<N>, const N: usize>(seed: u8) -> Uint<N> {
    let bytes: Vec<u8> = (0..8 * N as u8)
        .map(|at| at.wrapping_mul(seed) ^ 0x5a)
        .collect();
    Uint::<N>::from_le_slice(&bytes).rem_vartime(C::Q.as_nz_ref())
}

fn base<C: Curve<N>, const N: usize>() -> Affine<C, N> {
    let [x, y] = C::P;
    Affine::new(x, y).expect("P is on the curve")
}

fn coordinates<C: Curve<N>, const N: usize>(point: Affine<C, N>) -> [Uint<N>; 2] {
    [point.x.number(), point.y.number()]
}

fn bytes<C: Curve<N>, const N: usize>(point: Affine<C, N>) -> Vec<u8> {
    let [x, y] = coordinates(point).map(|number| number.to_le_bytes());
    [x.as_ref(), y.as_ref()].concat()
}

fn base_point<C: Curve<N>, const N: usize>() -> Vec<u8> {
    bytes(base::<C, N>())
}

fn point(x: &str, y: &str) -> Vec<u8> {
    [reversed(x), reversed(y)].concat()
}

fn with_bit_changed(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[bit / 8] ^= 1 << (bit % 8);
    changed
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .map(|digit| (digit as char).to_digit(16).unwrap() as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn reversed(text: &str) -> Vec<u8> {
    hex(text).into_iter().rev().collect()
}
