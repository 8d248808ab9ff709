//! Signed documents: whatever the bytes, there is a report or an error, and content comes out only of
//! what is valid.
#![no_main]

use keyfob::Certificate;
use keyfob::cms::{self, Policy, Verdict};
use keyfob::trust::{Trust, Weakness};
use libfuzzer_sys::fuzz_target;

/// The authority that the seeds' signers are of.
const AUTHORITY: &str = include_str!("../seeds/authority.pem");

fuzz_target!(|data: &[u8]| {
    let mut trust = Trust::new();
    trust.anchor(&Certificate::from_pem(AUTHORITY).expect("a certificate"));
    let policy = [Weakness::Md5, Weakness::Sha1, Weakness::ShortRsa]
        .into_iter()
        .fold(Policy::new(), Policy::allow);
    for content in [None, Some(&b"content"[..])] {
        let mut written = Vec::new();
        let mut check = cms::verify(data).trust(&trust).policy(policy.clone());
        check = match content {
            Some(content) => check.content(content),
            None => check.output(&mut written),
        };
        let Ok(report) = check.check() else {
            continue;
        };
        assert!(!report.to_string().is_empty());
        let mut extracted = Vec::new();
        match report.extract(data, &mut extracted) {
            Ok(()) => assert!(report.verdict() == Verdict::Valid && extracted == written),
            Err(_) => assert!(report.verdict() != Verdict::Valid || !report.is_attached()),
        }
    }
});
