//! The signing-certificate attributes: which certificate a signer means, by its digest (RFC 5035).

use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::{Decode, Encode, Sequence, Tag};
use spki::AlgorithmIdentifierOwned;

use crate::cms::signer_id::IssuerAndSerial;
use crate::cms::tlv;
use crate::{Certificate, DigestAlgorithm};

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");

/// What is meant where no digest is named (RFC 5035 section 4).
const DEFAULT: DigestAlgorithm = DigestAlgorithm::Sha256;

/// The value of a signing-certificate attribute. The first certificate is the signer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SigningCertificate {
    pub(crate) certificates: Vec<EssCertificateId>,
}

/// A certificate, by its digest and perhaps its issuer and serial number (RFC 5035 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EssCertificateId {
    pub(crate) digest_algorithm: ObjectIdentifier,
    pub(crate) digest: Vec<u8>,
    pub(crate) issuer_serial: Option<IssuerSerial>,
}

/// `IssuerSerial ::= SEQUENCE { issuer GeneralNames, serialNumber CertificateSerialNumber }`.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub(crate) struct IssuerSerial {
    issuer: Any,
    serial: Any,
}

impl SigningCertificate {
    /// Of a signer with this certificate.
    pub(crate) fn of(certificate: &Certificate, digest: DigestAlgorithm) -> der::Result<Self> {
        let id = EssCertificateId {
            digest_algorithm: digest.oid(),
            digest: digest.digest(certificate.der()),
            issuer_serial: Some(IssuerSerial::of(certificate)?),
        };
        Ok(Self {
            certificates: vec![id],
        })
    }

    /// `SigningCertificateV2` (RFC 5035 section 3).
    pub(crate) fn to_der_v2(&self) -> der::Result<Vec<u8>> {
        let certs = self.certificates.iter().map(|id| {
            Ok(EssCertIdV2 {
                algorithm: (id.digest_algorithm != DEFAULT.oid()).then_some(
                    AlgorithmIdentifierOwned {
                        oid: id.digest_algorithm,
                        parameters: None,
                    },
                ),
                digest: OctetString::new(id.digest.clone())?,
                issuer_serial: id.issuer_serial.clone(),
            })
        });
        SigningCertificateV2 {
            certs: certs.collect::<der::Result<_>>()?,
            policies: None,
        }
        .to_der()
    }

    pub(crate) fn from_der_v2(value: &[u8]) -> der::Result<Self> {
        let read = SigningCertificateV2::from_der(value)?;
        let ids = read.certs.into_iter().map(|id| EssCertificateId {
            digest_algorithm: id.algorithm.map_or(DEFAULT.oid(), |named| named.oid),
            digest: id.digest.into_bytes().into(),
            issuer_serial: id.issuer_serial,
        });
        Ok(Self {
            certificates: ids.collect(),
        })
    }

    /// `SigningCertificate` (RFC 2634 section 5.4), whose digests are SHA-1.
    pub(crate) fn from_der_v1(value: &[u8]) -> der::Result<Self> {
        let read = SigningCertificateV1::from_der(value)?;
        let ids = read.certs.into_iter().map(|id| EssCertificateId {
            digest_algorithm: SHA1,
            digest: id.digest.into_bytes().into(),
            issuer_serial: id.issuer_serial,
        });
        Ok(Self {
            certificates: ids.collect(),
        })
    }
}

impl EssCertificateId {
    /// Whether it is this certificate that is meant; `None` where the digest is not known here.
    ///
    /// Issuer and serial number are the certificate's too, since they are within the digest. Where
    /// they are told beside it and differ, the signer contradicts itself.
    pub(crate) fn identifies(&self, certificate: &Certificate) -> Option<bool> {
        let algorithm = DigestAlgorithm::from_oid_even_weak(self.digest_algorithm)?;
        let issuer_serial = match &self.issuer_serial {
            Some(told) => IssuerSerial::of(certificate).is_ok_and(|real| *told == real),
            None => true,
        };
        Some(issuer_serial && algorithm.digest(certificate.der()) == self.digest)
    }
}

impl IssuerSerial {
    fn of(certificate: &Certificate) -> der::Result<Self> {
        let id = IssuerAndSerial::of(certificate)?;
        // GeneralNames with one directoryName, which is [4] EXPLICIT as a Name is a CHOICE.
        let name = tlv::encode(tlv::context(4), &id.issuer);
        Ok(Self {
            issuer: Any::new(Tag::Sequence, name)?,
            serial: Any::from_der(&id.serial)?,
        })
    }
}

/// `SigningCertificateV2 ::= SEQUENCE { certs SEQUENCE OF ESSCertIDv2, policies SEQUENCE OF
/// PolicyInformation OPTIONAL }`.
#[derive(Sequence)]
struct SigningCertificateV2 {
    certs: Vec<EssCertIdV2>,
    policies: Option<Any>,
}

/// RFC 5035 section 4.
#[derive(Sequence)]
struct EssCertIdV2 {
    /// [`DEFAULT`] where it is left out, as DER demands where it is that.
    algorithm: Option<AlgorithmIdentifierOwned>,
    digest: OctetString,
    issuer_serial: Option<IssuerSerial>,
}

/// `SigningCertificate`, as above with RFC 2634's ESSCertID.
#[derive(Sequence)]
struct SigningCertificateV1 {
    certs: Vec<EssCertIdV1>,
    policies: Option<Any>,
}

/// RFC 2634 section 5.4.1.
#[derive(Sequence)]
struct EssCertIdV1 {
    digest: OctetString,
    issuer_serial: Option<IssuerSerial>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(algorithm: DigestAlgorithm) -> EssCertificateId {
        EssCertificateId {
            digest_algorithm: algorithm.oid(),
            digest: algorithm.digest(b"a certificate"),
            issuer_serial: Some(IssuerSerial {
                issuer: Any::new(Tag::Sequence, vec![0xa4, 2, 0x30, 0]).unwrap(),
                serial: Any::new(Tag::Integer, vec![0x12, 0x34]).unwrap(),
            }),
        }
    }

    #[test]
    fn round_trip() {
        let bare = EssCertificateId {
            issuer_serial: None,
            ..id(DigestAlgorithm::Sha512)
        };
        let value = SigningCertificate {
            certificates: vec![
                id(DigestAlgorithm::Sha256),
                id(DigestAlgorithm::Sha384),
                bare,
            ],
        };
        let der = value.to_der_v2().unwrap();
        assert_eq!(SigningCertificate::from_der_v2(&der).unwrap(), value);
    }

    #[test]
    fn the_default_digest_is_not_spelled_out() {
        let names_it = |algorithm: DigestAlgorithm| {
            let value = SigningCertificate {
                certificates: vec![id(algorithm)],
            };
            let der = value.to_der_v2().unwrap();
            let oid = algorithm.oid();
            der.windows(oid.as_bytes().len())
                .any(|at| at == oid.as_bytes())
        };
        assert!(!names_it(DigestAlgorithm::Sha256));
        assert!(names_it(DigestAlgorithm::Sha384));
    }

    #[test]
    fn version_one_has_sha1() {
        // SEQUENCE { SEQUENCE { SEQUENCE { OCTET STRING } } }
        let value = [&[0x30, 26, 0x30, 24, 0x30, 22, 4, 20][..], &[5; 20]].concat();
        let read = SigningCertificate::from_der_v1(&value).unwrap();
        assert_eq!(read.certificates.len(), 1);
        assert_eq!(read.certificates[0].digest_algorithm, SHA1);
        assert_eq!(read.certificates[0].digest, [5; 20]);
    }
}
