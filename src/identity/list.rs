//! Reading a token's keys and certificates.

use std::sync::Arc;

use cryptoki_sys::*;

use super::Identities;
use crate::cert::Certificate;
use crate::key::{self, Access, text};
use crate::public_key::PublicKey;
use crate::token::{Pooled, Token, Unlocked, is_of_the_session};
use crate::{Error, ReturnCode};

impl Unlocked {
    /// Everybody who can sign with this token: its keys, paired with their certificates, and
    /// what is left of either.
    ///
    /// One module call for each object, and a few more.
    ///
    /// # Errors
    /// [`Error::TokenRemoved`], [`Error::TooManyObjects`], [`Error::Call`]. An object that cannot be
    /// read is no error: see [`Identities::problems`].
    pub fn identities(&self) -> Result<Identities, Error> {
        Access::Unlocked(self.clone()).identities()
    }
}

impl Token {
    /// What the token shows before login: certificates, and the keys that are not private
    /// objects. People choose a certificate first and type the PIN then.
    ///
    /// # Errors
    /// As [`Unlocked::identities`].
    ///
    /// # Example
    /// ```no_run
    /// for identity in keyfob::discover()?.only()?.identities()? {
    ///     println!("{}: {}", identity.label(), identity.key_status());
    /// }
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn identities(&self) -> Result<Identities, Error> {
        Access::Public(self.clone()).identities()
    }
}

impl Access {
    fn identities(&self) -> Result<Identities, Error> {
        let mut problems = Vec::new();
        // It has no objects, and most modules open no session to it.
        if !self.token().flags().is_initialized() {
            return Ok(Identities::new(Vec::new(), problems, false));
        }
        let slot = self.token().slot();
        let functions = slot.functions()?;
        let _together = slot.together();
        let x509 = CKC_X_509.to_ne_bytes();
        let x509 = [class(CKO_CERTIFICATE), (CKA_CERTIFICATE_TYPE, x509)];
        let (keys, public_keys, certificates) =
            slot.attempt(functions, self.needs(), |session| {
                Ok((
                    objects(session, &[class(CKO_PRIVATE_KEY)], |handle| {
                        self.read_key(session, handle)
                    })?,
                    objects(session, &[class(CKO_PUBLIC_KEY)], |handle| {
                        self.read_public_key(session, handle)
                    })?,
                    objects(session, &x509, |handle| {
                        self.read_certificate(session, handle)
                    })?,
                ))
            })?;
        let keys = keys.without(&mut problems);
        let public_keys = public_keys.without(&mut problems);
        let certificates = certificates.without(&mut problems);
        Ok(Identities::new(
            self.pair(keys, public_keys, certificates)?,
            problems,
            self.is_locked_out(),
        ))
    }

    pub(crate) fn read_public_key(
        &self,
        session: &Pooled<'_>,
        handle: CK_OBJECT_HANDLE,
    ) -> Result<Labelled<Option<PublicKey>>, Error> {
        const WANTED: &[(CK_ATTRIBUTE_TYPE, usize)] = &[
            (CKA_LABEL, 256),
            (CKA_ID, 256),
            (CKA_KEY_TYPE, size_of::<CK_KEY_TYPE>()),
            (CKA_MODULUS, 1024),
            (CKA_PUBLIC_EXPONENT, 16),
            (CKA_EC_PARAMS, 64),
            (CKA_EC_POINT, 256),
        ];
        let mut values = session.attributes(handle, WANTED)?.into_iter();
        let mut next = || values.next().flatten();
        let (label, id, kind) = (next(), next(), next());
        let (modulus, exponent) = (next(), next());
        let (ec_params, ec_point) = (next(), next());
        let kind = key::kind(kind);
        let key = match kind {
            Some(CKK_RSA) => modulus
                .zip(exponent)
                .map(|(modulus, exponent)| PublicKey::from_rsa(&modulus, &exponent)),
            Some(CKK_EC | CKK_EC_EDWARDS) => ec_params
                .zip(ec_point)
                .map(|(params, point)| PublicKey::from_ec(&params, &point)),
            #[cfg(feature = "gost")]
            _ => key::gost::Shown::of(session, handle, kind, true)?.public_key(),
            #[cfg(not(feature = "gost"))]
            _ => None,
        };
        let label = text(label);
        let key = key.transpose();
        Ok(Labelled {
            object: key.map_err(|error| self.unreadable("the public key", &label, error))?,
            label: label.into(),
            id: id.unwrap_or_default().into(),
        })
    }

    pub(crate) fn read_certificate(
        &self,
        session: &Pooled<'_>,
        handle: CK_OBJECT_HANDLE,
    ) -> Result<Labelled<Certificate>, Error> {
        const WANTED: &[(CK_ATTRIBUTE_TYPE, usize)] =
            &[(CKA_LABEL, 256), (CKA_ID, 256), (CKA_VALUE, 4096)];
        let mut values = session.attributes(handle, WANTED)?.into_iter();
        let mut next = || values.next().flatten();
        let (label, id, value) = (next(), next(), next());
        let label = text(label);
        let certificate = Certificate::from_der(&value.unwrap_or_default());
        Ok(Labelled {
            object: certificate
                .map_err(|error| self.unreadable("the certificate", &label, error))?,
            label: label.into(),
            id: id.unwrap_or_default().into(),
        })
    }

    fn unreadable(&self, what: &str, label: &str, reason: impl Into<Error>) -> Error {
        Error::Object {
            object: format!("{what} \"{}\"", label.escape_debug()),
            token: self.token().slot().name().to_owned(),
            reason: Box::new(reason.into()),
        }
    }
}

/// Reads the objects that fit a template. One that cannot be read does not hide the others.
fn objects<T>(
    session: &Pooled<'_>,
    template: &[(CK_ATTRIBUTE_TYPE, Number)],
    read: impl Fn(CK_OBJECT_HANDLE) -> Result<T, Error>,
) -> Result<Objects<T>, Error> {
    let template: Vec<(CK_ATTRIBUTE_TYPE, &[u8])> = template
        .iter()
        .map(|(attribute, value)| (*attribute, value.as_slice()))
        .collect();
    let handles = session.find(&template, false)?;
    let mut all = Objects {
        read: Vec::with_capacity(handles.len()),
        problems: Vec::new(),
    };
    for handle in handles {
        match read(handle) {
            Ok(object) => all.read.push(object),
            Err(error @ Error::TooManyObjects { .. }) => return Err(error),
            Err(error) if is_of_the_session(&error) => return Err(error),
            Err(Error::Call { code, .. }) if is_object_gone(code) => {}
            Err(error) => all.problems.push(error),
        }
    }
    Ok(all)
}

struct Objects<T> {
    read: Vec<T>,
    problems: Vec<Error>,
}

impl<T> Objects<T> {
    /// Those that could be read; what is wrong with the others goes to the problems.
    fn without(self, problems: &mut Vec<Error>) -> Vec<T> {
        problems.extend(self.problems);
        self.read
    }
}

/// An object with the names that the token gives it.
pub(crate) struct Labelled<T> {
    label: Arc<str>,
    id: Arc<[u8]>,
    pub(crate) object: T,
}

impl<T> Labelled<T> {
    pub(super) fn names(&self) -> (&Arc<str>, &Arc<[u8]>) {
        (&self.label, &self.id)
    }
}

/// A number as PKCS#11 attributes hold it.
type Number = [u8; size_of::<CK_ULONG>()];

fn class(class: CK_OBJECT_CLASS) -> (CK_ATTRIBUTE_TYPE, Number) {
    (CKA_CLASS, class.to_ne_bytes())
}

/// Another program deleted the object between its finding and its reading.
fn is_object_gone(code: ReturnCode) -> bool {
    code.is(CKR_OBJECT_HANDLE_INVALID)
}
