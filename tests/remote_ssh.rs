//! Tokens of another machine over SSH, as docs/remote-tokens.md has them: a socket that is brought
//! here, and a command that is run there. The other machine is this one, behind a server of its own.
//!
//! It needs an SSH server, which is too much to ask of everybody, so plain `cargo test` leaves it
//! out: `./softhsm-setup.sh cargo test --test remote_ssh`.
#![cfg(target_os = "linux")]

#[path = "remote/far.rs"]
mod far;
#[path = "support/p11_kit.rs"]
mod p11_kit;
#[path = "remote/pipe.rs"]
mod pipe;
#[path = "support/running.rs"]
mod running;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/ssh.rs"]
mod ssh;

use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;
use std::{env, fs, process};

use far::{URI, served, sign, token, unlock};
use keyfob::{Error, Pin};
use running::kill_children;
use softhsm::{PIN, SoftHsm};
use ssh::SshServer;

#[test]
fn a_socket_is_brought_here() {
    let softhsm = SoftHsm::start();
    let server = served(&softhsm);
    let ssh = SshServer::start("");
    let here = softhsm.folder().join("here");
    let forward = ssh.forward(&here, server.socket());
    // SAFETY: this test has the turn, and the client reads it when its list is asked for.
    unsafe {
        env::set_var(
            "P11_KIT_SERVER_ADDRESS",
            format!("unix:path={}", here.display()),
        )
    };
    let me = unlock(&token(), &Pin::from(PIN).keep_pin());
    sign(&me).unwrap();
    drop(forward);
    let gone = sign(&me).unwrap_err();
    assert!(matches!(gone, Error::TokenRemoved { .. }), "{gone:?}");
    let _forward = ssh.forward(&here, server.socket());
    sign(&me).unwrap();
}

#[test]
fn a_command_is_run_there() {
    let test = "a_command_is_run_there";
    let ssh = (!pipe::is_child()).then(|| SshServer::start(""));
    let remote = |softhsm: &SoftHsm| {
        let ssh = ssh.as_ref().expect("a parent starts it");
        format!("{} {}", ssh.command(), serve(softhsm))
    };
    pipe::in_a_process_with(test, remote, || {
        let me = unlock(&pipe::token(), &Pin::from(PIN).keep_pin());
        for _ in 0..2 {
            sign(&me).unwrap();
            kill_children(process::id());
        }
        sign(&me).unwrap();
    });
}

/// Whatever is asked for with it.
#[test]
fn a_key_may_be_good_for_this_and_nothing_else() {
    let test = "a_key_may_be_good_for_this_and_nothing_else";
    let mut ssh = None;
    let remote = |softhsm: &SoftHsm| {
        let server = SshServer::start(&format!("restrict,command=\"{}\"", serve(softhsm)));
        brings_no_socket(&server, softhsm.folder());
        let command = format!("{} id", server.command());
        ssh = Some(server);
        command
    };
    pipe::in_a_process_with(test, remote, || {
        sign(&unlock(&pipe::token(), &PIN.into())).unwrap();
    });
}

#[track_caller]
fn brings_no_socket(server: &SshServer, folder: &Path) {
    let (here, there) = (folder.join("no-here"), folder.join("no-there"));
    let _ = fs::remove_file(&there);
    let _listener = UnixListener::bind(&there).unwrap();
    let _forward = server.forward(&here, &there);
    let mut stream = UnixStream::connect(&here).unwrap();
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it leads there");
}

/// What is run on the other machine.
fn serve(softhsm: &SoftHsm) -> String {
    let [(name, value), _] = softhsm.environment();
    format!(
        "env {name}={} p11-kit remote --provider {} {URI}",
        value.display(),
        softhsm.module().display()
    )
}
