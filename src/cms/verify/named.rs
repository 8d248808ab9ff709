//! The attributes that count here, by name: each is there once at most, with one value.

use std::time::SystemTime;

use der::asn1::ObjectIdentifier;

use super::Problem;
use crate::Certificate;
use crate::cms::attributes::{self, Attribute, SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2};

pub(super) const CONTENT_TYPE: &str = "content-type";
pub(super) const MESSAGE_DIGEST: &str = "message-digest";
const SIGNING_TIME: &str = "signing-time";
const VERSION_1: &str = "signing-certificate";
const VERSION_2: &str = "signing-certificate-v2";

/// What has to be signed where it is there (RFC 5652 section 11, RFC 5035 section 3).
const SIGNED: [(ObjectIdentifier, &str); 5] = [
    (attributes::CONTENT_TYPE, CONTENT_TYPE),
    (attributes::MESSAGE_DIGEST, MESSAGE_DIGEST),
    (attributes::SIGNING_TIME, SIGNING_TIME),
    (SIGNING_CERTIFICATE, VERSION_1),
    (SIGNING_CERTIFICATE_V2, VERSION_2),
];
/// What cannot be signed, being made of the signature.
const UNSIGNED: [(ObjectIdentifier, &str); 2] = [
    (attributes::COUNTER_SIGNATURE, "counter-signature"),
    (attributes::SIGNATURE_TIME_STAMP, "signature-time-stamp"),
];

/// The attributes of a signer, signed or unsigned.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>(pub(super) &'a [Attribute]);

/// What the signing-certificate attributes say of a certificate.
pub(super) struct Binding {
    /// There is one at least.
    pub(super) is_there: bool,
    /// There is none but of the first version.
    pub(super) by_sha1_alone: bool,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Attributes<'a> {
    pub(super) fn content_type(self) -> Result<Option<ObjectIdentifier>, Problem> {
        let read = Attribute::as_content_type;
        self.only(attributes::CONTENT_TYPE, CONTENT_TYPE, read)
    }

    pub(super) fn message_digest(self) -> Result<Option<Vec<u8>>, Problem> {
        let read = Attribute::as_message_digest;
        self.only(attributes::MESSAGE_DIGEST, MESSAGE_DIGEST, read)
    }

    pub(super) fn signing_time(self) -> Result<Option<SystemTime>, Problem> {
        let read = Attribute::as_signing_time;
        self.only(attributes::SIGNING_TIME, SIGNING_TIME, read)
    }

    /// Whether the signing-certificate attributes mean this certificate, both where there are both.
    pub(super) fn signing_certificate(self, certificate: &Certificate) -> Binding {
        let versions = [
            (SIGNING_CERTIFICATE, VERSION_1),
            (SIGNING_CERTIFICATE_V2, VERSION_2),
        ];
        let mut problems = Vec::new();
        let found = versions.map(|(oid, attribute)| {
            let read = Attribute::as_signing_certificate;
            let ids = match self.only(oid, attribute, read) {
                Ok(None) => return false,
                Ok(Some(value)) => value.certificates,
                Err(problem) => {
                    problems.push(problem);
                    return true;
                }
            };
            // The first is the signer's; others would be of the chain.
            match ids.first() {
                None => problems.push(Problem::AttributeMalformed { attribute }),
                Some(id) => match id.identifies(certificate) {
                    None => problems.push(Problem::UnknownDigest {
                        oid: id.digest_algorithm,
                    }),
                    Some(false) => problems.push(Problem::OtherCertificate { attribute }),
                    Some(true) => {}
                },
            }
            true
        });
        Binding {
            is_there: found.contains(&true),
            by_sha1_alone: found == [true, false],
            problems,
        }
    }

    /// Whether a signing-certificate attribute is there and means this certificate.
    pub(super) fn mean(self, certificate: &Certificate) -> bool {
        let binding = self.signing_certificate(certificate);
        binding.is_there && binding.problems.is_empty()
    }

    /// All values of all attributes of this type.
    pub(super) fn values(self, oid: ObjectIdentifier) -> impl Iterator<Item = &'a [u8]> {
        let all = self.0.iter().filter(move |one| one.oid == oid);
        all.flat_map(|attribute| attribute.values.iter().map(Vec::as_slice))
    }

    pub(super) fn misplaced_among_signed(self) -> impl Iterator<Item = &'static str> {
        self.names_of(&UNSIGNED)
    }

    pub(super) fn misplaced_among_unsigned(self) -> impl Iterator<Item = &'static str> {
        self.names_of(&SIGNED)
    }

    fn names_of(
        self,
        known: &'static [(ObjectIdentifier, &'static str)],
    ) -> impl Iterator<Item = &'static str> + use<> {
        let there = |oid| self.0.iter().any(|one| one.oid == oid);
        let names: Vec<_> = known.iter().filter(|(oid, _)| there(*oid)).collect();
        names.into_iter().map(|(_, name)| *name)
    }

    /// The attribute of this type, of which there may be one, with one value.
    fn only<T>(
        self,
        oid: ObjectIdentifier,
        attribute: &'static str,
        read: impl Fn(&Attribute) -> der::Result<T>,
    ) -> Result<Option<T>, Problem> {
        let mut all = self.0.iter().filter(|one| one.oid == oid);
        let Some(first) = all.next() else {
            return Ok(None);
        };
        match (all.next(), first.values.len()) {
            (None, 1) => read(first)
                .map(Some)
                .map_err(|_| Problem::AttributeMalformed { attribute }),
            (None, 0) => Err(Problem::AttributeMalformed { attribute }),
            _ => Err(Problem::AttributeRepeated { attribute }),
        }
    }
}
