//! Over pipes, without a network.

use std::process;

use keyfob::{Error, Pin};

use crate::far::{URI, sign, unlock};
use crate::pipe::{in_a_process_with, token};
use crate::running::kill_children;
use crate::softhsm::{PIN, SoftHsm};

#[test]
fn a_token_behind_a_pipe_signs() {
    let run = |softhsm: &SoftHsm| {
        let module = softhsm.module().display();
        format!("p11-kit remote --provider {module} '{URI}'")
    };
    in_a_process_with("pipes::a_token_behind_a_pipe_signs", run, || {
        sign(&unlock(&token(), &PIN.into())).unwrap();
    });
}

/// The command ends, as when a connection breaks.
#[test]
fn a_pipe_that_breaks_is_laid_anew() {
    let run = |softhsm: &SoftHsm| {
        let module = softhsm.module().display();
        format!("p11-kit remote {module}")
    };
    in_a_process_with("pipes::a_pipe_that_breaks_is_laid_anew", run, || {
        let token = token();
        let me = unlock(&token, &PIN.into());
        sign(&me).unwrap();
        kill_children(process::id());
        let error = sign(&me).unwrap_err();
        assert!(matches!(error, Error::NotUnlocked { .. }), "{error:?}");
        drop(me);
        let me = unlock(&token, &Pin::from(PIN).keep_pin());
        for _ in 0..3 {
            sign(&me).unwrap();
            kill_children(process::id());
        }
        sign(&me).unwrap();
    });
}
