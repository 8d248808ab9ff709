//! Readers, cards and what happens to them, through the system's smart card service with virtual
//! readers.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/vpcd.rs"]
mod vpcd;
#[path = "support/watching.rs"]
mod watching;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use keyfob::{ReaderEvent, ReaderState, Watch, readers, watch};
use pcscd::{Pcscd, Reader, within};
use vpcd::{AtrOnly, Inserted};
use watching::{ADDED, PATIENCE, Watching};

const RUTOKEN: &str = "3B 8B 01 52 75 74 6F 6B 65 6E 20 45 43 50 A0";
const YUBIKEY: &str = "3B FD 13 00 00 81 31 FE 15 80 73 C0 21 C0 57 59 75 62 69 4B 65 79 40";

fn card(atr: &str) -> AtrOnly {
    AtrOnly(
        atr.split(' ')
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect(),
    )
}

fn state_of(reader: Reader) -> ReaderState {
    let all = readers().unwrap();
    let reader = all.iter().find(|one| one.name() == reader.name());
    reader.expect("the reader is there").state()
}

const IN: &str = "token inserted: Rutoken ECP in Virtual PCD 00 00";
const OUT: &str = "token removed: Rutoken ECP from Virtual PCD 00 00";

#[test]
fn readers_and_their_cards_are_listed() {
    let pcscd = Pcscd::start();
    assert_eq!(state_of(Reader::First), ReaderState::Empty);
    let inserted = Inserted::new(&pcscd, Reader::First, card(RUTOKEN));
    assert!(within(PATIENCE, || state_of(Reader::First) == ReaderState::Present));
    let all = readers().unwrap();
    let reader = all
        .iter()
        .find(|one| one.name() == Reader::First.name())
        .unwrap();
    // vpcd's driver tells neither.
    assert_eq!((reader.vendor(), reader.serial()), (None, None));
    let card = reader.card().unwrap();
    assert_eq!(card.atr().unwrap().to_string(), RUTOKEN);
    assert_eq!(card.model().unwrap().name(), "Rutoken ECP");
    assert_eq!(state_of(Reader::Second), ReaderState::Empty);
    inserted.remove();
    assert!(within(PATIENCE, || state_of(Reader::First) == ReaderState::Empty));
}

#[test]
fn a_card_in_use_is_left_as_it_is() {
    let pcscd = Pcscd::start();
    let _inserted = Inserted::new(&pcscd, Reader::First, card(RUTOKEN));
    assert!(within(PATIENCE, || state_of(Reader::First) == ReaderState::Present));
    let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
    let name = std::ffi::CString::new(Reader::First.name()).unwrap();
    let connect = |share| context.connect(&name, share, pcsc::Protocols::ANY).unwrap();
    let other = connect(pcsc::ShareMode::Shared);
    for _ in 0..3 {
        assert_eq!(state_of(Reader::First), ReaderState::Present);
    }
    // A card that was reset under it would be refused with ResetCard.
    assert!(other.status2_owned().is_ok());
    let mut answer = [0; 2];
    assert_eq!(
        other.transmit(&[0, 0xa4, 0, 0], &mut answer),
        Ok(&[0x6d, 0][..])
    );
    other.disconnect(pcsc::Disposition::LeaveCard).ok().unwrap();
    let alone = connect(pcsc::ShareMode::Exclusive);
    assert!(within(PATIENCE, || state_of(Reader::First)
        == ReaderState::Exclusive));
    alone.disconnect(pcsc::Disposition::LeaveCard).ok().unwrap();
}

#[test]
fn cards_are_known_by_name() {
    let pcscd = Pcscd::start();
    let watching = Watching::start();
    watching.expect(&ADDED);
    for (atr, name) in [
        (RUTOKEN, "Rutoken ECP"),
        (YUBIKEY, "YubiKey 5"),
        (
            "3B 6F 00 FF 00 56 72 75 54 6F 6B 6E 73 30 20 00 00 90 00",
            "Rutoken S",
        ),
        (
            "3B 8B 01 52 75 74 6F 6B 65 6E 6C 69 74 65 C2",
            "Rutoken Lite",
        ),
        (
            "3B DC 18 FF 81 91 FE 1F C3 80 73 C8 21 13 66 01 06 11 59 00 01 28",
            "JaCarta PKI",
        ),
        ("3B D5 18 00 81 31 FE 7D 80 73 C8 21 10 F4", "eToken Java"),
        (
            "3B 7C 95 00 00 45 53 4D 41 52 54 47 4F 53 54 31 30",
            "ESMART Token GOST",
        ),
        ("3B 88 01 4B 41 5A 54 4F 4B 45 4E 82", "Kaztoken"),
        (
            "3B 9F 95 81 31 FE 9F 00 66 46 53 05 10 04 31 71 DF 00 00 00 00 00 26",
            "ePass2003",
        ),
        (
            "3B 7F 96 00 00 80 31 80 65 B0 01 02 03 04 12 0F FE 82 90 00",
            "IDPrime MD",
        ),
        (
            "3B DA 18 FF 81 B1 FE 75 1F 03 00 31 F5 73 C0 01 60 00 90 00 1C",
            "OpenPGP card 3",
        ),
        (
            "3B FA 18 00 FF 80 31 FE 45 00 31 80 73 94 41 00 00 90 00 90",
            "Kazakhstan ID card",
        ),
        ("3B 02 14 50", "an unknown card (3B 02 14 50)"),
    ] {
        let inserted = Inserted::new(&pcscd, Reader::Second, card(atr));
        watching.expect(&[&format!("token inserted: {name} in Virtual PCD 00 01")]);
        inserted.remove();
        watching.expect(&[&format!("token removed: {name} from Virtual PCD 00 01")]);
    }
    watching.no_more();
}

#[test]
fn what_is_there_and_what_comes_and_goes_is_told() {
    let pcscd = Pcscd::start();
    let first = Inserted::new(&pcscd, Reader::First, card(RUTOKEN));
    assert!(within(PATIENCE, || state_of(Reader::First) == ReaderState::Present));
    let watching = Watching::start();
    watching.expect(&ADDED);
    watching.expect(&[IN]);
    let second = Inserted::new(&pcscd, Reader::Second, card(YUBIKEY));
    watching.expect(&["token inserted: YubiKey 5 in Virtual PCD 00 01"]);
    first.remove();
    watching.expect(&[OUT]);
    second.remove();
    watching.expect(&["token removed: YubiKey 5 from Virtual PCD 00 01"]);
    watching.no_more();
}

/// Of a card that is gone, and that a program connects to before pcscd has seen so, pcscd shows an
/// answer to reset of the greatest length, and shows it when something happens in another reader.
#[test]
fn the_card_that_is_removed_is_the_one_that_was_inserted() {
    let pcscd = Pcscd::start();
    let watching = Watching::start();
    watching.expect(&ADDED);
    let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
    let name = std::ffi::CString::new(Reader::First.name()).unwrap();
    for _ in 0..4 {
        let inserted = Inserted::new(&pcscd, Reader::First, card(RUTOKEN));
        watching.expect(&[IN]);
        // Nobody uses it, so pcscd has switched it off by then, and has just looked at it.
        thread::sleep(Duration::from_millis(820));
        inserted.pull();
        let connected = context.connect(&name, pcsc::ShareMode::Shared, pcsc::Protocols::ANY);
        let other = Inserted::unseen(&pcscd, Reader::Second, card(YUBIKEY));
        let events = [(); 2].map(|()| watching.next().to_string());
        assert!(events.iter().any(|event| event == OUT), "{events:?}");
        drop(connected);
        other.remove();
        watching.expect(&["token removed: YubiKey 5 from Virtual PCD 00 01"]);
    }
    watching.no_more();
}

/// The next event of a watch, asked for when it is wanted and not before.
struct Asked {
    watch: Watch,
    /// Dropped with it.
    _asking: mpsc::Sender<()>,
}

impl Asked {
    /// A watch that waits in vain is stopped.
    fn start() -> Self {
        let watch = watch().unwrap();
        let stopper = watch.stopper();
        let (_asking, over) = mpsc::channel::<()>();
        thread::spawn(move || {
            if over.recv_timeout(3 * PATIENCE) == Err(RecvTimeoutError::Timeout) {
                stopper.stop();
            }
        });
        Self { watch, _asking }
    }

    #[track_caller]
    fn next(&mut self) -> String {
        let event = self.watch.next().expect("an event, and no wait in vain");
        event.unwrap().to_string()
    }
}

/// A card that came and went between two calls has left nothing but a count.
fn unknown(event: &str) -> String {
    event.replace("Rutoken ECP", "a card that says nothing")
}

/// libpcsclite does not compare a counter that is at 0, as it is in a fresh pcscd.
#[test]
fn the_first_card_of_a_reader_is_not_missed_between_two_calls() {
    let pcscd = Pcscd::start();
    if !pcscd.is_ours() {
        println!("pcscd is not the tests' to start afresh");
        return;
    }
    pcscd.restart();
    let mut asked = Asked::start();
    assert_eq!([asked.next(), asked.next()], ADDED);
    Inserted::new(&pcscd, Reader::First, card(RUTOKEN)).remove();
    assert!(within(PATIENCE, || pcscd
        .log()
        .contains("Card Removed From")));
    assert_eq!([asked.next(), asked.next()], [unknown(IN), unknown(OUT)]);
}

#[test]
fn nothing_is_missed_between_two_calls() {
    let pcscd = Pcscd::start();
    let mut inserted = Inserted::new(&pcscd, Reader::First, card(RUTOKEN));
    assert!(within(PATIENCE, || state_of(Reader::First) == ReaderState::Present));
    let mut asked = Asked::start();
    assert_eq!([asked.next(), asked.next()], ADDED);
    assert_eq!(asked.next(), IN);
    for cycles in [1, 1, 2] {
        for _ in 0..cycles {
            inserted.remove();
            assert!(within(PATIENCE, || state_of(Reader::First) == ReaderState::Empty));
            inserted = Inserted::new(&pcscd, Reader::First, card(RUTOKEN));
            assert!(within(PATIENCE, || state_of(Reader::First) == ReaderState::Present));
        }
        for cycle in 1..=cycles {
            let (out, into) = (unknown(OUT), unknown(IN));
            assert_eq!(asked.next(), if cycle == 1 { OUT } else { &out });
            // The one that is in there now is the only one that can be asked.
            assert_eq!(asked.next(), if cycle == cycles { IN } else { &into });
        }
    }
    inserted.remove();
    assert!(within(PATIENCE, || state_of(Reader::First) == ReaderState::Empty));
    // Put in and pulled, while the reader was empty before and after.
    assert_eq!(asked.next(), OUT);
    Inserted::new(&pcscd, Reader::First, card(RUTOKEN)).remove();
    assert!(within(PATIENCE, || state_of(Reader::First) == ReaderState::Empty));
    assert_eq!([asked.next(), asked.next()], [unknown(IN), unknown(OUT)]);
}

#[test]
fn a_watch_is_stopped_at_once_whenever() {
    let _pcscd = Pcscd::start();
    let mut slowest = Duration::ZERO;
    for round in 0..200_u64 {
        let watch = watch().unwrap();
        let stopper = watch.stopper();
        let (send, ended) = mpsc::channel();
        thread::spawn(move || send.send(watch.count()));
        // From before its first step to well in its wait: mostly around the start of it.
        thread::sleep(Duration::from_micros(round * 25));
        let start = Instant::now();
        stopper.stop();
        let events = ended.recv_timeout(PATIENCE).expect("it ends");
        slowest = slowest.max(start.elapsed());
        assert!(events <= 2);
    }
    println!("slowest of 200 stops: {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    // Stopped before it began, twice, and asked again after.
    let mut watch = watch().unwrap();
    watch.stopper().stop();
    watch.stopper().clone().stop();
    assert!(watch.next().is_none());
    assert!(watch.next().is_none());
}

#[test]
fn a_watch_survives_its_service() {
    let pcscd = Pcscd::start();
    if !pcscd.is_ours() {
        println!("pcscd is not the tests' to stop");
        return;
    }
    let inserted = Inserted::new(&pcscd, Reader::First, card(RUTOKEN));
    assert!(within(PATIENCE, || state_of(Reader::First) == ReaderState::Present));
    let watching = Watching::start();
    watching.expect(&ADDED);
    watching.expect(&[IN]);
    pcscd.stop();
    let gone = [
        "reader removed: Virtual PCD 00 00",
        "reader removed: Virtual PCD 00 01",
    ];
    watching.expect(&[OUT]);
    watching.expect(&gone);
    watching.expect(&["the smart card service has stopped"]);
    let refused = readers().unwrap_err();
    let keyfob::Error::Reader(reason) = &refused else {
        panic!("{refused}");
    };
    assert_eq!(*reason, keyfob::ReaderError::NoService);
    assert!(refused.to_string().contains("systemctl start pcscd.socket"));
    assert!(matches!(watch(), Err(keyfob::Error::Reader(_))));
    pcscd.start_again();
    watching.expect(&["the smart card service is back"]);
    // The card is put in again by its own: perhaps before the first look, perhaps after.
    watching.expect(&ADDED);
    watching.expect(&[IN]);
    inserted.remove();
    watching.expect(&[OUT]);
    // Stopped while the service is away.
    pcscd.stop();
    let start = Instant::now();
    watching.stopper.stop();
    assert!(start.elapsed() < Duration::from_secs(1));
    pcscd.start_again();
}

/// How long after the service's own notice, as a bare loop sees it, an event comes.
#[test]
fn events_come_as_soon_as_the_service_tells() {
    let pcscd = Pcscd::start();
    let watch = watch().unwrap();
    let stopper = watch.stopper();
    let (send, ours) = mpsc::channel();
    let watching = thread::spawn(move || {
        for event in watch {
            use ReaderEvent::{TokenInserted, TokenRemoved};
            if let TokenInserted { .. } | TokenRemoved { .. } = event.unwrap() {
                let _ = send.send(Instant::now());
            }
        }
    });
    let (send, bare) = mpsc::channel();
    let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
    let cancel = context.clone();
    let looping = thread::spawn(move || {
        let name = std::ffi::CString::new(Reader::First.name()).unwrap();
        let mut state = [pcsc::ReaderState::new(name, pcsc::State::UNAWARE)];
        let mut present = false;
        while context.get_status_change(None, &mut state).is_ok() {
            let now = state[0].event_state().contains(pcsc::State::PRESENT);
            if now != present {
                present = now;
                let _ = send.send(Instant::now());
            }
            state[0].sync_current_state();
        }
    });
    let mut late = Vec::new();
    let mut lateness = || {
        let bare = bare.recv_timeout(PATIENCE).unwrap();
        let ours = ours.recv_timeout(PATIENCE).unwrap();
        late.push(ours.saturating_duration_since(bare));
    };
    for _ in 0..10 {
        let inserted = Inserted::new(&pcscd, Reader::First, card(RUTOKEN));
        lateness();
        inserted.remove();
        lateness();
    }
    late.sort();
    println!(
        "late by {:?} at the median, {:?} at most",
        late[late.len() / 2],
        late[late.len() - 1]
    );
    stopper.stop();
    watching.join().unwrap();
    while !looping.is_finished() {
        let _ = cancel.cancel();
        thread::sleep(Duration::from_millis(5));
    }
    assert!(late[late.len() / 2] < Duration::from_millis(20), "{late:?}");
}
