//! Signed documents: CMS SignedData (RFC 5652) and CAdES (ETSI EN 319 122), made and checked.
//!
//! [`sign`] makes them:
//!
//! ```no_run
//! use keyfob::{Pin, cms};
//!
//! let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
//! let me = fob.identities()?.for_signing().valid_now().only()?;
//! let p7s = cms::sign(&me).detached().path("contract.pdf")?;
//! # Ok::<(), keyfob::Error>(())
//! ```

mod amend;
mod armor;
mod attributes;
mod content;
mod read;
mod shell;
mod sign;
mod sign_error;
mod signer;
mod signer_id;
mod timestamp;
mod tlv;
mod verify;

use der::asn1::ObjectIdentifier;

pub use amend::{Countersigning, countersign};
pub use armor::Encoding;
pub use read::ReadError;
pub use sign::{Attached, Detached, Signing, sign};
pub use sign_error::SignDocumentError;
pub use signer::Signer;
pub use timestamp::{Timestamp, TimestampError, TimestampRequest};
pub use verify::{
    Policy, Problem, Report, SignerReport, TimestampReport, Verdict, Verify, Warning, verify,
};

/// Content of any kind (RFC 5652 section 4).
pub(crate) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// RFC 5652 section 5.1.
pub(crate) const SIGNED_DATA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
