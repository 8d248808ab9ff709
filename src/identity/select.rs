use std::fmt::Write as _;
use std::time::SystemTime;

use super::{Identity, KeyStatus};
use crate::cert::Certificate;
use crate::error::first_few;
use crate::public_key::KeyType;
use crate::uri::{ObjectType, Uri};
use crate::{Error, SelectionError};

/// The identities on a token, and the way to the one that is wanted.
///
/// Each filter leaves fewer; [`only`](Self::only) ends with the one that is left, or says which
/// ones there are.
///
/// # Example
/// ```no_run
/// # let fob = keyfob::discover()?.only()?.unlock(&keyfob::Pin::from("12345678"))?;
/// let me = fob
///     .identities()?
///     .for_signing()
///     .valid_now()
///     .issuer("keyfob demo CA")
///     .only()?;
/// # Ok::<(), keyfob::Error>(())
/// ```
#[derive(Debug)]
pub struct Identities {
    identities: Vec<Identity>,
    problems: Vec<Error>,
    /// Looked for while the token was locked: there may be more.
    locked: bool,
}

impl Identities {
    pub(super) fn new(identities: Vec<Identity>, problems: Vec<Error>, locked: bool) -> Self {
        Self {
            identities,
            problems,
            locked,
        }
    }

    /// What could not be read on the token. It does not hide the rest.
    pub fn problems(&self) -> &[Error] {
        &self.problems
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// All of them, in the token's order.
    pub fn iter(&self) -> std::slice::Iter<'_, Identity> {
        self.identities.iter()
    }

    /// Those that a filter of the caller's leaves.
    #[must_use]
    pub fn filter(mut self, keep: impl FnMut(&Identity) -> bool) -> Self {
        self.identities.retain(keep);
        self
    }

    /// Those that can sign documents: a key that may sign (or may be there, while the token is
    /// locked), and a certificate whose key usage allows it (digitalSignature or nonRepudiation,
    /// RFC 5280, section 4.2.1.3) or does not say.
    #[must_use]
    pub fn for_signing(self) -> Self {
        self.filter(|identity| {
            let key = match identity.key() {
                Some(key) => key.can_sign() != Some(false),
                None => identity.key_status() == KeyStatus::Hidden,
            };
            key && identity
                .certificate()
                .is_some_and(Certificate::allows_signing)
        })
    }

    /// Those whose certificate is valid now, by this machine's clock.
    #[must_use]
    pub fn valid_now(self) -> Self {
        self.valid_at(SystemTime::now())
    }

    /// Those whose certificate is valid at a time. Only its dates are looked at.
    #[must_use]
    pub fn valid_at(self, time: SystemTime) -> Self {
        self.with_certificate(|certificate| certificate.is_valid_at(time))
    }

    /// Those whose certificate's subject contains a text, in any case. The subject is in the form
    /// of RFC 4514: `CN=Ann,O=Example`.
    #[must_use]
    pub fn subject(self, text: &str) -> Self {
        self.with_certificate(|certificate| contains(&certificate.subject(), text))
    }

    /// Those whose certificate's issuer contains a text, in any case.
    #[must_use]
    pub fn issuer(self, text: &str) -> Self {
        self.with_certificate(|certificate| contains(&certificate.issuer(), text))
    }

    /// Those whose certificate has a serial number: hexadecimal, in any case, with or without
    /// colons and leading zeros.
    #[must_use]
    pub fn serial(self, hex: &str) -> Self {
        let plain = |hex: &str| {
            let hex: String = hex.chars().filter(|one| *one != ':').collect();
            hex.trim_start_matches('0').to_lowercase()
        };
        let wanted = plain(hex);
        self.with_certificate(|certificate| plain(&certificate.serial_hex()) == wanted)
    }

    /// Those with a key of this type.
    #[must_use]
    pub fn key_type(self, key_type: KeyType) -> Self {
        self.filter(|identity| identity.key_type() == key_type)
    }

    /// Those with this label on the token.
    #[must_use]
    pub fn label(self, label: &str) -> Self {
        self.filter(|identity| identity.label() == label)
    }

    /// Those that a PKCS#11 URI names (RFC 7512), by all attributes that it has.
    #[must_use]
    pub fn uri(self, uri: &Uri) -> Self {
        self.filter(|identity| {
            crate::discovery::matches_token(uri, identity.token())
                && uri.object().is_none_or(|label| identity.label() == label)
                && uri.id().is_none_or(|id| identity.id() == id)
                && match uri.object_type() {
                    None => true,
                    Some(ObjectType::Private) => identity.key_status() != KeyStatus::Absent,
                    Some(ObjectType::Certificate) => identity.certificate().is_some(),
                    Some(ObjectType::Public) => identity.public_key().is_some(),
                    Some(_) => false,
                }
        })
    }

    /// Those whose key, by the token's word, was made there and never left it
    /// ([`Protection::never_left_token`](crate::Protection::never_left_token)).
    #[must_use]
    pub fn never_left_token(self) -> Self {
        self.filter(|identity| {
            identity
                .key()
                .is_some_and(|key| key.protection().never_left_token())
        })
    }

    /// The one that is left.
    ///
    /// # Errors
    /// [`Error::Selection`] where there is none, or there are several: it says which.
    pub fn only(self) -> Result<Identity, Error> {
        let none = match self.locked {
            true => SelectionError::NoneWhileLocked,
            false => SelectionError::None,
        };
        // An empty answer often has its reason among the problems.
        let wanted = match self.problems.as_slice() {
            problems @ [_, ..] if self.identities.is_empty() => {
                let problems = first_few(problems, Error::to_string);
                format!("an identity (on the way: {})", problems.join("; "))
            }
            _ => "an identity".to_owned(),
        };
        Error::exactly_one(self.identities, wanted, none, |identity| {
            let mut text = identity.uri().to_string();
            if let Some(certificate) = identity.certificate() {
                // Writing to a string does not fail.
                let subject = certificate.subject();
                let _ = write!(text, " ({})", beginning(&subject));
            }
            text
        })
    }

    fn with_certificate(self, keep: impl Fn(&Certificate) -> bool) -> Self {
        self.filter(|identity| identity.certificate().is_some_and(&keep))
    }
}

impl IntoIterator for Identities {
    type Item = Identity;
    type IntoIter = std::vec::IntoIter<Identity>;

    fn into_iter(self) -> Self::IntoIter {
        self.identities.into_iter()
    }
}

impl<'a> IntoIterator for &'a Identities {
    type Item = &'a Identity;
    type IntoIter = std::slice::Iter<'a, Identity>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// As much of a name as tells one from another.
fn beginning(name: &str) -> &str {
    let end = name.char_indices().nth(200);
    end.and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}
