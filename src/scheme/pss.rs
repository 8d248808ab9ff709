//! RSASSA-PSS-params (RFC 4055 section 3.1).

use der::asn1::{Any, AnyRef, ContextSpecific, ContextSpecificRef, ObjectIdentifier};
use der::{Encode, Reader, Tag, TagMode, TagNumber};
use spki::{AlgorithmIdentifier, AlgorithmIdentifierRef};

use crate::DigestAlgorithm;

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");

/// The parameters of an RSASSA-PSS signature or key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PssParameters {
    pub(crate) hash: ObjectIdentifier,
    /// `None`: a mask generation function other than MGF1.
    pub(crate) mgf_hash: Option<ObjectIdentifier>,
    /// In bytes.
    pub(crate) salt_len: u64,
    trailer: u64,
}

impl PssParameters {
    /// The digest of the scheme that has these parameters; otherwise what keeps them from being one.
    pub(crate) fn digest(parameters: Option<AnyRef<'_>>) -> Result<DigestAlgorithm, &'static str> {
        let parameters = parameters.ok_or("PSS parameters are missing")?;
        let read = Self::decode(parameters).map_err(|_| "PSS parameters cannot be read")?;
        let digest = DigestAlgorithm::from_oid(read.hash)
            .ok_or("the digest of PSS is not SHA-256, SHA-384 or SHA-512")?;
        if read.mgf_hash != Some(read.hash) {
            return Err("the mask of PSS is not MGF1 with the digest of the message");
        }
        if read.salt_len != digest.output_len() as u64 {
            return Err("the salt of PSS is not as long as the digest");
        }
        if read.trailer != 1 {
            return Err("the trailer field of PSS is not 1");
        }
        Ok(digest)
    }

    /// The one trailer that there is (RFC 8017 appendix A.2.3).
    #[cfg(feature = "cms")]
    pub(crate) fn has_usual_trailer(&self) -> bool {
        self.trailer == 1
    }

    /// Reads the parameters, with the defaults of the RFC where they are left out.
    pub(crate) fn decode(parameters: AnyRef<'_>) -> der::Result<Self> {
        parameters.sequence(|reader| {
            let hash = field::<AlgorithmIdentifierRef<'_>>(reader, 0)?;
            let mgf = field::<AlgorithmIdentifierRef<'_>>(reader, 1)?;
            Ok(Self {
                hash: hash.map_or(Ok(SHA1), digest_oid)?,
                mgf_hash: mgf.map_or(Ok(Some(SHA1)), |mgf| {
                    if mgf.oid != MGF1 {
                        return Ok(None);
                    }
                    let digest = mgf.parameters.ok_or_else(|| Tag::Sequence.value_error())?;
                    digest_oid(digest.decode_as()?).map(Some)
                })?,
                salt_len: field(reader, 2)?.unwrap_or(20),
                trailer: field(reader, 3)?.unwrap_or(1),
            })
        })
    }

    /// The parameters of the scheme with this digest.
    ///
    /// None of ours has a default value, which DER would leave out, but the trailer field.
    pub(crate) fn encode(digest: DigestAlgorithm) -> Any {
        // A fixed structure of some fifty bytes: its encoding does not fail, and every one of them
        // is made in the tests.
        #[allow(clippy::expect_used)]
        Self::try_encode(digest).expect("PSS parameters are a fixed, small structure")
    }

    fn try_encode(digest: DigestAlgorithm) -> der::Result<Any> {
        // RFC 4055 section 2.1: the digests have NULL parameters here.
        let hash = AlgorithmIdentifierRef {
            oid: digest.oid(),
            parameters: Some(AnyRef::NULL),
        };
        let mgf = AlgorithmIdentifier {
            oid: MGF1,
            parameters: Some(hash),
        };
        let mut contents = explicit(0, &hash)?;
        contents.extend(explicit(1, &mgf)?);
        contents.extend(explicit(2, &(digest.output_len() as u64))?);
        Any::new(Tag::Sequence, contents)
    }
}

fn field<'a, T>(reader: &mut impl Reader<'a>, number: u32) -> der::Result<Option<T>>
where
    T: der::DecodeValue<'a, Error = der::Error>
        + der::FixedTag
        + der::Decode<'a, Error = der::Error>,
{
    let field = ContextSpecific::<T>::decode_explicit(reader, TagNumber(number))?;
    Ok(field.map(|field| field.value))
}

fn explicit<T>(number: u32, value: &T) -> der::Result<Vec<u8>>
where
    T: der::EncodeValue + der::Tagged,
{
    ContextSpecificRef {
        tag_number: TagNumber(number),
        tag_mode: TagMode::Explicit,
        value,
    }
    .to_der()
}

/// RFC 4055 section 2.1: NULL and absent parameters are the same.
fn digest_oid(digest: AlgorithmIdentifierRef<'_>) -> der::Result<ObjectIdentifier> {
    match digest.parameters {
        Some(parameters) if !parameters.is_null() => Err(Tag::Null.value_error().into()),
        _ => Ok(digest.oid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [DigestAlgorithm; 3] = [
        DigestAlgorithm::Sha256,
        DigestAlgorithm::Sha384,
        DigestAlgorithm::Sha512,
    ];

    #[test]
    fn round_trip() {
        for digest in ALL {
            let parameters = PssParameters::encode(digest);
            assert_eq!(PssParameters::digest(Some(parameters.to_ref())), Ok(digest));
        }
    }

    #[test]
    fn another_salt_mask_digest_or_trailer_is_named() {
        let parts = |hash: &str, mgf: &str, salt: &str, trailer: &str| {
            let hex = [hash, mgf, salt, trailer].concat();
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            let parameters = Any::new(Tag::Sequence, bytes).unwrap();
            PssParameters::digest(Some(parameters.to_ref()))
        };
        let sha256 = "a00f300d06096086480165030402010500";
        let sha256_absent = "a00d300b0609608648016503040201";
        let mgf256 = "a11c301a06092a864886f70d010108300d06096086480165030402010500";
        let mgf384 = "a11c301a06092a864886f70d010108300d06096086480165030402020500";
        let salt32 = "a203020120";

        assert_eq!(parts(sha256, mgf256, salt32, ""), Ok(ALL[0]));
        assert_eq!(parts(sha256_absent, mgf256, salt32, ""), Ok(ALL[0]));
        assert_eq!(parts(sha256, mgf256, salt32, "a303020101"), Ok(ALL[0]));
        for (result, word) in [
            (parts(sha256, mgf384, salt32, ""), "mask"),
            (parts(sha256, "", salt32, ""), "mask"),
            (parts(sha256, mgf256, "a203020114", ""), "salt"),
            (parts(sha256, mgf256, "", ""), "salt"),
            (parts("", mgf256, salt32, ""), "digest"),
            (parts(sha256, mgf256, salt32, "a303020102"), "trailer"),
            (parts(sha256, mgf256, salt32, "a403020102"), "read"),
            (parts(sha256, mgf256, "a2040202ff", ""), "read"),
        ] {
            assert!(result.unwrap_err().contains(word), "{word}");
        }
    }
}
