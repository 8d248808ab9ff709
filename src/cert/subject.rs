//! Who signed: the owner's names, in their own script.

use der::asn1::ObjectIdentifier;
use x509_cert::name::Name;

use super::{Certificate, name};

/// The parts of a name that people go by (RFC 4519, RFC 5280 section 4.1.2.4).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SURNAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.4");
const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
const LOCALITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.7");
const REGION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.8");
const STREET: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.9");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
const TITLE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.12");
const GIVEN_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.42");
const EMAIL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// The owner of a certificate, or its issuer, as the certificate names them.
///
/// Each part is text whatever string type it has in the certificate. Where one is there several
/// times, the last and most specific counts, but for those that give all.
///
/// # Example
/// ```no_run
/// # let certificate = keyfob::Certificate::read("me.crt")?;
/// let owner = certificate.owner();
/// println!("{:?} of {:?}", owner.person(), owner.organization());
/// # Ok::<(), keyfob::CertificateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// From the general to the specific.
    parts: Vec<(ObjectIdentifier, String)>,
}

impl Certificate {
    /// The owner, as the subject names them. It is what the issuer vouches for, and worth as much
    /// as the issuer is: see [`trust`](crate::trust).
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// println!("{:?}", certificate.owner().organization());
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn owner(&self) -> Owner {
        Owner::new(self.as_x509().tbs_certificate().subject())
    }

    /// The issuer, named in the same way.
    pub fn issued_by(&self) -> Owner {
        Owner::new(self.as_x509().tbs_certificate().issuer())
    }
}

impl Owner {
    fn new(name: &Name) -> Self {
        let text = |pair: &x509_cert::attr::AttributeTypeAndValue| {
            name::text(&pair.value).map(|text| (pair.oid, text))
        };
        Self {
            parts: name.iter().filter_map(text).collect(),
        }
    }

    /// The person's name: given name and surname, in the order of the certificate's country; the
    /// common name where these are not there and there is no organization of that name.
    ///
    /// In Russia the surname comes first, and the given name holds the patronymic too. In Kazakhstan
    /// the common name is the surname and the name, and the given name is the patronymic alone.
    pub fn person(&self) -> Option<String> {
        let (given, surname) = (self.given_name(), self.surname());
        let surname_first = matches!(self.country(), Some("RU" | "KZ" | "BY" | "KG"));
        match (given, surname) {
            (Some(patronymic), Some(_)) if self.country() == Some("KZ") => {
                let name = self.common_name()?;
                match name.ends_with(patronymic) {
                    true => Some(name.to_owned()),
                    false => Some(format!("{name} {patronymic}")),
                }
            }
            (Some(given), Some(surname)) if surname_first => Some(format!("{surname} {given}")),
            (Some(given), Some(surname)) => Some(format!("{given} {surname}")),
            _ => {
                let name = self.common_name()?;
                (self.organization() != Some(name)).then(|| name.to_owned())
            }
        }
    }

    /// The common name: a person's whole name, or an organization's.
    pub fn common_name(&self) -> Option<&str> {
        self.last(COMMON_NAME)
    }

    /// The given name; in Russian certificates with the patronymic, in Kazakh ones that alone.
    pub fn given_name(&self) -> Option<&str> {
        self.last(GIVEN_NAME)
    }

    /// The surname.
    pub fn surname(&self) -> Option<&str> {
        self.last(SURNAME)
    }

    /// The organization.
    pub fn organization(&self) -> Option<&str> {
        self.last(ORGANIZATION)
    }

    /// The units of the organization, from the large to the small.
    pub fn units(&self) -> impl Iterator<Item = &str> {
        self.all(UNIT)
    }

    /// What the person is in the organization.
    pub fn title(&self) -> Option<&str> {
        self.last(TITLE)
    }

    /// The country, two letters (ISO 3166-1).
    pub fn country(&self) -> Option<&str> {
        self.last(COUNTRY)
    }

    /// The region: state, province, oblast.
    pub fn region(&self) -> Option<&str> {
        self.last(REGION)
    }

    /// The town.
    pub fn locality(&self) -> Option<&str> {
        self.last(LOCALITY)
    }

    /// The street and house.
    pub fn street(&self) -> Option<&str> {
        self.last(STREET)
    }

    /// The e-mail addresses in the name.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        self.all(EMAIL)
    }

    /// The attribute serialNumber, as it is: a number that tells people of one name apart. What it
    /// means is in [`identifiers`](Self::identifiers), where that is known.
    pub fn serial_number(&self) -> Option<&str> {
        self.last(SERIAL_NUMBER)
    }

    /// All parts in the order of the certificate, which goes from the general to the specific.
    pub fn parts(&self) -> &[(ObjectIdentifier, String)] {
        &self.parts
    }

    fn all(&self, oid: ObjectIdentifier) -> impl Iterator<Item = &str> {
        let here = self.parts.iter().filter(move |(known, _)| *known == oid);
        here.map(|(_, text)| text.as_str())
    }

    fn last(&self, oid: ObjectIdentifier) -> Option<&str> {
        self.all(oid).last()
    }
}
