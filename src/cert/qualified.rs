//! What makes a certificate a qualified one in the European Union: qcStatements (RFC 3739 section
//! 3.2.6, ETSI EN 319 412-5).

use std::fmt;

use der::asn1::{Any, AnyRef, Ia5StringRef, ObjectIdentifier, PrintableStringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};

use super::{Certificate, CertificateError};

const QC_STATEMENTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.3");

/// id-etsi-qcs
const ETSI: &str = "0.4.0.1862.1.";

/// The statements of a qualified certificate.
///
/// What they say is the issuer's claim. That it may be made is told by the trusted lists of the
/// Union's members, which are not read here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QcStatements {
    /// It is a qualified certificate by the Union's law, or that of [`legislation`](Self::legislation).
    pub compliance: bool,
    /// Its key is in a qualified device for signatures or seals.
    pub secure_device: bool,
    /// What it is for; a signature where it is qualified and this is empty.
    pub types: Vec<QcType>,
    /// For how many years after its end the issuer keeps what it knows of the owner.
    pub retention_years: Option<u32>,
    /// The largest amount that it may be used for.
    pub limit: Option<QcLimit>,
    /// Where the issuer tells of its conditions: address, and language of two letters.
    pub disclosures: Vec<(String, String)>,
    /// The countries beyond the Union by whose law it is qualified, two letters each.
    pub legislation: Vec<String>,
    /// Statements that are not known here.
    pub others: Vec<ObjectIdentifier>,
}

/// What a qualified certificate is for (ETSI EN 319 412-5 section 4.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QcType {
    /// A person's signature.
    Signature,
    /// An organization's seal.
    Seal,
    /// A web site.
    WebSite,
    /// One that is not known here.
    Other(ObjectIdentifier),
}

/// An amount of money: `amount` times ten to the `exponent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QcLimit {
    /// Three letters, or the number of ISO 4217.
    pub currency: String,
    /// How many.
    pub amount: u64,
    /// Of ten.
    pub exponent: i32,
}

impl Certificate {
    /// The statements of a qualified certificate; `None` where it has no such extension.
    ///
    /// # Errors
    /// [`CertificateError::Extension`] where it cannot be read.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// if certificate.qc_statements()?.is_some_and(|statements| statements.compliance) {
    ///     println!("says that it is a qualified one");
    /// }
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn qc_statements(&self) -> Result<Option<QcStatements>, CertificateError> {
        self.extension(QC_STATEMENTS, QcStatements::read)
    }
}

impl QcStatements {
    fn read(der: &[u8]) -> der::Result<Self> {
        let mut statements = Self::default();
        let list = AnyRef::from_der(der)?;
        list.tag().assert_eq(Tag::Sequence)?;
        let mut reader = SliceReader::new(list.value())?;
        while !reader.is_finished() {
            reader.sequence(|reader| {
                let oid: ObjectIdentifier = reader.decode()?;
                let information = match reader.is_finished() {
                    true => None,
                    false => Some(reader.decode::<AnyRef<'_>>()?),
                };
                statements.add(oid, information)
            })?;
        }
        Ok(statements)
    }

    fn add(&mut self, oid: ObjectIdentifier, information: Option<AnyRef<'_>>) -> der::Result<()> {
        let name = oid.to_string();
        let needed = || information.ok_or_else(|| der::Error::from(Tag::Sequence.value_error()));
        match name.strip_prefix(ETSI) {
            Some("1") => self.compliance = true,
            Some("2") => self.limit = Some(limit(needed()?)?),
            Some("3") => self.retention_years = Some(needed()?.decode_as()?),
            Some("4") => self.secure_device = true,
            Some("5") => each(needed()?, |one| {
                let location = one.sequence(|reader| {
                    let address: Ia5StringRef<'_> = reader.decode()?;
                    let language: PrintableStringRef<'_> = reader.decode()?;
                    Ok::<_, der::Error>((address.to_string(), language.to_string()))
                })?;
                self.disclosures.push(location);
                Ok(())
            })?,
            Some("6") => each(needed()?, |one| {
                let oid: ObjectIdentifier = one.decode_as()?;
                self.types.push(QcType::of(oid));
                Ok(())
            })?,
            Some("7") => each(needed()?, |one| {
                let country: PrintableStringRef<'_> = one.decode_as()?;
                self.legislation.push(country.to_string());
                Ok(())
            })?,
            _ => self.others.push(oid),
        }
        Ok(())
    }
}

impl QcType {
    fn of(oid: ObjectIdentifier) -> Self {
        match oid.to_string().strip_prefix("0.4.0.1862.1.6.") {
            Some("1") => Self::Signature,
            Some("2") => Self::Seal,
            Some("3") => Self::WebSite,
            _ => Self::Other(oid),
        }
    }
}

impl fmt::Display for QcType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature => f.write_str("signature"),
            Self::Seal => f.write_str("seal"),
            Self::WebSite => f.write_str("web site"),
            Self::Other(oid) => write!(f, "{oid}"),
        }
    }
}

fn each(list: AnyRef<'_>, mut read: impl FnMut(AnyRef<'_>) -> der::Result<()>) -> der::Result<()> {
    list.tag().assert_eq(Tag::Sequence)?;
    let mut reader = SliceReader::new(list.value())?;
    while !reader.is_finished() {
        read(reader.decode()?)?;
    }
    Ok(())
}

/// MonetaryValue (ETSI EN 319 412-5 section 4.3.2): the currency is text or a number.
fn limit(value: AnyRef<'_>) -> der::Result<QcLimit> {
    value.sequence(|reader| {
        let currency: Any = reader.decode()?;
        let currency = match currency.tag() {
            Tag::Integer => currency.decode_as::<u16>()?.to_string(),
            _ => currency.decode_as::<PrintableStringRef<'_>>()?.to_string(),
        };
        let (amount, exponent) = (reader.decode()?, reader.decode()?);
        Ok(QcLimit {
            currency,
            amount,
            exponent,
        })
    })
}
