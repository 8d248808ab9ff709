//! Time stamps, and the answers of authorities.
#![no_main]

use keyfob::DigestAlgorithm;
use keyfob::cms::{Timestamp, TimestampRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(stamp) = Timestamp::from_der(data) {
        let _ = (
            stamp.time(),
            stamp.accuracy(),
            stamp.policy(),
            stamp.serial(),
        );
        assert_eq!(
            Timestamp::from_der(stamp.der()).expect("it was read before"),
            stamp
        );
    }
    let request = TimestampRequest::new(DigestAlgorithm::Sha256, &[0; 32]).expect("a request");
    // The number in the request is random, so that no answer is one to it.
    let Err(error) = request.check(data) else {
        panic!("an answer that was there before the question");
    };
    assert!(!error.to_string().is_empty());
});
