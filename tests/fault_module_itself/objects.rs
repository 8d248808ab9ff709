//! Attributes, searches, signatures, mechanisms.

use std::ptr;

use cryptoki_sys::*;

use crate::bare::{Bare, pin};
use crate::fault::Fault;

#[test]
fn attributes_are_refused_replaced_and_misshapen() {
    let bare = Bare::new(Fault::load());
    let session = bare.session();
    let (key, other) = (bare.key(session, "p256"), bare.key(session, "p384"));
    bare.fault
        .refuse_attribute(CKA_LABEL, "class=3", CKR_ATTRIBUTE_SENSITIVE);
    bare.fault
        .replace_attribute(CKA_ID, "id=hex:02", b"elsewhere");

    // A partial answer: what is not refused is there.
    let (result, values) = bare.attributes(session, key, &[CKA_LABEL, CKA_ID, CKA_CLASS]);
    assert_eq!(result, CKR_ATTRIBUTE_SENSITIVE);
    assert_eq!(values[0], None);
    assert_eq!(values[1].as_deref(), Some(&b"elsewhere"[..]));
    assert_eq!(
        values[2].as_deref(),
        Some(&CKO_PRIVATE_KEY.to_ne_bytes()[..])
    );
    assert_eq!(
        bare.attributes(session, other, &[CKA_ID]).1[0].as_deref(),
        Some(&[3][..])
    );

    bare.fault.attribute_length(CKA_KEY_TYPE, "", 1 << 40);
    let mut huge = CK_ATTRIBUTE {
        type_: CKA_KEY_TYPE,
        pValue: ptr::null_mut(),
        ulValueLen: 0,
    };
    assert_eq!(
        p11!(bare.C_GetAttributeValue(session, key, &mut huge, 1)),
        CKR_OK
    );
    assert_eq!(huge.ulValueLen, 1 << 40);

    bare.fault.bare_ec_points("class=3");
    let (_, point) = bare.attributes(session, key, &[CKA_EC_POINT]);
    assert_eq!(
        point[0].as_ref().map(|point| (point.len(), point[0])),
        Some((65, 4))
    );

    bare.fault.attributes_singly();
    assert_eq!(
        bare.attributes(session, key, &[CKA_ID, CKA_CLASS]).0,
        CKR_FUNCTION_FAILED
    );
    assert_eq!(bare.attributes(session, key, &[CKA_CLASS]).0, CKR_OK);
}

#[test]
fn searches_hide_reverse_lie_and_never_end() {
    let bare = Bare::new(Fault::load());
    let session = bare.session();
    let all = bare.keys(session);
    bare.fault.command("find reverse chunk=2");
    let mut reversed = bare.keys(session);
    reversed.reverse();
    assert_eq!(reversed, all);
    bare.fault.command("find hide class=3 id=hex:02");
    assert_eq!(bare.keys(session).len(), all.len() - 1);

    bare.fault.command("find endless");
    bare.find_init(session);
    for _ in 0..50 {
        assert_ne!(bare.find(session).1, 0);
    }
    bare.fault.command("find count=100");
    assert_eq!(bare.find(session), (CKR_OK, 100));
    bare.find_final(session);
}

#[test]
fn handles_are_numbers_that_begin_anew_with_a_login() {
    let bare = Bare::new(Fault::load());
    bare.fault.command("find numbered");
    let session = bare.session();
    let find = |label| bare.labelled(session, CKO_PRIVATE_KEY, label);
    let id = |key| bare.attributes(session, key, &[CKA_ID]);
    assert_eq!((find("p256"), find("p384")), (vec![1], vec![2]));
    assert_eq!((find("p384"), find("p256")), (vec![2], vec![1]));
    let (p256, p384) = (id(1), id(2));
    assert_ne!(p256, p384);

    bare.fault.token(bare.slot).log_out();
    assert_eq!(bare.login(session, Some(&pin())), CKR_OK);
    assert_eq!(id(1).0, CKR_OBJECT_HANDLE_INVALID);
    assert_eq!(find("p384"), [1]);
    assert_eq!(id(1), p384);
    assert_eq!(find("p256"), [2]);
    assert_eq!(id(2), p256);
}

#[test]
fn signatures_are_wrong_or_of_a_wrong_length() {
    let bare = Bare::new(Fault::load());
    let session = bare.session();
    let key = bare.key(session, "p256");
    let sign = || {
        assert_eq!(bare.sign_init(session, key), CKR_OK);
        bare.sign(session)
    };
    let (result, good) = sign();
    assert_eq!((result, good.length), (CKR_OK, 64));
    assert!(bare.verifies(session, "p256", &good));
    bare.fault.wrong_signatures();
    assert!(!bare.verifies(session, "p256", &sign().1));
    for impossible in [0, 1 << 40] {
        bare.fault.signature_length(impossible);
        assert_eq!(sign().1.length, impossible);
    }
}

#[test]
fn null_signatures_never_reach_the_token() {
    let bare = Bare::new(Fault::load());
    bare.fault.null_signatures();
    bare.fault.reset_counts();
    let (session, key) = (12345, 54321); // neither exists
    for _ in 0..1000 {
        assert_eq!(bare.sign_init(session, key), CKR_OK);
        assert_eq!(bare.sign(session).1.bytes, [0x5a; 64]);
    }
    assert_eq!(bare.fault.total(), 2000);
}

#[test]
fn mechanisms_come_and_go() {
    let bare = Bare::new(Fault::load());
    let token = bare.fault.token(bare.slot);
    token.drop_mechanism(CKM_ECDSA);
    token.add_mechanism(0xD432_1006, CKF_SIGN);
    token.mechanism_sizes(CKM_RSA_PKCS, 1, 2);
    let mut list = [0; 200];
    let mut count = 200;
    assert_eq!(
        p11!(bare.C_GetMechanismList(bare.slot, list.as_mut_ptr(), &mut count)),
        CKR_OK
    );
    let list = &list[..count as usize];
    assert!(list.contains(&0xD432_1006) && !list.contains(&CKM_ECDSA));
    let info = |mechanism| {
        let mut info = CK_MECHANISM_INFO::default();
        (
            p11!(bare.C_GetMechanismInfo(bare.slot, mechanism, &mut info)),
            info,
        )
    };
    assert_eq!(info(CKM_ECDSA).0, CKR_MECHANISM_INVALID);
    assert_eq!(
        (info(0xD432_1006).0, info(0xD432_1006).1.flags),
        (CKR_OK, CKF_SIGN)
    );
    assert_eq!(info(CKM_RSA_PKCS).1.ulMaxKeySize, 2);
}
