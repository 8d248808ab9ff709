//! Two cards that come and go, while two threads list and sign with them: every event is told, once
//! and in order, and no PIN try is lost.
//!
//! It takes two minutes, so plain `cargo test` leaves it out:
//! `./softhsm-setup.sh cargo test --test hot_plug`.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/rutoken.rs"]
mod rutoken;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/vpcd.rs"]
mod vpcd;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{process, thread};

use keyfob::{
    Error, Identity, PinError, Scheme, Search, SelectionError, SignError, Unlocked, Watch, watch,
};
use pcsc::State;
use pcscd::{Pcscd, Reader};
use rutoken::{PIN, Rutoken, opensc};
use softhsm::Leaf;
use vpcd::{Card, Inserted, Power};

/// The seed of all that is random here, but for who is quicker.
const SEED: u64 = 0x6B65_7966_6F62;

const READERS: [Reader; 2] = [Reader::First, Reader::Second];

/// How often each of the two cards is inserted, and as often removed.
const STAYS: usize = 50;

/// The least time from one change in a reader to the next one there.
const PACE: Duration = Duration::from_secs(1);

/// Longer than any call takes here.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn cards_come_and_go_while_two_threads_list_and_sign() {
    let pcscd = &Pcscd::start();
    let _deadline = deadline(Duration::from_secs(300));
    println!("seed {SEED:#x}");
    let [first, second] = [0x3A1F_77B2, 0x3A1F_77B3].map(|serial| card(pcscd, serial));
    let watch = watch().unwrap();
    let stopper = watch.stopper();
    let over = AtomicBool::new(false);
    let begin = Instant::now();

    let (ours, bare, users, cards) = thread::scope(|scope| {
        let ours = scope.spawn(|| arrivals(watch));
        let bare = scope.spawn(|| look(&over));
        let users = [User::new("lists", 8, 1), User::new("signs", 1, 8)]
            .map(|user| scope.spawn(|| user.use_cards(&over)));
        let cards = [(Reader::First, first), (Reader::Second, second)]
            .map(|(reader, card)| scope.spawn(move || come_and_go(pcscd, reader, card)))
            .map(|hand| hand.join());
        // For the last event to arrive, and another one that must not.
        thread::sleep(2 * PACE);
        over.store(true, Ordering::Relaxed);
        stopper.stop();
        (
            ours.join(),
            bare.join(),
            users.map(|user| user.join()),
            cards,
        )
    });
    println!("{STAYS} stays in each reader in {:.1?}", begin.elapsed());

    for card in cards {
        let Guarded(card) = card.expect("a card comes and goes");
        assert_eq!((card.tries_left(), card.so_tries_left()), TRIES);
    }
    for user in users {
        user.expect("the cards are used").has_done_enough();
    }
    compare(&ours.expect("a watch"), &bare.expect("a bare loop"));
}

/// Ends the process, unless what this returns is dropped in time.
fn deadline(time: Duration) -> mpsc::Sender<()> {
    let (running, ended) = mpsc::channel();
    thread::spawn(move || {
        if ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
            // Past the harness, which would keep it for a report that never comes.
            let _ = writeln!(io::stderr(), "not over after {time:?}: something hangs");
            process::abort();
        }
    });
    running
}

// --- The cards ---------------------------------------------------------------

/// The tries that a card has left while nobody has been wrong: the user's, the security officer's.
const TRIES: (u8, u8) = (5, 10);

/// A card that panics as soon as a try is lost, for the right PIN would give it back.
struct Guarded(Rutoken);

impl Card for Guarded {
    fn atr(&self) -> Vec<u8> {
        self.0.atr()
    }

    fn power(&mut self, power: Power) {
        self.0.power(power);
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let answer = self.0.transmit(command);
        let left = (self.0.tries_left(), self.0.so_tries_left());
        assert_eq!(left, TRIES, "tries left after {command:02X?}");
        answer
    }
}

/// A card with a key, and a certificate for the card's own serial number.
fn card(pcscd: &Pcscd, serial: u32) -> Guarded {
    let mut card = Rutoken::blank();
    card.serial = serial.to_be_bytes();
    let subject = format!("CN={serial:08x}");
    let card = card.initialise(pcscd);
    Guarded(card.add_rsa(pcscd, |spki| Leaf::new(&subject).issue(spki)))
}

/// Whatever the users do, but never before the service has seen the last change: it would take two
/// for none.
fn come_and_go(pcscd: &Pcscd, reader: Reader, mut card: Guarded) -> Guarded {
    let mut random = Random(SEED + u64::from(reader.port()));
    let mut moment = Instant::now();
    let mut wait = || {
        let next = moment + PACE + Duration::from_millis(random.below(200));
        thread::sleep(next.saturating_duration_since(Instant::now()));
        moment = Instant::now();
    };
    for _ in 0..STAYS {
        wait();
        let inserted = Inserted::new(pcscd, reader, card);
        wait();
        card = inserted.remove();
    }
    card
}

// --- What is told of them ----------------------------------------------------

/// All that a watch tells, and when.
fn arrivals(watch: Watch) -> Vec<(Instant, String)> {
    watch
        .map(|event| (Instant::now(), event.unwrap().to_string()))
        .collect()
}

/// What the service showed of a reader when it was no longer what it had been.
struct Seen {
    at: Instant,
    present: bool,
    /// Insertions and removals, as the service counts them.
    count: u32,
}

/// A bare loop over both readers.
fn look(over: &AtomicBool) -> [Vec<Seen>; 2] {
    let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
    let mut states = READERS.map(|reader| {
        let name = CString::new(reader.name()).unwrap();
        pcsc::ReaderState::new(name, State::UNAWARE)
    });
    let mut seen = READERS.map(|_| Vec::<Seen>::new());
    while !over.load(Ordering::Relaxed) {
        match context.get_status_change(Duration::from_millis(500), &mut states) {
            Err(pcsc::Error::Timeout) => continue,
            outcome => outcome.unwrap(),
        }
        let at = Instant::now();
        for (state, seen) in states.iter_mut().zip(&mut seen) {
            let present = state.event_state().contains(State::PRESENT);
            let count = state.event_count();
            // Another program's use of the card is a change too.
            if seen.last().map(|last| (last.present, last.count)) != Some((present, count)) {
                seen.push(Seen { at, present, count });
            }
            state.sync_current_state();
        }
    }
    seen
}

fn compare(ours: &[(Instant, String)], bare: &[Vec<Seen>; 2]) {
    let mut late = Vec::new();
    for (reader, bare) in READERS.map(Reader::name).iter().zip(bare) {
        let changes: Vec<_> = bare
            .windows(2)
            .filter(|pair| pair[0].present != pair[1].present)
            .map(|pair| &pair[1])
            .collect();
        let counted = bare.last().unwrap().count - bare[0].count;
        assert_eq!((changes.len(), counted), (2 * STAYS, 2 * STAYS as u32));
        let (times, ours): (Vec<_>, Vec<_>) = ours
            .iter()
            .filter(|(_, event)| event.ends_with(reader))
            .map(|(at, event)| (*at, event.as_str()))
            .unzip();
        let mut expected = vec![format!("reader added: {reader}")];
        for change in &changes {
            expected.push(match change.present {
                true => format!("token inserted: Rutoken ECP in {reader}"),
                false => format!("token removed: Rutoken ECP from {reader}"),
            });
        }
        assert_eq!(ours, expected);
        let both = times[1..].iter().zip(&changes);
        late.extend(both.map(|(ours, bare)| ours.saturating_duration_since(bare.at)));
    }
    assert_eq!(ours.len(), 2 * (1 + 2 * STAYS), "{ours:#?}");
    late.sort();
    let (median, most) = (late[late.len() / 2], late[late.len() - 1]);
    println!("late by {median:?} at the median, {most:?} at most");
    assert!(median < Duration::from_millis(20), "{late:?}");
}

// --- Who uses them -----------------------------------------------------------

const SCHEME: Scheme = Scheme::RsaPkcs1Sha256;

/// Uses whatever card there is, in rounds of so many lists and so many signatures.
struct User {
    name: &'static str,
    round: (usize, usize),
    random: Random,
    unlocked: usize,
    lists: usize,
    signatures: usize,
    errors: BTreeMap<String, usize>,
    longest: Duration,
}

impl User {
    fn new(name: &'static str, lists: usize, signatures: usize) -> Self {
        Self {
            name,
            round: (lists, signatures),
            random: Random(SEED + lists as u64),
            unlocked: 0,
            lists: 0,
            signatures: 0,
            errors: BTreeMap::new(),
            longest: Duration::ZERO,
        }
    }

    fn use_cards(mut self, over: &AtomicBool) -> Self {
        while !over.load(Ordering::Relaxed) {
            if let Err(error) = self.use_card(over) {
                self.bear(&error);
            }
            thread::sleep(Duration::from_millis(20));
        }
        self
    }

    /// Finds a card and uses it until that fails. All that came from it is dropped then.
    fn use_card(&mut self, over: &AtomicBool) -> Result<(), Error> {
        let search = Search::new().named_only().module(opensc::module());
        let found = self.call(|| search.run())?;
        for problem in found.problems() {
            self.bear(problem);
        }
        let tokens = found.tokens();
        if tokens.is_empty() {
            return Ok(());
        }
        let token = tokens[self.random.below(tokens.len() as u64) as usize].clone();
        drop(found);
        let fob = match self.call(|| token.unlocked())? {
            Some(fob) => fob,
            None => self.call(|| token.unlock(&PIN.into()))?,
        };
        self.unlocked += 1;
        let (lists, signatures) = self.round;
        while !over.load(Ordering::Relaxed) {
            for _ in 1..lists {
                self.list(&fob)?;
            }
            let me = self.list(&fob)?;
            for _ in 0..signatures {
                self.sign(&me)?;
            }
        }
        Ok(())
    }

    fn list(&mut self, fob: &Unlocked) -> Result<Identity, Error> {
        let identities = self.call(|| fob.identities())?;
        for problem in identities.problems() {
            self.bear(problem);
        }
        let me = identities.for_signing().only()?;
        let certificate = me.certificate().expect("it allows signing");
        assert_eq!(certificate.subject(), format!("CN={}", fob.serial()));
        self.lists += 1;
        Ok(me)
    }

    fn sign(&mut self, me: &Identity) -> Result<(), Error> {
        let message = self.random.next().to_be_bytes();
        let signature = self.call(|| me.sign(SCHEME, &message))?;
        let certificate = me.certificate().expect("it was listed with one");
        let verified = certificate.verify(SCHEME, &message, &signature);
        verified.expect("a signature is right, or there is none");
        self.signatures += 1;
        Ok(())
    }

    fn call<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let outcome = call();
        self.longest = self.longest.max(start.elapsed());
        outcome
    }

    #[track_caller]
    fn bear(&mut self, error: &Error) {
        assert!(is_explained(error), "{error:?}");
        *self.errors.entry(error.to_string()).or_default() += 1;
    }

    fn has_done_enough(self) {
        println!(
            "who {}: {} cards unlocked, {} lists, {} signatures, {:?} for the longest call; {:#?}",
            self.name, self.unlocked, self.lists, self.signatures, self.longest, self.errors
        );
        assert!(self.unlocked >= STAYS / 2);
        assert!(self.lists >= 2 * STAYS && self.signatures >= 2 * STAYS);
        assert!(self.longest < PATIENCE);
    }
}

/// Whether it can come of a card that is pulled, or of a login that two threads share.
fn is_explained(error: &Error) -> bool {
    const CODES: [&str; 10] = [
        "CKR_DEVICE_ERROR",
        "CKR_DEVICE_REMOVED",
        "CKR_GENERAL_ERROR",
        "CKR_KEY_HANDLE_INVALID",
        "CKR_OBJECT_HANDLE_INVALID",
        "CKR_SESSION_CLOSED",
        "CKR_SESSION_HANDLE_INVALID",
        "CKR_TOKEN_NOT_PRESENT",
        "CKR_TOKEN_NOT_RECOGNIZED",
        "CKR_USER_NOT_LOGGED_IN",
    ];
    match error {
        Error::TokenRemoved { .. } | Error::Object { .. } => true,
        Error::Call { code, .. } => code.name().is_some_and(|code| CODES.contains(&code)),
        Error::Selection { reason, .. } => *reason == SelectionError::None,
        Error::Sign { reason, .. } => matches!(reason, SignError::LoginNeeded),
        // The other thread was quicker.
        Error::Pin { reason, .. } => *reason == PinError::AlreadyUnlocked,
        _ => false,
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
