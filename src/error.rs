//! Every failure a caller can act on.
//!
//! Each room has its own reason enum beside it; this file only joins them.

use crate::{CertificateError, PublicKeyError, SchemeError, UriError, VerifyError};

/// What went wrong, and to which token, module or input it happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A certificate could not be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A public key could not be read or is of no use here.
    #[error(transparent)]
    PublicKey(#[from] PublicKeyError),
    /// A signature scheme is unknown or does not fit.
    #[error(transparent)]
    Scheme(#[from] SchemeError),
    /// A PKCS#11 URI could not be read.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A signature was not verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}
