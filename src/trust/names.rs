//! When two distinguished names are the same (RFC 5280 section 7.1).

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RelativeDistinguishedName};

use crate::cert::name::text;

/// A name in a form that equal names share: letters of one case, spaces that do not count gone,
/// whatever string type each part has.
///
/// Its parts are the relative distinguished names, from the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NameKey(Vec<Vec<u8>>);

impl NameKey {
    pub(super) fn new(name: &Name) -> Self {
        Self(name.iter_rdn().map(part).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `self` is this name, or one below it.
    pub(super) fn is_within(&self, subtree: &Self) -> bool {
        self.0.starts_with(&subtree.0)
    }
}

/// A set of attributes has no order that counts.
fn part(rdn: &RelativeDistinguishedName) -> Vec<u8> {
    let mut attributes: Vec<_> = rdn.iter().map(attribute).collect();
    attributes.sort();
    attributes.concat()
}

/// Each field with its length before it, so that no two lists of attributes look alike.
fn attribute(pair: &AttributeTypeAndValue) -> Vec<u8> {
    let (kind, value) = match text(&pair.value) {
        Some(text) => (b's', folded(&text).into_bytes()),
        // No string: byte for byte.
        None => (b'b', pair.value.value().to_vec()),
    };
    let mut key = Vec::new();
    for field in [pair.oid.as_bytes(), &[kind], &value] {
        key.extend((field.len() as u64).to_be_bytes());
        key.extend(field);
    }
    key
}

fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded
}

#[cfg(test)]
mod tests {
    use der::asn1::Any;
    use der::{Decode, Encode, Tag};
    use x509_cert::name::RdnSequence;

    use super::*;

    fn key(name: &str) -> NameKey {
        match name {
            "" => NameKey::new(&Name::default()),
            name => NameKey::new(&name.parse().unwrap()),
        }
    }

    #[test]
    fn case_and_spaces_do_not_count() {
        assert_eq!(key("CN=A  b ,O=X"), key("CN=a B,O=x"));
        assert_eq!(key("CN=ИВАН"), key("CN=иван"));
        assert_eq!(key("CN=A+OU=B"), key("OU=B+CN=A"));
        for other in ["CN=ab", "O=a b", "CN=a b,O=x", "CN=a,CN=b", ""] {
            assert_ne!(key("CN=a b"), key(other), "{other}");
        }
    }

    #[test]
    fn the_string_type_does_not_count() {
        let named = |tag, bytes: &[u8]| {
            let pair = AttributeTypeAndValue {
                oid: "2.5.4.3".parse().unwrap(),
                value: Any::new(tag, bytes).unwrap(),
            };
            let mut name = RdnSequence::default();
            name.push(RelativeDistinguishedName::try_from(vec![pair]).unwrap());
            NameKey::new(&Name::from_der(&name.to_der().unwrap()).unwrap())
        };
        let utf8 = named(Tag::Utf8String, "Иван".as_bytes());
        assert_eq!(
            utf8,
            named(Tag::BmpString, b"\x04\x18\x04\x32\x04\x30\x04\x3d")
        );
        assert_ne!(utf8, named(Tag::OctetString, "Иван".as_bytes()));
        // Not even what has no text is taken for something else.
        assert_ne!(named(Tag::OctetString, b"a"), named(Tag::Utf8String, b"a"));
        assert_eq!(
            named(Tag::Utf8String, b"\xff"),
            named(Tag::Utf8String, b"\xff")
        );
    }

    #[test]
    fn subtrees_are_read_from_the_root() {
        let subtree = key("O=X,C=RU");
        assert!(key("CN=a,O=x,C=ru").is_within(&subtree));
        assert!(subtree.is_within(&subtree));
        assert!(!key("C=RU").is_within(&subtree));
        assert!(!key("O=X,CN=a,C=RU").is_within(&subtree));
        assert!(key("C=RU").is_within(&key("")));
        assert!(key("").is_empty());
    }
}
