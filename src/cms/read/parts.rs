//! A document taken apart to be added to: everything in it stays as its makers spelled it.

use std::io::{self, Read, Write};

use der::Decode;
use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierRef;

use super::armor::Unarmored;
use super::ber::{BerReader, SEQUENCE, SET};
use super::{
    Budget, CERTIFICATES_LEN, CRLS_LEN, FIELDS_LEN, ReadError, SIGNERS_LEN, SignerInfo, definite,
};
use crate::DigestAlgorithm;
use crate::cms::attributes::Attribute;
use crate::cms::content::{Digests, Hashers};
use crate::cms::shell::Shell;
use crate::cms::{SIGNED_DATA, tlv};

/// All of a document but its content.
#[derive(Clone, Debug)]
pub(in crate::cms) struct Parts {
    version: u8,
    digest_algorithms: Vec<Vec<u8>>,
    pub(in crate::cms) content_type: ObjectIdentifier,
    /// Whether the content is in the document.
    pub(in crate::cms) attached: bool,
    /// Where the EncapsulatedContentInfo begins, and how long it is.
    content: (u64, u64),
    certificates: Vec<Vec<u8>>,
    /// The field of revocation lists, or nothing.
    lists: Vec<u8>,
    pub(in crate::cms) signers: Vec<Vec<u8>>,
}

impl Parts {
    /// Takes a document apart, and hashes its content, where that is in it, with these algorithms and
    /// with those of its signers.
    pub(in crate::cms) fn read(
        source: impl Read,
        algorithms: impl IntoIterator<Item = DigestAlgorithm>,
    ) -> Result<(Self, Digests), ReadError> {
        let unarmored = Unarmored::new(source).map_err(ReadError::Read)?;
        let mut reader = BerReader::new(unarmored);
        let mut fields = Budget::new("digest algorithms", FIELDS_LEN);
        reader.enter(SEQUENCE, "no ContentInfo")?;
        let found = decoded(
            &reader.element(&mut fields)?,
            "an object identifier that is none",
        )?;
        if found != SIGNED_DATA {
            return Err(ReadError::NotSignedData { found });
        }
        reader.enter(0xa0, "a ContentInfo without content")?;
        reader.enter(SEQUENCE, "a SignedData that is no SEQUENCE")?;
        let version = decoded(&reader.element(&mut fields)?, "a version that is no number")?;
        reader.enter(SET, "a SignedData without digest algorithms")?;
        let digest_algorithms = elements(&mut reader, &mut fields)?;
        reader.leave("digest algorithms")?;

        let known = digest_algorithms.iter().filter_map(|one| known(one));
        let mut hashers = Hashers::new(known.chain(algorithms));
        let begin = reader.position();
        reader.enter(SEQUENCE, "a SignedData without content information")?;
        let content_type = reader.element(&mut fields)?;
        let content_type = decoded(&content_type, "a content type that is none")?;
        let attached = reader.next_is(0xa0)?;
        if attached {
            const CONTENT: &str = "a content that is no OCTET STRING";
            reader.enter(0xa0, CONTENT)?;
            reader.octets(CONTENT, &mut |piece| {
                hashers.update(piece);
                Ok(())
            })?;
            reader.leave(CONTENT)?;
        }
        reader.leave("something unknown after the content")?;
        let content = (begin, reader.position() - begin);

        let mut certificates = Vec::new();
        let mut budget = Budget::new("certificates", CERTIFICATES_LEN);
        if reader.next_is(0xa0)? {
            reader.enter(0xa0, "certificates")?;
            certificates = elements(&mut reader, &mut budget)?;
            reader.leave("certificates")?;
        }
        let lists = match reader.next_is(0xa1)? {
            true => reader.element(&mut Budget::new("revocation lists", CRLS_LEN))?,
            false => Vec::new(),
        };
        reader.enter(SET, "a SignedData without signers")?;
        let signers = elements(&mut reader, &mut Budget::new("signers", SIGNERS_LEN))?;
        for _ in 0..4 {
            reader.leave("something unknown after the signers")?;
        }
        reader.finish()?;
        let parts = Self {
            version,
            digest_algorithms,
            content_type,
            attached,
            content,
            certificates,
            lists,
            signers,
        };
        Ok((parts, hashers.finish()))
    }

    /// The digest algorithms of its signers that are known here.
    pub(in crate::cms) fn digest_algorithms(&self) -> impl Iterator<Item = DigestAlgorithm> + '_ {
        self.digest_algorithms.iter().filter_map(|one| known(one))
    }

    /// Whether the signers that there are have signed the content with these digests. Those of whom
    /// that cannot be told are passed over.
    pub(in crate::cms) fn signed(&self, digests: &Digests) -> Result<bool, ReadError> {
        for signer in &self.signers {
            let signer = SignerInfo::from_ber(signer)?;
            let algorithm = DigestAlgorithm::from_oid(signer.digest_algorithm.oid);
            let digest = algorithm.and_then(|algorithm| digests.get(algorithm));
            let attributes = signer.signed.iter().flat_map(|signed| &signed.list);
            let told = attributes.filter_map(|attribute| attribute.as_message_digest().ok());
            for told in told.filter(|_| digest.is_some()) {
                if digest != Some(&told) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    pub(in crate::cms) fn add_version(&mut self, version: u8) {
        self.version = self.version.max(version);
    }

    pub(in crate::cms) fn add_digest_algorithm(&mut self, encoding: Vec<u8>) {
        let added = known(&encoding);
        if self.digest_algorithms().all(|one| Some(one) != added) {
            insert(&mut self.digest_algorithms, encoding);
        }
    }

    pub(in crate::cms) fn add_certificate(&mut self, der: &[u8]) {
        if self.certificates.iter().all(|one| one != der) {
            insert(&mut self.certificates, der.to_vec());
        }
    }

    pub(in crate::cms) fn add_signer(&mut self, signer: Vec<u8>) {
        insert(&mut self.signers, signer);
    }

    /// Writes it, with the content's part from the same document: `source` gives that anew.
    ///
    /// `false` where the source ends too early.
    pub(in crate::cms) fn write(
        self,
        source: impl Read,
        output: &mut impl Write,
    ) -> Result<bool, WriteError> {
        let certificates = match self.certificates.is_empty() {
            true => Vec::new(),
            false => tlv::encode(tlv::context(0), &self.certificates.concat()),
        };
        let shell = Shell {
            version: self.version,
            digest_algorithms: tlv::encode(tlv::SET, &self.digest_algorithms.concat()),
            certificates,
            lists: self.lists,
            signers: tlv::encode(tlv::SET, &self.signers.concat()),
        };
        let (begin, length) = self.content;
        let (head, tail) = shell.around(length);
        let mut source = Unarmored::new(source).map_err(WriteError::Read)?;
        let mut passed = source.by_ref().take(begin);
        io::copy(&mut passed, &mut io::sink()).map_err(WriteError::Read)?;
        output.write_all(&head).map_err(WriteError::Write)?;
        let mut left = length;
        let mut piece = vec![0; 64 * 1024];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let room = piece.get_mut(..most).unwrap_or_default();
            let read = match source.read(room) {
                Ok(0) => return Ok(false),
                Ok(read) => read.min(most),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(WriteError::Read(error)),
            };
            let bytes = room.get(..read).unwrap_or_default();
            output.write_all(bytes).map_err(WriteError::Write)?;
            left -= read as u64;
        }
        output.write_all(&tail).map_err(WriteError::Write)?;
        Ok(true)
    }
}

/// What could not be done when a document was written.
pub(in crate::cms) enum WriteError {
    Read(io::Error),
    Write(io::Error),
}

/// A SignerInfo with one more unsigned attribute, and otherwise as it was.
pub(in crate::cms) fn with_unsigned_attribute(
    signer: &[u8],
    attribute: &Attribute,
) -> Result<Vec<u8>, ReadError> {
    const UNSIGNED: u8 = 0xa1;
    let mut reader = BerReader::new(signer);
    let mut budget = Budget::unlimited();
    let (mut fields, mut attributes) = (Vec::new(), Vec::new());
    reader.enter(SEQUENCE, "a SignerInfo that is no SEQUENCE")?;
    while reader.peek()?.is_some() {
        if reader.next_is(UNSIGNED)? {
            reader.enter(UNSIGNED, "unsigned attributes")?;
            attributes = elements(&mut reader, &mut budget)?;
            reader.leave("unsigned attributes")?;
        } else {
            fields.extend(reader.element(&mut budget)?);
        }
    }
    reader.leave("something unknown at the end of a SignerInfo")?;
    insert(&mut attributes, attribute.to_der());
    let attributes = tlv::encode(UNSIGNED, &attributes.concat());
    Ok(tlv::sequence(&[&fields, &attributes]))
}

fn elements<R: io::BufRead>(
    reader: &mut BerReader<R>,
    budget: &mut Budget,
) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut elements = Vec::new();
    while reader.peek()?.is_some() {
        elements.push(reader.element(budget)?);
    }
    Ok(elements)
}

/// Puts an encoding where DER has it, if the others are in DER's order; their own stays.
fn insert(elements: &mut Vec<Vec<u8>>, added: Vec<u8>) {
    let place = elements.iter().position(|one| *one > added);
    elements.insert(place.unwrap_or(elements.len()), added);
}

/// The algorithm that an AlgorithmIdentifier names, where it is known here.
fn known(algorithm: &[u8]) -> Option<DigestAlgorithm> {
    let der = definite::to_der(algorithm).ok()?;
    DigestAlgorithm::from_oid(AlgorithmIdentifierRef::from_der(&der).ok()?.oid)
}

fn decoded<'a, T: Decode<'a>>(element: &'a [u8], what: &'static str) -> Result<T, ReadError> {
    T::from_der(element).map_err(|_| ReadError::Malformed { at: 0, what })
}
