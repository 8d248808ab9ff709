//! Points: how tokens wrap them, and whether they are on the curve.

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Tag, Tagged};

use super::{Curve, ED25519_LENGTH, Material, PublicKeyError, malformed};

/// The SEC 1 point in a `CKA_EC_POINT`, whether it is bare or wrapped.
///
/// Both forms begin with 04, so the length decides: the bare point of a curve has one of two
/// lengths, and no wrapped point has either of them.
pub(super) fn unwrap_ec(curve: Curve, ec_point: &[u8]) -> Result<&[u8], PublicKeyError> {
    [Some(ec_point), contents(ec_point)]
        .into_iter()
        .flatten()
        .find(|point| has_sec1_form(curve, point))
        .ok_or(malformed(
            curve.name(),
            "its point is neither bare nor wrapped in an OCTET STRING, or has a wrong length",
        ))
}

/// As [`unwrap_ec`]: 32 bytes, bare or wrapped.
pub(super) fn unwrap_ed25519(ec_point: &[u8]) -> Result<&[u8; 32], PublicKeyError> {
    [Some(ec_point), contents(ec_point)]
        .into_iter()
        .flatten()
        .find_map(|point| point.try_into().ok())
        .ok_or(ED25519_LENGTH)
}

/// The point of a curve whose size is not known: wrapped where it reads as wrapped and a SEC 1
/// point begins inside. A bare point would pass for that only if its first bytes happened to be
/// its own length and another point's first byte.
pub(super) fn unwrap_unknown(ec_point: &[u8]) -> &[u8] {
    contents(ec_point)
        .filter(|point| matches!(point.first(), Some(2..=4)))
        .unwrap_or(ec_point)
}

/// Checks that the point is on the curve, and writes it uncompressed.
pub(super) fn read(curve: Curve, point: &[u8]) -> Result<(Material, Vec<u8>), PublicKeyError> {
    // The decoder underneath also takes SEC 1's rare "compact" form; X.509 does not.
    if !has_sec1_form(curve, point) {
        return Err(malformed(curve.name(), "its point has a wrong length"));
    }
    let off_curve = |_| malformed(curve.name(), "its point is not on the curve");
    Ok(match curve {
        Curve::P256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(off_curve)?;
            let bytes = key.to_sec1_point(false).as_bytes().to_vec();
            (Material::P256(Box::new(key)), bytes)
        }
        Curve::P384 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(off_curve)?;
            let bytes = key.to_sec1_point(false).as_bytes().to_vec();
            (Material::P384(Box::new(key)), bytes)
        }
        Curve::P521 => {
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(off_curve)?;
            let bytes = key.to_sec1_point(false).as_bytes().to_vec();
            (Material::P521(Box::new(key)), bytes)
        }
    })
}

fn has_sec1_form(curve: Curve, point: &[u8]) -> bool {
    match point.first() {
        Some(4) => point.len() == 1 + 2 * curve.field_len(),
        Some(2 | 3) => point.len() == 1 + curve.field_len(),
        _ => false,
    }
}

/// What is inside a DER OCTET STRING or BIT STRING.
fn contents(wrapped: &[u8]) -> Option<&[u8]> {
    let any = AnyRef::from_der(wrapped).ok()?;
    match any.tag() {
        Tag::OctetString => Some(any.value()),
        Tag::BitString => any.decode_as::<BitStringRef<'_>>().ok()?.as_bytes(),
        _ => None,
    }
}
