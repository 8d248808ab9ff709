//! Tokens of another machine, as docs/remote-tokens.md has them: served by p11-kit over a socket and
//! over a pipe. Here the other machine is another process.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "remote/far.rs"]
mod far;
#[path = "support/p11_kit.rs"]
mod p11_kit;
#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "remote/pipe.rs"]
mod pipe;
#[path = "remote/pipes.rs"]
mod pipes;
#[path = "support/running.rs"]
mod running;
#[path = "support/rutoken.rs"]
mod rutoken;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/vpcd.rs"]
mod vpcd;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::{env, fs, thread};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::SessionState;
use far::{LABEL, served, sign, token, unlock};
use keyfob::{Error, Pin, PinState, Search};
use p11_kit::{Server, client};
use pcscd::{Pcscd, Reader};
use rutoken::{Rutoken, opensc};
use softhsm::{PIN, SoftHsm, example};
use vpcd::Inserted;

/// Found by nothing but the variable, by programs that know of no other machine.
#[test]
fn the_examples_use_it_like_a_local_one() {
    let softhsm = SoftHsm::start();
    let server = served(&softhsm);
    let file = softhsm.folder().join("letter");
    fs::write(&file, "hello").unwrap();
    let example = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(example(name));
        command.args(arguments).env("KEYFOB_PIN", PIN);
        command.env("P11_KIT_SERVER_ADDRESS", server.address());
        // This machine's own SoftHSM has none.
        let none = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nothing");
        command
            .env("SOFTHSM2_CONF", none)
            .env_remove("KEYFOB_MODULE");
        softhsm::run(&mut command)
    };
    let listed = example("list", &["--token", LABEL, "--login"]);
    for part in ["p11-kit-client.so", "token far away", "p256"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let file = file.to_str().unwrap();
    let key = ["--key", "pkcs11:token=far%20away;object=p256"];
    example("sign", &[&key[..], &["--force", file]].concat());
    let signature = format!("{file}.sig");
    example("verify", &[&key[..], &[file, &signature]].concat());
}

/// From then on the client answers every call with CKR_DEVICE_ERROR, until it is initialised again.
#[test]
fn a_connection_that_dies_is_a_login_lost() {
    let softhsm = SoftHsm::start();
    let server = served(&softhsm);
    let token = token();
    let me = unlock(&token, &PIN.into());
    for _ in 0..3 {
        sign(&me).unwrap();
        server.kill_connections();
        for _ in 0..2 {
            let error = sign(&me).unwrap_err();
            assert!(matches!(error, Error::NotUnlocked { .. }), "{error:?}");
        }
        token.unlock(&PIN.into()).unwrap();
    }
    sign(&me).unwrap();
}

#[test]
fn with_the_pin_kept_it_goes_on_by_itself() {
    let softhsm = SoftHsm::start();
    let server = served(&softhsm);
    let me = unlock(&token(), &Pin::from(PIN).keep_pin());
    for _ in 0..3 {
        let start = Barrier::new(5);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..10 {
                        sign(&me).unwrap();
                    }
                });
            }
            start.wait();
            server.kill_connections();
        });
    }
    sign(&me).unwrap();
}

/// Each connection is a process of its own, and the socket is its owner's.
#[test]
fn a_login_belongs_to_its_connection() {
    let softhsm = SoftHsm::start();
    let server = served(&softhsm);
    let mode = fs::metadata(server.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o022, 0, "{mode:o}");
    let token = token();
    let _me = unlock(&token, &PIN.into());
    let other = Pkcs11::new(client()).unwrap();
    let flags = CInitializeFlags::OS_LOCKING_OK;
    other.initialize(CInitializeArgs::new(flags)).unwrap();
    let slot = other.get_slots_with_token().unwrap()[0];
    assert_eq!(other.get_token_info(slot).unwrap().label(), LABEL);
    let session = other.open_ro_session(slot).unwrap();
    let state = session.get_session_info().unwrap().session_state();
    assert_eq!(state, SessionState::RoPublic);
    drop(session);
    other.finalize().unwrap();
    assert!(token.unlocked().unwrap().is_some());
}

/// Found again by one who had looked while nobody served it.
#[test]
fn a_server_that_is_started_late_is_found() {
    let softhsm = SoftHsm::start();
    drop(served(&softhsm));
    let search = Search::new().module(client()).named_only();
    let before = search.run().unwrap();
    assert!(before.tokens().is_empty() && before.problems().is_empty());
    let _server = served(&softhsm);
    let token = search.run().unwrap().select(LABEL).unwrap();
    sign(&unlock(&token, &PIN.into())).unwrap();
    // The module was kept all the time.
    assert_eq!(before.modules(), [token.module().clone()]);
}

/// The slot of a card of another machine has the name of a reader there. One of that name here is
/// another reader.
#[test]
fn it_is_in_no_reader_of_this_machine() {
    let softhsm = SoftHsm::start();
    let pcscd = Pcscd::start();
    let _card = Inserted::new(&pcscd, Reader::First, Rutoken::initialised(&pcscd));
    let server = Server::start(
        softhsm.folder(),
        &opensc::module(),
        "pkcs11:serial=3a1f77b2",
        |_| (),
    );
    // SAFETY: as above.
    unsafe { env::set_var("P11_KIT_SERVER_ADDRESS", server.address()) };
    let search = Search::new().module(client()).module(opensc::module());
    let found = search.named_only().run().unwrap();
    let [far, near] = found.tokens() else {
        panic!("{found:?}");
    };
    assert_eq!((far.serial(), near.serial()), ("3a1f77b2", "3a1f77b2"));
    assert_eq!(far.slot_description().unwrap(), Reader::First.name());
    assert_eq!(far.reader(), None);
    assert_eq!(near.reader(), Some(Reader::First.name()));
    // Whose tries it would be, nobody knows.
    assert_eq!(far.pin_state(), PinState::Unknown);
    assert_eq!(near.pin_state(), PinState::TriesLeft(5));
}
