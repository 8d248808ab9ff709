//! What a token tells of itself, how one is chosen, and what a bad one does to the others.

#[path = "support/fault.rs"]
mod fault;
#[path = "tokens/faulty.rs"]
mod faulty;
#[path = "tokens/selection.rs"]
mod selection;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::collections::BTreeMap;
use std::process::Command;

use cryptoki_sys::*;
use fault::Fault;
use keyfob::{Discovery, Error, PinError, PinState, Search, Token};
use softhsm::{Kind, PIN, SoftHsm};

/// Two tokens, and the uninitialised one that SoftHSM always shows.
fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("first", |token| token.identity(Kind::P256, "p256", &[1]));
    bench.token("second", |_| {});
    (bench, Fault::load())
}

fn discover() -> Discovery {
    Search::new()
        .module(Fault::path())
        .named_only()
        .run()
        .unwrap()
}

fn pkcs11_tool(bench: &SoftHsm, arguments: &[&str]) -> String {
    let mut tool = Command::new("pkcs11-tool");
    tool.arg("--module").arg(bench.module());
    tool.env("SOFTHSM2_CONF", &bench.environment()[0].1);
    softhsm::run(tool.args(arguments))
}

/// What `pkcs11-tool -L` prints of each slot, by the slot's number.
fn as_pkcs11_tool_shows(bench: &SoftHsm) -> BTreeMap<u64, BTreeMap<String, String>> {
    let mut slots = BTreeMap::new();
    let mut current = 0;
    for line in pkcs11_tool(bench, &["-L"]).lines() {
        if let Some((_, rest)) = line.split_once("(0x") {
            let (number, description) = rest.split_once("): ").unwrap();
            current = u64::from_str_radix(number, 16).unwrap();
            let description = ("description".to_owned(), description.trim().to_owned());
            slots.insert(current, BTreeMap::from([description]));
        } else if let (Some((name, value)), Some(slot)) =
            (line.split_once(':'), slots.get_mut(&current))
        {
            slot.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
    slots
}

#[test]
fn a_token_is_what_pkcs11_tool_shows() {
    let (bench, _fault) = bench();
    let shown = as_pkcs11_tool_shows(&bench);
    let found = Search::new().module(bench.module()).named_only().run();
    let found = found.unwrap();
    assert!(found.problems().is_empty());
    assert_eq!(found.tokens().len(), 3);
    assert_eq!(shown.len(), 3);
    for token in found.tokens() {
        let shown = &shown[&token.slot_id()];
        assert_eq!(token.slot_description().unwrap(), shown["description"]);
        assert_eq!(token.module(), &found.modules()[0]);
        assert_eq!(*token.origin(), keyfob::Origin::Caller);
        let flags = token.flags();
        if shown
            .get("token state")
            .is_some_and(|state| state == "uninitialized")
        {
            assert!(!flags.is_initialized());
            assert_eq!(token.label(), "");
            continue;
        }
        assert_eq!(token.label(), shown["token label"]);
        assert_eq!(token.manufacturer(), shown["token manufacturer"]);
        assert_eq!(token.model(), shown["token model"]);
        assert_eq!(token.serial(), shown["serial num"]);
        assert_eq!(token.serial().len(), 16);
        let (min, max) = token.pin_lengths().unwrap();
        assert_eq!(format!("{min}/{max}"), shown["pin min/max"]);
        let has = |name: &str| shown["token flags"].split(", ").any(|flag| flag == name);
        assert_eq!(flags.is_initialized(), has("token initialized"));
        assert_eq!(flags.login_required(), has("login required"));
        assert_eq!(flags.pin_initialized(), has("PIN initialized"));
        assert_eq!(flags.has_pin_pad(), has("PIN pad present"));
        assert_eq!(flags.is_write_protected(), has("readonly"));
        assert!(flags.is_initialized() && flags.login_required() && flags.pin_initialized());
        assert_eq!(token.pin_state(), PinState::Normal);
    }
}

#[test]
fn every_mechanism_is_listed() {
    const CKM_OF_A_VENDOR: u64 = 0xd432_1011;
    let (bench, fault) = bench();
    let token = discover().select("first").unwrap();
    let slot = token.slot_id().to_string();
    let shown = pkcs11_tool(&bench, &["-M", "--slot", &slot]);
    let shown = shown.lines().filter(|line| line.starts_with("  "));
    let before = token.mechanisms().unwrap();
    assert_eq!(before.len(), shown.count());
    assert!(before.len() > 40, "{}", before.len());
    assert!(before.contains(&CKM_ECDSA));

    fault
        .tokens()
        .add_mechanism(CKM_OF_A_VENDOR as CK_MECHANISM_TYPE, CKF_SIGN);
    fault.tokens().drop_mechanism(CKM_ECDSA);
    let mut expected = before;
    expected.retain(|code| *code != CKM_ECDSA);
    expected.push(CKM_OF_A_VENDOR);
    assert_eq!(token.mechanisms().unwrap(), expected);

    fault.command("mechanism-list filled=1000000");
    let lied = token.mechanisms().unwrap_err();
    assert!(
        matches!(
            &lied,
            Error::Call {
                function: "C_GetMechanismList",
                ..
            }
        ),
        "{lied:?}"
    );
}

#[test]
fn flags_are_a_pin_state() {
    let (_bench, fault) = bench();
    let all = CKF_USER_PIN_COUNT_LOW
        | CKF_USER_PIN_FINAL_TRY
        | CKF_USER_PIN_LOCKED
        | CKF_USER_PIN_TO_BE_CHANGED;
    let (low, last) = (CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY);
    for (set, clear, state) in [
        (0, all, PinState::Normal),
        (low, all, PinState::Low),
        (last, all, PinState::FinalTry),
        (low | last, all, PinState::FinalTry),
        (CKF_USER_PIN_LOCKED, all, PinState::Locked),
        (low | last | CKF_USER_PIN_LOCKED, 0, PinState::Locked),
        (CKF_USER_PIN_TO_BE_CHANGED, all, PinState::MustChange),
        (CKF_USER_PIN_TO_BE_CHANGED | last, all, PinState::FinalTry),
        (0, all | CKF_USER_PIN_INITIALIZED, PinState::NotSet),
        (0, all | CKF_LOGIN_REQUIRED, PinState::NotNeeded),
        (CKF_USER_PIN_LOCKED, CKF_LOGIN_REQUIRED, PinState::Locked),
    ] {
        fault.reset();
        fault.token_flags(0, clear & !set);
        fault.token_flags(set, 0);
        let token = discover().select("first").unwrap();
        assert_eq!(token.pin_state(), state, "set {set:#x}, clear {clear:#x}");
        assert_eq!(token.flags().bits() & set, set);
    }
}

#[test]
fn flags_are_news_after_a_refresh() {
    let (_bench, fault) = bench();
    let mut token = discover().select("first").unwrap();
    let clone = token.clone();
    fault.token_flags(CKF_USER_PIN_LOCKED, 0);
    assert_eq!(token.pin_state(), PinState::Normal);
    token.refresh().unwrap();
    assert_eq!(token.pin_state(), PinState::Locked);
    assert_eq!(clone.pin_state(), PinState::Normal, "what it was told");
}

#[test]
fn a_token_taken_out_says_so() {
    let (_bench, fault) = bench();
    let mut token = discover().select("first").unwrap();
    let slot = token.slot_id() as CK_SLOT_ID;
    token.identities().unwrap(); // a session is open from now on
    fault.token(slot).remove();
    let removed = |error: Error| match error {
        Error::TokenRemoved { token } => assert!(token.contains("first"), "{token}"),
        other => panic!("{other:?}"),
    };
    removed(token.refresh().unwrap_err());
    removed(token.mechanisms().unwrap_err());
    removed(token.identities().unwrap_err());
    removed(token.key("p256").unwrap_err());
    removed(token.unlocked().unwrap_err());
    removed(token.unlock(&PIN.into()).unwrap_err());
    let found = discover();
    assert!(found.problems().is_empty());
    assert_eq!(found.only().unwrap().label(), "second");
}

#[test]
fn another_token_in_the_slot_is_not_the_same() {
    let (_bench, fault) = bench();
    for field in ["label", "manufacturer", "model", "serial"] {
        let mut token = discover().select("first").unwrap();
        let slot = token.slot_id() as CK_SLOT_ID;
        token.refresh().unwrap();
        fault.token(slot).text(field, b"another");
        let refreshed = token.refresh();
        assert!(
            matches!(refreshed, Err(Error::TokenRemoved { .. })),
            "{field}: {refreshed:?}"
        );
        let another = discover();
        let another = another
            .tokens()
            .iter()
            .find(|one| one.slot_id() == token.slot_id());
        another.unwrap().clone().refresh().unwrap();
        fault.reset();
    }
}

/// What a token is before it is initialised: there, and empty.
#[test]
fn an_uninitialised_token_is_shown_and_left_aside() {
    let (_bench, fault) = bench();
    let found = discover();
    let is_blank = |token: &&Token| !token.flags().is_initialized();
    let blank = found.tokens().iter().find(is_blank).unwrap();
    for name in ["", "pkcs11:token="] {
        found.select(name).unwrap_err();
    }
    let by_slot = format!("pkcs11:slot-id={}", blank.slot_id());
    found.select(&by_slot).unwrap_err();

    assert!(blank.identities().unwrap().is_empty());
    assert!(!blank.mechanisms().unwrap().is_empty());
    match blank.key("any") {
        Err(Error::Call { function, code, .. }) => {
            assert_eq!(function, "C_OpenSession");
            assert_eq!(code.name(), Some("CKR_TOKEN_NOT_RECOGNIZED"));
        }
        other => panic!("{other:?}"),
    }
    let refused = blank.unlock(&PIN.into()).unwrap_err();
    assert!(
        matches!(
            &refused,
            Error::Pin {
                reason: PinError::NotSet,
                ..
            }
        ),
        "{refused:?}"
    );
    assert_eq!(fault.count("C_Login"), 0);
}
