//! Time stamps (RFC 3161): what is asked of an authority, and what its answer is worth.

mod token;

use std::fmt;

use der::asn1::{BitString, Int, ObjectIdentifier};
use der::{Decode, Sequence};

pub(in crate::cms) use token::TST_INFO;
pub use token::Timestamp;

use crate::DigestAlgorithm;
use crate::cms::{tlv, verify};

/// What asks an authority: the DER of a TimeStampReq in, that of a TimeStampResp out.
pub(super) type Authority<'a> =
    dyn Fn(&[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// The token of an authority for these bytes.
pub(super) fn stamp(
    authority: &Authority<'_>,
    algorithm: DigestAlgorithm,
    bytes: &[u8],
) -> Result<Vec<u8>, TimestampError> {
    let request = TimestampRequest::new(algorithm, &algorithm.digest(bytes))?;
    let answer = authority(&request.to_der()).map_err(TimestampError::Transport)?;
    Ok(request.check(&answer)?.into_der())
}

/// A request for a time stamp (RFC 3161 section 2.4.1).
///
/// Documents are stamped by [`Signer::timestamp`](crate::cms::Signer::timestamp). This is for
/// whatever else wants a stamp.
///
/// # Example
/// ```no_run
/// # fn post(url: &str, body: &[u8]) -> std::io::Result<Vec<u8>> { unimplemented!() }
/// use keyfob::{DigestAlgorithm, cms::TimestampRequest};
///
/// let digest = DigestAlgorithm::Sha256.digest(b"an idea");
/// let request = TimestampRequest::new(DigestAlgorithm::Sha256, &digest)?;
/// let answer = post("http://tsa.example/", &request.to_der())?;
/// let stamp = request.check(&answer)?;
/// println!("{:?}, give or take {:?}", stamp.time(), stamp.accuracy());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TimestampRequest {
    algorithm: DigestAlgorithm,
    digest: Vec<u8>,
    nonce: u64,
    policy: Option<ObjectIdentifier>,
}

impl TimestampRequest {
    /// A request to stamp something with this digest, with a random number of its own, so that an
    /// answer to another request is none to this one. The authority's certificate is asked for.
    ///
    /// # Errors
    /// [`TimestampError::DigestLength`]; [`TimestampError::Random`] where the system gives no random
    /// bytes.
    ///
    /// # Example
    /// ```
    /// use keyfob::{DigestAlgorithm, cms::TimestampRequest};
    ///
    /// let request = TimestampRequest::new(DigestAlgorithm::Sha256, &[0x5a; 32])?;
    /// assert_eq!(request.to_der()[0], 0x30);
    /// # Ok::<(), keyfob::cms::TimestampError>(())
    /// ```
    pub fn new(algorithm: DigestAlgorithm, digest: &[u8]) -> Result<Self, TimestampError> {
        if digest.len() != algorithm.output_len() {
            return Err(TimestampError::DigestLength {
                expected: algorithm.output_len(),
                found: digest.len(),
            });
        }
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| TimestampError::Random(error.to_string()))?;
        Ok(Self {
            algorithm,
            digest: digest.to_vec(),
            nonce: u64::from_be_bytes(nonce),
            policy: None,
        })
    }

    /// Asks for a stamp under this policy of the authority, and takes no other.
    #[must_use]
    pub fn policy(self, policy: ObjectIdentifier) -> Self {
        let policy = Some(policy);
        Self { policy, ..self }
    }

    /// The TimeStampReq, in DER.
    pub fn to_der(&self) -> Vec<u8> {
        const TRUE: &[u8] = &[0x01, 0x01, 0xff];
        let algorithm = tlv::sequence(&[&tlv::oid(self.algorithm.oid())]);
        let digest = tlv::encode(tlv::OCTET_STRING, &self.digest);
        tlv::sequence(&[
            &tlv::small_integer(1),
            &tlv::sequence(&[&algorithm, &digest]),
            &self.policy.map(tlv::oid).unwrap_or_default(),
            &tlv::integer(self.nonce),
            TRUE, // certReq
        ])
    }

    /// Checks that a TimeStampResp grants what was asked (RFC 3161 section 2.4.2): the status, and
    /// that its token stamps this digest, for this request, under the policy that was asked for, and
    /// that it is signed by the certificate that came with it. Whether that is an authority's which one
    /// trusts is asked when the document is [checked](crate::cms::verify).
    ///
    /// # Errors
    /// [`TimestampError`], which says what is wrong with it.
    pub fn check(&self, answer: &[u8]) -> Result<Timestamp, TimestampError> {
        let malformed = |_| TimestampError::Malformed("it is no TimeStampResp");
        let fields = tlv::elements(answer, tlv::SEQUENCE).map_err(malformed)?;
        let (status, token) = match fields.as_slice() {
            [status, token] => (status, Some(token)),
            [status] => (status, None),
            _ => return Err(TimestampError::Malformed("it is no TimeStampResp")),
        };
        let status = StatusInfo::from_der(status).map_err(malformed)?;
        if !matches!(status.status, GRANTED | GRANTED_WITH_MODS) {
            return Err(TimestampError::Refused(status.to_string()));
        }
        let token = token.ok_or(TimestampError::Malformed("it grants, and has no token"))?;
        let stamp = Timestamp::from_der(token)?;
        if !stamp.stamps(self.algorithm, &self.digest) {
            return Err(TimestampError::OtherDigest);
        }
        let nonce = Int::from_der(&tlv::integer(self.nonce));
        if stamp.nonce() != nonce.ok().as_ref() {
            return Err(TimestampError::OtherRequest);
        }
        if self.policy.is_some_and(|wanted| wanted != stamp.policy()) {
            let found = stamp.policy();
            return Err(TimestampError::OtherPolicy { found });
        }
        if !stamp.has_certificate() {
            return Err(TimestampError::NoCertificate);
        }
        match is_signed(&stamp) {
            true => Ok(stamp),
            false => Err(TimestampError::BadSignature),
        }
    }
}

/// Whether a token is as its authority has signed it, whoever that may be.
fn is_signed(stamp: &Timestamp) -> bool {
    let report = verify(stamp.der()).check();
    report.is_ok_and(|report| match report.signers() {
        [authority] => {
            authority.digest_is_right() == Some(true)
                && authority.signature_is_right() == Some(true)
        }
        _ => false,
    })
}

impl fmt::Debug for TimestampRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimestampRequest")
            .field("algorithm", &self.algorithm)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

const GRANTED: u32 = 0;
const GRANTED_WITH_MODS: u32 = 1;

/// `PKIStatusInfo` (RFC 3161 section 2.4.2).
#[derive(Sequence)]
struct StatusInfo {
    status: u32,
    text: Option<Vec<String>>,
    failure: Option<BitString>,
}

impl fmt::Display for StatusInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<_> = match &self.failure {
            Some(bits) => FAILURES
                .iter()
                .filter(|(bit, _)| bits.bits().nth(*bit) == Some(true))
                .map(|(_, reason)| *reason)
                .collect(),
            None => Vec::new(),
        };
        let said: Vec<_> = self.text.iter().flatten().map(String::as_str).collect();
        write!(f, "status {}", self.status)?;
        for part in [reasons, said].concat() {
            // An authority's text is a stranger's: no control character of it reaches a terminal.
            write!(f, ", {}", part.escape_debug())?;
        }
        Ok(())
    }
}

/// `PKIFailureInfo` (RFC 3161 section 2.4.2).
const FAILURES: &[(usize, &str)] = &[
    (0, "it does not know the digest algorithm"),
    (2, "it does not do what was asked"),
    (5, "it could not read the request"),
    (14, "its clock is not available"),
    (15, "it does not have the policy"),
    (16, "it does not have the extension"),
    (17, "it does not have the information"),
    (25, "its system failed"),
];

/// Why there is no time stamp.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// The authority could not be asked.
    #[error("the time stamp authority could not be asked: {0}")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is none, or is broken.
    #[error("the time stamp authority's answer cannot be read: {0}")]
    Malformed(&'static str),
    /// The authority refuses, for the reasons that it tells.
    #[error("the time stamp authority refuses: {0}")]
    Refused(String),
    /// The stamp is of other bytes.
    #[error("the time stamp is for something else: its digest is not the one that was sent")]
    OtherDigest,
    /// The stamp answers another request.
    #[error("the time stamp answers another request: its nonce is not the one that was sent")]
    OtherRequest,
    /// The stamp was made under another policy.
    #[error("the time stamp is under the policy {found}, which is not the one that was asked for")]
    OtherPolicy {
        /// The policy of the stamp.
        found: ObjectIdentifier,
    },
    /// The authority's certificate was asked for, and is not there.
    #[error("the time stamp comes without its authority's certificate, so nobody could check it")]
    NoCertificate,
    /// The authority's signature is wrong, or not by the certificate that came with it.
    #[error("the time stamp's signature is wrong: it was changed on its way, or is nobody's")]
    BadSignature,
    /// A digest has not the length of its algorithm.
    #[error("the digest has {found} bytes, and its algorithm's have {expected}")]
    DigestLength {
        /// The length that is right, in bytes.
        expected: usize,
        /// The length that was given.
        found: usize,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for the request's nonce: {0}")]
    Random(String),
}
