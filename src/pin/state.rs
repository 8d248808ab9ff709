use std::fmt;

/// What a token says of its PIN.
///
/// Source: the flags of `CK_TOKEN_INFO`, PKCS#11 3.1, section 3.2; or, where the module hides them,
/// the card's own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PinState {
    /// No wrong PIN since the last right one.
    Normal,
    /// A wrong PIN was entered since the last right one.
    Low,
    /// So many tries are left, two or more, as the card itself says. How many there were at first
    /// is not known.
    TriesLeft(u8),
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
    /// The module shows nothing of the PIN's state until a login has failed, and the card cannot be
    /// asked.
    Unknown,
}

impl fmt::Display for PinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "PIN normal",
            Self::Low => "PIN tries low",
            Self::TriesLeft(tries) => return write!(f, "{tries} PIN tries left"),
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
    /// So many, two or more. The card itself says so.
    Several(u8),
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
            Self::Several(tries) => return write!(f, "{tries} tries are left"),
            Self::One => "one try is left before the token locks",
            Self::None => "no try is left and the PIN is locked now",
        })
    }
}
