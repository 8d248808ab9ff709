use std::fmt;

/// What protects a private key, as its token tells. `None`: the token does not tell.
///
/// # Example
/// ```no_run
/// # let fob = keyfob::discover()?.only()?.unlock(&keyfob::Pin::from("12345678"))?;
/// let protection = fob.key("p256")?.protection();
/// if protection.never_left_token() {
///     println!("made on the token, and never outside it");
/// }
/// # Ok::<(), keyfob::Error>(())
/// ```
///
/// Source: PKCS#11 3.1, section 4.9 "Private key objects".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Protection {
    /// `CKA_SENSITIVE`: it cannot be read in the clear.
    pub sensitive: Option<bool>,
    /// `CKA_EXTRACTABLE`: it can be taken out wrapped by another key.
    pub extractable: Option<bool>,
    /// `CKA_ALWAYS_SENSITIVE`: it was sensitive since it was made.
    pub always_sensitive: Option<bool>,
    /// `CKA_NEVER_EXTRACTABLE`: it was not extractable since it was made.
    pub never_extractable: Option<bool>,
    /// `CKA_LOCAL`: it was made on the token, not brought to it.
    pub local: Option<bool>,
    /// `CKA_ALWAYS_AUTHENTICATE`: it wants the PIN for each use.
    pub always_authenticate: bool,
}

impl Protection {
    /// Whether the token vouches that the key was made there and never left it: all five of
    /// sensitive, not extractable, always so, and local.
    pub fn never_left_token(self) -> bool {
        self.missing().is_none()
    }

    /// The first attribute that says otherwise, or nothing.
    pub(crate) fn missing(self) -> Option<&'static str> {
        [
            (self.local == Some(true), "CKA_LOCAL is not true"),
            (self.sensitive == Some(true), "CKA_SENSITIVE is not true"),
            (
                self.extractable == Some(false),
                "CKA_EXTRACTABLE is not false",
            ),
            (
                self.always_sensitive == Some(true),
                "CKA_ALWAYS_SENSITIVE is not true",
            ),
            (
                self.never_extractable == Some(true),
                "CKA_NEVER_EXTRACTABLE is not true",
            ),
        ]
        .into_iter()
        .find_map(|(holds, missing)| (!holds).then_some(missing))
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.never_left_token() {
            "made on the token, never left it"
        } else if self.never_extractable == Some(true) {
            "never extractable"
        } else if self.extractable == Some(true) {
            "extractable"
        } else if self.sensitive == Some(true) {
            "sensitive"
        } else {
            "not known to be protected"
        })?;
        match self.always_authenticate {
            true => f.write_str(", wants the PIN each time"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Protection;

    #[test]
    fn one_thing_less_is_too_little() {
        let whole = Protection {
            sensitive: Some(true),
            extractable: Some(false),
            always_sensitive: Some(true),
            never_extractable: Some(true),
            local: Some(true),
            always_authenticate: false,
        };
        assert!(whole.never_left_token());
        for less in [
            Protection {
                sensitive: None,
                ..whole
            },
            Protection {
                extractable: Some(true),
                ..whole
            },
            Protection {
                always_sensitive: Some(false),
                ..whole
            },
            Protection {
                never_extractable: None,
                ..whole
            },
            Protection {
                local: Some(false),
                ..whole
            },
        ] {
            assert!(!less.never_left_token(), "{less:?}");
        }
    }
}
