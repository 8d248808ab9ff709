//! Sign with keys that live in USB tokens and smart cards.
#![warn(missing_docs, unreachable_pub)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::undocumented_unsafe_blocks
)]
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod cert;
mod digest;
mod error;
mod public_key;
mod scheme;
mod uri;
mod verify;

pub use cert::{Certificate, CertificateError};
pub use digest::{DigestAlgorithm, Hasher};
pub use error::Error;
pub use public_key::{Curve, KeyType, PublicKey, PublicKeyError};
pub use scheme::{Scheme, SchemeError, Signature};
pub use uri::{Uri, UriError};
pub use verify::VerifyError;
