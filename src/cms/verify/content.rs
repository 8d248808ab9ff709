//! What was signed: the content of a document, or the signature that a counter-signature is of.

use der::asn1::ObjectIdentifier;

use crate::{DigestAlgorithm, Hasher};

/// Of the content's beginning, enough to tell attributes.
const BEGINNING_LEN: usize = 32;

/// What is signed.
pub(super) enum Subject<'a> {
    /// A content of this type; `None` where it was not there.
    Content(ObjectIdentifier, Option<&'a Hashed>),
    /// The signature of another.
    Signature(&'a [u8]),
}

impl Subject<'_> {
    /// `None` where the content is not there, or was not hashed so.
    pub(super) fn digest(&self, algorithm: DigestAlgorithm) -> Option<Vec<u8>> {
        match self {
            Self::Content(_, content) => content.and_then(|content| content.digest(algorithm)),
            Self::Signature(bytes) => Some(algorithm.digest(bytes)),
        }
    }

    pub(super) fn whole(&self) -> Option<&[u8]> {
        match self {
            Self::Content(_, content) => content.and_then(|content| content.whole.as_deref()),
            Self::Signature(bytes) => Some(bytes),
        }
    }

    /// Whether what is signed begins as signed attributes do: a SET of a SEQUENCE that begins with an
    /// object identifier.
    pub(super) fn looks_like_attributes(&self) -> bool {
        let Self::Content(_, Some(content)) = self else {
            return false;
        };
        let inside = |bytes: &[u8], tag: u8| {
            let [first, length, rest @ ..] = bytes else {
                return None;
            };
            let long = usize::from(length & 0x7f);
            let skip = if *length > 0x80 { long } else { 0 };
            (*first == tag).then(|| rest.get(skip..).unwrap_or_default().to_vec())
        };
        inside(&content.beginning, 0x31)
            .and_then(|set| inside(&set, 0x30))
            .is_some_and(|attribute| attribute.first() == Some(&0x06))
    }
}

/// Hashes a content as it streams by.
pub(super) struct Hashing {
    hashers: Vec<Hasher>,
    length: u64,
    beginning: Vec<u8>,
    /// The content, where it is kept and not longer than that.
    whole: Option<Vec<u8>>,
    limit: usize,
}

impl Hashing {
    /// With these digests, once each. A content of up to `limit` bytes is kept.
    pub(super) fn new(
        algorithms: impl IntoIterator<Item = DigestAlgorithm>,
        limit: Option<usize>,
    ) -> Self {
        let mut hashers: Vec<Hasher> = Vec::new();
        for algorithm in algorithms {
            if !hashers.iter().any(|one| one.algorithm() == algorithm) {
                hashers.push(algorithm.hasher());
            }
        }
        Self {
            hashers,
            length: 0,
            beginning: Vec::new(),
            whole: limit.map(|_| Vec::new()),
            limit: limit.unwrap_or_default(),
        }
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        for hasher in &mut self.hashers {
            hasher.update(piece);
        }
        self.length += piece.len() as u64;
        let missing = BEGINNING_LEN - self.beginning.len();
        self.beginning.extend(piece.iter().take(missing));
        if self.length > self.limit as u64 {
            self.whole = None;
        }
        if let Some(whole) = &mut self.whole {
            whole.extend_from_slice(piece);
        }
    }

    pub(super) fn finish(self) -> Hashed {
        let digests = self.hashers.into_iter();
        Hashed {
            digests: digests
                .map(|hasher| (hasher.algorithm(), hasher.finalize()))
                .collect(),
            length: self.length,
            beginning: self.beginning,
            whole: self.whole,
        }
    }
}

/// A content that has been hashed.
#[derive(Clone, Debug)]
pub(super) struct Hashed {
    digests: Vec<(DigestAlgorithm, Vec<u8>)>,
    length: u64,
    beginning: Vec<u8>,
    whole: Option<Vec<u8>>,
}

impl Hashed {
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Hashes the same way again.
    pub(super) fn again(&self) -> Hashing {
        Hashing::new(self.digests.iter().map(|(algorithm, _)| *algorithm), None)
    }

    /// Without what needs no more memory once the signers are checked.
    pub(super) fn forget_whole(&mut self) {
        self.whole = None;
    }

    fn digest(&self, algorithm: DigestAlgorithm) -> Option<Vec<u8>> {
        let mut digests = self.digests.iter();
        let found = digests.find(|(other, _)| *other == algorithm);
        found.map(|(_, digest)| digest.clone())
    }
}

/// Equal digests, and at least one.
impl PartialEq for Hashed {
    fn eq(&self, other: &Self) -> bool {
        !self.digests.is_empty() && self.digests == other.digests && self.length == other.length
    }
}
