//! Writing a PKCS#11 URI (RFC 7512, section 2.3).

use std::fmt::{self, Write};

use super::{OBJECT, PATH_TEXTS, QUERY_TEXTS, Uri, VendorAttributes, pairs};

/// The canonical form, without any PIN.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pkcs11:")?;
        let mut path = Component::new(f, None, ';', b"-._~:,@+=");
        // The order of p11-kit's tools: from the library down to the object.
        let (library, rest) = PATH_TEXTS.split_at(2);
        let (slot, token) = rest.split_at(2);
        path.texts(self, library)?;
        if let Some((major, minor)) = self.library_version {
            path.attribute("library-version", format!("{major}.{minor}").as_bytes())?;
        }
        path.texts(self, slot)?;
        if let Some(slot) = self.slot_id {
            path.attribute("slot-id", slot.to_string().as_bytes())?;
        }
        path.texts(self, token)?;
        if let Some(id) = &self.id {
            path.encoded_whole("id", id)?;
        }
        path.texts(self, &[OBJECT])?;
        if let Some(object_type) = self.object_type {
            path.attribute("type", object_type.name().as_bytes())?;
        }
        path.vendor(&self.vendor_path)?;

        let mut query = Component::new(f, Some('?'), '&', b"-._~:,@+=/");
        query.texts(self, &QUERY_TEXTS)?;
        query.vendor(&self.vendor_query)
    }
}

/// The canonical form without any PIN, and a note where a PIN was left out.
impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = match self.pin_value {
            Some(_) => ", pin-value not shown",
            None => "",
        };
        write!(f, "Uri({self}{note})")
    }
}

/// Whether a vendor attribute may hold a secret, by its name. Older programs write the PIN as
/// `x-pin-value` or `pinfile`, and `pin_value` is a slip of the hand.
fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pin", "pass", "secret"]
        .iter()
        .any(|hint| name.contains(hint))
}

/// Writes the attributes of the path or of the query.
struct Component<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    /// What stands before the next attribute.
    before: Option<char>,
    separator: char,
    /// What is written as it is, beside letters and digits. Less than RFC 7512 allows: what a
    /// shell would take for its own is encoded too.
    plain: &'static [u8],
}

impl<'a, 'f> Component<'a, 'f> {
    fn new(
        out: &'a mut fmt::Formatter<'f>,
        before: Option<char>,
        separator: char,
        plain: &'static [u8],
    ) -> Self {
        Self {
            out,
            before,
            separator,
            plain,
        }
    }

    fn texts(&mut self, uri: &Uri, names: &[&str]) -> fmt::Result {
        for name in names {
            if let Some(value) = uri.text(name) {
                self.attribute(name, value.as_bytes())?;
            }
        }
        Ok(())
    }

    fn vendor(&mut self, attributes: &VendorAttributes) -> fmt::Result {
        for (name, value) in pairs(attributes) {
            if !sounds_secret(name) {
                self.attribute(name, value.as_bytes())?;
            }
        }
        Ok(())
    }

    fn attribute(&mut self, name: &str, value: &[u8]) -> fmt::Result {
        let plain = self.plain;
        self.write(name, value, |byte| {
            byte.is_ascii_alphanumeric() || plain.contains(&byte)
        })
    }

    fn encoded_whole(&mut self, name: &str, value: &[u8]) -> fmt::Result {
        self.write(name, value, |_| false)
    }

    fn write(&mut self, name: &str, value: &[u8], plain: impl Fn(u8) -> bool) -> fmt::Result {
        if let Some(before) = self.before.replace(self.separator) {
            self.out.write_char(before)?;
        }
        write!(self.out, "{name}=")?;
        for &byte in value {
            if plain(byte) {
                self.out.write_char(char::from(byte))?;
            } else {
                write!(self.out, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}
