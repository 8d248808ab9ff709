//! Which mechanisms a token has, and what goes to it.

use keyfob::SignError;

use crate::bench::{
    GOSTR3410_512, HASHING, HASHING_256, RAW, bench, both, identity, offer, scheme, unlocked,
};
use crate::{MESSAGE, assert_right, refusal};

#[test]
fn a_digest_is_signed_in_two_calls() {
    let (_bench, fault) = bench();
    for offered in [RAW.to_vec(), [RAW, HASHING].concat()] {
        offer(&fault, &offered);
        let fob = unlocked();
        for set in both() {
            let me = identity(&fob, set);
            me.sign(scheme(set), MESSAGE).unwrap();
            let (calls, signature) = fault.calls_in(|| me.sign(scheme(set), MESSAGE).unwrap());
            assert_right(set, MESSAGE, &signature);
            let calls: Vec<_> = calls
                .iter()
                .map(|(name, count)| (name.as_str(), *count))
                .collect();
            assert_eq!(calls, [("C_Sign", 1), ("C_SignInit", 1)]);

            let digest = scheme(set).digest_algorithm().unwrap().digest(MESSAGE);
            let signature = me.sign_digest(scheme(set), &digest).unwrap();
            assert_right(set, MESSAGE, &signature);
            let signature = me.sign_reader(scheme(set), MESSAGE).unwrap();
            assert_right(set, MESSAGE, &signature);
        }
    }
}

#[test]
fn a_token_that_only_hashes_by_itself_is_given_the_message() {
    let (_bench, fault) = bench();
    offer(&fault, &HASHING);
    for manners in ["", "names-digest", "names-digest swapped"] {
        fault.gost(manners);
        let fob = unlocked();
        for set in both() {
            let me = identity(&fob, set);
            let signature = me.sign(scheme(set), MESSAGE).unwrap();
            assert_right(set, MESSAGE, &signature);

            let digest = scheme(set).digest_algorithm().unwrap().digest(MESSAGE);
            let by_digest = refusal(me.sign_digest(scheme(set), &digest));
            let by_reader = refusal(me.sign_reader(scheme(set), MESSAGE));
            for refused in [by_digest, by_reader] {
                let whole = matches!(refused, SignError::WholeMessageNeeded { .. });
                assert!(whole, "{refused:?}");
            }
        }
    }
}

#[test]
fn a_mechanism_that_is_not_there_is_not_asked_for() {
    let (_bench, fault) = bench();
    let [small, large] = both();
    for (offered, missing) in [(HASHING_256, large), (GOSTR3410_512, small)] {
        offer(&fault, &[offered]);
        let fob = unlocked();
        fault.reset_counts();
        let me = identity(&fob, missing);
        let refused = refusal(me.sign(scheme(missing), MESSAGE));
        let named = matches!(refused, SignError::MechanismMissing { .. });
        assert!(named, "{refused:?}");
        assert_eq!(fault.count("C_SignInit"), 0);
    }
}
