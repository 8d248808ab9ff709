//! Choosing a token by URI, label or serial.

use cryptoki_sys::CK_SLOT_ID;
use keyfob::{Discovery, Error, SelectionError, Token, Uri};

use crate::{bench, discover};

#[test]
fn each_attribute_of_a_uri_narrows() {
    let (_bench, fault) = bench();
    let found = discover();
    let token = found.select("first").unwrap();
    let module = found.modules()[0].info().unwrap();
    let slot = token.slot_id() as CK_SLOT_ID;
    fault.command(&format!(
        "slot-info slot={slot} description=Reader manufacturer=Maker"
    ));
    let path = found.modules()[0].path().to_str().unwrap().to_owned();
    let folder = path.rsplit_once('/').unwrap().0.to_owned();
    let (major, minor) = module.version;
    let this = || Uri::new().with_token("first");

    let text = |with: fn(Uri, String) -> Uri, right: &str| {
        let wrong = format!("{right}x");
        (with(this(), right.into()), with(this(), wrong))
    };
    for (attribute, (right, wrong)) in [
        (
            "manufacturer",
            text(Uri::with_manufacturer, token.manufacturer()),
        ),
        ("model", text(Uri::with_model, token.model())),
        ("serial", text(Uri::with_serial, token.serial())),
        (
            "slot-description",
            text(Uri::with_slot_description, "Reader"),
        ),
        (
            "slot-manufacturer",
            text(Uri::with_slot_manufacturer, "Maker"),
        ),
        (
            "library-manufacturer",
            text(Uri::with_library_manufacturer, &module.manufacturer),
        ),
        (
            "library-description",
            text(Uri::with_library_description, &module.description),
        ),
        ("module-name", text(Uri::with_module_name, "FAULT_MODULE")),
        (
            "module-name with lib",
            text(Uri::with_module_name, "libfault_module"),
        ),
        ("module-path", text(Uri::with_module_path, &path)),
        (
            "module-path, the folder",
            text(Uri::with_module_path, &folder),
        ),
        (
            "slot-id",
            (
                this().with_slot_id(token.slot_id()),
                this().with_slot_id(token.slot_id() + 1),
            ),
        ),
        (
            "library-version",
            (
                this().with_library_version(major, minor),
                this().with_library_version(major, minor + 1),
            ),
        ),
    ] {
        let by_uri = found.by_uri(&right).unwrap();
        assert_eq!(by_uri.serial(), token.serial(), "{attribute}");
        let by_text = found.select(&right.to_string()).unwrap();
        assert_eq!(by_text.serial(), token.serial(), "{attribute}");
        assert!(is_none(found.by_uri(&wrong)), "{attribute}");
    }
    assert!(is_none(found.select("pkcs11:token=first;x-colour=red")));
    assert!(matches!(found.select("pkcs11:=="), Err(Error::Uri(_))));
}

#[test]
fn what_tells_two_tokens_apart_is_enough() {
    let (_bench, _fault) = bench();
    let found = discover();
    for label in ["first", "second"] {
        let token = found.by_label(label).unwrap();
        assert_eq!(token.label(), label);
        let serial = token.serial();
        for (how, same) in [
            ("label", found.select(label)),
            ("serial", found.select(serial)),
            ("by serial", found.by_serial(serial)),
            ("URI", found.by_uri(&token.uri())),
            ("token=", found.by_uri(&Uri::new().with_token(label))),
            ("serial=", found.by_uri(&Uri::new().with_serial(serial))),
            (
                "slot-id=",
                found.by_uri(&Uri::new().with_slot_id(token.slot_id())),
            ),
        ] {
            let same = same.unwrap();
            assert_eq!(same.label(), label, "{how}");
            assert_eq!(same.slot_id(), token.slot_id(), "{how}");
        }
    }
    assert!(is_none(found.by_label("firs")));
    assert!(is_none(found.by_serial("first")), "no serial, but a label");
}

#[test]
fn several_are_all_named() {
    let (_bench, fault) = bench();
    let found = discover();
    let every = |found: &Discovery| -> Vec<String> {
        ["first", "second"]
            .map(|label| found.by_label(label).unwrap().uri().to_string())
            .into()
    };
    let mut expected = every(&found);
    expected.sort();
    for outcome in [
        found.only(),
        found.select("pkcs11:"),
        found.select("pkcs11:model=SoftHSM%20v2"),
    ] {
        let error = outcome.unwrap_err();
        let message = error.to_string();
        let Error::Selection {
            reason: SelectionError::Several(mut names),
            ..
        } = error
        else {
            panic!("{error:?}")
        };
        names.sort();
        assert_eq!(names, expected);
        assert!(
            expected.iter().all(|name| message.contains(name)),
            "{message}"
        );
    }

    // Two tokens of one name.
    let second = found.by_label("second").unwrap();
    drop(found);
    let slot = second.slot_id() as CK_SLOT_ID;
    fault.token(slot).text("label", b"first");
    let found = discover();
    let Err(Error::Selection {
        reason: SelectionError::Several(names),
        ..
    }) = found.by_label("first")
    else {
        panic!("two have this name")
    };
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
    for name in names {
        assert_eq!(found.select(&name).unwrap().uri().to_string(), name);
    }
}

#[test]
fn the_only_one_needs_no_name() {
    let (_bench, fault) = bench();
    let slot = |label: &str| discover().by_label(label).unwrap().slot_id() as CK_SLOT_ID;
    let (first, second) = (slot("first"), slot("second"));
    fault.token(second).remove();
    assert_eq!(discover().only().unwrap().label(), "first");
    fault.token(first).remove();
    assert!(is_none(discover().only()));
}

fn is_none(outcome: Result<Token, Error>) -> bool {
    matches!(
        outcome,
        Err(Error::Selection {
            reason: SelectionError::None,
            ..
        })
    )
}
