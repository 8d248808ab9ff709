//! Tokens that go and come, and answers of no sense: whatever happens, what is given out is right.

use keyfob::SignError;

use crate::bench::{bench, both, identity, label, scheme, unlocked};
use crate::fault::Fault;
use crate::{MESSAGE, assert_right, refusal};

fn away_and_back(fault: &Fault) {
    let slot = fault.slot_of("gost");
    fault.token(slot).remove();
    fault.token(slot).insert();
}

#[test]
fn a_key_signs_again_when_its_token_is_back() {
    let (_bench, fault) = bench();
    let fob = unlocked();
    for set in both() {
        let me = identity(&fob, set);
        let bare = fob.key(&label(set)).unwrap();
        for _ in 0..2 {
            let signature = me.sign(scheme(set), MESSAGE).unwrap();
            assert_right(set, MESSAGE, &signature);
            let signature = bare.sign(scheme(set), MESSAGE).unwrap();
            assert_right(set, MESSAGE, &signature);
            away_and_back(&fault);
        }
    }
}

/// Under the old one's handles, label and id.
#[test]
fn another_key_in_its_place_never_signs() {
    let (_bench, fault) = bench();
    fault.command("find hide class=1");
    let fob = unlocked();
    for (set, id) in both().into_iter().zip([2, 10]) {
        let me = identity(&fob, set);
        let bare = fob.key(&label(set)).unwrap();
        bare.sign(scheme(set), MESSAGE).unwrap();
        fault.another_gost_key(&set.params(), &label(set), id);
        away_and_back(&fault);
        fault.reset_counts();
        let refused = [
            me.sign(scheme(set), MESSAGE),
            bare.sign(scheme(set), MESSAGE),
        ];
        for refused in refused.map(refusal) {
            assert!(matches!(refused, SignError::KeyGone), "{refused:?}");
        }
        assert_eq!(fault.count("C_Sign"), 0);
    }
}

/// The old one's certificate is still there, and says that nothing has changed.
#[test]
fn another_key_beside_the_old_certificate_lets_no_signature_out() {
    let (_bench, fault) = bench();
    let fob = unlocked();
    for (set, id) in both().into_iter().zip([2, 10]) {
        let me = identity(&fob, set);
        fault.another_gost_key(&set.params(), &label(set), id);
        away_and_back(&fault);
        let refused = refusal(me.sign(scheme(set), MESSAGE));
        assert!(
            matches!(refused, SignError::WrongSignature(_)),
            "{refused:?}"
        );
    }
}

#[test]
fn answers_of_no_sense_let_no_wrong_signature_out() {
    let (_bench, fault) = bench();
    let (mut signed, mut failed) = (0, 0);
    for seed in 0..40 {
        let fob = unlocked();
        fault.mutate(
            seed,
            15,
            &[
                "C_FindObjects",
                "C_GetAttributeValue",
                "C_GetMechanismList",
                "C_GetMechanismInfo",
                "C_Sign",
                "C_SignInit",
            ],
        );
        for set in both() {
            let identities = fob.identities();
            let mine = identities.and_then(|all| all.label(&label(set)).only());
            let message = seed.to_string();
            match mine.and_then(|me| me.sign(scheme(set), message.as_bytes())) {
                Ok(signature) => {
                    assert_right(set, message.as_bytes(), &signature);
                    signed += 1;
                }
                Err(_) => failed += 1,
            }
        }
        fault.stop_mutating();
    }
    assert!(
        signed > 15 && failed > 15,
        "{signed} signed, {failed} failed"
    );
}
