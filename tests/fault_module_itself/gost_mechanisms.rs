//! What the module does with GOST beside signing: it makes key pairs, has two of them agree on a key,
//! and hashes.

use std::ptr;

use cryptoki_sys::*;
use streebog::{Digest, Streebog256};

use crate::bare::Bare;
use crate::fault::Fault;
use crate::gost::{Key, SETS, Set};
use crate::gost_keys::{GOSTR3410_512, sign, sign_init};
use crate::key_pair::{self, GOSTR3410_512_KEY_PAIR_GEN, KeyPair, writing_session};

const CKA_GOSTR3410_512PARAMS: CK_ATTRIBUTE_TYPE = 0xD432_1004;
const DERIVE: CK_MECHANISM_TYPE = 0xD432_1007;
const STREEBOG_256: CK_MECHANISM_TYPE = 0xD432_1012;
const STREEBOG_512: CK_MECHANISM_TYPE = 0xD432_1013;

fn bench() -> Bare {
    let bare = Bare::new(Fault::load());
    let tokens = bare.fault.tokens();
    for mechanism in [CKM_GOSTR3410_KEY_PAIR_GEN, GOSTR3410_512_KEY_PAIR_GEN] {
        tokens.add_mechanism(mechanism, CKF_GENERATE_KEY_PAIR);
    }
    tokens.add_mechanism(CKM_GOSTR3410, CKF_SIGN);
    tokens.add_mechanism(GOSTR3410_512, CKF_SIGN);
    tokens.add_mechanism(DERIVE, CKF_DERIVE);
    for mechanism in [STREEBOG_256, STREEBOG_512] {
        tokens.add_mechanism(mechanism, CKF_DIGEST);
    }
    bare
}

fn maker(bits: usize) -> CK_MECHANISM_TYPE {
    match bits {
        256 => CKM_GOSTR3410_KEY_PAIR_GEN,
        _ => GOSTR3410_512_KEY_PAIR_GEN,
    }
}

#[test]
fn keys_are_made_and_sign() {
    let bare = bench();
    bare.session();
    let session = writing_session(bare.functions, bare.slot);
    let mut seen = Vec::new();
    for (id, set) in (0x60..).zip(SETS) {
        let label = format!("made-{}-{}", set.bits, set.name);
        let pair = KeyPair {
            mechanism: maker(set.bits),
            params: Some((CKA_GOSTR3410_PARAMS, &set.params())),
            label: &label,
            id,
        };
        let [private, public] = pair.make(bare.functions, session).expect("a key pair");
        let found = |class| bare.labelled(session, class, &label);
        assert_eq!(found(CKO_PRIVATE_KEY), [private]);
        assert_eq!(found(CKO_PUBLIC_KEY), [public]);
        let wanted = [CKA_VALUE, CKA_ID, CKA_GOSTR3410_PARAMS];
        let (code, values) = bare.attributes(session, public, &wanted);
        assert_eq!(code, CKR_OK);
        let [Some(point), Some(its_id), Some(params)] = &values[..] else {
            panic!("{values:?}");
        };
        assert_eq!((&its_id[..], params), (&[id][..], &set.params()));

        let digest = vec![id; set.bits / 8];
        let signs = match set.bits {
            256 => CKM_GOSTR3410,
            _ => GOSTR3410_512,
        };
        assert_eq!(sign_init(&bare, session, signs, private), CKR_OK);
        let signature = sign(&bare, session, &digest).expect("a signature");
        assert_eq!(signature.len(), set.bits / 4);
        assert!(set.verifies(point, &digest, &signature), "{label}");
        assert!(!seen.contains(point), "{label}");
        seen.push(point.clone());
    }
}

#[test]
fn no_keys_are_made_where_they_cannot_be() {
    let bare = bench();
    let read_only = bare.session();
    let session = writing_session(bare.functions, bare.slot);
    let params = [256, 512].map(|bits| Set::named(bits, "A").params());
    let [small, large] = params.each_ref().map(Vec::as_slice);
    let usual = |params| Some((CKA_GOSTR3410_PARAMS, params));
    let make = |session, bits, params: Option<(CK_ATTRIBUTE_TYPE, &[u8])>| {
        let pair = KeyPair {
            mechanism: maker(bits),
            params,
            label: "none",
            id: 0x60,
        };
        pair.make(bare.functions, session).map(|_| ())
    };
    assert_eq!(
        make(session, 512, usual(small)),
        Err(CKR_ATTRIBUTE_VALUE_INVALID)
    );
    assert_eq!(
        make(session, 256, usual(large)),
        Err(CKR_ATTRIBUTE_VALUE_INVALID)
    );
    assert_eq!(make(session, 256, None), Err(CKR_TEMPLATE_INCOMPLETE));
    assert_eq!(
        make(read_only, 256, usual(small)),
        Err(CKR_SESSION_READ_ONLY)
    );
    assert_eq!(
        make(0xffff, 256, usual(small)),
        Err(CKR_SESSION_HANDLE_INVALID)
    );
    // JaCarta has the parameter set elsewhere.
    let of_jacarta = Some((CKA_GOSTR3410_512PARAMS, large));
    assert_eq!(make(session, 512, of_jacarta), Err(CKR_TEMPLATE_INCOMPLETE));
    assert!(bare.labelled(session, CKO_PUBLIC_KEY, "none").is_empty());
    bare.fault
        .gost(&format!("params={CKA_GOSTR3410_512PARAMS}"));
    assert_eq!(make(session, 512, of_jacarta), Ok(()));
    bare.fault.tokens().drop_mechanism(maker(256));
    assert_eq!(make(session, 256, usual(small)), Err(CKR_MECHANISM_INVALID));
    bare.logout(session);
    assert_eq!(make(session, 512, of_jacarta), Err(CKR_USER_NOT_LOGGED_IN));
    // All others are the real module's.
    let real = KeyPair {
        mechanism: CKM_EC_KEY_PAIR_GEN,
        params: Some((CKA_EC_PARAMS, b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")),
        label: "none",
        id: 0x60,
    };
    let made = real.make(bare.functions, session);
    assert_eq!(made, Err(CKR_USER_NOT_LOGGED_IN));
}

#[test]
fn two_keys_agree_on_a_third() {
    let bare = bench();
    let session = bare.session();
    const UKM: [u8; 8] = [0x1d, 0x80, 0x60, 0x3c, 0x85, 0x44, 0xc7, 0x27];
    for set in [
        Set::named(256, "TCA"),
        Set::named(256, "B"),
        Set::named(512, "C"),
    ] {
        let keys = ["ann", "bob"].map(|label| {
            bare.fault.gost_key(&set.params(), label, 0x60);
            let private = bare.labelled(session, CKO_PRIVATE_KEY, label)[0];
            (private, Key::from_seed(set, label.as_bytes()))
        });
        let [(ann, ann_key), (bob, bob_key)] = &keys;
        let expected = ann_key
            .agree(&bob_key.public(), &UKM)
            .expect("both are keys");
        let expected = Streebog256::digest(&expected).to_vec();
        for (own, other) in [(ann, bob_key), (bob, ann_key)] {
            let parameter = parameter(&other.public(), &UKM);
            let derived = derive(&bare, session, *own, &parameter).expect("a key");
            let (_, values) = bare.attributes(session, derived, &[CKA_VALUE, CKA_CLASS]);
            let class = CKO_SECRET_KEY.to_ne_bytes().to_vec();
            assert_eq!(values, [Some(expected.clone()), Some(class)]);
        }
        let refused = |parameter: &[u8]| derive(&bare, session, *ann, parameter);
        let mut off = bob_key.public();
        off[0] ^= 1;
        assert_eq!(
            refused(&parameter(&off, &UKM)),
            Err(CKR_MECHANISM_PARAM_INVALID)
        );
        let mut diversified = parameter(&bob_key.public(), &UKM);
        diversified[0] = 2;
        assert_eq!(refused(&diversified), Err(CKR_MECHANISM_PARAM_INVALID));
        let whole = parameter(&bob_key.public(), &UKM);
        for length in 0..whole.len() {
            assert_eq!(refused(&whole[..length]), Err(CKR_MECHANISM_PARAM_INVALID));
        }
    }
    let public = bare.labelled(session, CKO_PUBLIC_KEY, "ann")[0];
    let refused = derive(&bare, session, public, &[]);
    assert_eq!(refused, Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
    let others = bare.key(session, "p256");
    assert_eq!(
        derive(&bare, session, others, &[]),
        Err(CKR_KEY_TYPE_INCONSISTENT)
    );
    bare.fault.tokens().drop_mechanism(DERIVE);
    let ann = bare.labelled(session, CKO_PRIVATE_KEY, "ann")[0];
    assert_eq!(derive(&bare, session, ann, &[]), Err(CKR_MECHANISM_INVALID));
}

/// CK_GOSTR3410_12_DERIVE_PARAMS, and its smaller sister.
fn parameter(public: &[u8], ukm: &[u8]) -> Vec<u8> {
    let number = |number: usize| (number as CK_ULONG).to_ne_bytes();
    let (kdf, length) = (CKD_NULL.to_ne_bytes(), number(public.len()));
    [&kdf[..], &length, public, &number(ukm.len()), ukm].concat()
}

fn derive(
    bare: &Bare,
    session: CK_SESSION_HANDLE,
    base: CK_OBJECT_HANDLE,
    parameter: &[u8],
) -> Result<CK_OBJECT_HANDLE, CK_RV> {
    let mut parameter = parameter.to_vec();
    let mut mechanism = CK_MECHANISM {
        mechanism: DERIVE,
        pParameter: parameter.as_mut_ptr().cast(),
        ulParameterLen: parameter.len() as CK_ULONG,
    };
    let wanted = [
        (CKA_CLASS, CKO_SECRET_KEY.to_ne_bytes().to_vec()),
        (CKA_KEY_TYPE, CKK_GENERIC_SECRET.to_ne_bytes().to_vec()),
        (CKA_SENSITIVE, vec![CK_FALSE]),
        (CKA_EXTRACTABLE, vec![CK_TRUE]),
        (CKA_VALUE_LEN, (32 as CK_ULONG).to_ne_bytes().to_vec()),
    ];
    let given = wanted.iter().map(|(type_, value)| (*type_, &value[..]));
    let mut template: Vec<_> = given.map(key_pair::attribute).collect();
    let (start, count) = (template.as_mut_ptr(), template.len() as CK_ULONG);
    let mut derived = 0;
    match p11!(bare.C_DeriveKey(session, &mut mechanism, base, start, count, &mut derived)) {
        CKR_OK => Ok(derived),
        code => Err(code),
    }
}

/// RFC 6986 section 10.1.
#[test]
fn it_hashes() {
    let bare = bench();
    let session = bare.session();
    let message = b"012345678901234567890123456789012345678901234567890123456789012";
    let of_512: [u8; 64] = [
        0x1b, 0x54, 0xd0, 0x1a, 0x4a, 0xf5, 0xb9, 0xd5, 0xcc, 0x3d, 0x86, 0xd6, 0x8d, 0x28, 0x54,
        0x62, 0xb1, 0x9a, 0xbc, 0x24, 0x75, 0x22, 0x2f, 0x35, 0xc0, 0x85, 0x12, 0x2b, 0xe4, 0xba,
        0x1f, 0xfa, 0x00, 0xad, 0x30, 0xf8, 0x76, 0x7b, 0x3a, 0x82, 0x38, 0x4c, 0x65, 0x74, 0xf0,
        0x24, 0xc3, 0x11, 0xe2, 0xa4, 0x81, 0x33, 0x2b, 0x08, 0xef, 0x7f, 0x41, 0x79, 0x78, 0x91,
        0xc1, 0x64, 0x6f, 0x48,
    ];
    let of_256: [u8; 32] = [
        0x9d, 0x15, 0x1e, 0xef, 0xd8, 0x59, 0x0b, 0x89, 0xda, 0xa6, 0xba, 0x6c, 0xb7, 0x4a, 0xf9,
        0x27, 0x5d, 0xd0, 0x51, 0x02, 0x6b, 0xb1, 0x49, 0xa4, 0x52, 0xfd, 0x84, 0xe5, 0xe5, 0x7b,
        0x55, 0x00,
    ];
    for (mechanism, digest) in [(STREEBOG_256, &of_256[..]), (STREEBOG_512, &of_512)] {
        assert_eq!(digest_init(&bare, session, mechanism), CKR_OK);
        assert_eq!(digest_init(&bare, session, mechanism), CKR_OPERATION_ACTIVE);
        let size = digest.len() as CK_ULONG;
        let (mut out, mut length) = ([0; 64], 0);
        let (data, count) = (message.as_ptr().cast_mut(), message.len() as CK_ULONG);
        let none = ptr::null_mut();
        let asked = p11!(bare.C_Digest(session, data, count, none, &mut length));
        assert_eq!((asked, length), (CKR_OK, size));
        length = size - 1;
        let small = p11!(bare.C_Digest(session, data, count, out.as_mut_ptr(), &mut length));
        assert_eq!((small, length), (CKR_BUFFER_TOO_SMALL, size));
        let whole = p11!(bare.C_Digest(session, data, count, out.as_mut_ptr(), &mut length));
        assert_eq!((whole, &out[..digest.len()]), (CKR_OK, digest));

        assert_eq!(digest_init(&bare, session, mechanism), CKR_OK);
        for part in message.chunks(20) {
            let (part, count) = (part.as_ptr().cast_mut(), part.len() as CK_ULONG);
            assert_eq!(p11!(bare.C_DigestUpdate(session, part, count)), CKR_OK);
        }
        (out, length) = ([0; 64], 64);
        let last = p11!(bare.C_DigestFinal(session, out.as_mut_ptr(), &mut length));
        assert_eq!((last, length), (CKR_OK, size));
        assert_eq!(&out[..digest.len()], digest);
        let ended = p11!(bare.C_DigestFinal(session, out.as_mut_ptr(), &mut length));
        assert_eq!(ended, CKR_OPERATION_NOT_INITIALIZED);
    }
    // All others are the real module's.
    assert_eq!(digest_init(&bare, session, CKM_SHA256), CKR_OK);
    let (mut out, mut length, mut data) = ([0; 32], 32, *b"abc");
    let code = p11!(bare.C_Digest(session, data.as_mut_ptr(), 3, out.as_mut_ptr(), &mut length));
    assert_eq!((code, &out[..4]), (CKR_OK, &[0xba, 0x78, 0x16, 0xbf][..]));
    bare.fault.tokens().drop_mechanism(STREEBOG_256);
    assert_eq!(
        digest_init(&bare, session, STREEBOG_256),
        CKR_MECHANISM_INVALID
    );
}

fn digest_init(bare: &Bare, session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_TYPE) -> CK_RV {
    let mut mechanism = CK_MECHANISM {
        mechanism,
        ..Default::default()
    };
    p11!(bare.C_DigestInit(session, &mut mechanism))
}
