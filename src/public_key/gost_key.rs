//! Keys of GOST R 34.10: how certificates name them, and how tokens show them.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Sequence};
use spki::{AlgorithmIdentifierOwned, AlgorithmIdentifierRef};

use super::{PublicKeyError, malformed};
use crate::scheme::{Gost, GostStandard};
use crate::{DigestAlgorithm, GostParameterSet};

const NAME: &str = "GOST R 34.10";

/// GOST R 34.11-94 with the parameters of CryptoPro (RFC 4357 section 11.2), the only ones in use.
const GOST94_CRYPTO_PRO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.643.2.2.30.1");

/// 1.2.643.2.2, of the parameter sets that were made for GOST R 34.10-2001.
const OF_2001: &[u8] = &[0x2a, 0x85, 0x03, 0x02, 0x02];

/// What a key's AlgorithmIdentifier tells.
pub(super) struct Named {
    pub(super) standard: GostStandard,
    pub(super) set: GostParameterSet,
}

/// RFC 9215 section 4.2, RFC 4491 section 2.3.2.
#[derive(Sequence)]
struct Parameters {
    public_key_param_set: ObjectIdentifier,
    digest_param_set: Option<ObjectIdentifier>,
    encryption_param_set: Option<ObjectIdentifier>,
}

/// Whose key this is. `None` for other algorithms, and for parameters that are unknown here: of which
/// no more can be said than that there is such a key.
pub(super) fn named(algorithm: AlgorithmIdentifierRef<'_>) -> Option<Named> {
    const STANDARDS: [GostStandard; 3] = [
        GostStandard::Russia2012,
        GostStandard::Russia2001,
        GostStandard::Kazakhstan,
    ];
    let all = STANDARDS.into_iter();
    let mut all = all.flat_map(|standard| [32, 64].map(|len| Gost { len, standard }));
    let gost = all.find(|gost| gost.key_oid() == algorithm.oid)?;
    let parameters: Parameters = algorithm.parameters?.decode_as().ok()?;
    let set = set_of(parameters.public_key_param_set)?;
    let digest = match gost.standard {
        GostStandard::Russia2012 => streebog(set).oid(),
        GostStandard::Russia2001 => GOST94_CRYPTO_PRO,
        GostStandard::Kazakhstan => streebog(set).kazakh_oid()?,
    };
    let standard = gost.standard;
    let is_usual = parameters.digest_param_set.is_none_or(|one| one == digest);
    (is_usual && set.field_len() == gost.len).then_some(Named { standard, set })
}

/// The parameter set of a token's `CKA_GOSTR3410_PARAMS`: a DER object identifier.
pub(super) fn set_of_token(parameters: &[u8]) -> Result<GostParameterSet, PublicKeyError> {
    let oid = ObjectIdentifier::from_der(parameters).ok();
    let set = oid.and_then(set_of);
    set.ok_or(malformed(NAME, "its parameter set is not known"))
}

/// Kazakhstan has names of its own.
fn set_of(oid: ObjectIdentifier) -> Option<GostParameterSet> {
    const KAZAKH: [(&str, GostParameterSet); 2] = [
        ("1.2.398.3.10.1.1.2.1.1", GostParameterSet::Tc26A256),
        ("1.2.398.3.10.1.1.2.2.1", GostParameterSet::Tc26A512),
    ];
    let kazakh = || {
        let mut known = KAZAKH.into_iter();
        known.find(|(name, _)| ObjectIdentifier::new_unwrap(name) == oid)
    };
    GostParameterSet::from_oid(oid).or_else(|| kazakh().map(|(_, set)| set))
}

/// The AlgorithmIdentifier by RFC 9215 section 4.2: the digest is named with the parameters of 2001
/// alone.
pub(super) fn algorithm(set: GostParameterSet) -> der::Result<AlgorithmIdentifierOwned> {
    let gost = Gost {
        len: set.field_len(),
        standard: GostStandard::Russia2012,
    };
    let is_of_2001 = set.oid().as_bytes().starts_with(OF_2001);
    let parameters = Parameters {
        public_key_param_set: set.oid(),
        digest_param_set: is_of_2001.then(|| streebog(set).oid()),
        encryption_param_set: None,
    };
    Ok(AlgorithmIdentifierOwned {
        oid: gost.key_oid(),
        parameters: Some(AnyRef::from_der(&parameters.to_der()?)?.into()),
    })
}

/// What a subjectPublicKey holds: an OCTET STRING with both coordinates, each little-endian.
pub(super) fn point_of(subject_public_key: &[u8]) -> Result<&[u8], PublicKeyError> {
    let point = <&OctetStringRef>::from_der(subject_public_key);
    let point = point.map_err(|_| malformed(NAME, "it is not an OCTET STRING"))?;
    Ok(point.as_bytes())
}

/// The point in a token's `CKA_VALUE`, bare or wrapped in an OCTET STRING.
pub(super) fn unwrap(set: GostParameterSet, value: &[u8]) -> &[u8] {
    match value.len() == 2 * set.field_len() {
        true => value,
        false => point_of(value).unwrap_or(value),
    }
}

pub(super) fn to_der(point: &[u8]) -> der::Result<Vec<u8>> {
    OctetStringRef::new(point)?.to_der()
}

pub(super) fn broken(reason: &'static str) -> PublicKeyError {
    malformed(NAME, reason)
}

fn streebog(set: GostParameterSet) -> DigestAlgorithm {
    match set.field_len() {
        32 => DigestAlgorithm::Streebog256,
        _ => DigestAlgorithm::Streebog512,
    }
}
