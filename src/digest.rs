//! Digest algorithms: what is hashed here, so that a token gets a digest and never a document.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use der::asn1::ObjectIdentifier;
#[cfg(feature = "gost")]
use gost94::Gost94CryptoPro;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
#[cfg(feature = "gost")]
use streebog::{Streebog256, Streebog512};

/// A digest algorithm (FIPS 180-4, but for MD5 and those of GOST).
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
    /// Streebog, GOST R 34.11-2012 (RFC 6986), with 256 bits: 32 bytes.
    #[cfg(feature = "gost")]
    Streebog256,
    /// Streebog, GOST R 34.11-2012 (RFC 6986), with 512 bits: 64 bytes.
    #[cfg(feature = "gost")]
    Streebog512,
    /// GOST R 34.11-94 (RFC 5831) with the parameters of CryptoPro (RFC 4357 section 11.2): 32 bytes.
    /// Of old documents, and [weak](Self::is_weak).
    #[cfg(feature = "gost")]
    Gost94,
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
            #[cfg(feature = "gost")]
            Self::Streebog256 => State::Streebog256(Box::default()),
            #[cfg(feature = "gost")]
            Self::Streebog512 => State::Streebog512(Box::default()),
            #[cfg(feature = "gost")]
            Self::Gost94 => State::Gost94(Box::default()),
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
            #[cfg(feature = "gost")]
            Self::Streebog256 | Self::Gost94 => 32,
            #[cfg(feature = "gost")]
            Self::Streebog512 => 64,
        }
    }

    /// The object identifier of the digest (RFC 5754 section 2, RFC 9215 section 2).
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
            #[cfg(feature = "gost")]
            Self::Streebog256 => "1.2.643.7.1.1.2.2",
            #[cfg(feature = "gost")]
            Self::Streebog512 => "1.2.643.7.1.1.2.3",
            #[cfg(feature = "gost")]
            Self::Gost94 => "1.2.643.2.2.9",
        })
    }

    /// Whether others can find two messages with one digest, so that a signature of the one is one
    /// of the other too: MD5 and SHA-1, and GOST R 34.11-94, of which that is shown on paper and which
    /// Russia has given up.
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
        match self {
            Self::Sha1 | Self::Md5 => true,
            #[cfg(feature = "gost")]
            Self::Gost94 => true,
            _ => false,
        }
    }

    /// The algorithm with this object identifier, if it is one of ours and not weak.
    pub(crate) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        const ALL: &[DigestAlgorithm] = &[
            DigestAlgorithm::Sha256,
            DigestAlgorithm::Sha384,
            DigestAlgorithm::Sha512,
            #[cfg(feature = "gost")]
            DigestAlgorithm::Streebog256,
            #[cfg(feature = "gost")]
            DigestAlgorithm::Streebog512,
        ];
        let mut all = ALL.iter().copied();
        all.find(|digest| digest.oid() == oid || digest.kazakh_oid() == Some(oid))
    }

    /// The algorithm with this object identifier, if it is one of ours, weak or not.
    #[cfg(feature = "cms")]
    pub(crate) fn from_oid_even_weak(oid: ObjectIdentifier) -> Option<Self> {
        const WEAK: &[DigestAlgorithm] = &[
            DigestAlgorithm::Sha1,
            DigestAlgorithm::Md5,
            #[cfg(feature = "gost")]
            DigestAlgorithm::Gost94,
        ];
        let weak = || WEAK.iter().find(|digest| digest.oid() == oid);
        Self::from_oid(oid).or_else(|| weak().copied())
    }

    /// What Kazakhstan calls it, where that is another object identifier.
    pub(crate) const fn kazakh_oid(self) -> Option<ObjectIdentifier> {
        match self {
            #[cfg(feature = "gost")]
            Self::Streebog256 => Some(ObjectIdentifier::new_unwrap("1.2.398.3.10.1.3.2")),
            #[cfg(feature = "gost")]
            Self::Streebog512 => Some(ObjectIdentifier::new_unwrap("1.2.398.3.10.1.3.3")),
            _ => None,
        }
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
            #[cfg(feature = "gost")]
            Self::Streebog256 => "Streebog-256",
            #[cfg(feature = "gost")]
            Self::Streebog512 => "Streebog-512",
            #[cfg(feature = "gost")]
            Self::Gost94 => "GOST R 34.11-94",
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
    // These are several times as large as the others.
    #[cfg(feature = "gost")]
    Streebog256(Box<Streebog256>),
    #[cfg(feature = "gost")]
    Streebog512(Box<Streebog512>),
    #[cfg(feature = "gost")]
    Gost94(Box<Gost94CryptoPro>),
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
            #[cfg(feature = "gost")]
            State::Streebog256(state) => state.update(data),
            #[cfg(feature = "gost")]
            State::Streebog512(state) => state.update(data),
            #[cfg(feature = "gost")]
            State::Gost94(state) => state.update(data),
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
            #[cfg(feature = "gost")]
            State::Streebog256(state) => state.finalize().to_vec(),
            #[cfg(feature = "gost")]
            State::Streebog512(state) => state.finalize().to_vec(),
            #[cfg(feature = "gost")]
            State::Gost94(state) => state.finalize().to_vec(),
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
            #[cfg(feature = "gost")]
            State::Streebog256(_) => DigestAlgorithm::Streebog256,
            #[cfg(feature = "gost")]
            State::Streebog512(_) => DigestAlgorithm::Streebog512,
            #[cfg(feature = "gost")]
            State::Gost94(_) => DigestAlgorithm::Gost94,
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

    /// With the first four bytes of the digest of "abc" (FIPS 180-4, RFC 1321; for those of GOST the
    /// engine of OpenSSL).
    const ALL: &[(DigestAlgorithm, [u8; 4])] = &[
        (DigestAlgorithm::Sha256, [0xba, 0x78, 0x16, 0xbf]),
        (DigestAlgorithm::Sha384, [0xcb, 0x00, 0x75, 0x3f]),
        (DigestAlgorithm::Sha512, [0xdd, 0xaf, 0x35, 0xa1]),
        (DigestAlgorithm::Sha1, [0xa9, 0x99, 0x3e, 0x36]),
        (DigestAlgorithm::Md5, [0x90, 0x01, 0x50, 0x98]),
        #[cfg(feature = "gost")]
        (DigestAlgorithm::Streebog256, [0x4e, 0x29, 0x19, 0xcf]),
        #[cfg(feature = "gost")]
        (DigestAlgorithm::Streebog512, [0x28, 0x15, 0x6e, 0x28]),
        #[cfg(feature = "gost")]
        (DigestAlgorithm::Gost94, [0xb2, 0x85, 0x05, 0x6d]),
    ];

    #[test]
    fn known_digests() {
        for (algorithm, first_bytes) in ALL {
            assert_eq!(algorithm.digest(b"abc")[..4], *first_bytes, "{algorithm}");
        }
    }

    #[test]
    fn pieces_stream_and_whole_agree() {
        let data: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        for (algorithm, _) in ALL.iter().copied() {
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
