use keyfob::{Error, Identity, Pin, Scheme, Token};

use crate::bench::{Absence, Bench};

fn sign(identity: &Identity) -> Result<(), Error> {
    let scheme = Scheme::default_for(&identity.key_type()).unwrap();
    let signature = identity.sign(scheme, b"the message")?;
    let public_key = identity.public_key().expect("it was found by that");
    public_key.verify(scheme, b"the message", &signature)
}

fn absence<'a>(bench: &Bench<'a>) -> &'a dyn Absence {
    bench.absence.expect("the bench says how")
}

fn signer(bench: &Bench<'_>, token: &Token, pin: &Pin) -> Identity {
    bench.signers(token, pin).swap_remove(0)
}

/// Gone, every call says so; back, one new unlock makes all that came from it go on.
pub fn goes_on_after_a_new_unlock(bench: &Bench<'_>) {
    let absence = absence(bench);
    let token = bench.token();
    let identity = signer(bench, &token, &bench.pin.into());
    sign(&identity).unwrap();
    absence.go();
    for _ in 0..2 {
        let gone = sign(&identity).unwrap_err();
        assert!(absence.is_absence(&gone), "{gone:?}");
    }
    absence.come_back();
    for _ in 0..2 {
        let locked = sign(&identity).unwrap_err();
        assert!(matches!(locked, Error::NotUnlocked { .. }), "{locked:?}");
    }
    let fob = token.unlock(&bench.pin.into()).unwrap();
    sign(&identity).unwrap();
    drop(fob);
    sign(&identity).unwrap();
}

pub fn goes_on_by_itself_with_the_pin_kept(bench: &Bench<'_>) {
    let absence = absence(bench);
    let identity = signer(bench, &bench.token(), &Pin::from(bench.pin).keep_pin());
    for _ in 0..2 {
        sign(&identity).unwrap();
        absence.go();
        let gone = sign(&identity).unwrap_err();
        assert!(absence.is_absence(&gone), "{gone:?}");
        absence.come_back();
        sign(&identity).unwrap();
    }
}
