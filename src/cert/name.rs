//! Distinguished names as text (RFC 4514).

use std::fmt::Write;

use der::asn1::{Any, ObjectIdentifier};
use der::{Encode, Tag, Tagged};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::Name;

const COMMON_NAME: &str = "2.5.4.3";

/// What attributes are called: RFC 4514 section 3 first, then as OpenSSL calls them.
const SHORT_NAMES: &[(&str, &str)] = &[
    (COMMON_NAME, "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "street"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.4", "SN"),
    ("2.5.4.42", "GN"),
    ("2.5.4.12", "title"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.43", "initials"),
    ("2.5.4.97", "organizationIdentifier"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("1.2.643.3.131.1.1", "INN"),
    ("1.2.643.100.1", "OGRN"),
    ("1.2.643.100.3", "SNILS"),
    ("1.2.643.100.4", "INNLE"),
    ("1.2.643.100.5", "OGRNIP"),
];

/// The name as RFC 4514 writes it.
pub(crate) fn to_rfc4514(name: &Name) -> String {
    let mut parts: Vec<_> = name
        .iter_rdn()
        .map(|rdn| {
            // RFC 4514 leaves the order of a set open; this is OpenSSL's.
            let mut pairs: Vec<_> = rdn.iter().map(pair).collect();
            pairs.reverse();
            pairs.join("+")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// The last common name: names go from the general to the specific.
pub(super) fn common_name(name: &Name) -> Option<String> {
    let oid = ObjectIdentifier::new_unwrap(COMMON_NAME);
    let values = name.iter().filter(|pair| pair.oid == oid);
    values.last().and_then(|pair| text(&pair.value))
}

fn pair(pair: &AttributeTypeAndValue) -> String {
    let oid = pair.oid.to_string();
    let short = SHORT_NAMES.iter().find(|(known, _)| *known == oid);
    match (short, text(&pair.value)) {
        (Some((_, short)), Some(text)) => format!("{short}={}", escaped(&text)),
        // RFC 4514 section 2.4: what has no name is written as its DER.
        _ => {
            let der = pair.value.to_der().unwrap_or_default();
            let digits: String = der.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("{oid}=#{digits}")
        }
    }
}

/// The text of a string of any of the types that names are made of.
pub(crate) fn text(value: &Any) -> Option<String> {
    let bytes = value.value();
    match value.tag() {
        Tag::Utf8String => String::from_utf8(bytes.to_vec()).ok(),
        // Meant to be ASCII; what issuers put there beyond it is UTF-8 or, as in T61, Latin-1.
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            String::from_utf8(bytes.to_vec())
                .ok()
                .or_else(|| Some(latin1(bytes)))
        }
        // T.61 itself was hardly ever written; everyone reads it as Latin-1.
        Tag::TeletexString => Some(latin1(bytes)),
        Tag::BmpString => {
            let (pairs, []) = bytes.as_chunks::<2>() else {
                return None;
            };
            let units: Vec<_> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// RFC 4514 section 2.4.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (position, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => escaped.push('\\'),
            '#' if position == 0 => escaped.push('\\'),
            ' ' if position == 0 || position == last => escaped.push('\\'),
            // A line break in a name must not break the line of a log it is written to.
            _ if character.is_control() => {
                let mut utf8 = [0; 4];
                for byte in character.encode_utf8(&mut utf8).bytes() {
                    // Writing to a String does not fail.
                    let _ = write!(escaped, "\\{byte:02X}");
                }
                continue;
            }
            _ => {}
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(tag: Tag, bytes: &[u8]) -> Any {
        Any::new(tag, bytes).unwrap()
    }

    #[test]
    fn every_string_type() {
        for (tag, bytes, expected) in [
            (Tag::Utf8String, "Иван".as_bytes(), Some("Иван")),
            (Tag::Utf8String, b"\xff", None),
            (Tag::PrintableString, b"a@b", Some("a@b")),
            (Tag::PrintableString, b"\xe9", Some("é")),
            (Tag::Ia5String, b"a@b", Some("a@b")),
            (Tag::NumericString, b"42", Some("42")),
            (Tag::TeletexString, b"Ren\xe9", Some("René")),
            (Tag::BmpString, b"\x04\x18\x04\x32", Some("Ив")),
            (Tag::BmpString, b"\xd8\x3d\xde\x00", Some("😀")),
            (Tag::BmpString, b"\x04", None),
            (Tag::BmpString, b"\xd8\x3d", None),
            (Tag::OctetString, b"x", None),
        ] {
            assert_eq!(text(&any(tag, bytes)).as_deref(), expected, "{tag}");
        }
    }

    #[test]
    fn escapes() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("#a#", "\\#a#"),
            (" a b ", "\\ a b\\ "),
            (" ", "\\ "),
            ("a,b+c\"d\\e<f>g;h=i", "a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h=i"),
            ("a\nb\0", "a\\0Ab\\00"),
            ("\u{85}", "\\C2\\85"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn names_are_turned_round_and_the_unknown_is_hex() {
        let name: Name = "CN=A\\, B+UID=7,OU=X,1.2.3.4=#0C0141,C=RU".parse().unwrap();
        let written = to_rfc4514(&name);
        assert!(
            written == "CN=A\\, B+UID=7,OU=X,1.2.3.4=#0C0141,C=RU"
                || written == "UID=7+CN=A\\, B,OU=X,1.2.3.4=#0C0141,C=RU",
            "{written}"
        );
        assert_eq!(common_name(&name).as_deref(), Some("A, B"));

        let two: Name = "CN=inner,CN=outer".parse().unwrap();
        assert_eq!(common_name(&two).as_deref(), Some("inner"));
        assert_eq!(common_name(&Name::default()), None);
        assert_eq!(to_rfc4514(&Name::default()), "");
    }
}
