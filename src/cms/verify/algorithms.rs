//! From the object identifiers that a signer gives to the scheme to check with. Nothing else of the
//! checking knows of algorithms.

use der::asn1::{Any, ObjectIdentifier};
use der::referenced::OwnedToRef;
use spki::AlgorithmIdentifierOwned;

use super::Problem;
use crate::cms::read::SignerInfo;
use crate::scheme::{Family, PssParameters};
use crate::{DigestAlgorithm, PublicKey, Scheme, SchemeError};

/// The key's own algorithm in place of the signature's, as OpenSSL has it; the digest is then the
/// signer's (RFC 3370 section 3.2, RFC 5754 section 3.2).
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// What a signature is checked with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Algorithm {
    pub(super) scheme: Scheme,
    /// Where it is PSS with a salt of another length than the digest, which is in bytes.
    pub(super) salt_len: Option<usize>,
}

/// The digest that this names. Parameters may be NULL or absent (RFC 5754 section 2).
pub(super) fn digest(algorithm: &AlgorithmIdentifierOwned) -> Result<DigestAlgorithm, Problem> {
    let oid = algorithm.oid;
    let known = DigestAlgorithm::from_oid_even_weak(oid);
    known
        .filter(|_| algorithm.parameters.as_ref().is_none_or(Any::is_null))
        .ok_or(Problem::UnknownDigest { oid })
}

/// The scheme of a signature by this key, of what was hashed with `digest`.
pub(super) fn signature(
    signer: &SignerInfo,
    digest: DigestAlgorithm,
    key: &PublicKey,
) -> Result<Algorithm, Problem> {
    let AlgorithmIdentifierOwned { oid, parameters } = &signer.signature_algorithm;
    let key_type = key.key_type();
    let named = |scheme: &&Scheme| match *oid {
        RSA_ENCRYPTION => scheme.family() == Family::RsaPkcs1,
        oid => scheme.oid() == oid || scheme.key_oid() == Some(oid),
    };
    let mut named = Scheme::ALL.iter().chain(Scheme::WEAK).filter(named);
    let Some(first) = named.clone().next() else {
        return Err(unknown(SchemeError::UnknownAlgorithm { oid: *oid }));
    };

    let salt_len = match first.family() {
        Family::RsaPss => Some(pss(parameters.as_ref(), digest)?),
        // NULL or nothing: RFC 4055 section 5 for RSA, and RFC 5753 section 2.1.1 for what older
        // signers write with ECDSA.
        _ if parameters.as_ref().is_none_or(Any::is_null) => None,
        _ => {
            let reason = "there should be none";
            return Err(unknown(SchemeError::Parameters { oid: *oid, reason }));
        }
    };
    // RFC 8419 section 3.1: Ed25519 has SHA-512 for its attributes.
    let ed25519 = first.family() == Family::Ed25519;
    let wanted = if ed25519 { None } else { Some(digest) };
    if ed25519 && digest != DigestAlgorithm::Sha512 {
        return Err(differ(format!("Ed25519 goes with SHA-512, not {digest}")));
    }
    let mut with_digest = named.clone().filter(|one| one.digest_algorithm() == wanted);
    if let Some(scheme) = with_digest.clone().find(|scheme| scheme.fits(&key_type)) {
        let salt_len = salt_len.filter(|length| *length != digest.output_len());
        let scheme = *scheme;
        return Ok(Algorithm { scheme, salt_len });
    }
    match with_digest.next() {
        None => Err(differ(format!(
            "the content is hashed with {digest}, and the signature algorithm {oid} is for another"
        ))),
        Some(_) if named.any(|scheme| scheme.fits(&key_type)) => {
            let reason = "not with this digest";
            Err(unknown(SchemeError::Parameters { oid: *oid, reason }))
        }
        Some(_) => Err(differ(
            SchemeError::KeyMismatch {
                oid: *oid,
                key: key_type,
            }
            .to_string(),
        )),
    }
}

/// The length of the salt, of PSS that goes with the digest.
fn pss(parameters: Option<&Any>, digest: DigestAlgorithm) -> Result<usize, Problem> {
    let refused = |reason| {
        unknown(SchemeError::Parameters {
            oid: Scheme::RsaPssSha256.oid(),
            reason,
        })
    };
    let parameters = parameters.ok_or_else(|| refused("PSS parameters are missing"))?;
    let read = PssParameters::decode(parameters.owned_to_ref())
        .map_err(|_| refused("PSS parameters cannot be read"))?;
    if read.hash != digest.oid() {
        return Err(differ(format!(
            "the content is hashed with {digest}, and PSS is with {}",
            read.hash
        )));
    }
    if read.mgf_hash != Some(read.hash) {
        return Err(refused(
            "the mask of PSS is not MGF1 with the digest of the message",
        ));
    }
    if !read.has_usual_trailer() {
        return Err(refused("the trailer field of PSS is not 1"));
    }
    usize::try_from(read.salt_len).map_err(|_| refused("the salt of PSS is too long"))
}

fn unknown(error: SchemeError) -> Problem {
    Problem::UnknownAlgorithm {
        reason: error.to_string(),
    }
}

fn differ(reason: String) -> Problem {
    Problem::AlgorithmsDiffer { reason }
}
