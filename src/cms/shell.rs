//! What stands around a document's content: SignedData in a ContentInfo (RFC 5652 sections 3 and
//! 5.1), in DER of known length or in BER of any.

use crate::cms::{DATA, SIGNED_DATA, tlv};

/// All of a document but its content.
pub(super) struct Shell {
    pub(super) version: u8,
    /// DigestAlgorithmIdentifiers.
    pub(super) digest_algorithms: Vec<u8>,
    /// The field, or nothing where there are none.
    pub(super) certificates: Vec<u8>,
    /// The field of revocation lists, or nothing.
    pub(super) lists: Vec<u8>,
    /// SignerInfos.
    pub(super) signers: Vec<u8>,
}

impl Shell {
    /// The document without its content, in DER.
    pub(super) fn detached(&self) -> Vec<u8> {
        let content = tlv::sequence(&[&tlv::oid(DATA)]);
        let (head, tail) = self.around(content.len() as u64);
        [head, content, tail].concat()
    }

    /// What stands before and after a content of this length, in DER.
    pub(super) fn attached(&self, length: u64) -> (Vec<u8>, Vec<u8>) {
        let mut layers = Layers::new(length);
        layers.wrap(tlv::OCTET_STRING);
        layers.wrap(tlv::context(0));
        layers.before(&tlv::oid(DATA));
        layers.wrap(tlv::SEQUENCE);
        self.wrap(layers)
    }

    /// What stands before and after an EncapsulatedContentInfo of this length.
    pub(super) fn around(&self, length: u64) -> (Vec<u8>, Vec<u8>) {
        self.wrap(Layers::new(length))
    }

    fn wrap(&self, mut layers: Layers) -> (Vec<u8>, Vec<u8>) {
        layers.before(&self.digest_algorithms);
        layers.before(&tlv::small_integer(self.version));
        layers.after(&self.certificates);
        layers.after(&self.lists);
        layers.after(&self.signers);
        layers.wrap(tlv::SEQUENCE);
        layers.wrap(tlv::context(0));
        layers.before(&tlv::oid(SIGNED_DATA));
        layers.wrap(tlv::SEQUENCE);
        (layers.head, layers.tail)
    }
}

/// Encodings around a content that is not in memory, from the inside out.
struct Layers {
    head: Vec<u8>,
    content: u64,
    tail: Vec<u8>,
}

impl Layers {
    fn new(content: u64) -> Self {
        Self {
            head: Vec::new(),
            content,
            tail: Vec::new(),
        }
    }

    fn before(&mut self, encoding: &[u8]) {
        self.head.splice(0..0, encoding.iter().copied());
    }

    fn after(&mut self, encoding: &[u8]) {
        self.tail.extend_from_slice(encoding);
    }

    fn wrap(&mut self, tag: u8) {
        let around = (self.head.len() + self.tail.len()) as u64;
        self.before(&tlv::header(tag, self.content.saturating_add(around)));
    }

    /// As `wrap`, with a length that the end tells (X.690 section 8.1.3.6).
    fn wrap_open(&mut self, tag: u8) {
        self.before(&[tag, 0x80]);
        self.after(END);
    }
}

/// End-of-contents (X.690 section 8.1.5).
pub(super) const END: &[u8] = &[0, 0];

/// What stands before a content of unknown length: everything is closed by an [`END`] of its own.
pub(super) fn open(version: u8, digest_algorithms: &[u8]) -> Vec<u8> {
    let mut layers = Layers::new(0);
    layers.wrap_open(tlv::CONSTRUCTED_OCTET_STRING);
    layers.wrap_open(tlv::context(0));
    layers.before(&tlv::oid(DATA));
    layers.wrap_open(tlv::SEQUENCE);
    layers.before(digest_algorithms);
    layers.before(&tlv::small_integer(version));
    layers.wrap_open(tlv::SEQUENCE);
    layers.wrap_open(tlv::context(0));
    layers.before(&tlv::oid(SIGNED_DATA));
    layers.wrap_open(tlv::SEQUENCE);
    layers.head
}

/// Three ends: of the content's octets, of the field, and of the EncapsulatedContentInfo.
pub(super) const CONTENT_END: &[u8] = &[0; 6];
/// Three ends: of SignedData, of the field around it, and of the ContentInfo.
pub(super) const DOCUMENT_END: &[u8] = &[0; 6];
