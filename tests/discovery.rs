//! From the cards that are plugged in to tokens, with pcscd's virtual readers: which modules are
//! loaded for them, what is told of a card that none drives, and one card seen by two modules.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "support/fault.rs"]
mod fault;
#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/rutoken.rs"]
mod rutoken;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/vpcd.rs"]
mod vpcd;
#[path = "discovery/ways.rs"]
mod ways;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fault::Fault;
use keyfob::{Error, Search, SelectionError};
use pcscd::{Pcscd, Reader};
use rutoken::Rutoken;
use softhsm::{SoftHsm, example, unhex};
use vpcd::{AtrOnly, Inserted};

/// Of two models that nobody has made.
const ACME: &str = "3B8A800141434D452D302E392E3114";
const OTHER: &str = "3B8580014F5448455240";
const KAZTOKEN: &str = "3B88014B415A544F4B454E82";
const JACARTA: &str = "3BDC18FF8191FE1FC38073C821136601061159000128";

fn card_of(atr: &str) -> AtrOnly {
    AtrOnly(unhex(atr))
}

/// What a process finds that nobody has told where to look. It knows two more models, each with a
/// module of its own.
struct Found {
    printed: String,
    acme: String,
    other: String,
}

impl Found {
    #[track_caller]
    fn now(bench: &SoftHsm) -> Self {
        Self::with(bench, &[])
    }

    #[track_caller]
    fn with(bench: &SoftHsm, environment: &[(&str, &Path)]) -> Self {
        let fault = Fault::load();
        let path = |name| fault.copy(name).file().display().to_string();
        let (acme, other) = (path("acme"), path("other"));
        let mut probe = Command::new(example("discovery_probe"));
        probe
            .envs(bench.environment())
            .env_remove("KEYFOB_MODULE")
            .env("KEYFOB_FAULT_FORWARD", bench.module())
            .envs(environment.iter().copied())
            .args([
                format!("Acme={ACME}={acme}"),
                format!("Other={OTHER}={other}"),
            ]);
        Self {
            printed: softhsm::run(&mut probe),
            acme,
            other,
        }
    }

    fn has(&self, line: &str) -> bool {
        self.printed.lines().any(|one| one == line)
    }

    /// Whether a library is in the process.
    fn maps(&self, path: &str) -> bool {
        self.has(&format!("mapped {path}"))
    }

    /// What went wrong, but for modules that this machine has besides and cannot use.
    fn problems(&self) -> Vec<&str> {
        let lines = self.printed.lines();
        lines
            .filter_map(|line| line.strip_prefix("problem "))
            .filter(|problem| !problem.starts_with("the PKCS#11 module "))
            .collect()
    }
}

#[test]
fn a_module_is_loaded_for_a_card_that_it_drives() {
    let (bench, pcscd) = (SoftHsm::start(), Pcscd::start());
    bench.token("no reader", |_| {});
    let none = Found::now(&bench);
    assert!(
        !none.maps(&none.acme) && !none.maps(&none.other),
        "{}",
        none.printed
    );
    let token = format!("token no reader in - by {}", softhsm_name(&bench));
    assert!(none.has(&token), "{}", none.printed);
    assert_eq!(none.problems(), [""; 0]);

    let acme = Inserted::new(&pcscd, Reader::First, card_of(ACME));
    let found = Found::now(&bench);
    assert!(
        found.maps(&found.acme) && !found.maps(&found.other),
        "{}",
        found.printed
    );
    assert!(
        found.has(&format!("module {}", found.acme)),
        "{}",
        found.printed
    );
    let _other = Inserted::new(&pcscd, Reader::Second, card_of(OTHER));
    let found = Found::now(&bench);
    assert!(
        found.maps(&found.acme) && found.maps(&found.other),
        "{}",
        found.printed
    );
    acme.remove();
    let found = Found::now(&bench);
    assert!(
        !found.maps(&found.acme) && found.maps(&found.other),
        "{}",
        found.printed
    );
}

#[test]
fn a_card_that_nothing_drives_is_told() {
    let (bench, pcscd) = (SoftHsm::start(), Pcscd::start());
    for (atr, problem) in [
        (
            JACARTA,
            "JaCarta PKI in the reader \"Virtual PCD 00 00\": no installed module drives it; \
             install JaCarta Unified Client or libASEPKCS",
        ),
        (
            KAZTOKEN,
            "Kaztoken in the reader \"Virtual PCD 00 00\": no PKCS#11 module is known to drive \
             it; install its vendor's, and name it in KEYFOB_MODULE or Search::module",
        ),
        (
            "3B021450",
            "an unknown card (3B 02 14 50) in the reader \"Virtual PCD 00 00\": no PKCS#11 module \
             is known to drive it; install its vendor's, and name it in KEYFOB_MODULE or \
             Search::module",
        ),
    ] {
        let _card = Inserted::new(&pcscd, Reader::First, card_of(atr));
        let found = Found::now(&bench);
        assert_eq!(found.problems(), [problem]);
    }
}

/// Where there is no token at all, people want to know what is missing.
#[test]
fn nothing_found_is_explained() {
    let (bench, pcscd) = (SoftHsm::start(), Pcscd::start());
    let folder = bench.folder().join("empty");
    fs::create_dir_all(&folder).unwrap();
    let configuration = folder.join("softhsm2.conf");
    fs::write(
        &configuration,
        format!("directories.tokendir = {}\n", folder.display()),
    )
    .unwrap();
    let no_token = [("SOFTHSM2_CONF", configuration.as_path())];
    let found = Found::with(&bench, &no_token);
    assert_eq!(found.problems(), ["no card is in any reader; put one in"]);
    if !pcscd.is_ours() {
        println!("pcscd is not the tests' to stop");
        return;
    }
    pcscd.stop();
    let found = Found::with(&bench, &no_token);
    let problems = found.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("the smart card service does not run; start it"));
    // Whoever has a token and no use for cards is left alone.
    bench.token("no reader", |_| {});
    assert_eq!(Found::now(&bench).problems(), [""; 0]);
    pcscd.start_again();
}

/// Through whatever brings OpenSC: its registration with p11-kit, or the catalog.
#[test]
fn a_rutoken_is_found_by_nothing_but_being_there() {
    let (bench, pcscd) = (SoftHsm::start(), Pcscd::start());
    let _card = Inserted::new(&pcscd, Reader::Second, Rutoken::initialised(&pcscd));
    let found = Found::now(&bench);
    let token = "token Rutoken test (User PIN) in Virtual PCD 00 01 by opensc-pkcs11.so";
    assert!(found.has(token), "{}", found.printed);
    assert!(!found.maps(&found.acme), "{}", found.printed);
    assert_eq!(found.problems(), [""; 0]);
}

#[test]
fn a_token_is_waited_for() {
    let pcscd = Pcscd::start();
    let card = Rutoken::initialised(&pcscd);
    let search = Search::new().named_only().module(rutoken::opensc::module());
    let (send, found) = mpsc::channel();
    thread::spawn({
        let search = search.clone();
        move || send.send(search.wait_for("3a1f77b2", Duration::from_secs(20)))
    });
    // Another card is not it.
    let other = Inserted::new(&pcscd, Reader::Second, card_of(KAZTOKEN));
    assert!(found.recv_timeout(Duration::from_millis(500)).is_err());
    let card = Inserted::new(&pcscd, Reader::First, card);
    let token = found
        .recv_timeout(Duration::from_secs(5))
        .expect("it has come");
    assert_eq!(token.unwrap().reader(), Some(Reader::First.name()));
    other.remove();
    // What is there is not waited for.
    let start = Instant::now();
    search
        .wait_for("3a1f77b2", Duration::from_secs(20))
        .unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    card.remove();
    let start = Instant::now();
    let missing = search.wait_for("3a1f77b2", Duration::from_secs(1));
    assert!(start.elapsed() >= Duration::from_secs(1));
    let Err(Error::Selection { reason, .. }) = missing else {
        panic!("{missing:?}");
    };
    assert_eq!(reason, SelectionError::None);
}

fn softhsm_name(bench: &SoftHsm) -> String {
    let name = bench.module().file_name().unwrap();
    name.to_string_lossy().into_owned()
}
