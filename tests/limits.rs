//! Modules that show more than any token has. What keyfob takes of memory for it has limits, and so
//! has what it does.

#[path = "support/allocations.rs"]
mod allocations;
#[path = "support/fault.rs"]
mod fault;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::fmt::Write;
use std::panic::Location;

use allocations::{Taken, taken_by};
use cryptoki_sys::*;
use fault::Fault;
use keyfob::{Discovery, Error, Scheme, Search, SelectionError, Unlocked};
use softhsm::{Kind, Leaf, PIN, SoftHsm};
use watchdog::Watchdog;

const MIB: usize = 1 << 20;

/// The largest certificate that is read.
const LARGEST: usize = MIB;

/// All that is read of a token's objects at once.
const MOST: usize = 32 * MIB;

struct Bench {
    fault: Fault,
    spki: Vec<u8>,
    _token: SoftHsm,
    _watchdog: Watchdog,
}

impl Bench {
    /// A token with a key and its certificate.
    #[track_caller]
    fn new() -> Self {
        let watchdog = Watchdog::start();
        watchdog.at(Location::caller());
        let token = SoftHsm::start();
        token.token("limits", |token| {
            let spki = token.key(Kind::P256, "p256", &[1]);
            let certificate = Leaf::new("CN=Test p256").issue(&spki);
            token.certificate(&certificate, "p256", &[1]);
        });
        Self {
            fault: Fault::load(),
            spki: spki(),
            _token: token,
            _watchdog: watchdog,
        }
    }

    /// Each object, over and over, until there are so many.
    fn repeat_objects(&self, count: usize) {
        self.fault.command(&format!("find repeat={count}"));
    }
}

/// Of a key that is nobody's.
fn spki() -> Vec<u8> {
    use spki::EncodePublicKey;
    let key = p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
    let spki = key.verifying_key().to_public_key_der().unwrap();
    spki.into_vec()
}

fn search() -> Discovery {
    let search = Search::new().module(Fault::path()).named_only();
    search.run().unwrap()
}

fn unlocked() -> Unlocked {
    let token = search().select("limits").unwrap();
    token.unlock(&PIN.into()).unwrap()
}

/// A certificate that is hardly longer.
fn certificate(length: usize, spki: &[u8]) -> Vec<u8> {
    let name = "a".repeat(length.saturating_sub(400));
    Leaf::new(&format!("CN=Test,OU={name}")).issue(spki)
}

/// Of as many small parts as can be, so that it takes much more to hold it than its length.
fn crumbly_certificate(length: usize, spki: &[u8]) -> Vec<u8> {
    let mut subject = "CN=Test".to_owned();
    for _ in 0..(length - 400) / 13 {
        write!(subject, ",C=aa").unwrap();
    }
    Leaf::new(&subject).issue(spki)
}

#[track_caller]
fn assert_most(taken: Taken, peak: usize, largest: usize) {
    assert!(taken.peak <= peak && taken.largest <= largest, "{taken}");
}

/// 60,000 certificates of a mebibyte each would be 60 gibibytes.
#[test]
fn of_objects_without_number_some_are_read() {
    let bench = Bench::new();
    let fob = unlocked();
    let large = certificate(LARGEST, &bench.spki);
    assert!((LARGEST - 200..=LARGEST).contains(&large.len()));
    bench.fault.replace_attribute(CKA_VALUE, "class=1", &large);
    bench.repeat_objects(60_000);
    // The module that tells this takes its time.
    bench.fault.command("find hide class=2\nfind hide class=3");
    let (taken, listed) = taken_by(|| fob.identities());
    assert!(
        matches!(listed, Err(Error::TooManyObjects { .. })),
        "{listed:?}"
    );
    // Each byte is kept as it came and taken apart.
    assert_most(taken, 4 * MOST, 3 * LARGEST);
}

/// What a certificate is taken apart into is larger than it is, by a factor that has a limit too.
#[test]
fn a_certificate_of_crumbs_takes_no_more_than_thirty_times_its_length() {
    let bench = Bench::new();
    let fob = unlocked();
    let length = LARGEST / 8;
    let crumbs = crumbly_certificate(length, &bench.spki);
    bench.fault.replace_attribute(CKA_VALUE, "class=1", &crumbs);
    let (taken, listed) = taken_by(|| fob.identities().unwrap());
    let certified = |one: &&keyfob::Identity| one.certificate().is_some();
    assert_eq!(listed.iter().filter(certified).count(), 1);
    assert_most(taken, 30 * length, 4 * length);
}

/// Only certificates are ever that long.
#[test]
fn what_cannot_be_so_long_is_not_read() {
    let bench = Bench::new();
    let fob = unlocked();
    for attribute in [CKA_LABEL, CKA_ID, CKA_MODULUS, CKA_EC_PARAMS, CKA_SIGN] {
        let value = vec![b'x'; LARGEST / 4];
        bench.fault.replace_attribute(attribute, "class=3", &value);
    }
    let (taken, listed) = taken_by(|| fob.identities().unwrap());
    let keys: Vec<_> = listed.iter().filter_map(|one| one.key()).collect();
    assert!(matches!(keys[..], [key] if key.label().is_empty() && key.id().is_empty()));
    assert_most(taken, LARGEST / 8, LARGEST / 32);
}

/// Thousands of keys and of certificates which all belong together, for all that can be told, would be
/// millions of identities.
#[test]
fn keys_and_certificates_do_not_multiply() {
    let bench = Bench::new();
    let fob = unlocked();
    let fault = &bench.fault;
    fault.refuse_attribute(CKA_KEY_TYPE, "class=2", CKR_ATTRIBUTE_TYPE_INVALID);
    fault.refuse_attribute(CKA_KEY_TYPE, "class=3", CKR_ATTRIBUTE_TYPE_INVALID);
    // Of a key that is none.
    let mut broken = certificate(400, &bench.spki);
    let point = broken.windows(2).position(|two| two == [0, 4]).unwrap();
    broken[point + 1] = 5;
    fault.replace_attribute(CKA_VALUE, "class=1", &broken);
    bench.repeat_objects(20);
    assert_eq!(fob.identities().unwrap().len(), 20 * 20);
    bench.repeat_objects(1500);
    let (taken, listed) = taken_by(|| fob.identities());
    assert!(matches!(listed, Err(Error::TooManyObjects { .. })));
    assert_most(taken, 2 * MOST, MOST);
}

/// What is in no pair is listed as it is.
#[test]
fn thousands_are_listed() {
    let bench = Bench::new();
    let fob = unlocked();
    bench.repeat_objects(1000);
    bench
        .fault
        .refuse_attribute(CKA_ID, "", CKR_ATTRIBUTE_TYPE_INVALID);
    bench
        .fault
        .refuse_attribute(CKA_KEY_TYPE, "class=3", CKR_ATTRIBUTE_TYPE_INVALID);
    let (taken, listed) = taken_by(|| fob.identities().unwrap());
    assert_eq!(listed.len(), 2000);
    assert_most(taken, MOST / 2, MIB);
}

/// An error is for reading.
#[test]
fn an_error_that_would_name_thousands_names_some() {
    let bench = Bench::new();
    let fob = unlocked();
    bench.repeat_objects(1000);
    bench
        .fault
        .replace_attribute(CKA_LABEL, "class=3", &[0xff; 4000]);
    let chosen = fob.key("pkcs11:id=%01");
    let Err(error @ Error::Selection { .. }) = &chosen else {
        panic!("{chosen:?}")
    };
    let text = error.to_string();
    assert!(text.ends_with(", and 950 more"), "{text}");
    // Each byte that is no text is written as the nine of its replacement.
    assert!(text.len() < 51 * 10 * 4000, "{}", text.len());

    bench
        .fault
        .replace_attribute(CKA_VALUE, "class=1", b"nothing");
    bench.fault.command("find hide class=3");
    let chosen = fob.identities().unwrap().only();
    let Err(Error::Selection { wanted, reason }) = chosen else {
        panic!("{chosen:?}")
    };
    assert_eq!(reason, SelectionError::None);
    assert!(wanted.ends_with("; and 950 more)"), "{wanted}");
}

/// Each slot with a token, and each token the same.
#[test]
fn of_slots_without_number_none_is_read_and_of_thousands_each() {
    let bench = Bench::new();
    let kept = search();
    let slots = |count| bench.fault.command(&format!("slot-list repeat={count}"));
    slots(1 << 20);
    let (taken, found) = taken_by(search);
    let [
        Error::Call {
            function: "C_GetSlotList",
            ..
        },
    ] = found.problems()
    else {
        panic!("{:?}", found.problems())
    };
    assert_most(taken, MIB, MIB / 4);
    drop(found);

    slots(1000);
    bench.fault.reset_counts();
    let (taken, found) = taken_by(search);
    assert_eq!(found.tokens().len(), 1000);
    assert!(bench.fault.count("C_GetTokenInfo") < 20_000);
    assert_most(taken, 16 * MIB, MIB);
    drop((found, kept));

    bench.fault.reset();
    let fob = unlocked();
    fob.key("p256")
        .unwrap()
        .sign(Scheme::EcdsaP256Sha256, b"message")
        .unwrap();
}
