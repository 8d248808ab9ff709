//! Signature schemes: what a signature is made and verified with.

#[cfg(feature = "gost")]
mod gost;
mod mechanism;
mod pss;
mod signature;

use std::fmt;
use std::str::FromStr;

use cryptoki_sys::CK_MECHANISM_TYPE;
use der::asn1::{Any, ObjectIdentifier};
use der::referenced::OwnedToRef;
use spki::AlgorithmIdentifierOwned;

#[cfg(feature = "gost")]
pub(crate) use gost::{Gost, GostStandard, reversed};
pub(crate) use pss::PssParameters;
pub use signature::{Signature, SignatureError};

use crate::{Curve, DigestAlgorithm, KeyType};
use Curve::{P256, P384, P521};
#[cfg(feature = "gost")]
use DigestAlgorithm::{Gost94, Streebog256, Streebog512};
use DigestAlgorithm::{Md5, Sha1, Sha256, Sha384, Sha512};

/// A signature scheme: the algorithm, and the digest where it takes one.
///
/// # Example
/// ```
/// use keyfob::{Curve, DigestAlgorithm, KeyType, Scheme};
///
/// let scheme: Scheme = "ecdsa-p256-sha256".parse()?;
/// assert_eq!(scheme, Scheme::EcdsaP256Sha256);
/// assert_eq!(scheme.digest_algorithm(), Some(DigestAlgorithm::Sha256));
/// assert!(scheme.fits(&KeyType::Ec(Curve::P256)));
/// assert!(!scheme.fits(&KeyType::Rsa { bits: 2048 }));
/// # Ok::<(), keyfob::SchemeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2).
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256, a salt of 32 bytes (RFC 8017 section 8.1).
    RsaPssSha256,
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384, a salt of 48 bytes.
    RsaPssSha384,
    /// RSASSA-PSS with SHA-512, MGF1 with SHA-512, a salt of 64 bytes.
    RsaPssSha512,
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5 section 6).
    EcdsaP256Sha256,
    /// ECDSA on P-256 with SHA-384.
    EcdsaP256Sha384,
    /// ECDSA on P-256 with SHA-512.
    EcdsaP256Sha512,
    /// ECDSA on P-384 with SHA-256.
    EcdsaP384Sha256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384Sha384,
    /// ECDSA on P-384 with SHA-512.
    EcdsaP384Sha512,
    /// ECDSA on P-521 with SHA-256.
    EcdsaP521Sha256,
    /// ECDSA on P-521 with SHA-384.
    EcdsaP521Sha384,
    /// ECDSA on P-521 with SHA-512.
    EcdsaP521Sha512,
    /// Ed25519 (RFC 8032 section 5.1): signs the message itself, not a digest of it.
    Ed25519,
    /// RSASSA-PKCS1-v1_5 with SHA-1. [Weak](Self::WEAK).
    RsaPkcs1Sha1,
    /// RSASSA-PKCS1-v1_5 with MD5. [Weak](Self::WEAK).
    RsaPkcs1Md5,
    /// RSASSA-PSS with SHA-1, MGF1 with SHA-1, a salt of 20 bytes. [Weak](Self::WEAK).
    RsaPssSha1,
    /// ECDSA on P-256 with SHA-1. [Weak](Self::WEAK).
    EcdsaP256Sha1,
    /// ECDSA on P-384 with SHA-1. [Weak](Self::WEAK).
    EcdsaP384Sha1,
    /// ECDSA on P-521 with SHA-1. [Weak](Self::WEAK).
    EcdsaP521Sha1,
    /// GOST R 34.10-2012 (RFC 7091) with a key of 256 bits and Streebog-256.
    #[cfg(feature = "gost")]
    Gost256,
    /// GOST R 34.10-2012 (RFC 7091) with a key of 512 bits and Streebog-512.
    #[cfg(feature = "gost")]
    Gost512,
    /// The same as [`Gost256`](Self::Gost256) by the standard of Kazakhstan, ST RK GOST R 34.10-2015:
    /// with names of its own, and the signature's bytes in reverse.
    #[cfg(feature = "gost")]
    GostKz256,
    /// The same as [`Gost512`](Self::Gost512) by the standard of Kazakhstan.
    #[cfg(feature = "gost")]
    GostKz512,
    /// GOST R 34.10-2001 (RFC 5832) with GOST R 34.11-94, of old documents. [Weak](Self::WEAK).
    #[cfg(feature = "gost")]
    Gost2001,
}

/// What the schemes of one kind have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    RsaPkcs1,
    RsaPss,
    Ecdsa(Curve),
    Ed25519,
    #[cfg(feature = "gost")]
    Gost(Gost),
}

/// All that is said of a scheme, in one place.
struct Row {
    name: &'static str,
    family: Family,
    digest: Option<DigestAlgorithm>,
    /// Of its AlgorithmIdentifier; the parameters follow from the family.
    oid: &'static str,
    /// Follows from the family, and is wanted at every signature, as the next one is.
    mechanism: CK_MECHANISM_TYPE,
    /// The length of a raw signature, in bytes, where all keys make the same.
    raw_len: Option<usize>,
}

impl Scheme {
    /// Every scheme that is fit for use.
    ///
    /// # Example
    /// ```
    /// for scheme in keyfob::Scheme::ALL {
    ///     println!("{scheme}");
    /// }
    /// ```
    pub const ALL: &[Self] = &[
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::RsaPssSha256,
        Self::RsaPssSha384,
        Self::RsaPssSha512,
        Self::EcdsaP256Sha256,
        Self::EcdsaP256Sha384,
        Self::EcdsaP256Sha512,
        Self::EcdsaP384Sha256,
        Self::EcdsaP384Sha384,
        Self::EcdsaP384Sha512,
        Self::EcdsaP521Sha256,
        Self::EcdsaP521Sha384,
        Self::EcdsaP521Sha512,
        Self::Ed25519,
        #[cfg(feature = "gost")]
        Self::Gost256,
        #[cfg(feature = "gost")]
        Self::Gost512,
        #[cfg(feature = "gost")]
        Self::GostKz256,
        #[cfg(feature = "gost")]
        Self::GostKz512,
    ];

    /// The schemes whose digest [is weak](DigestAlgorithm::is_weak). Nothing is signed with them,
    /// and no AlgorithmIdentifier gives one: a signature is verified with one where the caller
    /// names it, and a document where its [policy](crate::cms::Policy) allows it.
    ///
    /// # Example
    /// ```
    /// use keyfob::Scheme;
    ///
    /// assert!(Scheme::WEAK.contains(&Scheme::RsaPkcs1Sha1));
    /// assert!(!Scheme::ALL.contains(&Scheme::RsaPkcs1Sha1));
    /// ```
    pub const WEAK: &[Self] = &[
        Self::RsaPkcs1Sha1,
        Self::RsaPkcs1Md5,
        Self::RsaPssSha1,
        Self::EcdsaP256Sha1,
        Self::EcdsaP384Sha1,
        Self::EcdsaP521Sha1,
        #[cfg(feature = "gost")]
        Self::Gost2001,
    ];

    /// The most bytes that are signed with Ed25519: 16 MiB. The token needs the message whole and
    /// in one call, so it is held in memory, here and there.
    pub const ED25519_MESSAGE_LIMIT: usize = 16 * 1024 * 1024;

    #[rustfmt::skip]
    const fn row(self) -> &'static Row {
        use Family::{Ecdsa, RsaPkcs1, RsaPss};
        // RFC 4055 section 5 and 3.1, RFC 5758 section 3.2, RFC 8410 section 3.
        const PSS: &str = "1.2.840.113549.1.1.10";
        const ECDSA_SHA1: &str = "1.2.840.10045.4.1";
        const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
        const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
        const ECDSA_SHA512: &str = "1.2.840.10045.4.3.4";
        #[cfg(feature = "gost")]
        const fn gost(len: usize, standard: GostStandard) -> Family { Family::Gost(Gost { len, standard }) }
        #[cfg(feature = "gost")]
        use GostStandard::{Kazakhstan, Russia2001, Russia2012};
        // Looked up at every signature: a row that lies ready costs least.
        macro_rules! row {
            ($($column:expr),*) => { const { &row($($column),*) } };
        }
        match self {
            Self::RsaPkcs1Sha256  => row!("rsa-pkcs1-sha256",  RsaPkcs1,        Some(Sha256), "1.2.840.113549.1.1.11"),
            Self::RsaPkcs1Sha384  => row!("rsa-pkcs1-sha384",  RsaPkcs1,        Some(Sha384), "1.2.840.113549.1.1.12"),
            Self::RsaPkcs1Sha512  => row!("rsa-pkcs1-sha512",  RsaPkcs1,        Some(Sha512), "1.2.840.113549.1.1.13"),
            Self::RsaPssSha256    => row!("rsa-pss-sha256",    RsaPss,          Some(Sha256), PSS),
            Self::RsaPssSha384    => row!("rsa-pss-sha384",    RsaPss,          Some(Sha384), PSS),
            Self::RsaPssSha512    => row!("rsa-pss-sha512",    RsaPss,          Some(Sha512), PSS),
            Self::EcdsaP256Sha256 => row!("ecdsa-p256-sha256", Ecdsa(P256),     Some(Sha256), ECDSA_SHA256),
            Self::EcdsaP256Sha384 => row!("ecdsa-p256-sha384", Ecdsa(P256),     Some(Sha384), ECDSA_SHA384),
            Self::EcdsaP256Sha512 => row!("ecdsa-p256-sha512", Ecdsa(P256),     Some(Sha512), ECDSA_SHA512),
            Self::EcdsaP384Sha256 => row!("ecdsa-p384-sha256", Ecdsa(P384),     Some(Sha256), ECDSA_SHA256),
            Self::EcdsaP384Sha384 => row!("ecdsa-p384-sha384", Ecdsa(P384),     Some(Sha384), ECDSA_SHA384),
            Self::EcdsaP384Sha512 => row!("ecdsa-p384-sha512", Ecdsa(P384),     Some(Sha512), ECDSA_SHA512),
            Self::EcdsaP521Sha256 => row!("ecdsa-p521-sha256", Ecdsa(P521),     Some(Sha256), ECDSA_SHA256),
            Self::EcdsaP521Sha384 => row!("ecdsa-p521-sha384", Ecdsa(P521),     Some(Sha384), ECDSA_SHA384),
            Self::EcdsaP521Sha512 => row!("ecdsa-p521-sha512", Ecdsa(P521),     Some(Sha512), ECDSA_SHA512),
            Self::Ed25519         => row!("ed25519",           Family::Ed25519, None,         "1.3.101.112"),
            Self::RsaPkcs1Sha1    => row!("rsa-pkcs1-sha1",    RsaPkcs1,        Some(Sha1),   "1.2.840.113549.1.1.5"),
            Self::RsaPkcs1Md5     => row!("rsa-pkcs1-md5",     RsaPkcs1,        Some(Md5),    "1.2.840.113549.1.1.4"),
            Self::RsaPssSha1      => row!("rsa-pss-sha1",      RsaPss,          Some(Sha1),   PSS),
            Self::EcdsaP256Sha1   => row!("ecdsa-p256-sha1",   Ecdsa(P256),     Some(Sha1),   ECDSA_SHA1),
            Self::EcdsaP384Sha1   => row!("ecdsa-p384-sha1",   Ecdsa(P384),     Some(Sha1),   ECDSA_SHA1),
            Self::EcdsaP521Sha1   => row!("ecdsa-p521-sha1",   Ecdsa(P521),     Some(Sha1),   ECDSA_SHA1),
            // RFC 9215 section 2, RFC 4491 section 2.2.2.
            #[cfg(feature = "gost")]
            Self::Gost256         => row!("gost-256",    gost(32, Russia2012), Some(Streebog256), "1.2.643.7.1.1.3.2"),
            #[cfg(feature = "gost")]
            Self::Gost512         => row!("gost-512",    gost(64, Russia2012), Some(Streebog512), "1.2.643.7.1.1.3.3"),
            #[cfg(feature = "gost")]
            Self::GostKz256       => row!("gost-kz-256", gost(32, Kazakhstan), Some(Streebog256), "1.2.398.3.10.1.1.2.3.1"),
            #[cfg(feature = "gost")]
            Self::GostKz512       => row!("gost-kz-512", gost(64, Kazakhstan), Some(Streebog512), "1.2.398.3.10.1.1.2.3.2"),
            #[cfg(feature = "gost")]
            Self::Gost2001        => row!("gost-2001",   gost(32, Russia2001), Some(Gost94),      "1.2.643.2.2.3"),
        }
    }

    /// The name, as [`FromStr`] reads it: `rsa-pkcs1-sha256`, `rsa-pss-sha384`,
    /// `ecdsa-p256-sha256`, `ed25519`, `gost-256`.
    ///
    /// # Example
    /// ```
    /// assert_eq!(keyfob::Scheme::RsaPssSha384.name(), "rsa-pss-sha384");
    /// ```
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The digest that is signed; `None` for Ed25519, which signs the message.
    ///
    /// # Example
    /// ```
    /// use keyfob::Scheme;
    ///
    /// assert!(Scheme::EcdsaP384Sha384.digest_algorithm().is_some());
    /// assert_eq!(Scheme::Ed25519.digest_algorithm(), None);
    /// ```
    pub const fn digest_algorithm(self) -> Option<DigestAlgorithm> {
        self.row().digest
    }

    /// What a document's content is hashed with where this scheme signs it: the scheme's own digest
    /// and, since Ed25519 has none, SHA-512 there (RFC 8419 section 3.1). What is signed then is a
    /// set of attributes with that digest in it.
    ///
    /// # Example
    /// ```
    /// use keyfob::{DigestAlgorithm, Scheme};
    ///
    /// assert_eq!(Scheme::RsaPssSha384.content_digest(), DigestAlgorithm::Sha384);
    /// assert_eq!(Scheme::Ed25519.content_digest(), DigestAlgorithm::Sha512);
    /// ```
    pub const fn content_digest(self) -> DigestAlgorithm {
        match self.digest_algorithm() {
            Some(digest) => digest,
            None => Sha512,
        }
    }

    /// The most bytes a message signed with this scheme may have; `None` where there is no limit.
    ///
    /// # Example
    /// ```
    /// use keyfob::Scheme;
    ///
    /// assert_eq!(Scheme::RsaPkcs1Sha256.message_limit(), None);
    /// assert_eq!(Scheme::Ed25519.message_limit(), Some(Scheme::ED25519_MESSAGE_LIMIT));
    /// ```
    pub const fn message_limit(self) -> Option<usize> {
        match self.family() {
            Family::Ed25519 => Some(Self::ED25519_MESSAGE_LIMIT),
            _ => None,
        }
    }

    pub(crate) const fn family(self) -> Family {
        self.row().family
    }

    /// The length of a raw signature, in bytes, where all keys make the same.
    pub(crate) const fn raw_len(self) -> Option<usize> {
        self.row().raw_len
    }

    /// Whether a key of this type can sign with this scheme.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Curve, KeyType, Scheme};
    ///
    /// assert!(Scheme::RsaPssSha256.fits(&KeyType::Rsa { bits: 3072 }));
    /// assert!(!Scheme::EcdsaP256Sha256.fits(&KeyType::Ec(Curve::P384)));
    /// ```
    pub fn fits(self, key: &KeyType) -> bool {
        match (self.family(), key) {
            (Family::RsaPkcs1 | Family::RsaPss, KeyType::Rsa { .. }) => true,
            (Family::Ecdsa(curve), KeyType::Ec(key_curve)) => curve == *key_curve,
            (Family::Ed25519, KeyType::Ed25519) => true,
            #[cfg(feature = "gost")]
            (Family::Gost(gost), KeyType::Gost256(_)) => gost.len == 32,
            #[cfg(feature = "gost")]
            (Family::Gost(gost), KeyType::Gost512(_)) => gost.len == 64,
            _ => false,
        }
    }

    /// The scheme that most readers of a signature by such a key understand; `None` for a key that
    /// no scheme fits.
    ///
    /// RSA keys give [`RsaPkcs1Sha256`](Self::RsaPkcs1Sha256), keys on a curve the digest of its
    /// size, and keys of GOST R 34.10 the scheme of Russia.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Curve, KeyType, Scheme};
    ///
    /// let key = KeyType::Ec(Curve::P521);
    /// assert_eq!(Scheme::default_for(&key), Some(Scheme::EcdsaP521Sha512));
    /// ```
    pub fn default_for(key: &KeyType) -> Option<Self> {
        match key {
            KeyType::Rsa { .. } => Some(Self::RsaPkcs1Sha256),
            KeyType::Ec(P256) => Some(Self::EcdsaP256Sha256),
            KeyType::Ec(P384) => Some(Self::EcdsaP384Sha384),
            KeyType::Ec(P521) => Some(Self::EcdsaP521Sha512),
            KeyType::Ed25519 => Some(Self::Ed25519),
            #[cfg(feature = "gost")]
            KeyType::Gost256(_) => Some(Self::Gost256),
            #[cfg(feature = "gost")]
            KeyType::Gost512(_) => Some(Self::Gost512),
            KeyType::Other(_) | KeyType::Unknown => None,
        }
    }

    /// The AlgorithmIdentifier that names this scheme in certificates.
    ///
    /// PKCS#1 has NULL parameters and PSS all of its own (RFC 4055 sections 5 and 3.1), ECDSA,
    /// Ed25519 and GOST have none (RFC 5758 section 3.2, RFC 8410 section 3, RFC 9215 section 2).
    /// ECDSA's names the digest alone; the curve is the key's.
    ///
    /// # Example
    /// ```
    /// use keyfob::Scheme;
    ///
    /// let algorithm = Scheme::EcdsaP256Sha256.algorithm_identifier();
    /// assert_eq!(algorithm.oid.to_string(), "1.2.840.10045.4.3.2");
    /// assert_eq!(algorithm.parameters, None);
    /// ```
    pub fn algorithm_identifier(self) -> AlgorithmIdentifierOwned {
        let Row {
            family,
            digest,
            oid,
            ..
        } = *self.row();
        AlgorithmIdentifierOwned {
            oid: ObjectIdentifier::new_unwrap(oid),
            parameters: match (family, digest) {
                (Family::RsaPkcs1, _) => Some(Any::null()),
                (Family::RsaPss, Some(digest)) => Some(PssParameters::encode(digest)),
                _ => None,
            },
        }
    }

    /// The AlgorithmIdentifier that names this scheme in a document: the same, but for GOST R 34.10 in
    /// Russia, where signers name the algorithm of the key.
    #[cfg(feature = "cms")]
    pub(crate) fn document_identifier(self) -> AlgorithmIdentifierOwned {
        match self.family() {
            #[cfg(feature = "gost")]
            Family::Gost(gost) if gost.standard != GostStandard::Kazakhstan => {
                AlgorithmIdentifierOwned {
                    oid: gost.key_oid(),
                    parameters: None,
                }
            }
            _ => self.algorithm_identifier(),
        }
    }

    /// The AlgorithmIdentifier of the digest of a document that is signed with this scheme.
    #[cfg(feature = "cms")]
    pub(crate) fn digest_identifier(self) -> AlgorithmIdentifierOwned {
        let digest = self.content_digest();
        let oid = match self.family() {
            #[cfg(feature = "gost")]
            Family::Gost(gost) if gost.standard == GostStandard::Kazakhstan => digest.kazakh_oid(),
            _ => None,
        };
        // Without parameters: RFC 5754 section 2.
        AlgorithmIdentifierOwned {
            oid: oid.unwrap_or(digest.oid()),
            parameters: None,
        }
    }

    /// The algorithm of its keys, where that names the scheme as well.
    #[cfg(feature = "cms")]
    pub(crate) fn key_oid(self) -> Option<ObjectIdentifier> {
        match self.family() {
            #[cfg(feature = "gost")]
            Family::Gost(gost) => Some(gost.key_oid()),
            _ => None,
        }
    }

    /// The scheme that an AlgorithmIdentifier names, for a key of this type.
    ///
    /// PKCS#1's parameters may be NULL or absent (RFC 4055 section 5), and those of GOST, as OpenSSL has
    /// them. PSS is accepted with the
    /// parameters of a scheme here: SHA-256, -384 or -512, MGF1 with the same, a salt as long as
    /// the digest.
    ///
    /// # Errors
    /// [`SchemeError::UnknownAlgorithm`]; [`SchemeError::Parameters`] for PSS with other parameters,
    /// or parameters where there should be none; [`SchemeError::KeyMismatch`] where the key is of
    /// another kind.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Curve, KeyType, Scheme};
    ///
    /// let algorithm = Scheme::EcdsaP384Sha256.algorithm_identifier();
    /// let scheme = Scheme::from_algorithm_identifier(&algorithm, &KeyType::Ec(Curve::P384))?;
    /// assert_eq!(scheme, Scheme::EcdsaP384Sha256);
    /// # Ok::<(), keyfob::SchemeError>(())
    /// ```
    pub fn from_algorithm_identifier(
        algorithm: &AlgorithmIdentifierOwned,
        key: &KeyType,
    ) -> Result<Self, SchemeError> {
        let oid = algorithm.oid;
        let named = || Self::ALL.iter().filter(|scheme| scheme.oid() == oid);
        let Some(first) = named().next() else {
            return Err(SchemeError::UnknownAlgorithm { oid });
        };
        let fitting = || named().filter(|scheme| scheme.fits(key));
        let parameters = algorithm.parameters.as_ref().map(OwnedToRef::owned_to_ref);
        let refused = |reason| SchemeError::Parameters { oid, reason };

        let scheme = match first.family() {
            Family::RsaPss => {
                let digest = PssParameters::digest(parameters).map_err(refused)?;
                fitting().find(|scheme| scheme.digest_algorithm() == Some(digest))
            }
            Family::RsaPkcs1 if parameters.is_some_and(|given| !given.is_null()) => {
                return Err(refused("they are neither NULL nor absent"));
            }
            Family::Ecdsa(_) | Family::Ed25519 if parameters.is_some() => {
                return Err(refused("there should be none"));
            }
            #[cfg(feature = "gost")]
            Family::Gost(_) if parameters.is_some_and(|given| !given.is_null()) => {
                return Err(refused("they are neither NULL nor absent"));
            }
            _ => fitting().next(),
        };
        scheme
            .copied()
            .ok_or(SchemeError::KeyMismatch { oid, key: *key })
    }

    /// The weak scheme that an AlgorithmIdentifier names, for a key of this type: with PKCS#1 or ECDSA.
    #[cfg(feature = "cms")]
    pub(crate) fn weak_from_algorithm_identifier(
        algorithm: &AlgorithmIdentifierOwned,
        key: &KeyType,
    ) -> Option<Self> {
        let plain = algorithm.parameters.as_ref().is_none_or(Any::is_null);
        let mut named = Self::WEAK
            .iter()
            .filter(|scheme| scheme.oid() == algorithm.oid);
        let fitting = named.find(|scheme| scheme.fits(key) && scheme.family() != Family::RsaPss);
        fitting.filter(|_| plain).copied()
    }

    /// Whether it is one of [`WEAK`](Self::WEAK).
    pub(crate) const fn is_weak(self) -> bool {
        matches!(self.digest_algorithm(), Some(digest) if digest.is_weak())
    }

    pub(crate) const fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(self.row().oid)
    }
}

const fn row(
    name: &'static str,
    family: Family,
    digest: Option<DigestAlgorithm>,
    oid: &'static str,
) -> Row {
    Row {
        name,
        family,
        digest,
        oid,
        mechanism: mechanism::of(family).0,
        raw_len: match family {
            Family::RsaPkcs1 | Family::RsaPss => None,
            Family::Ecdsa(curve) => Some(2 * curve.field_len()),
            Family::Ed25519 => Some(64),
            #[cfg(feature = "gost")]
            Family::Gost(gost) => Some(2 * gost.len),
        },
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scheme {
    type Err = SchemeError;

    /// Reads a [`name`](Scheme::name); letters may be of either case.
    fn from_str(name: &str) -> Result<Self, SchemeError> {
        Self::ALL
            .iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
            .copied()
            .ok_or_else(|| SchemeError::UnknownName {
                name: name.to_owned(),
            })
    }
}

/// Why no scheme was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// No scheme has this name.
    #[error("there is no signature scheme `{name}`; the schemes are {}", names())]
    UnknownName {
        /// What was asked for.
        name: String,
    },
    /// No scheme has this object identifier.
    #[error(
        "the signature algorithm {oid} is unknown here; the schemes are {}",
        names()
    )]
    UnknownAlgorithm {
        /// The algorithm's object identifier.
        oid: ObjectIdentifier,
    },
    /// The algorithm is known, not with these parameters.
    #[error("the parameters of the signature algorithm {oid} are not supported: {reason}")]
    Parameters {
        /// The algorithm's object identifier.
        oid: ObjectIdentifier,
        /// What is not supported.
        reason: &'static str,
    },
    /// The algorithm does not go with the key.
    #[error(
        "the signature algorithm {oid} is not one for a key of type {key}; the signature was made by another key, or is labelled wrongly"
    )]
    KeyMismatch {
        /// The algorithm's object identifier.
        oid: ObjectIdentifier,
        /// The type of the key.
        key: KeyType,
    },
}

fn names() -> String {
    let names: Vec<_> = Scheme::ALL.iter().map(|scheme| scheme.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use der::Encode;

    use super::*;

    const KEYS: &[KeyType] = &[
        KeyType::Rsa { bits: 2048 },
        KeyType::Ec(P256),
        KeyType::Ec(P384),
        KeyType::Ec(P521),
        KeyType::Ed25519,
        #[cfg(feature = "gost")]
        KeyType::Gost256(crate::GostParameterSet::CryptoProA),
        #[cfg(feature = "gost")]
        KeyType::Gost512(crate::GostParameterSet::Tc26A512),
    ];

    #[test]
    fn every_scheme_has_a_name_an_identifier_and_one_kind_of_key() {
        assert_eq!(
            Scheme::ALL.len(),
            if cfg!(feature = "gost") { 20 } else { 16 }
        );
        for scheme in Scheme::ALL {
            assert_eq!(scheme.name().parse(), Ok(*scheme));
            assert_eq!(scheme.to_string().to_uppercase().parse(), Ok(*scheme));
            let fitting: Vec<_> = KEYS.iter().filter(|key| scheme.fits(key)).collect();
            assert_eq!(fitting.len(), 1, "{scheme}");
            let algorithm = scheme.algorithm_identifier();
            for key in KEYS {
                let read = Scheme::from_algorithm_identifier(&algorithm, key);
                match scheme.fits(key) {
                    true => assert_eq!(read, Ok(*scheme)),
                    false => assert_ne!(read, Ok(*scheme)),
                }
            }
        }
        let error = "md5".parse::<Scheme>().unwrap_err().to_string();
        assert!(error.contains("`md5`") && error.contains("ecdsa-p521-sha512, ed25519"));
    }

    #[test]
    fn defaults_fit() {
        for key in KEYS {
            assert!(Scheme::default_for(key).unwrap().fits(key));
        }
        assert_eq!(Scheme::default_for(&KeyType::Other(P256.oid())), None);
    }

    /// As `openssl dgst`'s PSS certificates have it.
    #[test]
    fn pss_identifier_is_der() {
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        assert_eq!(
            hex(&Scheme::RsaPssSha256
                .algorithm_identifier()
                .to_der()
                .unwrap()),
            "304106092a864886f70d01010a3034\
             a00f300d06096086480165030402010500\
             a11c301a06092a864886f70d010108300d06096086480165030402010500\
             a203020120"
        );
        assert_eq!(
            hex(&Scheme::RsaPkcs1Sha256
                .algorithm_identifier()
                .to_der()
                .unwrap()),
            "300d06092a864886f70d01010b0500"
        );
    }

    #[test]
    fn parameters_that_are_not_ours_are_refused() {
        let rsa = KEYS[0];
        let read = |scheme: Scheme, parameters: Option<Any>, key| {
            let mut algorithm = scheme.algorithm_identifier();
            algorithm.parameters = parameters;
            Scheme::from_algorithm_identifier(&algorithm, &key)
        };
        let refused = |result| matches!(result, Err(SchemeError::Parameters { .. }));

        assert_eq!(
            read(Scheme::RsaPkcs1Sha384, None, rsa),
            Ok(Scheme::RsaPkcs1Sha384)
        );
        let number = Any::new(der::Tag::Integer, [1]).unwrap();
        assert!(refused(read(Scheme::RsaPkcs1Sha384, Some(number), rsa)));
        assert!(refused(read(
            Scheme::EcdsaP256Sha256,
            Some(Any::null()),
            KeyType::Ec(P256)
        )));
        assert!(refused(read(
            Scheme::Ed25519,
            Some(Any::null()),
            KeyType::Ed25519
        )));
        // Absent PSS parameters, and an empty sequence, mean SHA-1.
        assert!(refused(read(Scheme::RsaPssSha256, None, rsa)));
        let empty = Any::new(der::Tag::Sequence, []).unwrap();
        assert!(refused(read(Scheme::RsaPssSha256, Some(empty), rsa)));

        let mut unknown = Scheme::Ed25519.algorithm_identifier();
        unknown.oid = P256.oid();
        assert!(matches!(
            Scheme::from_algorithm_identifier(&unknown, &rsa),
            Err(SchemeError::UnknownAlgorithm { .. })
        ));
    }
}
