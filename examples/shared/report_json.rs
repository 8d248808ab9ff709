//! The report of `verify_document`, for machines.

use std::fmt::Display;
use std::time::SystemTime;

use keyfob::Certificate;
use keyfob::cms::{Report, SignerReport, TimestampReport, Verdict};
use serde_json::{Value, json};

/// What `verify_document` prints for machines.
pub fn report(report: &Report) -> Value {
    json!({
        "verdict": verdict(report.verdict()),
        "attached": report.is_attached(),
        "content_type": report.content_type().to_string(),
        "content_length": report.content_len(),
        "signers": report.signers().iter().map(signer).collect::<Vec<_>>(),
        "problems": texts(report.problems()), "warnings": texts(report.warnings()),
    })
}

fn signer(signer: &SignerReport) -> Value {
    let chain = signer.chain();
    let names = |chain: &[Certificate]| chain.iter().map(Certificate::subject).collect::<Vec<_>>();
    json!({
        "verdict": verdict(signer.verdict()),
        "name": signer.name(),
        "certificate": signer.certificate().map(|certificate| json!({
            "subject": certificate.subject(), "issuer": certificate.issuer(),
            "serial": certificate.serial_hex(),
            "not_before": time(Some(certificate.not_before())),
            "not_after": time(Some(certificate.not_after())),
        })),
        "scheme": signer.scheme().map(|scheme| scheme.name()),
        "digest_is_right": signer.digest_is_right(),
        "signature_is_right": signer.signature_is_right(),
        "claimed_time": time(signer.claimed_time()),
        "stamped_time": time(signer.stamped_time()),
        "cades": signer.is_cades(),
        "chain": chain.map(|chain| names(chain.certificates())),
        "chain_warnings": chain.map(|chain| texts(&chain.warnings())),
        "time_stamps": signer.timestamps().iter().map(timestamp).collect::<Vec<_>>(),
        "counter_signatures":
            signer.counter_signatures().iter().map(self::signer).collect::<Vec<_>>(),
        "problems": texts(signer.problems()), "warnings": texts(signer.warnings()),
    })
}

fn timestamp(stamp: &TimestampReport) -> Value {
    json!({
        "verdict": verdict(stamp.verdict()),
        "time": time(stamp.time()),
        "authority": stamp.authority().map(signer),
        "problems": texts(stamp.problems()),
    })
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Invalid => "invalid",
        Verdict::CouldNotTell => "could-not-tell",
    }
}

fn texts(all: &[impl Display]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

/// As RFC 3339 writes it, to the second.
fn time(time: Option<SystemTime>) -> Option<String> {
    let time = der::DateTime::from_system_time(time?).ok()?;
    Some(time.to_string())
}
