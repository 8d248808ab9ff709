//! One card that two modules see, both of them the fault module.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyfob::{CardModel, Error, Scheme, Search, Token};

use crate::fault::Fault;
use crate::pcscd::{Pcscd, Reader};
use crate::softhsm::{Kind, PIN, SoftHsm};
use crate::vpcd::{AtrOnly, Inserted};
use crate::{ACME, card_of};

/// A token that is in the first reader to both modules, of which the second drives it better.
struct Ways {
    fault: Fault,
    better: Fault,
    _card: Inserted<AtrOnly>,
    _pcscd: Pcscd,
    _bench: SoftHsm,
}

impl Ways {
    #[track_caller]
    fn start() -> Self {
        let bench = SoftHsm::start();
        bench.token("ways", |token| token.identity(Kind::P256, "p256", &[1]));
        let pcscd = Pcscd::start();
        let fault = Fault::load();
        let better = fault.copy("better");
        let card = Inserted::new(&pcscd, Reader::First, card_of(ACME));
        for module in [&fault, &better] {
            describe(module, "ways", Reader::First);
        }
        CardModel::new("Acme")
            .with_atr(ACME)
            .unwrap()
            .with_module(better.file().display().to_string())
            .add_to_catalog();
        Self {
            fault,
            better,
            _card: card,
            _pcscd: pcscd,
            _bench: bench,
        }
    }

    #[track_caller]
    fn token(&self) -> Token {
        let both = Search::new().named_only().module(self.fault.file());
        let found = both.module(self.better.file()).run().unwrap();
        assert!(found.problems().is_empty(), "{:?}", found.problems());
        let tokens = found.tokens().iter();
        assert_eq!(tokens.filter(|token| token.label() == "ways").count(), 1);
        found.select("ways").unwrap()
    }
}

/// Makes a module name a token's slot after a reader.
fn describe(module: &Fault, label: &str, reader: Reader) {
    let found = Search::new().named_only().module(module.file()).run();
    let slot = module.slot_of(label);
    drop(found);
    let name: String = reader
        .name()
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    module.command(&format!("slot-info slot={slot} description=hex:{name}"));
}

#[test]
fn one_card_is_one_token_with_two_ways_in() {
    let ways = Ways::start();
    let token = ways.token();
    assert_eq!(token.reader(), Some(Reader::First.name()));
    assert_eq!(token.module().path(), ways.better.file());
    let [other] = token.other_ways() else {
        panic!("{:?}", token.other_ways());
    };
    assert_eq!(other.module().path(), ways.fault.file());
    assert_eq!(other.reader(), Some(Reader::First.name()));
    // Who names a module means that one.
    let both = Search::new().named_only().module(ways.fault.file());
    let found = both.module(ways.better.file()).run().unwrap();
    let path = ways.fault.file().display();
    let named = found.select(&format!("pkcs11:token=ways?module-path={path}"));
    assert_eq!(named.unwrap().module(), other.module());
}

#[test]
fn a_card_is_used_through_one_module_at_a_time() {
    let ways = Ways::start();
    let token = ways.token();
    let other = &token.other_ways()[0];
    let fob = token.unlock(&PIN.into()).unwrap();
    let key = fob.key("p256").unwrap();
    let refused = other.unlock(&PIN.into()).unwrap_err();
    let Error::InUse { module, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(module, ways.better.file());
    assert!(matches!(other.identities(), Err(Error::InUse { .. })));
    assert_eq!(
        ways.fault.count("C_OpenSession") + ways.fault.count("C_Login"),
        0
    );
    key.sign(Scheme::EcdsaP256Sha256, b"still mine").unwrap();
    drop((fob, key));
    // What it keeps in case it is used again gives way.
    token.identities().unwrap();
    assert!(ways.better.sessions() > 0);
    let fob = other.unlock(&PIN.into()).unwrap();
    assert_eq!(ways.better.sessions(), 0);
    assert!(matches!(
        token.unlock(&PIN.into()),
        Err(Error::InUse { .. })
    ));
    drop(fob);
    token.unlock(&PIN.into()).unwrap();
}

#[test]
fn threads_do_not_use_two_modules_at_once() {
    let ways = Ways::start();
    let token = ways.token();
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (way, beside) in [
            (&token, &ways.fault),
            (&token.other_ways()[0], &ways.better),
        ] {
            scope.spawn(|| {
                let end = Instant::now() + Duration::from_secs(60);
                let mut unlocked = 0;
                while unlocked < 20 && Instant::now() < end {
                    match way.unlock(&PIN.into()) {
                        Ok(fob) => {
                            assert_eq!(beside.sessions(), 0);
                            let key = fob.key("p256").unwrap();
                            key.sign(Scheme::EcdsaP256Sha256, b"alone").unwrap();
                            assert_eq!(beside.sessions(), 0);
                            unlocked += 1;
                        }
                        Err(Error::InUse { .. }) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        // To SoftHSM these are two programs, and the other may be writing its file.
                        Err(Error::Call {
                            function: "C_GetTokenInfo",
                            ..
                        }) => {}
                        Err(Error::TokenRemoved { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                    // Or one of the two would hardly ever get a turn.
                    std::thread::sleep(Duration::from_millis(2));
                }
                assert_eq!(unlocked, 20);
            });
        }
    });
    assert!(refused.into_inner() > 0, "they never met");
}

/// The module does not notice that the card was exchanged, and what the token said of itself is so
/// recent that it is still believed; but the reader has counted.
#[test]
fn a_card_that_was_exchanged_gets_no_pin() {
    let bench = SoftHsm::start();
    bench.token("ways", |token| token.identity(Kind::P256, "p256", &[1]));
    let (pcscd, fault) = (Pcscd::start(), Fault::load());
    for _ in 0..20 {
        fault.reset();
        describe(&fault, "ways", Reader::First);
        let card = Inserted::new(&pcscd, Reader::First, card_of(ACME));
        let search = Search::new().named_only().module(fault.file());
        let token = search.run().unwrap().select("ways").unwrap();
        assert_eq!(token.reader(), Some(Reader::First.name()));
        let start = Instant::now();
        card.remove();
        let _another = Inserted::new(&pcscd, Reader::First, card_of(ACME));
        fault.tokens().text("serial", b"another");
        let refused = token.unlock(&PIN.into()).unwrap_err();
        assert!(matches!(refused, Error::TokenRemoved { .. }), "{refused:?}");
        assert_eq!(fault.count("C_Login"), 0);
        if start.elapsed() < Duration::from_millis(900) {
            return;
        }
    }
    panic!("no exchange was quick enough");
}

/// Two readers with the same cards are two tokens, and do not hinder each other.
#[test]
fn another_reader_is_another_card() {
    let ways = Ways::start();
    let _second = Inserted::new(&ways._pcscd, Reader::Second, card_of(ACME));
    describe(&ways.fault, "ways", Reader::Second);
    let both = Search::new().named_only().module(ways.fault.file());
    let found = both.module(ways.better.file()).run().unwrap();
    let tokens: Vec<_> = found
        .tokens()
        .iter()
        .filter(|token| token.label() == "ways")
        .collect();
    let [first, second] = tokens.as_slice() else {
        panic!("{tokens:?}");
    };
    assert!(first.other_ways().is_empty() && second.other_ways().is_empty());
    let _fob = first.unlock(&PIN.into()).unwrap();
    let _fob = second.unlock(&PIN.into()).unwrap();
}
