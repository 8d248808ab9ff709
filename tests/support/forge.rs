//! Signed documents made by hand, right or wrong in any one way.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::path::Path;

use keyfob::{Certificate, DigestAlgorithm};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::DecodePrivateKey;

pub const DATA: &str = "1.2.840.113549.1.7.1";
pub const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
pub const SHA256: &str = "2.16.840.1.101.3.4.2.1";
pub const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
pub const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
pub const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
pub const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
pub const COUNTER_SIGNATURE: &str = "1.2.840.113549.1.9.6";
pub const TIME_STAMP: &str = "1.2.840.113549.1.9.16.2.14";
pub const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";

/// Tag, length and content.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let mut der = vec![tag];
    match content.len() {
        short @ 0..0x80 => der.push(short as u8),
        _ => {
            der.push(0x80 | (length.len() - zeros) as u8);
            der.extend(&length[zeros..]);
        }
    }
    der.extend(content);
    der
}

/// The same with an indefinite length.
pub fn indefinite(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x80], content, &[0, 0]].concat()
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x31, &parts.concat())
}

pub fn oid(text: &str) -> Vec<u8> {
    let oid: der::asn1::ObjectIdentifier = text.parse().expect("an object identifier");
    tlv(6, oid.as_bytes())
}

pub fn algorithm(name: &str) -> Vec<u8> {
    sequence(&[&oid(name)])
}

pub fn attribute(name: &str, values: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[&oid(name), &set(values)])
}

pub fn content_type(name: &str) -> Vec<u8> {
    attribute(CONTENT_TYPE, &[oid(name)])
}

pub fn message_digest(digest: &[u8]) -> Vec<u8> {
    attribute(MESSAGE_DIGEST, &[tlv(4, digest)])
}

pub fn signing_time(utc: &str) -> Vec<u8> {
    attribute(SIGNING_TIME, &[tlv(0x17, utc.as_bytes())])
}

/// signing-certificate-v2 with nothing but a SHA-256 digest.
pub fn signing_certificate(certificate: &Certificate) -> Vec<u8> {
    let digest = tlv(4, &DigestAlgorithm::Sha256.digest(certificate.der()));
    let ids = sequence(&[&sequence(&[&sequence(&[&digest])])]);
    attribute(SIGNING_CERTIFICATE_V2, &[ids])
}

/// What CAdES demands, for this content.
pub fn usual_attributes(content: &[u8], certificate: &Certificate) -> Vec<Vec<u8>> {
    vec![
        content_type(DATA),
        signing_time("240601120000Z"),
        message_digest(&DigestAlgorithm::Sha256.digest(content)),
        signing_certificate(certificate),
    ]
}

/// A P-256 key and its certificate.
#[derive(Clone)]
pub struct Forger {
    key: SigningKey,
    pub certificate: Certificate,
}

impl Forger {
    pub fn new(key: &Path, certificate: &Path) -> Self {
        let pem = std::fs::read_to_string(key).expect("a key file");
        Self {
            key: SigningKey::from_pkcs8_pem(&pem).expect("a P-256 key"),
            certificate: Certificate::read(certificate).expect("a certificate"),
        }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.key.sign(message);
        signature.as_bytes().to_vec()
    }

    /// By issuer and serial number.
    pub fn id(&self) -> Vec<u8> {
        use der::Encode;
        let x509 = self.certificate.as_x509().tbs_certificate();
        let issuer = x509.issuer().to_der().expect("a name");
        let serial = x509.serial_number().to_der().expect("a number");
        sequence(&[&issuer, &serial])
    }

    /// A SignerInfo with these signed and unsigned attributes.
    pub fn signer(&self, attributes: &[Vec<u8>], unsigned: &[Vec<u8>]) -> Vec<u8> {
        let mut sorted = attributes.to_vec();
        sorted.sort();
        let signature = self.sign(&set(&sorted));
        self.signer_info(Some(&sorted.concat()), &signature, unsigned)
    }

    /// A SignerInfo with no signed attributes.
    pub fn bare_signer(&self, content: &[u8]) -> Vec<u8> {
        self.signer_info(None, &self.sign(content), &[])
    }

    pub fn signer_info(
        &self,
        attributes: Option<&[u8]>,
        signature: &[u8],
        unsigned: &[Vec<u8>],
    ) -> Vec<u8> {
        let optional = |tag, content: Option<&[u8]>| content.map_or(vec![], |one| tlv(tag, one));
        let unsigned = Some(unsigned.concat()).filter(|all| !all.is_empty());
        sequence(&[
            &[2, 1, 1],
            &self.id(),
            &algorithm(SHA256),
            &optional(0xa0, attributes),
            &algorithm(ECDSA_SHA256),
            &tlv(4, signature),
            &optional(0xa1, unsigned.as_deref()),
        ])
    }

    /// An attached document with the usual attributes.
    pub fn document(&self, content: &[u8]) -> Document {
        Document {
            content: Some(tlv(4, content)),
            certificates: vec![self.certificate.der().to_vec()],
            signers: vec![self.signer(&usual_attributes(content, &self.certificate), &[])],
            ..Document::default()
        }
    }
}

/// The parts of a SignedData.
#[derive(Clone)]
pub struct Document {
    pub digest_algorithms: Vec<Vec<u8>>,
    pub content_type: String,
    /// An OCTET STRING.
    pub content: Option<Vec<u8>>,
    pub certificates: Vec<Vec<u8>>,
    pub signers: Vec<Vec<u8>>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            digest_algorithms: vec![algorithm(SHA256)],
            content_type: DATA.into(),
            content: None,
            certificates: vec![],
            signers: vec![],
        }
    }
}

impl Document {
    pub fn der(&self) -> Vec<u8> {
        self.encode(tlv)
    }

    /// With indefinite lengths outside.
    pub fn ber(&self) -> Vec<u8> {
        self.encode(indefinite)
    }

    pub fn encode(&self, outer: fn(u8, &[u8]) -> Vec<u8>) -> Vec<u8> {
        let content = self.content.as_ref().map_or(vec![], |one| outer(0xa0, one));
        let encapsulated = outer(0x30, &[oid(&self.content_type), content].concat());
        let certificates = match self.certificates.as_slice() {
            [] => vec![],
            all => outer(0xa0, &all.concat()),
        };
        let signed = outer(
            0x30,
            &[
                vec![2, 1, 1],
                set(&self.digest_algorithms),
                encapsulated,
                certificates,
                outer(0x31, &self.signers.concat()),
            ]
            .concat(),
        );
        outer(0x30, &[oid(SIGNED_DATA), outer(0xa0, &signed)].concat())
    }
}
