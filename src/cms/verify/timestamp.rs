//! A time stamp on a signature (RFC 3161): that it is of this signature, and its authority's.

use super::content::Subject;
use super::report::TimestampReport;
use super::signer::Context;
use super::{Problem, announced, read_certificates, weakness};
use crate::DigestAlgorithm;
use crate::cms::Timestamp;
use crate::cms::read::{ReadError, SignedData, SignerInfo};
use crate::cms::timestamp::TST_INFO;

/// A TSTInfo has some hundred bytes.
const LONGEST_INFO: usize = 64 * 1024;

/// Checks the time stamp in a value of a signature-time-stamp attribute.
pub(super) fn check(context: &Context<'_>, token: &[u8], signature: &[u8]) -> TimestampReport {
    let mut report = TimestampReport {
        time: None,
        authority: None,
        problems: Vec::new(),
    };
    if let Err(problem) = check_token(context, token, signature, &mut report) {
        report.problems.push(problem);
    }
    report
}

fn check_token(
    context: &Context<'_>,
    token: &[u8],
    signature: &[u8],
    report: &mut TimestampReport,
) -> Result<(), Problem> {
    let unreadable = |error: ReadError| malformed(error.to_string());
    let document = SignedData::open(token).map_err(unreadable)?;
    let content_type = document.content_type;
    if content_type != TST_INFO {
        return Err(malformed(format!("its content is of type {content_type}")));
    }
    let mut hashing = announced(&document, context.policy);
    let mut content = Vec::new();
    let rest = document.read(&mut |piece| {
        hashing.update(piece);
        content.extend_from_slice(piece);
        match content.len() > LONGEST_INFO {
            true => Err(ReadError::TooLarge {
                what: "time stamp",
                limit: LONGEST_INFO,
            }),
            false => Ok(()),
        }
    });
    let rest = rest.map_err(unreadable)?;
    let stamp = Timestamp::from_info(token.to_vec(), &content, true);
    let stamp = stamp.map_err(|error| malformed(error.to_string()))?;
    report.time = Some(stamp.time());

    // RFC 3161 section 2.4.2: the authority's signature, and no other.
    let [signer] = rest.signers.as_slice() else {
        return Err(malformed("it has not one signer".into()));
    };
    let signer = SignerInfo::from_ber(signer).map_err(unreadable)?;
    let hashed = hashing.finish();
    let mut certificates = read_certificates(&rest.certificates, &mut Vec::new());
    certificates.extend_from_slice(context.certificates);
    let context = Context {
        certificates: &certificates,
        ..*context
    };
    let subject = Subject::Content(content_type, Some(&hashed));
    report.authority = Some(context.check_authority(&signer, &subject));
    imprint(&context, &stamp, signature)
}

/// That the stamp is of this signature.
fn imprint(context: &Context<'_>, stamp: &Timestamp, signature: &[u8]) -> Result<(), Problem> {
    let oid = stamp.digest_algorithm();
    let digest = DigestAlgorithm::from_oid_even_weak(oid).ok_or(Problem::UnknownDigest { oid })?;
    if let Some(weakness) = weakness(digest).filter(|one| !context.policy.allows(*one)) {
        let what = digest.to_string();
        return Err(Problem::TooWeak { what, weakness });
    }
    match stamp.stamps(digest, &digest.digest(signature)) {
        true => Ok(()),
        false => Err(Problem::OtherStamped),
    }
}

fn malformed(reason: String) -> Problem {
    Problem::MalformedStamp { reason }
}
