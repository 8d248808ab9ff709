//! Every failure a caller can act on.
//!
//! Each room has its own reason enum beside it; this file only joins them.

use std::path::PathBuf;

use crate::{
    CertificateError, LocateError, ModuleError, PinError, PinSourceError, PublicKeyError,
    ReturnCode, SchemeError, SignError, SignatureError, UriError, VerifyError,
};

/// What went wrong, to which token, module or input, and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A PKCS#11 library cannot be used.
    #[error("the PKCS#11 module {} cannot be used: {reason}", path.display())]
    Module {
        /// The library, or the file that names it.
        path: PathBuf,
        /// Why.
        reason: ModuleError,
    },
    /// The search for modules met something that it passed over.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// Readers cannot be seen.
    #[cfg(feature = "pcsc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "pcsc")))]
    #[error(transparent)]
    Reader(#[from] crate::ReaderError),
    /// An answer to reset could not be read.
    #[cfg(feature = "pcsc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "pcsc")))]
    #[error(transparent)]
    Atr(#[from] crate::AtrError),
    /// A PIN was refused, by the token or before it was sent.
    #[error("the token {token}: {reason}")]
    Pin {
        /// The token's label and serial.
        token: String,
        /// Why.
        reason: PinError,
    },
    /// A PIN could not be had.
    #[error(transparent)]
    PinSource(#[from] PinSourceError),
    /// The token is no longer there, or another one is in its place.
    #[error("the token {token} was removed; plug it in and find it again")]
    TokenRemoved {
        /// The token's label and serial.
        token: String,
    },
    /// The token's login is lost: it was pulled out, or another program has logged out. The handles
    /// that there are go on after a new [`Token::unlock`](crate::Token::unlock).
    #[error(
        "the token {token} is no longer unlocked: it was pulled out, or its login was ended by \
         another program; unlock it again"
    )]
    NotUnlocked {
        /// The token's label and serial.
        token: String,
    },
    /// All sessions that the token allows were in use for longer than one may wait; see
    /// [`Token::set_patience`](crate::Token::set_patience).
    #[error(
        "the token {token} was busy for too long: all sessions that it allows are in use; try \
         again, or use fewer threads"
    )]
    Busy {
        /// The token's label and serial.
        token: String,
    },
    /// Another module uses the card that the token is on; see
    /// [`Token::other_ways`](crate::Token::other_ways).
    #[error(
        "the token {token} is in use through the module {}, and a card is used through one module \
         at a time; drop what came from it there first",
        module.display()
    )]
    InUse {
        /// The token's label and serial.
        token: String,
        /// The module that uses it.
        module: PathBuf,
    },
    /// A card gives no token.
    #[cfg(feature = "pcsc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "pcsc")))]
    #[error("{card} in the reader \"{reader}\": {reason}")]
    Card {
        /// What the card is, or its answer to reset.
        card: String,
        /// The reader that it is in.
        reader: String,
        /// Why.
        reason: crate::CardError,
    },
    /// None or several fit where one was wanted.
    #[error("{wanted}: {reason}")]
    Selection {
        /// What was looked for.
        wanted: String,
        /// What was found instead.
        reason: SelectionError,
    },
    /// A token shows so many or so large objects that they are not all read at once.
    #[error(
        "the token {token} shows more objects than are read at once; name the key that is wanted \
         (Unlocked::key)"
    )]
    TooManyObjects {
        /// The token's label and serial.
        token: String,
    },
    /// An object on a token cannot be read.
    #[error("{object} on the token {token}: {reason}")]
    Object {
        /// What it is, and its label.
        object: String,
        /// The token's label and serial.
        token: String,
        /// Why.
        #[source]
        reason: Box<Error>,
    },
    /// Something cannot be signed.
    #[error("the key {key} cannot sign this: {reason}")]
    Sign {
        /// The key's label, and its token.
        key: String,
        /// Why.
        reason: SignError,
    },
    /// A key is not protected as it was demanded to be.
    #[error(
        "the key {key} is refused: the token does not vouch that it never left it ({missing}); \
         use a key that was made on the token"
    )]
    Unprotected {
        /// The key's label, and its token.
        key: String,
        /// The attribute that says otherwise.
        missing: &'static str,
    },
    /// A module answered a call with an error that has no better name here.
    #[error("{subject}: {function} failed with {code}")]
    Call {
        /// What the call was made on.
        subject: String,
        /// The PKCS#11 function.
        function: &'static str,
        /// What it returned.
        code: ReturnCode,
    },
    /// The process is a child of the one that opened this, and must not use it: its parent does.
    #[error(
        "this was opened by the parent of this process, before the fork; \
         find the token again in the child"
    )]
    Forked,
    /// A key cannot be used in TLS.
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    #[error("the key {key} cannot be used in TLS: {reason}")]
    Tls {
        /// The key's label, and its token.
        key: String,
        /// Why.
        reason: crate::TlsError,
    },
    /// A signature was not verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Bytes are no signature of the scheme that they were taken for.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A document was not signed.
    #[cfg(feature = "cms")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cms")))]
    #[error(transparent)]
    SignDocument(#[from] crate::cms::SignDocumentError),
    /// There is no time stamp.
    #[cfg(feature = "cms")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cms")))]
    #[error(transparent)]
    Timestamp(#[from] crate::cms::TimestampError),
    /// A signed document could not be read.
    #[cfg(feature = "cms")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cms")))]
    #[error(transparent)]
    Document(#[from] crate::cms::ReadError),
    /// A certificate could not be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A certificate has no chain to a trust anchor.
    #[cfg(feature = "cms")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cms")))]
    #[error(transparent)]
    Chain(Box<crate::trust::ChainError>),
    /// Trust anchors, certificates or CRLs could not be read.
    #[cfg(feature = "cms")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cms")))]
    #[error(transparent)]
    Trust(Box<crate::trust::TrustError>),
    /// A public key could not be read or is of no use here.
    #[error(transparent)]
    PublicKey(#[from] PublicKeyError),
    /// A signature scheme is unknown or does not fit.
    #[error(transparent)]
    Scheme(#[from] SchemeError),
    /// A PKCS#11 URI could not be read.
    #[error(transparent)]
    Uri(#[from] UriError),
}

#[cfg(feature = "cms")]
impl From<crate::trust::ChainError> for Error {
    fn from(error: crate::trust::ChainError) -> Self {
        Self::Chain(Box::new(error))
    }
}

#[cfg(feature = "cms")]
impl From<crate::trust::TrustError> for Error {
    fn from(error: crate::trust::TrustError) -> Self {
        Self::Trust(Box::new(error))
    }
}

/// What was found where one thing was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// Nothing.
    #[error("there is none; list what there is to see the names")]
    None,
    /// Nothing yet: the token is locked, and may show more once it is unlocked.
    #[error("there is none to be seen before the token is unlocked; unlock it first")]
    NoneWhileLocked,
    /// Several, by which each can be named; where they are very many, the first of them and how many
    /// more there are.
    #[error("there are several; name one of them: {}", .0.join(", "))]
    Several(Vec<String>),
}

impl Error {
    /// The only one there is, or an error that says what there is instead: `none`, or several.
    pub(crate) fn exactly_one<T>(
        mut all: Vec<T>,
        wanted: impl Into<String>,
        none: SelectionError,
        name: impl Fn(&T) -> String,
    ) -> Result<T, Self> {
        let reason = match (all.len(), all.pop()) {
            (1, Some(only)) => return Ok(only),
            (_, None) => none,
            (_, Some(last)) => {
                all.push(last);
                SelectionError::Several(first_few(&all, name))
            }
        };
        Err(Self::Selection {
            wanted: wanted.into(),
            reason,
        })
    }
}

/// More than anybody reads.
const MANY: usize = 50;

/// Texts of the first, and how many more there are.
pub(crate) fn first_few<T>(all: &[T], text: impl Fn(&T) -> String) -> Vec<String> {
    let more = all.len().saturating_sub(MANY);
    let rest = (more > 0).then(|| format!("and {more} more"));
    all.iter().take(MANY).map(text).chain(rest).collect()
}
