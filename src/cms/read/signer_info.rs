//! One signer of a document (RFC 5652 section 5.3).

use std::fmt;

use der::{Decode, Reader, SliceReader};
use spki::AlgorithmIdentifierOwned;
use x509_cert::name::Name;

use super::ber::{BerReader, OCTET_STRING, SEQUENCE, SET};
use super::{Budget, ReadError, definite};
use crate::cms::attributes::Attribute;
use crate::cms::signer_id::{IssuerAndSerial, key_id};
use crate::cms::tlv;
use crate::{Certificate, cert::name};

/// Attributes and their values of one signer are no more.
const MOST_ATTRIBUTES: usize = 500;

/// A SignerInfo.
#[derive(Debug)]
pub(in crate::cms) struct SignerInfo {
    pub(in crate::cms) id: SignerId,
    pub(in crate::cms) digest_algorithm: AlgorithmIdentifierOwned,
    /// `None`: the signature is of the content itself.
    pub(in crate::cms) signed: Option<SignedAttributes>,
    pub(in crate::cms) signature_algorithm: AlgorithmIdentifierOwned,
    pub(in crate::cms) signature: Vec<u8>,
    pub(in crate::cms) unsigned: Vec<Attribute>,
}

/// The signed attributes.
#[derive(Debug)]
pub(in crate::cms) struct SignedAttributes {
    /// As they are signed: a SET OF in DER, with sets in their order (RFC 5652 section 5.4).
    pub(in crate::cms) der: Vec<u8>,
    pub(in crate::cms) list: Vec<Attribute>,
}

/// By what a signature names its signer's certificate.
#[derive(Debug)]
pub(in crate::cms) enum SignerId {
    IssuerAndSerial(IssuerAndSerial),
    KeyId(Vec<u8>),
}

impl SignerId {
    /// Whether it names this certificate.
    pub(in crate::cms) fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial(id) => {
                IssuerAndSerial::of(certificate).is_ok_and(|real| real == *id)
            }
            Self::KeyId(id) => key_id(certificate).is_some_and(|real| real == *id),
        }
    }
}

impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        match self {
            Self::IssuerAndSerial(IssuerAndSerial { issuer, serial }) => {
                let serial = hex(serial.get(2..).unwrap_or_default());
                match Name::from_der(issuer) {
                    Ok(name) => write!(f, "serial {serial} of {}", name::to_rfc4514(&name)),
                    Err(_) => write!(f, "serial {serial}"),
                }
            }
            Self::KeyId(id) => write!(f, "key id {}", hex(id)),
        }
    }
}

impl SignerInfo {
    /// Reads one in BER.
    pub(in crate::cms) fn from_ber(ber: &[u8]) -> Result<Self, ReadError> {
        let der = definite::to_der(ber)?;
        let mut reader = BerReader::new(der.as_slice());
        reader.enter(SEQUENCE, "a SignerInfo that is no SEQUENCE")?;
        let version: u8 = decoded(&mut reader, "the version of a SignerInfo")?;
        if !matches!(version, 1 | 3) {
            return Err(reader.malformed("a SignerInfo of a version that is neither 1 nor 3"));
        }
        let id = signer_id(&mut reader)?;
        let digest_algorithm = decoded(&mut reader, "a SignerInfo's digest algorithm")?;
        let mut left = MOST_ATTRIBUTES;
        let signed = match reader.next_is(0xa0)? {
            true => {
                let (list, der) = attributes(&mut reader, 0xa0, &mut left)?;
                Some(SignedAttributes { der, list })
            }
            false => None,
        };
        let signature_algorithm = decoded(&mut reader, "a SignerInfo's signature algorithm")?;
        let signature = reader.primitive(OCTET_STRING, "a signature that is no OCTET STRING")?;
        let unsigned = match reader.next_is(0xa1)? {
            true => attributes(&mut reader, 0xa1, &mut left)?.0,
            false => Vec::new(),
        };
        reader.leave("something unknown at the end of a SignerInfo")?;
        reader.finish()?;
        Ok(Self {
            id,
            digest_algorithm,
            signed,
            signature_algorithm,
            signature,
            unsigned,
        })
    }
}

/// The next element as what names the signer.
fn signer_id(reader: &mut BerReader<&[u8]>) -> Result<SignerId, ReadError> {
    const WHAT: &str = "a SignerInfo that does not say whose it is";
    if reader.next_is(0x80)? {
        return Ok(SignerId::KeyId(reader.primitive(0x80, WHAT)?));
    }
    reader.enter(SEQUENCE, WHAT)?;
    let issuer = reader.element(&mut Budget::unlimited())?;
    let serial = reader.element(&mut Budget::unlimited())?;
    reader.leave(WHAT)?;
    Ok(SignerId::IssuerAndSerial(IssuerAndSerial {
        issuer,
        serial,
    }))
}

/// The attributes in the next element, and their DER as a SET OF.
fn attributes(
    reader: &mut BerReader<&[u8]>,
    tag: u8,
    left: &mut usize,
) -> Result<(Vec<Attribute>, Vec<u8>), ReadError> {
    const WHAT: &str = "attributes that cannot be read";
    let mut list = Vec::new();
    reader.enter(tag, WHAT)?;
    while reader.peek()?.is_some() {
        spend(left)?;
        let der = reader.element(&mut Budget::unlimited())?;
        let attribute = Attribute::from_der(&der).map_err(|_| reader.malformed(WHAT))?;
        for _ in &attribute.values {
            spend(left)?;
        }
        list.push(attribute);
    }
    reader.leave(WHAT)?;
    let der = list.iter().map(Attribute::to_der).collect();
    Ok((list, tlv::set_of(SET, der)))
}

fn spend(left: &mut usize) -> Result<(), ReadError> {
    *left = left.checked_sub(1).ok_or(ReadError::TooMany {
        what: "attributes of one signer",
        limit: MOST_ATTRIBUTES,
    })?;
    Ok(())
}

/// The next element as what DER makes of it.
fn decoded<T>(reader: &mut BerReader<&[u8]>, what: &'static str) -> Result<T, ReadError>
where
    T: for<'a> Decode<'a, Error = der::Error>,
{
    let der = reader.element(&mut Budget::unlimited())?;
    let read = || {
        let mut reader = SliceReader::new(&der)?;
        let value = T::decode(&mut reader)?;
        reader.finish()?;
        Ok::<_, der::Error>(value)
    };
    read().map_err(|_| reader.malformed(what))
}
