//! GOST keys, which are the module's own.

use std::ptr;

use cryptoki_sys::*;
use streebog::{Digest, Streebog256, Streebog512};

use crate::bare::Bare;
use crate::fault::Fault;
use crate::gost::{Key, SETS, Set};

const CKK_GOSTR3410_512: CK_KEY_TYPE = 0xD432_1003;
const CKA_GOSTR3410_512PARAMS: CK_ATTRIBUTE_TYPE = 0xD432_1004;
pub const GOSTR3410_512: CK_MECHANISM_TYPE = 0xD432_1006;
const HASHING_256: CK_MECHANISM_TYPE = 0xD432_1008;
const HASHING_512: CK_MECHANISM_TYPE = 0xD432_1009;
const MECHANISMS: [CK_MECHANISM_TYPE; 4] = [CKM_GOSTR3410, GOSTR3410_512, HASHING_256, HASHING_512];

// 1.2.643.7.1.1.2.2 and .3
const STREEBOG_256: &[u8] = b"\x06\x08\x2a\x85\x03\x07\x01\x01\x02\x02";
const STREEBOG_512: &[u8] = b"\x06\x08\x2a\x85\x03\x07\x01\x01\x02\x03";

fn bench() -> Bare {
    let bare = Bare::new(Fault::load());
    for mechanism in MECHANISMS {
        bare.fault.tokens().add_mechanism(mechanism, CKF_SIGN);
    }
    bare
}

/// The handles of the pair's private and public key.
fn pair(bare: &Bare, session: CK_SESSION_HANDLE, label: &str) -> [CK_OBJECT_HANDLE; 2] {
    [CKO_PRIVATE_KEY, CKO_PUBLIC_KEY].map(|class| {
        let found = bare.labelled(session, class, label);
        assert_eq!(found.len(), 1, "{label}");
        found[0]
    })
}

#[test]
fn they_are_found_beside_those_of_the_token() {
    let bare = bench();
    let session = bare.session();
    let others = bare.keys(session).len();
    for (id, set) in (0x60..).zip(SETS) {
        let label = format!("{}-{}", set.bits, set.name);
        bare.fault.gost_key(&set.params(), &label, id);
        let [private, public] = pair(&bare, session, &label);
        let types = [CKA_CLASS, CKA_KEY_TYPE, CKA_ID, CKA_GOSTR3410_PARAMS];
        let key_type = match set.bits {
            256 => CKK_GOSTR3410,
            _ => CKK_GOSTR3410_512,
        };
        for (key, class) in [(private, CKO_PRIVATE_KEY), (public, CKO_PUBLIC_KEY)] {
            let (result, values) = bare.attributes(session, key, &types);
            assert_eq!(result, CKR_OK);
            let expected = [
                class.to_ne_bytes().to_vec(),
                key_type.to_ne_bytes().to_vec(),
                vec![id],
                set.params(),
            ];
            assert_eq!(values, expected.map(Some));
        }
        let (result, value) = bare.attributes(session, private, &[CKA_VALUE, CKA_LABEL]);
        assert_eq!(result, CKR_ATTRIBUTE_TYPE_INVALID);
        assert_eq!(value, [None, Some(label.clone().into_bytes())]);
        let (_, value) = bare.attributes(session, public, &[CKA_VALUE]);
        let key = Key::from_seed(set, label.as_bytes());
        assert_eq!(value, [Some(key.public())]);
    }
    assert_eq!(bare.keys(session).len(), others + SETS.len());
    bare.fault.command("find hide class=3 id=hex:60");
    assert_eq!(bare.keys(session).len(), others + SETS.len() - 1);
    bare.logout(session);
    assert!(bare.keys(session).is_empty());
    assert_eq!(bare.labelled(session, CKO_PUBLIC_KEY, "256-A").len(), 1);
}

#[test]
fn vendors_show_them_differently() {
    let bare = bench();
    let session = bare.session();
    let [small, large] = [Set::named(256, "A"), Set::named(512, "A")];
    bare.fault.gost_key(&small.params(), "small", 1);
    bare.fault.gost_key(&large.params(), "large", 2);
    bare.fault
        .gost(&format!("wrapped params={CKA_GOSTR3410_512PARAMS}"));
    let params = [CKA_GOSTR3410_PARAMS, CKA_GOSTR3410_512PARAMS];
    for (label, head, in_each) in [
        ("small", &[4, 64][..], [Some(small.params()), None]),
        ("large", &[4, 0x81, 128], [None, Some(large.params())]),
    ] {
        let [_, public] = pair(&bare, session, label);
        let (_, value) = bare.attributes(session, public, &[CKA_VALUE]);
        assert!(value[0].as_ref().unwrap().starts_with(head));
        assert_eq!(bare.attributes(session, public, &params).1, in_each);
    }
}

#[test]
fn they_sign_digests_and_messages_in_any_order_of_bytes() {
    let bare = bench();
    let session = bare.session();
    let message = b"the message";
    let digests = [
        Streebog256::digest(message).to_vec(),
        Streebog512::digest(message).to_vec(),
    ];
    for (bits, digest, raw, hashing) in [
        (256, &digests[0], CKM_GOSTR3410, HASHING_256),
        (512, &digests[1], GOSTR3410_512, HASHING_512),
    ] {
        let (set, label) = (
            Set::named(bits, "B"),
            format!("of {bits}").replace(' ', "-"),
        );
        bare.fault.gost_key(&set.params(), &label, 1);
        let public = Key::from_seed(set, label.as_bytes()).public();
        let [key, _] = pair(&bare, session, &label);
        let turned = |manners: &str, turn: fn(&mut Vec<u8>)| {
            bare.fault.gost(manners);
            for (mechanism, data) in [(raw, digest.as_slice()), (hashing, message)] {
                assert_eq!(sign_init(&bare, session, mechanism, key), CKR_OK);
                let mut signature = sign(&bare, session, data).expect("a signature");
                turn(&mut signature);
                assert!(
                    set.verifies(&public, digest, &signature),
                    "{bits} {manners}"
                );
            }
        };
        turned("", |_| ());
        turned("swapped", |signature| {
            let half = signature.len() / 2;
            signature.rotate_right(half);
        });
        turned("reversed", |signature| signature.reverse());
        turned("swapped reversed", |signature| {
            let half = signature.len() / 2;
            signature[..half].reverse();
            signature[half..].reverse();
        });
        bare.fault.gost("");
        bare.fault.wrong_signatures();
        assert_eq!(sign_init(&bare, session, raw, key), CKR_OK);
        let signature = sign(&bare, session, digest).unwrap();
        assert!(!set.verifies(&public, digest, &signature));
        bare.fault.command("sign forward");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let bare = bench();
    let session = bare.session();
    bare.fault.gost_key(&Set::named(256, "A").params(), "a", 1);
    let [key, public] = pair(&bare, session, "a");
    let refused = |mechanism, key| sign_init(&bare, session, mechanism, key);
    assert_eq!(refused(GOSTR3410_512, key), CKR_KEY_TYPE_INCONSISTENT);
    assert_eq!(refused(CKM_ECDSA, key), CKR_MECHANISM_INVALID);
    assert_eq!(
        refused(CKM_GOSTR3410, public),
        CKR_KEY_FUNCTION_NOT_PERMITTED
    );
    bare.fault.tokens().drop_mechanism(HASHING_256);
    assert_eq!(refused(HASHING_256, key), CKR_MECHANISM_INVALID);

    assert_eq!(refused(CKM_GOSTR3410, key), CKR_OK);
    assert_eq!(refused(CKM_GOSTR3410, key), CKR_OPERATION_ACTIVE);
    assert_eq!(sign(&bare, session, &[7; 31]), Err(CKR_DATA_LEN_RANGE));
    let ended = sign(&bare, session, &[7; 32]);
    assert_eq!(ended, Err(CKR_OPERATION_NOT_INITIALIZED));

    // Asking for the size, or with too little room, ends nothing.
    assert_eq!(refused(CKM_GOSTR3410, key), CKR_OK);
    let (mut digest, mut length) = ([7; 32], 0);
    let none = ptr::null_mut();
    let size = p11!(bare.C_Sign(session, digest.as_mut_ptr(), 32, none, &mut length));
    assert_eq!((size, length), (CKR_OK, 64));
    let (mut short, mut length) = ([0; 63], 63);
    let short = short.as_mut_ptr();
    let small = p11!(bare.C_Sign(session, digest.as_mut_ptr(), 32, short, &mut length));
    assert_eq!((small, length), (CKR_BUFFER_TOO_SMALL, 64));
    assert!(sign(&bare, session, &digest).is_ok());

    bare.logout(session);
    assert_eq!(refused(CKM_GOSTR3410, key), CKR_KEY_HANDLE_INVALID);
}

#[test]
fn a_mechanism_that_hashes_may_want_the_digests_name() {
    let bare = bench();
    let logged_in = bare.session();
    for (bits, hashing, digest) in [
        (256, HASHING_256, STREEBOG_256),
        (512, HASHING_512, STREEBOG_512),
    ] {
        let label = format!("n{bits}");
        let set = Set::named(bits, "A");
        bare.fault.gost_key(&set.params(), &label, 1);
        let [key, _] = pair(&bare, logged_in, &label);
        for (manners, wanted, other) in [("", &[][..], digest), ("names-digest", digest, &[])] {
            bare.fault.gost(manners);
            let begin = |parameter| sign_init_with(&bare, bare.open(), hashing, parameter, key);
            assert_eq!(begin(wanted), CKR_OK);
            assert_eq!(begin(other), CKR_MECHANISM_PARAM_INVALID);
        }
    }
}

pub fn sign_init(
    bare: &Bare,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_TYPE,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    sign_init_with(bare, session, mechanism, &[], key)
}

fn sign_init_with(
    bare: &Bare,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_TYPE,
    parameter: &[u8],
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    let mut parameter = parameter.to_vec();
    let mut mechanism = CK_MECHANISM {
        mechanism,
        pParameter: parameter.as_mut_ptr().cast(),
        ulParameterLen: parameter.len() as CK_ULONG,
    };
    p11!(bare.C_SignInit(session, &mut mechanism, key))
}

pub fn sign(bare: &Bare, session: CK_SESSION_HANDLE, data: &[u8]) -> Result<Vec<u8>, CK_RV> {
    let (mut data, mut signature, mut length) = (data.to_vec(), vec![0; 200], 200);
    let (data, count) = (data.as_mut_ptr(), data.len() as CK_ULONG);
    match p11!(bare.C_Sign(session, data, count, signature.as_mut_ptr(), &mut length)) {
        CKR_OK => {
            signature.truncate(length as usize);
            Ok(signature)
        }
        code => Err(code),
    }
}
