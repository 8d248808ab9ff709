//! Certificates: what one says, and the key it carries.

mod identifier;
pub(crate) mod name;
mod national;
mod qualified;
mod subject;
mod usage;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use der::asn1::ObjectIdentifier;
use der::{Decode, Encode, Reader, SliceReader};

pub use identifier::{Identifier, IdentifierKind, IdentifierScheme};
pub use national::{IdentificationKind, IssuerSignTool, KazakhRole, SecurityClass};
pub use qualified::{QcLimit, QcStatements, QcType};
pub use subject::Owner;
#[cfg(feature = "cms")]
pub(crate) use usage::DOCUMENT_USAGES;

use crate::{Error, PublicKey, Scheme, pem};

const PEM_LABEL: &str = "CERTIFICATE";

/// An X.509 certificate (RFC 5280).
///
/// It is read, not trusted: that its signature is right, that its issuer is known, and that it is
/// not revoked are questions of their own. Two certificates are equal if their bytes are. `Clone`
/// is cheap.
///
/// # Example
/// ```no_run
/// use keyfob::Certificate;
///
/// let certificate = Certificate::read("me.crt")?;
/// println!("{}, issued by {}", certificate.subject(), certificate.issuer());
/// println!("valid now: {}", certificate.is_valid_at(std::time::SystemTime::now()));
/// # Ok::<(), keyfob::CertificateError>(())
/// ```
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    x509: x509_cert::Certificate,
    /// Filled when it is first asked for.
    key: OnceLock<PublicKey>,
}

impl Certificate {
    /// Reads a DER certificate.
    ///
    /// Zero bytes after its end are dropped: some tokens hold a certificate (`CKA_VALUE`) in a file
    /// of fixed size. Anything else after its end is an error.
    ///
    /// # Errors
    /// [`CertificateError::Der`].
    ///
    /// # Example
    /// ```
    /// use keyfob::{Certificate, CertificateError};
    ///
    /// let broken = Certificate::from_der(b"0\x03abc");
    /// assert!(matches!(broken, Err(CertificateError::Der(_))));
    /// ```
    pub fn from_der(bytes: &[u8]) -> Result<Self, CertificateError> {
        let der = without_padding(bytes).map_err(CertificateError::Der)?;
        let x509 = x509_cert::Certificate::from_der(der).map_err(CertificateError::Der)?;
        Ok(Self(Arc::new(Inner {
            der: der.to_vec(),
            x509,
            key: OnceLock::new(),
        })))
    }

    /// Reads the first `CERTIFICATE` block of a PEM text (RFC 7468 section 5).
    ///
    /// Text before and after the block is passed over, and lines may have any length.
    ///
    /// # Errors
    /// [`CertificateError::Pem`] where there is none, [`CertificateError::Der`].
    ///
    /// # Example
    /// ```
    /// use keyfob::{Certificate, CertificateError};
    ///
    /// let none = Certificate::from_pem("-----BEGIN PUBLIC KEY-----");
    /// assert!(matches!(none, Err(CertificateError::Pem)));
    /// ```
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        Self::from_der(&pem::decode(pem, PEM_LABEL).ok_or(CertificateError::Pem)?)
    }

    /// Reads a certificate that is DER or PEM, whichever it is.
    ///
    /// # Errors
    /// [`CertificateError::Der`], [`CertificateError::Pem`].
    ///
    /// # Example
    /// ```no_run
    /// let bytes = std::fs::read("me.crt")?;
    /// let certificate = keyfob::Certificate::from_bytes(&bytes)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        match bytes.first() {
            // A DER SEQUENCE. As PEM text it would begin with the digit zero.
            Some(0x30) => Self::from_der(bytes),
            // Text around the block may be in any encoding.
            _ => Self::from_pem(&String::from_utf8_lossy(bytes)),
        }
    }

    /// Reads a certificate file, DER or PEM.
    ///
    /// # Errors
    /// [`CertificateError::Read`] where the file cannot be read, and those of
    /// [`from_bytes`](Self::from_bytes).
    ///
    /// # Example
    /// ```
    /// use keyfob::{Certificate, CertificateError};
    ///
    /// let missing = Certificate::read("/no/such/file");
    /// assert!(matches!(missing, Err(CertificateError::Read { .. })));
    /// ```
    pub fn read(path: impl AsRef<Path>) -> Result<Self, CertificateError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| CertificateError::Read {
            path: path.to_owned(),
            error,
        })?;
        Self::from_bytes(&bytes)
    }

    /// The DER bytes, as they were read but for padding.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// assert_eq!(keyfob::Certificate::from_der(certificate.der())?, certificate);
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate as PEM (RFC 7468 section 5), with `\n` at its line ends.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// assert!(certificate.to_pem().starts_with("-----BEGIN CERTIFICATE-----\n"));
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn to_pem(&self) -> String {
        pem::encode(self.der(), PEM_LABEL)
    }

    /// The subject, as RFC 4514 writes it: the most specific part first, special characters
    /// escaped.
    ///
    /// Besides the names of RFC 4514, the usual ones are used where there are some: `SN`, `GN`,
    /// `serialNumber`, `emailAddress`, `INN`, `SNILS`, `OGRN`, …
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// assert_eq!(certificate.subject(), "CN=Ivan Petrov,O=Roga i Kopyta,C=RU");
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn subject(&self) -> String {
        name::to_rfc4514(self.as_x509().tbs_certificate().subject())
    }

    /// The issuer, written as [`subject`](Self::subject).
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// let self_issued = certificate.issuer() == certificate.subject();
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn issuer(&self) -> String {
        name::to_rfc4514(self.as_x509().tbs_certificate().issuer())
    }

    /// The subject's common name, whatever string type it has; the most specific where there are
    /// several.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// println!("{}", certificate.common_name().unwrap_or_else(|| certificate.subject()));
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn common_name(&self) -> Option<String> {
        name::common_name(self.as_x509().tbs_certificate().subject())
    }

    /// The serial number, big-endian without leading zeros; zero is one zero byte.
    ///
    /// RFC 5280 wants it positive. One that is negative all the same is given in two's complement.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// assert!(certificate.serial().len() <= 21);
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn serial(&self) -> &[u8] {
        let serial = self.as_x509().tbs_certificate().serial_number().as_bytes();
        match serial {
            // DER's own zero, which keeps a number with its highest bit set positive.
            [0, rest @ ..] if !rest.is_empty() => rest,
            _ => serial,
        }
    }

    /// The serial number in lower-case hexadecimal, two digits a byte.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// println!("serial {}", certificate.serial_hex());
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn serial_hex(&self) -> String {
        let digits = self.serial().iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }

    /// From when it is valid, to the second.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// assert!(certificate.not_before() < certificate.not_after());
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn not_before(&self) -> SystemTime {
        let validity = self.as_x509().tbs_certificate().validity();
        validity.not_before.to_system_time()
    }

    /// Until when it is valid, to the second.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// let left = certificate.not_after().duration_since(std::time::SystemTime::now());
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn not_after(&self) -> SystemTime {
        let validity = self.as_x509().tbs_certificate().validity();
        validity.not_after.to_system_time()
    }

    /// Whether `time` is within the validity, both ends included (RFC 5280 section 4.1.2.5).
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// assert!(certificate.is_valid_at(certificate.not_before()));
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn is_valid_at(&self, time: SystemTime) -> bool {
        self.not_before() <= time && time <= self.not_after()
    }

    /// How many whole days it is valid after `time`; negative where it has expired.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// if certificate.days_left(std::time::SystemTime::now()) < 30 {
    ///     eprintln!("time for a new certificate");
    /// }
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn days_left(&self, time: SystemTime) -> i64 {
        let days = |time: Duration| i64::try_from(time.as_secs() / (24 * 60 * 60));
        match self.not_after().duration_since(time) {
            Ok(left) => days(left).unwrap_or(i64::MAX),
            Err(past) => days(past.duration()).map_or(i64::MIN, |days| -1 - days),
        }
    }

    /// The public key.
    ///
    /// # Errors
    /// [`Error::PublicKey`] where it is malformed; a key of an algorithm unknown here is no error.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// println!("{}", certificate.public_key()?.key_type());
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn public_key(&self) -> Result<PublicKey, Error> {
        if let Some(key) = self.0.key.get() {
            return Ok(key.clone());
        }
        let spki = self.as_x509().tbs_certificate().subject_public_key_info();
        let der = spki.to_der().map_err(CertificateError::Der)?;
        let key = PublicKey::from_spki_der(&der)?;
        Ok(self.0.key.get_or_init(|| key).clone())
    }

    /// Verifies a signature with the certificate's key: see [`PublicKey::verify`].
    ///
    /// # Errors
    /// Those of [`public_key`](Self::public_key) and [`PublicKey::verify`].
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// # let signature = [0; 256];
    /// certificate.verify(keyfob::Scheme::RsaPkcs1Sha256, b"message", signature)?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn verify(
        &self,
        scheme: Scheme,
        message: &[u8],
        signature: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        self.public_key()?.verify(scheme, message, signature)
    }

    /// Verifies a signature of a message with this digest: see [`PublicKey::verify_digest`].
    ///
    /// # Errors
    /// Those of [`public_key`](Self::public_key) and [`PublicKey::verify_digest`].
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// # let (digest, signature) = ([0; 32], [0; 256]);
    /// certificate.verify_digest(keyfob::Scheme::RsaPkcs1Sha256, &digest, signature)?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn verify_digest(
        &self,
        scheme: Scheme,
        digest: &[u8],
        signature: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        self.public_key()?.verify_digest(scheme, digest, signature)
    }

    /// Verifies a signature of all that `message` gives: see [`PublicKey::verify_reader`].
    ///
    /// # Errors
    /// Those of [`public_key`](Self::public_key) and [`PublicKey::verify_reader`].
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// # let signature = [0; 256];
    /// let document = std::fs::File::open("contract.pdf")?;
    /// certificate.verify_reader(keyfob::Scheme::RsaPkcs1Sha256, document, signature)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify_reader(
        &self,
        scheme: Scheme,
        message: impl Read,
        signature: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        self.public_key()?.verify_reader(scheme, message, signature)
    }

    /// The whole certificate, for what is not here.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// let extensions = certificate.as_x509().tbs_certificate().extensions();
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn as_x509(&self) -> &x509_cert::Certificate {
        &self.0.x509
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl Hash for Certificate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.der().hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("serial", &self.serial_hex())
            .finish_non_exhaustive()
    }
}

/// Why a certificate could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The bytes are no DER certificate.
    #[error(
        "the certificate is not DER as RFC 5280 wants it ({0}); check that it is a certificate and whole"
    )]
    Der(der::Error),
    /// One of its extensions cannot be read, or is there twice.
    #[error(
        "the extension {oid} of the certificate cannot be read ({error}); ask whoever issued it for a sound one"
    )]
    Extension {
        /// The extension.
        oid: ObjectIdentifier,
        /// Why.
        error: der::Error,
    },
    /// The text holds no `CERTIFICATE` block.
    #[error(
        "there is no readable PEM block `CERTIFICATE` in the text; give a certificate in PEM or DER"
    )]
    Pem,
    /// The file could not be read.
    #[error("the certificate file {path:?} could not be read: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

/// The outer SEQUENCE, where only zeros follow it; all the bytes otherwise.
fn without_padding(bytes: &[u8]) -> der::Result<&[u8]> {
    let whole = SliceReader::new(bytes)?.tlv_bytes()?;
    let rest = bytes.get(whole.len()..).unwrap_or_default();
    match rest.iter().all(|byte| *byte == 0) {
        true => Ok(whole),
        false => Ok(bytes),
    }
}
