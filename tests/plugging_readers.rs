//! Readers that are plugged in and out while pcscd runs: none, one, two and sixteen of them.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/usb.rs"]
mod usb;
#[path = "support/watching.rs"]
mod watching;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use keyfob::{ReaderState, Watch, readers, watch};
use pcscd::{Pcscd, within};
use softhsm::SoftHsm;
use usb::{Device, Usb};
use watching::{PATIENCE, Watching};

const READER: Device<'static> = Device {
    socket: "1-1",
    ids: ("0a89", "0069"),
    vendor: Some("Aktiv"),
    serial: Some("3a1f77b2"),
    card: None,
};
const READER_NAME: &str = "Aktiv Rutoken SCR 3001 Reader (3a1f77b2) 00 00";

/// Of which its driver tells nothing.
const SILENT: Device<'static> = Device {
    socket: "1-2",
    ids: ("08e6", "3437"),
    vendor: None,
    serial: None,
    card: None,
};
const SILENT_NAME: &str = "Gemalto PC Twin Reader 01 00";

/// A reader with a card in it for ever.
const TOKEN: Device<'static> = Device {
    socket: "1-3",
    ids: ("0a89", "0030"),
    vendor: Some("Aktiv"),
    serial: None,
    card: Some("3B 8B 01 52 75 74 6F 6B 65 6E 20 45 43 50 A0"),
};

fn names() -> Vec<String> {
    let all = readers().unwrap();
    all.iter().map(|reader| reader.name().to_owned()).collect()
}

/// Readers that are there sooner or later.
#[track_caller]
fn expect_readers(wanted: &[&str]) {
    assert!(within(PATIENCE, || names() == wanted), "{:?}", names());
}

#[test]
fn no_reader_is_no_error() {
    let (bench, pcscd) = (SoftHsm::start(), Pcscd::start());
    let Some(_usb) = Usb::start(&pcscd) else {
        return;
    };
    assert_eq!(readers().unwrap(), []);

    let mut watch = watch().unwrap();
    let start = Instant::now();
    assert!(watch.next_within(Duration::from_millis(100)).is_none());
    let waited = start.elapsed();
    assert!(
        waited > Duration::from_millis(95) && waited < Duration::from_secs(2),
        "{waited:?}"
    );

    let stopper = watch.stopper();
    let waiting = thread::spawn(move || watch.next().is_none());
    thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    stopper.stop();
    assert!(waiting.join().unwrap(), "an event of nothing");
    assert!(start.elapsed() < Duration::from_secs(1));

    let mut probe = Command::new(softhsm::example("discovery_probe"));
    probe.envs(bench.environment()).env_remove("KEYFOB_MODULE");
    let printed = softhsm::run(&mut probe);
    // Whatever else this machine's modules have to say.
    let wanted = "problem no reader and no token is plugged in; plug one in";
    assert!(printed.lines().any(|line| line == wanted), "{printed}");
}

#[test]
fn a_reader_is_told_as_its_driver_tells() {
    let pcscd = Pcscd::start();
    let Some(usb) = Usb::start(&pcscd) else {
        return;
    };
    usb.plug_in(&READER);
    expect_readers(&[READER_NAME]);
    let [reader] = &readers().unwrap()[..] else {
        panic!()
    };
    assert_eq!(
        (reader.vendor(), reader.serial()),
        (Some("Aktiv"), Some("3a1f77b2"))
    );
    assert_eq!((reader.state(), reader.card()), (ReaderState::Empty, None));

    usb.plug_in(&SILENT);
    expect_readers(&[READER_NAME, SILENT_NAME]);
    let [reader, silent] = &readers().unwrap()[..] else {
        panic!()
    };
    assert_eq!(
        (reader.vendor(), reader.serial()),
        (Some("Aktiv"), Some("3a1f77b2"))
    );
    assert_eq!((silent.vendor(), silent.serial()), (None, None));
    assert_eq!(silent.state(), ReaderState::Empty);

    usb.plug_out(&READER);
    expect_readers(&[SILENT_NAME]);
    usb.plug_out(&SILENT);
    expect_readers(&[]);
}

#[test]
fn readers_that_come_and_go_are_told_as_soon_as_the_service_knows() {
    let pcscd = Pcscd::start();
    let Some(usb) = Usb::start(&pcscd) else {
        return;
    };
    let watching = Watching::start();
    let mut late = Vec::new();
    let mut expect = |plug: &dyn Fn(), event: &str| {
        // So that it is not found by a look at the list, which comes ever more seldom.
        thread::sleep(Duration::from_secs(2));
        let before = names();
        plug();
        assert!(within(PATIENCE, || names() != before));
        let known = Instant::now();
        watching.expect(&[event]);
        late.push(known.elapsed());
    };
    let [added, removed] =
        ["added", "removed"].map(|what| move |name: &str| format!("reader {what}: {name}"));
    expect(&|| usb.plug_in(&READER), &added(READER_NAME));
    expect(&|| usb.plug_in(&SILENT), &added(SILENT_NAME));
    expect(&|| usb.plug_out(&READER), &removed(READER_NAME));
    expect(&|| usb.plug_out(&SILENT), &removed(SILENT_NAME));
    expect(&|| usb.plug_in(&READER), &added(READER_NAME));
    watching.no_more();
    late.sort();
    // At the median: `names` is asked in this process, see `WITH_PNP` in src/reader/watch.rs.
    println!("late by {:?} at the median, {:?} at most", late[2], late[4]);
    assert!(late[2] < Duration::from_millis(300), "{late:?}");
}

/// With libpcsclite, one that comes just before a wait does not end it.
#[test]
fn as_many_as_there_can_be_are_plugged_in_together() {
    let pcscd = Pcscd::start();
    let Some(usb) = Usb::start(&pcscd) else {
        return;
    };
    let watching = Watching::start();
    let sockets: Vec<_> = (0..16).map(|number| format!("2-{number}")).collect();
    let device = |number: usize| Device {
        socket: &sockets[number],
        ..SILENT
    };
    let name = |number: usize| format!("Gemalto PC Twin Reader {number:02X} 00");
    for number in 0..16 {
        usb.plug_in(&device(number));
    }
    for number in 0..16 {
        watching.expect(&[&format!("reader added: {}", name(number))]);
    }
    assert_eq!(names().len(), 16);
    for number in [3, 11] {
        usb.plug_out(&device(number));
        watching.expect(&[&format!("reader removed: {}", name(number))]);
    }
    usb.plug_in(&device(3));
    watching.expect(&[&format!("reader added: {}", name(3))]);
    watching.no_more();
}

#[test]
fn a_token_comes_and_goes_with_its_reader() {
    let pcscd = Pcscd::start();
    let Some(usb) = Usb::start(&pcscd) else {
        return;
    };
    let watching = Watching::start();
    for _ in 0..2 {
        usb.plug_in(&TOKEN);
        watching.expect(&[
            "reader added: Aktiv Rutoken ECP 00 00",
            "token inserted: Rutoken ECP in Aktiv Rutoken ECP 00 00",
        ]);
        usb.plug_out(&TOKEN);
        watching.expect(&[
            "token removed: Rutoken ECP from Aktiv Rutoken ECP 00 00",
            "reader removed: Aktiv Rutoken ECP 00 00",
        ]);
    }
    watching.no_more();
}

/// The next event, of what is already over.
#[track_caller]
fn next(watch: &mut Watch) -> String {
    let start = Instant::now();
    let event = watch.next_within(PATIENCE);
    let waited = start.elapsed();
    assert!(
        waited < Duration::from_secs(1),
        "only after {waited:?}: {event:?}"
    );
    event.expect("an event").unwrap().to_string()
}

#[test]
fn what_comes_and_goes_between_two_calls_is_told_by_the_next() {
    let pcscd = Pcscd::start();
    let Some(usb) = Usb::start(&pcscd) else {
        return;
    };
    let mut watch = watch().unwrap();
    for _ in 0..3 {
        usb.plug_in(&READER);
        expect_readers(&[READER_NAME]);
        assert_eq!(next(&mut watch), format!("reader added: {READER_NAME}"));
        assert!(watch.next_within(Duration::from_millis(10)).is_none());
        usb.plug_out(&READER);
        expect_readers(&[]);
        assert_eq!(next(&mut watch), format!("reader removed: {READER_NAME}"));
        assert!(watch.next_within(Duration::ZERO).is_none());
    }
}
