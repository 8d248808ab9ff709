//! Answers to reset.
#![no_main]

use keyfob::Atr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(atr) = Atr::try_from(data) else {
        return;
    };
    assert_eq!(atr.as_bytes(), data);
    let _ = (
        atr.convention(),
        atr.interface_bytes(),
        atr.protocols(),
        atr.checksum(),
    );
    assert!(atr.historical_bytes().len() < 16);
    let text = atr.to_string();
    assert_eq!(
        text.parse::<Atr>().expect("it was read before").as_bytes(),
        data
    );
});
