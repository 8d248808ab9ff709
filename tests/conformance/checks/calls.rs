use std::path::Path;

use keyfob::Scheme;

use crate::bench::Bench;
use crate::spy::Spy;

/// Counted by OpenSC's pkcs11-spy.so, between keyfob and the module: two calls for each signature;
/// one login and one logout; every session that was opened is closed, and the module finalized.
pub fn two_for_a_signature(bench: &Bench<'_>) {
    const SIGNATURES: usize = 10;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    let spy = Spy::before(&bench.module, &folder, bench.name);
    let token = bench.token_through(&spy.module);
    let identity = bench.signers(&token, &bench.pin.into()).swap_remove(0);
    let scheme = Scheme::default_for(&identity.key_type()).unwrap();
    identity.sign(scheme, b"the first").unwrap();
    let before = spy.calls().len();
    for number in 0..SIGNATURES {
        identity.sign(scheme, &number.to_be_bytes()).unwrap();
    }
    let calls = spy.calls().split_off(before);
    assert_eq!(calls, ["C_SignInit", "C_Sign"].repeat(SIGNATURES));
    drop((identity, token));
    let calls = spy.calls();
    let count = |name| calls.iter().filter(|call| *call == name).count();
    assert_eq!(
        (count("C_Initialize"), count("C_Login"), count("C_Logout")),
        (1, 1, 1)
    );
    assert_eq!(count("C_OpenSession"), count("C_CloseSession"));
    assert_eq!(calls.last().map(String::as_str), Some("C_Finalize"));
}
