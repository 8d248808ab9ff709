//! Digest algorithms: what is hashed here, so that a token gets a digest and never a document.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use der::asn1::ObjectIdentifier;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
#[cfg(feature = "cms")]
use spki::AlgorithmIdentifierOwned;

/// A digest algorithm (FIPS 180-4, but for MD5).
///
/// # Example
/// ```
/// use keyfob::DigestAlgorithm;
///
/// let digest = DigestAlgorithm::Sha256.digest(b"abc");
/// assert_eq!(digest.len(), DigestAlgorithm::Sha256.output_len());
/// assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
/// assert_eq!(DigestAlgorithm::Sha256.to_string(), "SHA-256");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// SHA-256: 32 bytes.
    Sha256,
    /// SHA-384: 48 bytes.
    Sha384,
    /// SHA-512: 64 bytes.
    Sha512,
    /// SHA-1: 20 bytes. Broken, as [`is_weak`](Self::is_weak) says.
    Sha1,
    /// MD5 (RFC 1321): 16 bytes. Broken, as [`is_weak`](Self::is_weak) says.
    Md5,
}

impl DigestAlgorithm {
    /// The digest of `data`: [`output_len`](Self::output_len) bytes.
    ///
    /// # Example
    /// ```
    /// use keyfob::DigestAlgorithm;
    ///
    /// assert_eq!(DigestAlgorithm::Sha384.digest(b"").len(), 48);
    /// ```
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        let mut hasher = self.hasher();
        hasher.update(data);
        hasher.finalize()
    }

    /// The digest of all that `reader` gives, in constant memory however long it is.
    ///
    /// # Errors
    /// Those of the reader. A read that was interrupted is tried again.
    ///
    /// # Example
    /// ```
    /// use keyfob::DigestAlgorithm;
    ///
    /// let streamed = DigestAlgorithm::Sha512.digest_reader(&b"a document"[..])?;
    /// assert_eq!(streamed, DigestAlgorithm::Sha512.digest(b"a document"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn digest_reader(self, mut reader: impl Read) -> io::Result<Vec<u8>> {
        let mut hasher = self.hasher();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finalize()),
                // A reader that claims more than the buffer holds is broken; what it wrote is hashed.
                Ok(read) => hasher.update(buffer.get(..read).unwrap_or(&buffer)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A hasher to be fed piece by piece.
    ///
    /// # Example
    /// ```
    /// use keyfob::DigestAlgorithm;
    ///
    /// let mut hasher = DigestAlgorithm::Sha256.hasher();
    /// hasher.update(b"a");
    /// hasher.update(b"bc");
    /// assert_eq!(hasher.finalize(), DigestAlgorithm::Sha256.digest(b"abc"));
    /// ```
    pub fn hasher(self) -> Hasher {
        Hasher(match self {
            Self::Sha256 => State::Sha256(Sha256::new()),
            Self::Sha384 => State::Sha384(Sha384::new()),
            Self::Sha512 => State::Sha512(Sha512::new()),
            Self::Sha1 => State::Sha1(Sha1::new()),
            Self::Md5 => State::Md5(Md5::new()),
        })
    }

    /// The length of a digest in bytes.
    ///
    /// # Example
    /// ```
    /// assert_eq!(keyfob::DigestAlgorithm::Sha512.output_len(), 64);
    /// ```
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
            Self::Sha1 => 20,
            Self::Md5 => 16,
        }
    }

    /// The object identifier of the digest (RFC 5754 section 2).
    ///
    /// # Example
    /// ```
    /// let oid = keyfob::DigestAlgorithm::Sha256.oid();
    /// assert_eq!(oid.to_string(), "2.16.840.1.101.3.4.2.1");
    /// ```
    pub const fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::Sha256 => "2.16.840.1.101.3.4.2.1",
            Self::Sha384 => "2.16.840.1.101.3.4.2.2",
            Self::Sha512 => "2.16.840.1.101.3.4.2.3",
            Self::Sha1 => "1.3.14.3.2.26",
            Self::Md5 => "1.2.840.113549.2.5",
        })
    }

    /// The AlgorithmIdentifier that names this digest: without parameters (RFC 5754 section 2).
    #[cfg(feature = "cms")]
    pub(crate) fn algorithm_identifier(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned {
            oid: self.oid(),
            parameters: None,
        }
    }

    /// Whether others can find two messages with one digest, so that a signature of the one is one
    /// of the other too: MD5 and SHA-1.
    ///
    /// Nothing is signed with these. Signatures that were made with them are checked where the
    /// caller allows it.
    ///
    /// # Example
    /// ```
    /// use keyfob::DigestAlgorithm;
    ///
    /// assert!(DigestAlgorithm::Sha1.is_weak());
    /// assert!(!DigestAlgorithm::Sha256.is_weak());
    /// ```
    pub const fn is_weak(self) -> bool {
        matches!(self, Self::Sha1 | Self::Md5)
    }

    /// The algorithm with this object identifier, if it is one of ours and not weak.
    pub(crate) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|digest| digest.oid() == oid)
    }

    /// The algorithm with this object identifier, if it is one of ours, weak or not.
    #[cfg(feature = "cms")]
    pub(crate) fn from_oid_even_weak(oid: ObjectIdentifier) -> Option<Self> {
        let weak = || [Self::Sha1, Self::Md5].into_iter();
        Self::from_oid(oid).or_else(|| weak().find(|digest| digest.oid() == oid))
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha1 => "SHA-1",
            Self::Md5 => "MD5",
        })
    }
}

/// A digest being computed; from [`DigestAlgorithm::hasher`].
///
/// # Example
/// ```
/// use keyfob::DigestAlgorithm;
///
/// let mut hasher = DigestAlgorithm::Sha256.hasher();
/// for piece in ["one ", "two"] {
///     hasher.update(piece.as_bytes());
/// }
/// assert_eq!(hasher.finalize(), DigestAlgorithm::Sha256.digest(b"one two"));
/// ```
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    Sha1(Sha1),
    Md5(Md5),
}

impl Hasher {
    /// Adds `data` to what is hashed.
    ///
    /// # Example
    /// ```
    /// let mut hasher = keyfob::DigestAlgorithm::Sha256.hasher();
    /// hasher.update(b"more");
    /// # hasher.finalize();
    /// ```
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(data),
            State::Sha384(state) => state.update(data),
            State::Sha512(state) => state.update(data),
            State::Sha1(state) => state.update(data),
            State::Md5(state) => state.update(data),
        }
    }

    /// The digest of everything added.
    ///
    /// # Example
    /// ```
    /// let hasher = keyfob::DigestAlgorithm::Sha256.hasher();
    /// assert_eq!(hasher.finalize(), keyfob::DigestAlgorithm::Sha256.digest(b""));
    /// ```
    pub fn finalize(self) -> Vec<u8> {
        match self.0 {
            State::Sha256(state) => state.finalize().to_vec(),
            State::Sha384(state) => state.finalize().to_vec(),
            State::Sha512(state) => state.finalize().to_vec(),
            State::Sha1(state) => state.finalize().to_vec(),
            State::Md5(state) => state.finalize().to_vec(),
        }
    }

    /// Which algorithm this is.
    ///
    /// # Example
    /// ```
    /// use keyfob::DigestAlgorithm;
    ///
    /// assert_eq!(DigestAlgorithm::Sha384.hasher().algorithm(), DigestAlgorithm::Sha384);
    /// ```
    pub fn algorithm(&self) -> DigestAlgorithm {
        match self.0 {
            State::Sha256(_) => DigestAlgorithm::Sha256,
            State::Sha384(_) => DigestAlgorithm::Sha384,
            State::Sha512(_) => DigestAlgorithm::Sha512,
            State::Sha1(_) => DigestAlgorithm::Sha1,
            State::Md5(_) => DigestAlgorithm::Md5,
        }
    }
}

/// Says which algorithm, never what was hashed.
impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hasher").field(&self.algorithm()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [DigestAlgorithm; 5] = [
        DigestAlgorithm::Sha256,
        DigestAlgorithm::Sha384,
        DigestAlgorithm::Sha512,
        DigestAlgorithm::Sha1,
        DigestAlgorithm::Md5,
    ];

    /// FIPS 180-4's example "abc", and RFC 1321's, first four bytes.
    #[test]
    fn known_digests() {
        let first_bytes = ALL.map(|algorithm| algorithm.digest(b"abc")[..4].to_vec());
        assert_eq!(
            first_bytes,
            [
                [0xba, 0x78, 0x16, 0xbf],
                [0xcb, 0x00, 0x75, 0x3f],
                [0xdd, 0xaf, 0x35, 0xa1],
                [0xa9, 0x99, 0x3e, 0x36],
                [0x90, 0x01, 0x50, 0x98]
            ]
        );
    }

    #[test]
    fn pieces_stream_and_whole_agree() {
        let data: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        for algorithm in ALL {
            let whole = algorithm.digest(&data);
            assert_eq!(whole.len(), algorithm.output_len());
            assert_eq!(algorithm.digest_reader(Uneven(&data)).unwrap(), whole);
            let mut hasher = algorithm.hasher();
            data.chunks(777).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finalize(), whole);
            let strong = DigestAlgorithm::from_oid(algorithm.oid());
            assert_eq!(strong, Some(algorithm).filter(|one| !one.is_weak()));
        }
    }

    #[test]
    fn a_failed_read_is_an_error_and_an_interrupted_one_is_not() {
        struct Fails(Vec<ErrorKind>);
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                self.0.pop().map_or(Ok(0), |kind| Err(kind.into()))
            }
        }
        let algorithm = DigestAlgorithm::Sha256;
        let interrupted = Fails(vec![ErrorKind::Interrupted, ErrorKind::Interrupted]);
        assert_eq!(
            algorithm.digest_reader(interrupted).unwrap(),
            algorithm.digest(b"")
        );
        assert!(
            algorithm
                .digest_reader(Fails(vec![ErrorKind::BrokenPipe]))
                .is_err()
        );
    }

    /// Gives 1,000 bytes at a time, whatever is asked for.
    struct Uneven<'a>(&'a [u8]);

    impl Read for Uneven<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1_000);
            self.0.read(&mut buffer[..most])
        }
    }
}
