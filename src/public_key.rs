//! Public keys: from a certificate, a file, or the attributes a token shows.

#[cfg(feature = "gost")]
mod gost_key;
mod key_type;
mod point;
mod rsa_key;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::{fmt, ptr};

use der::asn1::{AnyRef, BitStringRef};
#[cfg(feature = "gost")]
use der::referenced::OwnedToRef;
use der::{Decode, Document, Encode};
use spki::{AlgorithmIdentifierRef, EncodePublicKey, SubjectPublicKeyInfoRef};

pub use key_type::{Curve, KeyType};
pub(crate) use rsa_key::RSA_BITS;
use rsa_key::RsaUse;

use crate::Scheme;
#[cfg(feature = "gost")]
use crate::gost::{GostKey, GostParameterSet};
use crate::pem;
#[cfg(feature = "gost")]
use crate::scheme::{Family, GostStandard};

const PEM_LABEL: &str = "PUBLIC KEY";

/// A public key.
///
/// Holds any key that has a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), also of algorithms
/// unknown here ([`KeyType::Other`]), so that whatever a token holds can be shown and paired with
/// its certificate. Keys of known algorithms are checked when they are made: an RSA modulus has a
/// sane size, a point is on its curve.
///
/// Two keys are equal if they are the same key, however each was written: points compressed or
/// not, `id-RSASSA-PSS` or `rsaEncryption`, a curve of GOST R 34.10 by whichever of its names.
/// `Clone` is cheap.
///
/// # Example
/// ```
/// use keyfob::{Curve, KeyType, PublicKey};
///
/// let key = PublicKey::from_pem(
///     "-----BEGIN PUBLIC KEY-----
/// MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7
/// Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==
/// -----END PUBLIC KEY-----",
/// )?;
/// assert_eq!(key.key_type(), KeyType::Ec(Curve::P256));
/// assert_eq!(PublicKey::from_spki_der(key.spki_der())?, key);
/// # Ok::<(), keyfob::PublicKeyError>(())
/// ```
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    key_type: KeyType,
    material: Material,
    /// One spelling for each key; what equality and hashing go by.
    canonical: Vec<u8>,
    /// Where the key is spelled otherwise: its SubjectPublicKeyInfo.
    written: Option<Vec<u8>>,
    allowed: Allowed,
}

/// What a key says that it is for.
enum Allowed {
    Anything,
    /// RSA-PSS alone.
    Pss(RsaUse),
    #[cfg(feature = "gost")]
    Gost(GostStandard),
}

/// What a signature is verified with.
pub(crate) enum Material {
    /// `None`: larger or smaller than signatures are verified with, see `verify.rs`.
    Rsa(Option<Box<rsa::RsaPublicKey>>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    P521(Box<p521::ecdsa::VerifyingKey>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    #[cfg(feature = "gost")]
    Gost(GostKey),
    Other,
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    ///
    /// # Errors
    /// [`PublicKeyError::Der`] where `der` is no such structure,
    /// [`PublicKeyError::Malformed`] where a key of a known algorithm is broken. An unknown
    /// algorithm is not an error.
    ///
    /// # Example
    /// ```
    /// use keyfob::{KeyType, PublicKey};
    ///
    /// let header = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    /// let mut base_point = [0x66; 32];
    /// base_point[0] = 0x58;
    /// let key = PublicKey::from_spki_der(&[&header[..], &base_point].concat())?;
    /// assert_eq!(key.key_type(), KeyType::Ed25519);
    /// # Ok::<(), keyfob::PublicKeyError>(())
    /// ```
    pub fn from_spki_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        Self::from_spki(SubjectPublicKeyInfoRef::from_der(der).map_err(PublicKeyError::Der)?)
    }

    /// Reads the first `PUBLIC KEY` block of a PEM text (RFC 7468 section 13).
    ///
    /// # Errors
    /// [`PublicKeyError::Pem`] where there is none, and those of
    /// [`from_spki_der`](Self::from_spki_der).
    ///
    /// # Example
    /// ```
    /// use keyfob::{PublicKey, PublicKeyError};
    ///
    /// assert!(matches!(PublicKey::from_pem("no key here"), Err(PublicKeyError::Pem)));
    /// ```
    pub fn from_pem(pem: &str) -> Result<Self, PublicKeyError> {
        Self::from_spki_der(&pem::decode(pem, PEM_LABEL).ok_or(PublicKeyError::Pem)?)
    }

    /// Makes an RSA key of its two numbers, both big-endian, as a token's `CKA_MODULUS` and
    /// `CKA_PUBLIC_EXPONENT` hold them. Leading zeros do not matter.
    ///
    /// # Errors
    /// [`PublicKeyError::Malformed`] where the modulus is even or not of 512 to 16,384 bits, or the
    /// exponent even, below 3, or not below the modulus.
    ///
    /// # Example
    /// ```
    /// use keyfob::{KeyType, PublicKey};
    ///
    /// let mut modulus = vec![0xc5; 256];
    /// let key = PublicKey::from_rsa(&modulus, &[1, 0, 1])?;
    /// assert_eq!(key.key_type(), KeyType::Rsa { bits: 2048 });
    ///
    /// modulus.insert(0, 0);
    /// assert_eq!(PublicKey::from_rsa(&modulus, &[0, 1, 0, 1])?, key);
    /// # Ok::<(), keyfob::PublicKeyError>(())
    /// ```
    pub fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, PublicKeyError> {
        Self::rsa(modulus, exponent, None)
    }

    /// Makes a key of a token's `CKA_EC_PARAMS` and `CKA_EC_POINT` (PKCS#11 3.1 section 6.3.3).
    ///
    /// `ec_params` is DER: see [`KeyType::from_ec_params`]. Tokens disagree about `ec_point`: the
    /// point may be bare (`04‖X‖Y`, or 32 bytes for Ed25519) or wrapped in a DER OCTET STRING or
    /// BIT STRING. The curve's size decides which it is, since a bare point and an OCTET STRING both
    /// begin with `04`. Compressed points are expanded.
    ///
    /// A point on a curve unknown here is kept ([`KeyType::Other`]); it is taken as wrapped where it
    /// reads as an OCTET STRING with a point inside.
    ///
    /// # Errors
    /// [`PublicKeyError::EcParams`] where the parameters cannot be read,
    /// [`PublicKeyError::Malformed`] where the point has neither form or is not on the curve.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Curve, KeyType, PublicKey};
    ///
    /// let p256 = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    /// // The curve's base point, compressed.
    /// let point = [
    ///     0x03, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4,
    ///     0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8,
    ///     0x98, 0xc2, 0x96,
    /// ];
    /// let bare = PublicKey::from_ec(&p256, &point)?;
    /// assert_eq!(bare.key_type(), KeyType::Ec(Curve::P256));
    ///
    /// let wrapped = [&[0x04, 0x21][..], &point].concat();
    /// assert_eq!(PublicKey::from_ec(&p256, &wrapped)?, bare);
    /// # Ok::<(), keyfob::PublicKeyError>(())
    /// ```
    pub fn from_ec(ec_params: &[u8], ec_point: &[u8]) -> Result<Self, PublicKeyError> {
        match KeyType::from_ec_params(ec_params)? {
            KeyType::Ec(curve) => Self::on_curve(curve, point::unwrap_ec(curve, ec_point)?),
            KeyType::Ed25519 => Self::ed25519(point::unwrap_ed25519(ec_point)?),
            unknown => {
                let parameters = AnyRef::from_der(ec_params).map_err(PublicKeyError::Der)?;
                let algorithm = match unknown {
                    // The curves of RFC 8410 are algorithms of their own, without parameters.
                    KeyType::Other(oid) if key_type::is_rfc8410(oid) => AlgorithmIdentifierRef {
                        oid,
                        parameters: None,
                    },
                    _ => AlgorithmIdentifierRef {
                        oid: key_type::EC_PUBLIC_KEY,
                        parameters: Some(parameters),
                    },
                };
                let spki = encode(algorithm, point::unwrap_unknown(ec_point))?;
                Ok(Self::other(unknown, spki))
            }
        }
    }

    /// Makes a key of GOST R 34.10 of a token's `CKA_GOSTR3410_PARAMS` and `CKA_VALUE` (PKCS#11 3.1
    /// section 6.46.4): the DER object identifier of the parameter set, and both coordinates, each
    /// little-endian. Some modules wrap the latter in a DER OCTET STRING.
    ///
    /// # Errors
    /// [`PublicKeyError::Malformed`] where the parameter set is unknown, or the point has a wrong
    /// length, is not on the curve or of small order.
    ///
    /// # Example
    /// ```
    /// use keyfob::{GostParameterSet, KeyType, PublicKey};
    ///
    /// // CryptoPro-A, and its base point.
    /// let parameters = [0x06, 0x07, 0x2a, 0x85, 0x03, 0x02, 0x02, 0x23, 0x01];
    /// let mut point = [0; 64];
    /// point[0] = 1;
    /// point[32..].copy_from_slice(&[
    ///     0x14, 0x1e, 0x9f, 0x9e, 0x9c, 0xc9, 0xac, 0x22, 0xb1, 0xe3, 0x23, 0xdf, 0x2d, 0x4f, 0x29,
    ///     0x35, 0x76, 0x2b, 0x3f, 0x45, 0x5a, 0x50, 0xdf, 0x27, 0xda, 0x9c, 0x98, 0xe0, 0x71, 0xe4,
    ///     0x91, 0x8d,
    /// ]);
    /// let key = PublicKey::from_gost(&parameters, &point)?;
    /// assert_eq!(key.key_type(), KeyType::Gost256(GostParameterSet::CryptoProA));
    /// # Ok::<(), keyfob::PublicKeyError>(())
    /// ```
    #[cfg(feature = "gost")]
    pub fn from_gost(parameters: &[u8], value: &[u8]) -> Result<Self, PublicKeyError> {
        let set = gost_key::set_of_token(parameters)?;
        Self::gost(set, gost_key::unwrap(set, value), None)
    }

    /// The algorithm and size.
    ///
    /// # Example
    /// ```
    /// # let key = keyfob::PublicKey::from_rsa(&[0xc5; 256], &[1, 0, 1])?;
    /// assert_eq!(key.key_type().to_string(), "RSA-2048");
    /// # Ok::<(), keyfob::PublicKeyError>(())
    /// ```
    pub fn key_type(&self) -> KeyType {
        self.0.key_type
    }

    /// The DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    ///
    /// RSA keys have NULL parameters (RFC 8017 appendix A.1), points are uncompressed; a key that
    /// was read as `id-RSASSA-PSS` (RFC 4055 section 3.1), or by the standards of GOST R 34.10-2001 or of
    /// Kazakhstan, keeps that form.
    ///
    /// # Example
    /// ```
    /// # let key = keyfob::PublicKey::from_rsa(&[0xc5; 256], &[1, 0, 1])?;
    /// assert_eq!(keyfob::PublicKey::from_spki_der(key.spki_der())?, key);
    /// # Ok::<(), keyfob::PublicKeyError>(())
    /// ```
    pub fn spki_der(&self) -> &[u8] {
        self.0.written.as_ref().unwrap_or(&self.0.canonical)
    }

    /// The SubjectPublicKeyInfo as PEM (RFC 7468 section 13), with `\n` at its line ends.
    ///
    /// # Example
    /// ```
    /// # let key = keyfob::PublicKey::from_rsa(&[0xc5; 256], &[1, 0, 1])?;
    /// assert!(key.to_pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    /// assert_eq!(keyfob::PublicKey::from_pem(&key.to_pem())?, key);
    /// # Ok::<(), keyfob::PublicKeyError>(())
    /// ```
    pub fn to_pem(&self) -> String {
        pem::encode(self.spki_der(), PEM_LABEL)
    }

    pub(crate) fn material(&self) -> &Material {
        &self.0.material
    }

    /// Whether what the key says of its own use leaves room for `scheme`: an `id-RSASSA-PSS` key
    /// is for PSS alone, and may name the one digest it is for (RFC 4055 section 1.2); one of GOST
    /// R 34.10 names a standard.
    pub(crate) fn permits(&self, scheme: Scheme) -> bool {
        match self.0.allowed {
            Allowed::Anything => true,
            Allowed::Pss(allowed) => allowed.permits(scheme),
            #[cfg(feature = "gost")]
            Allowed::Gost(standard) => {
                matches!(scheme.family(), Family::Gost(gost) if gost.standard == standard)
            }
        }
    }

    fn from_spki(spki: SubjectPublicKeyInfoRef<'_>) -> Result<Self, PublicKeyError> {
        let AlgorithmIdentifierRef { oid, parameters } = spki.algorithm;
        let bits = spki.subject_public_key;
        match oid {
            rsa_key::RSA_ENCRYPTION | rsa_key::RSASSA_PSS => {
                let (modulus, exponent) = rsa_key::from_der(whole_bytes(bits)?)?;
                let pss = match oid {
                    rsa_key::RSASSA_PSS => Some((
                        spki.to_der().map_err(PublicKeyError::Der)?,
                        RsaUse::from_pss_parameters(parameters)?,
                    )),
                    // RFC 8017 appendix A.1 wants NULL; certificates without it are about.
                    _ if parameters.is_none_or(AnyRef::is_null) => None,
                    _ => return Err(malformed("RSA", "its parameters are not NULL")),
                };
                Self::rsa(modulus, exponent, pss)
            }
            key_type::EC_PUBLIC_KEY => {
                let parameters = parameters.ok_or(PublicKeyError::EcParams)?;
                let parameters = parameters.to_der().map_err(PublicKeyError::Der)?;
                match KeyType::from_ec_params(&parameters)? {
                    KeyType::Ec(curve) => Self::on_curve(curve, whole_bytes(bits)?),
                    unknown @ KeyType::Other(_) => {
                        let spki = spki.to_der().map_err(PublicKeyError::Der)?;
                        Ok(Self::other(unknown, spki))
                    }
                    _ => Err(PublicKeyError::EcParams),
                }
            }
            key_type::ED25519 => {
                if parameters.is_some() {
                    return Err(malformed(
                        "Ed25519",
                        "it has parameters, RFC 8410 forbids them",
                    ));
                }
                let bytes = whole_bytes(bits)?;
                Self::ed25519(bytes.try_into().map_err(|_| ED25519_LENGTH)?)
            }
            _ => {
                let written = spki.to_der().map_err(PublicKeyError::Der)?;
                #[cfg(feature = "gost")]
                if let Some(named) = gost_key::named(spki.algorithm) {
                    let point = gost_key::point_of(whole_bytes(bits)?)?;
                    let other = Some((written, named.standard));
                    let other = other.filter(|(_, one)| *one != GostStandard::Russia2012);
                    return Self::gost(named.set, point, other);
                }
                Ok(Self::other(KeyType::Other(oid), written))
            }
        }
    }

    fn rsa(
        modulus: &[u8],
        exponent: &[u8],
        pss: Option<(Vec<u8>, RsaUse)>,
    ) -> Result<Self, PublicKeyError> {
        let (bits, key) = rsa_key::from_numbers(modulus, exponent)?;
        let algorithm = AlgorithmIdentifierRef {
            oid: rsa_key::RSA_ENCRYPTION,
            parameters: Some(AnyRef::NULL),
        };
        let numbers = rsa_key::to_der(modulus, exponent).map_err(PublicKeyError::Der)?;
        let (written, allowed) = pss.unzip();
        Ok(Self(Arc::new(Inner {
            key_type: KeyType::Rsa { bits },
            material: Material::Rsa(key),
            canonical: encode(algorithm, &numbers)?,
            written,
            allowed: allowed.map_or(Allowed::Anything, Allowed::Pss),
        })))
    }

    /// A point in SEC 1 form, compressed or not, that must be on the curve.
    fn on_curve(curve: Curve, point: &[u8]) -> Result<Self, PublicKeyError> {
        let (material, uncompressed) = point::read(curve, point)?;
        let curve_oid = curve.oid();
        let algorithm = AlgorithmIdentifierRef {
            oid: key_type::EC_PUBLIC_KEY,
            parameters: Some(AnyRef::from(&curve_oid)),
        };
        Ok(Self(Arc::new(Inner {
            key_type: KeyType::Ec(curve),
            material,
            canonical: encode(algorithm, &uncompressed)?,
            written: None,
            allowed: Allowed::Anything,
        })))
    }

    fn ed25519(bytes: &[u8; 32]) -> Result<Self, PublicKeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map_err(|_| malformed("Ed25519", "it is not a point of the curve"))?;
        let algorithm = AlgorithmIdentifierRef {
            oid: key_type::ED25519,
            parameters: None,
        };
        Ok(Self(Arc::new(Inner {
            key_type: KeyType::Ed25519,
            material: Material::Ed25519(Box::new(key)),
            canonical: encode(algorithm, bytes)?,
            written: None,
            allowed: Allowed::Anything,
        })))
    }

    /// `point` is both coordinates, each little-endian; `written` is how the key stood by another
    /// standard than that of 2012.
    #[cfg(feature = "gost")]
    fn gost(
        set: GostParameterSet,
        point: &[u8],
        written: Option<(Vec<u8>, GostStandard)>,
    ) -> Result<Self, PublicKeyError> {
        let key = GostKey::from_bytes(set, point).map_err(gost_key::broken)?;
        let spelled = |set| {
            let algorithm = gost_key::algorithm(set).map_err(PublicKeyError::Der)?;
            let point = gost_key::to_der(point).map_err(PublicKeyError::Der)?;
            encode(algorithm.owned_to_ref(), &point)
        };
        let (written, allowed) = match written {
            Some((written, standard)) => (Some(written), Allowed::Gost(standard)),
            None if set == set.curve() => (None, Allowed::Anything),
            None => (Some(spelled(set)?), Allowed::Anything),
        };
        Ok(Self(Arc::new(Inner {
            key_type: KeyType::gost(set),
            material: Material::Gost(key),
            canonical: spelled(set.curve())?,
            written,
            allowed,
        })))
    }

    fn other(key_type: KeyType, spki: Vec<u8>) -> Self {
        Self(Arc::new(Inner {
            key_type,
            material: Material::Other,
            canonical: spki,
            written: None,
            allowed: Allowed::Anything,
        }))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(&*self.0, &*other.0) || self.0.canonical == other.0.canonical
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.canonical.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.key_type())
    }
}

impl EncodePublicKey for PublicKey {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::try_from(self.spki_der())?)
    }
}

impl TryFrom<SubjectPublicKeyInfoRef<'_>> for PublicKey {
    type Error = spki::Error;

    fn try_from(spki: SubjectPublicKeyInfoRef<'_>) -> spki::Result<Self> {
        Self::from_spki(spki).map_err(|error| match error {
            PublicKeyError::Der(error) => error.into(),
            _ => spki::Error::KeyMalformed,
        })
    }
}

/// Why a public key could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The bytes are no DER SubjectPublicKeyInfo.
    #[error(
        "the public key is not a DER SubjectPublicKeyInfo ({0}); give the key alone, in SPKI form, not a certificate or a PKCS#1 file"
    )]
    Der(der::Error),
    /// The text holds no `PUBLIC KEY` block.
    #[error(
        "there is no readable PEM block `PUBLIC KEY` in the text; `openssl pkey -pubout` writes one"
    )]
    Pem,
    /// The key is of a known algorithm, and broken.
    #[error(
        "the {algorithm} public key is malformed: {reason}; it cannot be used, ask whoever issued it for a sound one"
    )]
    Malformed {
        /// Of which algorithm the key claims to be.
        algorithm: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The curve of an EC key could not be read from its parameters (`CKA_EC_PARAMS`).
    #[error(
        "the parameters of the EC key name no curve; a DER object identifier or curve name is wanted"
    )]
    EcParams,
}

const ED25519_LENGTH: PublicKeyError = malformed("Ed25519", "it is not 32 bytes long");

const fn malformed(algorithm: &'static str, reason: &'static str) -> PublicKeyError {
    PublicKeyError::Malformed { algorithm, reason }
}

fn encode(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Result<Vec<u8>, PublicKeyError> {
    let spki = SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key: BitStringRef::from_bytes(key).map_err(PublicKeyError::Der)?,
    };
    spki.to_der().map_err(PublicKeyError::Der)
}

/// The bytes of a BIT STRING that must be a whole number of them.
fn whole_bytes(bits: BitStringRef<'_>) -> Result<&[u8], PublicKeyError> {
    bits.as_bytes()
        .ok_or_else(|| PublicKeyError::Der(der::Tag::BitString.value_error().into()))
}
