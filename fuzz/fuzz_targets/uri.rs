//! PKCS#11 URIs: what is read and written and read again is the same.
#![no_main]

use keyfob::Uri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| {
    let Ok(uri) = data.parse::<Uri>() else {
        return;
    };
    let _ = (
        uri.id(),
        uri.object_type(),
        uri.slot_id(),
        uri.pin_value(),
        uri.module_path(),
    );
    assert!(!format!("{uri:?}").is_empty());
    let written = uri.to_string();
    let again: Uri = written.parse().expect("it was written by us");
    assert_eq!(again.to_string(), written);
});
