//! Reading a PKCS#11 URI (RFC 7512, section 2.3).

use std::str::FromStr;

use zeroize::Zeroizing;

use super::{OBJECT, ObjectType, PATH_TEXTS, QUERY_TEXTS, Uri, UriError};

const SCHEME: &str = "pkcs11:";

/// The path attributes that are not plain text.
const PATH_OTHERS: [&str; 4] = ["library-version", "slot-id", "id", "type"];

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = without_scheme(text).ok_or(UriError::Scheme)?;
        // The path cannot hold a `?`, so the first one ends it; the query can.
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        let path_start = SCHEME.len();
        for attribute in attributes(path, ';', path_start) {
            uri.read_path(attribute?)?;
        }
        let query_start = path_start.saturating_add(path.len()).saturating_add(1);
        for attribute in attributes(query, '&', query_start) {
            uri.read_query(attribute?)?;
        }
        if uri.pin_value.is_some() && uri.texts.contains_key("pin-source") {
            return Err(UriError::TwoPins);
        }
        Ok(uri)
    }
}

impl TryFrom<&str> for Uri {
    type Error = UriError;

    fn try_from(text: &str) -> Result<Self, UriError> {
        text.parse()
    }
}

/// What follows `pkcs11:`, if the text begins with it. A scheme is read in any case (RFC 3986,
/// section 3.1).
pub(super) fn without_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

/// One `name=value`, its value still encoded.
struct Attribute<'a> {
    name: &'a str,
    value: &'a str,
    /// Where the value begins in the URI.
    position: usize,
}

fn attributes(
    component: &str,
    separator: char,
    start: usize,
) -> impl Iterator<Item = Result<Attribute<'_>, UriError>> {
    let mut next = start;
    component
        .split(separator)
        // A component may be empty, an attribute may not.
        .filter(move |_| !component.is_empty())
        .map(move |piece| {
            let position = next;
            next = position.saturating_add(piece.len()).saturating_add(1);
            let (name, value) = piece
                .split_once('=')
                .filter(|(name, _)| !name.is_empty())
                .ok_or(UriError::NotAnAttribute { position })?;
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if !name.bytes().all(allowed) {
                return Err(UriError::Name { position });
            }
            Ok(Attribute {
                name,
                value,
                position: position.saturating_add(name.len()).saturating_add(1),
            })
        })
}

impl Uri {
    fn read_path(&mut self, attribute: Attribute<'_>) -> Result<(), UriError> {
        // Told first, since a path may not hold all that a query may.
        if let Some(name) = attribute.named_in(QUERY_TEXTS.into_iter().chain(["pin-value"])) {
            return Err(UriError::Misplaced {
                attribute: name.to_owned(),
                hint: "behind it",
            });
        }
        let value = attribute.decode(b"-._~:[]@!$'()*+,=&")?;
        if attribute.is("library-version") {
            let version = version(&value).ok_or_else(|| {
                attribute.unfit("a version from 0 to 255, or two of them with a dot between")
            })?;
            return attribute.set(&mut self.library_version, version);
        }
        if attribute.is("slot-id") {
            let slot = decimal(&value)
                .ok_or_else(|| attribute.unfit("a decimal number of at most 64 bits"))?;
            return attribute.set(&mut self.slot_id, slot);
        }
        if attribute.is("id") {
            return attribute.set(&mut self.id, value.to_vec());
        }
        if attribute.is("type") {
            let named = |of: &ObjectType| value.eq_ignore_ascii_case(of.name().as_bytes());
            let object_type = ObjectType::ALL.into_iter().find(named).ok_or_else(|| {
                attribute.unfit("\"public\", \"private\", \"cert\", \"secret-key\" or \"data\"")
            })?;
            return attribute.set(&mut self.object_type, object_type);
        }
        let texts = PATH_TEXTS.into_iter().chain([OBJECT]);
        if let Some(name) = attribute.named_in(texts) {
            return self.set_text(&attribute, name, &value);
        }
        let text = attribute.text(&value)?;
        let values = self
            .vendor_path
            .entry(attribute.name.to_owned())
            .or_default();
        if !values.is_empty() {
            return Err(attribute.duplicate());
        }
        values.push(Zeroizing::new(text.to_owned()));
        Ok(())
    }

    fn read_query(&mut self, attribute: Attribute<'_>) -> Result<(), UriError> {
        // Ignoring it, as RFC 7512 has it for what is unknown, would widen what the URI matches.
        let path = PATH_TEXTS.into_iter().chain(PATH_OTHERS).chain([OBJECT]);
        if let Some(name) = attribute.named_in(path) {
            return Err(UriError::Misplaced {
                attribute: name.to_owned(),
                hint: "before it",
            });
        }
        let value = attribute.decode(b"-._~:[]@!$'()*+,=/?|")?;
        if attribute.is("pin-value") {
            return attribute.set(&mut self.pin_value, value);
        }
        if let Some(name) = attribute.named_in(QUERY_TEXTS.into_iter()) {
            return self.set_text(&attribute, name, &value);
        }
        let text = attribute.text(&value)?;
        self.vendor_query
            .entry(attribute.name.to_owned())
            .or_default()
            .push(Zeroizing::new(text.to_owned()));
        Ok(())
    }

    fn set_text(
        &mut self,
        attribute: &Attribute<'_>,
        name: &'static str,
        value: &[u8],
    ) -> Result<(), UriError> {
        let text = attribute.text(value)?.to_owned();
        match self.texts.insert(name, text) {
            None => Ok(()),
            Some(_) => Err(attribute.duplicate()),
        }
    }
}

impl Attribute<'_> {
    /// Names are literals of the RFC's grammar, and those have no case (RFC 5234, section 2.3).
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn named_in(&self, mut names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
        names.find(|name| self.is(name))
    }

    fn set<T>(&self, field: &mut Option<T>, value: T) -> Result<(), UriError> {
        match field.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.duplicate()),
        }
    }

    /// The value percent-decoded. It may be a PIN, so it never lies in memory that is not wiped:
    /// the room is made at once, and never grows.
    fn decode(&self, reserved: &[u8]) -> Result<Zeroizing<Vec<u8>>, UriError> {
        let mut decoded = Zeroizing::new(Vec::with_capacity(self.value.len()));
        let mut bytes = self.value.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            let position = self.position.saturating_add(at);
            if byte == b'%' {
                let mut digit = || char::from(bytes.next()?.1).to_digit(16);
                let value = digit()
                    .zip(digit())
                    .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                decoded.push(value.ok_or_else(|| UriError::Escape {
                    attribute: self.name.to_owned(),
                    position,
                })?);
            } else if byte.is_ascii_alphanumeric() || reserved.contains(&byte) {
                decoded.push(byte);
            } else {
                return Err(UriError::Unencoded {
                    attribute: self.name.to_owned(),
                    position,
                });
            }
        }
        Ok(decoded)
    }

    fn text<'v>(&self, value: &'v [u8]) -> Result<&'v str, UriError> {
        std::str::from_utf8(value).map_err(|_| UriError::NotText {
            attribute: self.name.to_owned(),
        })
    }

    fn duplicate(&self) -> UriError {
        UriError::Duplicate {
            attribute: self.name.to_owned(),
        }
    }

    fn unfit(&self, expected: &'static str) -> UriError {
        UriError::Value {
            attribute: self.name.to_owned(),
            expected,
        }
    }
}

/// `M` or `M.N`, each at most 255.
fn version(value: &[u8]) -> Option<(u8, u8)> {
    let mut parts = value.split(|&byte| byte == b'.').map(decimal);
    let major = parts.next()??;
    let minor = parts.next().unwrap_or(Some(0))?;
    match parts.next() {
        None => Some((major, minor)),
        Some(_) => None,
    }
}

/// Digits alone: `str::parse` would take a sign too.
fn decimal<T: FromStr>(value: &[u8]) -> Option<T> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
