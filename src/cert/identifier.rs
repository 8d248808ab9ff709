//! The numbers that a state knows its people and companies by.

mod check_digit;

use std::fmt;

use der::asn1::ObjectIdentifier;

use super::Owner;

const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
const ORGANIZATION_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.97");

/// A national identifier in a name.
///
/// It is shown as it is in the certificate, whatever it is. Whether its check digit is right can be
/// asked; the issuer has vouched for it with a wrong one, too.
///
/// # Example
/// ```no_run
/// # let certificate = keyfob::Certificate::read("me.crt")?;
/// for identifier in certificate.owner().identifiers() {
///     println!("{identifier}");
///     if identifier.check_digit() == Some(false) {
///         eprintln!("there is a mistake in it");
///     }
/// }
/// # Ok::<(), keyfob::CertificateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    kind: IdentifierKind,
    value: String,
}

/// What kind of identifier it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdentifierKind {
    /// Russia: the taxpayer's number (ИНН). 12 digits of a person; in older certificates of
    /// companies two zeros and 10 digits.
    Inn,
    /// Russia: a company's taxpayer's number (ИНН ЮЛ), 10 digits.
    InnLe,
    /// Russia: a company's number in the state register (ОГРН), 13 digits.
    Ogrn,
    /// Russia: a sole trader's number in the state register (ОГРНИП), 15 digits.
    OgrnIp,
    /// Russia: the number of the pension insurance (СНИЛС), 11 digits.
    Snils,
    /// Kazakhstan: a person's number (ИИН, ЖСН), 12 digits.
    Iin,
    /// Kazakhstan: a company's number (БИН, БСН), 12 digits.
    Bin,
    /// Of the European Union's form (ETSI EN 319 412-1 section 5.1).
    Semantic {
        /// What it is.
        scheme: IdentifierScheme,
        /// The country, two letters; `EU`, `XG` and others stand for what is no country.
        country: String,
    },
}

/// What an identifier of the European form is (ETSI EN 319 412-1 sections 5.1.3 and 5.1.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdentifierScheme {
    /// `PAS`: a passport's number.
    Passport,
    /// `IDC`: an identity card's number.
    IdentityCard,
    /// `PNO`: a national personal number.
    PersonalNumber,
    /// `TIN`, or `TAX` in older certificates: a personal tax number.
    TaxNumber,
    /// `VAT`: a value added tax number.
    Vat,
    /// `NTR`: a number in a national trade register.
    TradeRegister,
    /// `PSD`: a payment service's number (ETSI TS 119 495).
    PaymentService,
    /// `LEI`: a legal entity identifier (ISO 17442).
    LegalEntity,
    /// Two letters and a colon: a scheme of the country's own.
    National(String),
}

/// The attributes that Russian certificates have them in (RFC 9215 appendix B, FSB Order 795).
const RUSSIAN: &[(&str, IdentifierKind)] = &[
    ("1.2.643.3.131.1.1", IdentifierKind::Inn),
    ("1.2.643.100.1", IdentifierKind::Ogrn),
    ("1.2.643.100.3", IdentifierKind::Snils),
    ("1.2.643.100.4", IdentifierKind::InnLe),
    ("1.2.643.100.5", IdentifierKind::OgrnIp),
];

impl Owner {
    /// The national identifiers in the name, in its order: Russia's from their own attributes,
    /// Kazakhstan's from serialNumber (`IIN…`) and the unit (`BIN…`), the European ones from
    /// serialNumber and organizationIdentifier.
    pub fn identifiers(&self) -> Vec<Identifier> {
        let read = self.parts().iter();
        read.filter_map(|(oid, text)| Identifier::read(*oid, text))
            .collect()
    }
}

impl Identifier {
    fn read(oid: ObjectIdentifier, text: &str) -> Option<Self> {
        let name = oid.to_string();
        if let Some((_, kind)) = RUSSIAN.iter().find(|(known, _)| *known == name) {
            let (kind, value) = (kind.clone(), text.to_owned());
            return Some(Self { kind, value });
        }
        let kazakh = |prefix, kind| {
            let digits: &str = text.strip_prefix(prefix)?;
            let right = digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_digit());
            right.then(|| Self {
                kind,
                value: digits.to_owned(),
            })
        };
        match oid {
            SERIAL_NUMBER => kazakh("IIN", IdentifierKind::Iin).or_else(|| Self::semantic(text)),
            UNIT => kazakh("BIN", IdentifierKind::Bin),
            ORGANIZATION_IDENTIFIER => Self::semantic(text),
            _ => None,
        }
    }

    /// Three letters, or two and a colon; the country; a hyphen; the number.
    fn semantic(text: &str) -> Option<Self> {
        let (head, value) = text.split_once('-')?;
        let (scheme, country) = head.split_at_checked(3)?;
        let is_country =
            country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_country || value.is_empty() {
            return None;
        }
        let scheme = match scheme {
            "PAS" => IdentifierScheme::Passport,
            "IDC" => IdentifierScheme::IdentityCard,
            "PNO" => IdentifierScheme::PersonalNumber,
            "TIN" | "TAX" => IdentifierScheme::TaxNumber,
            "VAT" => IdentifierScheme::Vat,
            "NTR" => IdentifierScheme::TradeRegister,
            "PSD" => IdentifierScheme::PaymentService,
            "LEI" => IdentifierScheme::LegalEntity,
            other => IdentifierScheme::National(other.strip_suffix(':')?.to_owned()),
        };
        let (country, value) = (country.to_owned(), value.to_owned());
        let kind = IdentifierKind::Semantic { scheme, country };
        Some(Self { kind, value })
    }

    /// What kind it is.
    pub fn kind(&self) -> &IdentifierKind {
        &self.kind
    }

    /// The number as it is in the certificate, without what says which kind it is.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether its check digits are right; `None` where it has none, or none that are known here.
    /// A number of a wrong length is not right.
    pub fn check_digit(&self) -> Option<bool> {
        check_digit::is_right(&self.kind, &self.value)
    }
}

impl fmt::Display for Identifier {
    /// The kind and the number: `INN 123456789047`, `VAT SK 2022222222`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.value)
    }
}

impl fmt::Display for IdentifierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inn => "INN",
            Self::InnLe => "INNLE",
            Self::Ogrn => "OGRN",
            Self::OgrnIp => "OGRNIP",
            Self::Snils => "SNILS",
            Self::Iin => "IIN",
            Self::Bin => "BIN",
            Self::Semantic { scheme, country } => return write!(f, "{scheme} {country}"),
        })
    }
}

impl fmt::Display for IdentifierScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passport => "passport",
            Self::IdentityCard => "identity card",
            Self::PersonalNumber => "personal number",
            Self::TaxNumber => "tax number",
            Self::Vat => "VAT",
            Self::TradeRegister => "trade register",
            Self::PaymentService => "payment service",
            Self::LegalEntity => "LEI",
            Self::National(scheme) => scheme,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(oid: &str, text: &str) -> Option<String> {
        Identifier::read(oid.parse().unwrap(), text).map(|identifier| identifier.to_string())
    }

    #[test]
    fn semantics_of_serial_numbers_and_organizations() {
        for (text, expected) in [
            ("PASSK-P3000180", Some("passport SK P3000180")),
            ("IDCBE-590082394654", Some("identity card BE 590082394654")),
            ("EI:SE-200007292386", Some("EI SE 200007292386")),
            ("TAXIT-RSSMRA", Some("tax number IT RSSMRA")),
            ("PNOEE-38001085718", Some("personal number EE 38001085718")),
            ("IIN900101300017", Some("IIN 900101300017")),
            ("IIN9001013", None),
            ("IIN90010130001x", None),
            ("PNOEE-", None),
            ("PNOee-1", None),
            ("XYZEE-1", None),
            ("P-1", None),
            ("ИНН-1", None),
            ("", None),
        ] {
            assert_eq!(read("2.5.4.5", text).as_deref(), expected, "{text}");
        }
        assert_eq!(
            read("2.5.4.97", "VATSK-2022222222").as_deref(),
            Some("VAT SK 2022222222")
        );
        assert_eq!(
            read("2.5.4.97", "PSDES-BDE-3DFD21").as_deref(),
            Some("payment service ES BDE-3DFD21")
        );
        assert_eq!(
            read("2.5.4.11", "BIN123456789021").as_deref(),
            Some("BIN 123456789021")
        );
        assert_eq!(read("2.5.4.11", "Sales"), None);
        assert_eq!(read("2.5.4.3", "IIN900101300017"), None);
    }
}
