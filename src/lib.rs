#![doc = include_str!("../README.md")]
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
// PKCS#11's numbers have 32 bits on some systems, and 64 on others.
#![allow(clippy::unnecessary_cast, clippy::useless_conversion)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
mod guide {}

#[cfg(all(doctest, feature = "cms"))]
#[doc = include_str!("../docs/documents.md")]
mod documents_guide {}

#[cfg(all(doctest, feature = "gost"))]
#[doc = include_str!("../docs/gost.md")]
mod gost_guide {}

#[cfg(all(doctest, feature = "rustls"))]
#[doc = include_str!("../docs/tls.md")]
mod tls_guide {}

mod catalog;
mod cert;
#[cfg(feature = "cms")]
pub mod cms;
mod digest;
mod discovery;
mod error;
#[cfg(feature = "gost")]
mod gost;
mod identity;
mod key;
mod module;
mod pem;
mod pin;
mod privilege;
mod public_key;
#[cfg(feature = "pcsc")]
mod reader;
mod scheme;
mod sign;
mod sync;
#[cfg(test)]
mod temp_dir;
#[cfg(feature = "rustls")]
mod tls;
mod token;
#[cfg(feature = "cms")]
pub mod trust;
mod uri;
mod verify;

#[cfg(feature = "gost")]
pub use gost::GostParameterSet;
#[cfg(all(feature = "prompt", unix))]
pub use pin::TerminalPrompt;
#[cfg(feature = "rustls")]
pub use tls::{TlsError, TlsKey};
#[cfg(feature = "pcsc")]
pub use {
    catalog::card::{CardModel, CardQuirk},
    discovery::{CardError, wait_for},
    reader::{
        Atr, AtrError, Card, Checksum, Convention, InterfaceBytes, Reader, ReaderError,
        ReaderEvent, ReaderState, Stopper, Watch, readers, watch,
    },
};
pub use {
    cert::{
        Certificate, CertificateError, IdentificationKind, Identifier, IdentifierKind,
        IdentifierScheme, IssuerSignTool, KazakhRole, Owner, QcLimit, QcStatements, QcType,
        SecurityClass,
    },
    digest::{DigestAlgorithm, Hasher},
    discovery::{Discovery, Search, discover},
    error::{Error, SelectionError},
    identity::{Identities, Identity, KeyStatus},
    key::{PrivateKey, Protection},
    module::{LocateError, Module, ModuleError, ModuleInfo, Origin, ReturnCode},
    pin::{Pin, PinError, PinPrompt, PinPurpose, PinRequest, PinSourceError, PinState, TriesLeft},
    public_key::{Curve, KeyType, PublicKey, PublicKeyError},
    scheme::{Scheme, SchemeError, Signature, SignatureError},
    sign::{Batch, SignError, TokenSigner},
    token::{Token, TokenFlags, Unlocked},
    uri::{ObjectType, Uri, UriError},
    verify::VerifyError,
};
