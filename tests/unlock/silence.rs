//! A PIN is shown nowhere: not by what is printed of it, of errors, and of what is done with it.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, OnceLock};

use keyfob::{Error, Pin, PinRequest, PinSourceError, Scheme, Search, Uri};

use crate::{PIN, WRONG, bench, counter, token};

/// Everything that was logged, by whichever crate.
#[derive(Default)]
struct Log(Mutex<String>);

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut all = self.0.lock().unwrap();
        writeln!(all, "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

fn start_log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(Log::default);
    if log::set_logger(log).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
    log.0.lock().unwrap().clear();
    log
}

/// In plain text, as `{:?}` shows bytes, and in hexadecimal.
fn shows(text: &str, pin: &str) -> bool {
    let bytes = format!("{:?}", pin.as_bytes());
    let bytes = bytes.trim_matches(['[', ']']);
    let hex: String = pin.bytes().map(|byte| format!("{byte:02x}")).collect();
    let text = text.to_lowercase();
    [pin, bytes, &hex].iter().any(|form| text.contains(*form))
}

#[test]
fn a_pin_is_shown_nowhere() {
    let (bench, fault) = bench();
    let log = start_log();
    let mut said = String::new();
    let mut say = |thing: &dyn Debug| write!(said, "{thing:?}\n{thing:#?}\n").unwrap();

    for pin in [PIN, WRONG] {
        say(&Pin::from(pin));
        say(&Pin::from(pin).allow_last_try());
        say(&Some(Pin::from_file(file(&bench, pin)).unwrap()));
        let uri: Uri = format!("pkcs11:token=unlock?pin-value={pin}")
            .parse()
            .unwrap();
        say(&uri);
        say(&uri.to_string());
        say(&Pin::from_uri(&uri).unwrap());
        say(&Search::new().module_of(&uri).unwrap());
    }
    // Each way to be refused, before and after the PIN is sent.
    let token = token();
    let mut refusals: Vec<Error> = Vec::new();
    let mut refuse = |outcome: Result<keyfob::Unlocked, Error>| refusals.push(outcome.unwrap_err());
    refuse(token.unlock(&WRONG.into()));
    refuse(token.unlock(&Pin::from(WRONG.repeat(100))));
    refuse(token.unlock(&Pin::on_pad()));
    for code in [0x80000001, 0x30, 0xa0, 0xa4, 0x5] {
        fault.fail("C_Login").with(code);
        refuse(token.unlock(&PIN.into()));
        fault.clear_rules();
    }
    counter(&fault, 3, 1);
    refuse(crate::token().unlock(&PIN.into()));
    fault.reset();
    let typing = |_: &PinRequest| Ok(Pin::from(WRONG));
    refuse(crate::token().unlock_by(&typing));
    refuse(crate::token().unlock_by(&|_: &_| Err(PinSourceError::Cancelled)));

    let fob = token.unlock(&PIN.into()).unwrap();
    refuse(token.unlock(&PIN.into()));
    let always_ask = fob.key("p256").unwrap();
    let always_ask = always_ask.with_prompt(Arc::new(typing));
    let identities = fob.identities().unwrap();
    always_ask
        .sign(Scheme::EcdsaP256Sha256, b"message")
        .unwrap();
    say(&(&token, &fob, &always_ask, &identities));
    let me = identities.only().unwrap();
    say(&(&me, me.signer(Scheme::EcdsaP256Sha256).unwrap()));
    drop((fob, always_ask, me));

    for error in &refusals {
        say(error);
        say(&error.to_string());
    }
    assert_eq!(refusals.len(), 12);
    for error in [
        Pin::from_file(bench.folder().join("missing")).unwrap_err(),
        Pin::from_env("NO_SUCH_VARIABLE_OF_KEYFOB").unwrap_err(),
        Pin::from_file(file(&bench, &WRONG.repeat(1000))).unwrap_err(),
    ] {
        say(&error);
        say(&error.to_string());
    }

    let logged = log.0.lock().unwrap().clone();
    assert!(!logged.is_empty(), "the log was on");
    for (what, text) in [("printed", &said), ("logged", &logged)] {
        for pin in [PIN, WRONG] {
            assert!(!shows(text, pin), "{what}: {text}");
        }
    }
}

#[test]
fn what_would_show_a_pin_is_known() {
    assert!(shows("Pin(\"24681357\")", PIN));
    assert!(shows(&format!("{:?}", PIN.as_bytes()), PIN));
    assert!(shows("Some 3234363831333537", PIN));
    assert!(!shows(&format!("{:?}", Pin::from(PIN)), PIN));
}

fn file(bench: &crate::SoftHsm, content: &str) -> std::path::PathBuf {
    let path = bench.folder().join("silent-pin");
    std::fs::write(&path, content).unwrap();
    path
}
