//! Random wrong answers: the same twice, nothing beyond the room, and the truth afterwards.

use std::collections::BTreeSet;
use std::ptr;

use cryptoki_sys::*;

use crate::bare::Bare;
use crate::fault::Fault;

/// What stands behind each room.
const CANARY: u64 = 0x0bad_cafe_0bad_cafe;

#[test]
fn a_seed_means_the_same_wrong_answers() {
    let bare = Bare::new(Fault::load());
    let _logged_in = bare.session();
    bare.fault.command("find sort");
    let truth = answers(&bare, bare.open());
    let with = |seed| {
        let session = bare.open(); // in which nothing was left open
        bare.fault.mutate(seed, 2, &[]);
        let answers = answers(&bare, session);
        bare.fault.stop_mutating();
        (answers, bare.fault.mutation_log(), bare.fault.mutations())
    };
    let (first, again, other) = (with(1), with(1), with(2));
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
    let counted: u64 = first.2.values().sum();
    assert_eq!(counted, first.1.len() as u64);
    assert_ne!(first.0, truth);
    assert_eq!(answers(&bare, bare.open()), truth, "and the truth again");

    bare.fault.mutate(1, 1, &["C_GetInfo"]);
    assert_eq!(answers(&bare, bare.open()), truth, "but for C_GetInfo");
    assert_eq!(bare.fault.mutations().len(), 0);
    p11!(bare.C_GetInfo(&mut CK_INFO::default()));
    assert_eq!(bare.fault.mutations().len(), 1);
}

#[test]
fn of_all_kinds_some_come_and_none_writes_too_far() {
    let bare = Bare::new(Fault::load());
    let _logged_in = bare.session();
    let mut made = BTreeSet::new();
    for seed in 0..500 {
        let session = bare.open();
        bare.fault.mutate(seed, 2, &[]);
        answers(&bare, session); // which looks at the canaries
        bare.fault.stop_mutating();
        made.extend(bare.fault.mutations().into_keys());
        p11!(bare.C_CloseSession(session));
    }
    let called = |function: &str| made.iter().any(|(made, _)| made == function);
    let all = bare.fault.all_mutations().into_iter();
    let missing: Vec<_> = all
        .filter(|(function, _)| called(function))
        .filter(|mutation| !made.contains(mutation))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What some calls come to. Their rooms are small, and end with canaries.
fn answers(bare: &Bare, session: CK_SESSION_HANDLE) -> Vec<String> {
    let mut answers = Vec::new();

    let mut count = 0;
    let code = p11!(bare.C_GetSlotList(CK_TRUE, ptr::null_mut(), &mut count));
    answers.push(format!("{code:x} {count}"));
    let mut slots = [0, 0, 0, 0, CANARY];
    let mut count = 4;
    let code = p11!(bare.C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &mut count));
    answers.push(format!("{code:x} {count} {slots:x?}"));
    assert_eq!(slots[4], CANARY);

    let mut info = (CK_TOKEN_INFO::default(), CANARY);
    let code = p11!(bare.C_GetTokenInfo(bare.slot, &mut info.0));
    // SoftHSM's clock goes on.
    info.0.utcTime = [0; 16];
    answers.push(format!("{code:x} {:?}", info.0));
    assert_eq!(info.1, CANARY);

    bare.find_class(session);
    let mut found = [0, 0, 0, CANARY];
    let mut count = 0;
    let code = p11!(bare.C_FindObjects(session, found.as_mut_ptr(), 3, &mut count));
    answers.push(format!("{code:x} {count} {found:?}"));
    assert_eq!(found[3], CANARY);
    p11!(bare.C_FindObjectsFinal(session));

    let (mut label, mut id) = ([[0; 2], [CANARY; 2]], [0, CANARY]);
    let mut template = [
        attribute(CKA_LABEL, (&raw mut label[0]).cast(), 16),
        attribute(CKA_ID, (&raw mut id).cast(), 8),
        attribute(CKA_EC_PARAMS, ptr::null_mut(), 0),
    ];
    let code = p11!(bare.C_GetAttributeValue(session, found[0], template.as_mut_ptr(), 3));
    let lengths = template.map(|one| one.ulValueLen);
    answers.push(format!("{code:x} {lengths:?} {label:x?} {id:x?}"));
    assert_eq!((label[1], id[1]), ([CANARY; 2], CANARY));

    let mut mechanism = CK_MECHANISM {
        mechanism: CKM_RSA_PKCS,
        ..Default::default()
    };
    let code = p11!(bare.C_SignInit(session, &mut mechanism, found[0]));
    let mut signature = [0; 33];
    signature[32] = CANARY;
    let (mut data, mut length) = ([7; 20], 256);
    let (data, bytes) = (data.as_mut_ptr(), signature.as_mut_ptr().cast());
    let signed = p11!(bare.C_Sign(session, data, 20, bytes, &mut length));
    answers.push(format!("{code:x} {signed:x} {length} {signature:x?}"));
    assert_eq!(signature[32], CANARY);
    answers
}

fn attribute(type_: CK_ATTRIBUTE_TYPE, value: *mut u64, length: CK_ULONG) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE {
        type_,
        pValue: value.cast(),
        ulValueLen: length,
    }
}
