//! PINs from the environment and from files: what unlocks is exactly what was there.

use std::path::{Path, PathBuf};
use std::{env, fs};

use keyfob::{Pin, PinSourceError, Uri};

use crate::{PIN, bench, token};

fn file(folder: &Path, content: &[u8]) -> PathBuf {
    let path = folder.join("pin");
    fs::write(&path, content).unwrap();
    path
}

fn unlocks(pin: &Pin) -> bool {
    token().unlock(pin).is_ok()
}

#[test]
fn a_file_holds_a_pin_with_or_without_a_line_end() {
    let (bench, _fault) = bench();
    for end in ["", "\n", "\r\n", "\r"] {
        let path = file(bench.folder(), format!("{PIN}{end}").as_bytes());
        assert!(unlocks(&Pin::from_file(path).unwrap()), "{end:?}");
    }
    // Nothing else is taken off: it may belong to the PIN.
    for other in [" ", "\n\n", "\0", "\r\r\n"] {
        let path = file(bench.folder(), format!("{PIN}{other}").as_bytes());
        assert!(!unlocks(&Pin::from_file(path).unwrap()), "{other:?}");
    }
}

#[test]
fn a_file_without_a_pin_says_so() {
    let (bench, _fault) = bench();
    for empty in ["", "\n", "\r\n"] {
        let outcome = Pin::from_file(file(bench.folder(), empty.as_bytes()));
        assert!(matches!(outcome, Err(PinSourceError::Empty)), "{empty:?}");
    }
    let missing = bench.folder().join("no-such-file");
    match Pin::from_file(&missing) {
        Err(PinSourceError::File { path, source }) => {
            assert_eq!(path, missing);
            assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
        }
        other => panic!("{other:?}"),
    }
    for length in [1024, 1025, 100_000] {
        let outcome = Pin::from_file(file(bench.folder(), &vec![b'1'; length]));
        let Err(PinSourceError::File { source, .. }) = outcome else {
            panic!("{length} bytes are no PIN: {outcome:?}")
        };
        assert_eq!(source.kind(), std::io::ErrorKind::InvalidData);
    }
    assert!(Pin::from_file(file(bench.folder(), &[b'1'; 1023])).is_ok());
    let folder = Pin::from_file(bench.folder());
    assert!(matches!(folder, Err(PinSourceError::File { .. })));
}

/// Not endless though the source is.
#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_no_pin() {
    let outcome = Pin::from_file("/dev/zero");
    assert!(matches!(outcome, Err(PinSourceError::File { .. })));
}

#[test]
fn a_variable_holds_a_pin() {
    const NAME: &str = "KEYFOB_TEST_OF_UNLOCK";
    let (_bench, _fault) = bench();
    let set = |value: &str| {
        // SAFETY: the tests' other threads are waiting for their turn.
        unsafe { env::set_var(NAME, value) };
        Pin::from_env(NAME)
    };
    match Pin::from_env(NAME) {
        Err(PinSourceError::NoVariable { name }) => assert_eq!(name, NAME),
        other => panic!("{other:?}"),
    }
    assert!(matches!(set(""), Err(PinSourceError::Empty)));
    assert!(unlocks(&set(PIN).unwrap()));
    assert!(!unlocks(&set(&format!("{PIN}\n")).unwrap()));
    for pin in [
        Pin::from(PIN.to_owned()),
        Pin::from(PIN.as_bytes()),
        Pin::from(PIN.as_bytes().to_vec()),
        // With room to spare, which must not be sent.
        Pin::from({
            let mut text = String::with_capacity(100);
            text.push_str(PIN);
            text
        }),
    ] {
        assert!(unlocks(&pin));
    }
}

fn of_uri(query: &str) -> Result<Option<Pin>, PinSourceError> {
    let uri: Uri = format!("pkcs11:token=unlock?{query}").parse().unwrap();
    Pin::from_uri(&uri)
}

#[test]
fn a_uri_holds_a_pin_or_says_where_it_is() {
    let (bench, _fault) = bench();
    let path = file(bench.folder(), format!("{PIN}\n").as_bytes());
    let path = path.display();
    for query in [
        format!("pin-value={PIN}"),
        "pin-value=%32%34%36%38%31%33%35%37".to_owned(),
        format!("pin-source={path}"),
        format!("pin-source=file:{path}"),
        format!("pin-source=file://{path}"),
        format!("pin-source=file://localhost{path}"),
    ] {
        assert!(unlocks(&of_uri(&query).unwrap().unwrap()), "{query}");
    }
    assert!(of_uri("module-name=x").unwrap().is_none());
    assert!(matches!(of_uri("pin-value="), Err(PinSourceError::Empty)));
    for refused in [
        "pin-source=%7Ccat%20/etc/hostname",
        "pin-source=relative/path",
        "pin-source=file:relative/path",
        "pin-source=file://another-host/etc/hostname",
        "pin-source=file://localhostile/etc/hostname",
        "pin-source=http://example.org/pin",
        "pin-source=",
    ] {
        let outcome = of_uri(refused);
        assert!(
            matches!(outcome, Err(PinSourceError::UriSource)),
            "{refused}: {outcome:?}"
        );
    }
    let missing = of_uri("pin-source=/no/such/file");
    assert!(matches!(missing, Err(PinSourceError::File { .. })));
}
