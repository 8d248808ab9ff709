use std::fmt;

/// What a token says of its PIN.
///
/// Source: the flags of `CK_TOKEN_INFO`, PKCS#11 3.1, section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PinState {
    /// No wrong PIN since the last right one.
    Normal,
    /// A wrong PIN was entered since the last right one.
    Low,
    /// One more wrong PIN locks the token.
    FinalTry,
    /// Too many wrong PINs: the PIN must be reset by the token's administrator (SO PIN or PUK).
    Locked,
    /// The user's PIN was never set.
    NotSet,
    /// The PIN works, but must be changed first.
    MustChange,
    /// The token is used without a PIN.
    NotNeeded,
    /// The module shows nothing of the PIN's state until a login has failed.
    Unknown,
}

impl fmt::Display for PinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "PIN normal",
            Self::Low => "PIN tries low",
            Self::FinalTry => "last PIN try",
            Self::Locked => "PIN locked",
            Self::NotSet => "PIN not set",
            Self::MustChange => "PIN must be changed",
            Self::NotNeeded => "no PIN needed",
            Self::Unknown => "PIN state unknown",
        })
    }
}

/// What is known of the tries left after a wrong PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TriesLeft {
    /// The token does not say.
    Unknown,
    /// Fewer than at first, more than one.
    Low,
    /// One.
    One,
    /// None: the PIN is locked now.
    None,
}

impl fmt::Display for TriesLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the token does not say how many tries are left",
            Self::Low => "the token says that few tries are left",
            Self::One => "one try is left before the token locks",
            Self::None => "no try is left and the PIN is locked now",
        })
    }
}
