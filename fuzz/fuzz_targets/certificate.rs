//! Certificates, and chains of them.
#![no_main]

use std::time::SystemTime;

use keyfob::Certificate;
use keyfob::trust::{Purpose, Trust};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(certificate) = Certificate::from_bytes(data) else {
        return;
    };
    let _ = (
        certificate.subject(),
        certificate.issuer(),
        certificate.common_name(),
    );
    let _ = (
        certificate.serial_hex(),
        certificate.key_usage(),
        certificate.public_key(),
    );
    assert_eq!(
        Certificate::from_pem(&certificate.to_pem()).as_ref().ok(),
        Some(&certificate)
    );

    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    let mut trust = Trust::new();
    let _ = trust.crl(data);
    for purpose in [Purpose::Any, Purpose::Signing, Purpose::TimeStamping] {
        let given = [certificate.clone(), certificate.clone()];
        assert!(trust.check(&certificate, &given, purpose, now).is_err());
    }
    trust.anchor(&certificate);
    let _ = trust.check(&certificate, &[], Purpose::Any, now);
});
