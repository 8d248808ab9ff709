//! Properties of what is read from text: PKCS#11 URIs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use keyfob::{ObjectType, Uri};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".*") {
        let _ = text.parse::<Uri>();
        let _ = format!("pkcs11:{text}").parse::<Uri>();
    }

    /// Nearly right, so that the reader gets deep into it.
    #[test]
    fn what_is_read_is_written_and_read_again(text in near_uri()) {
        if let Ok(uri) = text.parse::<Uri>() {
            prop_assert_eq!(uri.to_string().parse::<Uri>().unwrap(), uri);
        }
    }

    #[test]
    fn what_is_built_is_written_and_read_again(uri in built()) {
        let text = uri.to_string();
        prop_assert!(text.is_ascii());
        prop_assert!(Uri::looks_like(&text));
        prop_assert_eq!(text.parse::<Uri>().unwrap(), uri);
    }

    #[test]
    fn a_uri_is_its_attributes_in_any_order(uri in built(), seed in any::<usize>()) {
        let text = uri.to_string();
        let (path, query) = text["pkcs11:".len()..].split_once('?').unwrap_or((&text["pkcs11:".len()..], ""));
        let mut path: Vec<_> = path.split(';').collect();
        let mut query: Vec<_> = query.split('&').collect();
        let turns = (seed % path.len(), seed % query.len());
        path.rotate_left(turns.0);
        query.rotate_left(turns.1);
        let turned = format!("PKCS11:{}?{}", path.join(";"), query.join("&"));
        prop_assert_eq!(turned.parse::<Uri>().unwrap(), uri);
    }

    #[test]
    fn a_pin_is_in_nothing_that_is_shown(
        uri in built_without_digits(),
        pin in "[0-9]{4,12}",
        name in prop_oneof!["pin-value", "PIN-VALUE", "x-pin", "passphrase", "x-Secret"],
    ) {
        let text = uri.with_pin_source("file:/a").to_string();
        let (path, _) = text.split_once('?').unwrap();
        let uri: Uri = format!("{path}?{name}={pin}").parse().unwrap();
        if name.eq_ignore_ascii_case("pin-value") {
            prop_assert_eq!(uri.pin_value(), Some(pin.as_bytes()));
        }
        prop_assert!(!uri.to_string().contains(&pin));
        let debug = format!("{uri:?} {uri:#?}");
        prop_assert!(!debug.contains(&pin));
    }

    #[test]
    fn an_error_does_not_show_the_pin(pin in "[0-9]{4,12}", junk in "[ -~]{0,8}") {
        for text in [
            format!("pkcs11:?pin-value={pin}%{junk}"),
            format!("pkcs11:?pin-value={pin}#{junk}"),
            format!("pkcs11:pin-value={pin}{junk}"),
        ] {
            if let Err(error) = text.parse::<Uri>() {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains(&pin), "{}", shown);
            }
        }
    }
}

fn near_uri() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("token"),
        Just("manufacturer"),
        Just("serial"),
        Just("id"),
        Just("type"),
        Just("slot-id"),
        Just("library-version"),
        Just("object"),
        Just("x-vendor"),
        Just("module-path"),
        Just("module-name"),
        Just("pin-source"),
    ];
    let value = prop_oneof![
        "[A-Za-z0-9%&=?;:/ .]{0,6}",
        "(%[0-9A-Fa-f]{2}){0,4}",
        "[0-9]{1,3}(\\.[0-9]{1,3})?",
        Just("private".to_owned()),
    ];
    let attribute = (name, value).prop_map(|(name, value)| format!("{name}={value}"));
    let path = vec(attribute.clone(), 0..4).prop_map(|all| all.join(";"));
    let query = vec(attribute, 0..3).prop_map(|all| all.join("&"));
    (path, query).prop_map(|(path, query)| format!("pkcs11:{path}?{query}"))
}

fn built() -> impl Strategy<Value = Uri> {
    built_of(".{0,12}")
}

fn built_without_digits() -> impl Strategy<Value = Uri> {
    // No digits in what is shown, so that no PIN is there by chance; nor percent-encoded ones.
    built_of("[a-zA-Z._~-]{0,12}").prop_filter("digits", |uri| {
        !uri.to_string()
            .bytes()
            .skip("pkcs11:".len())
            .any(|byte| byte.is_ascii_digit())
    })
}

fn built_of(text: &'static str) -> impl Strategy<Value = Uri> {
    let token = (
        option::of(text),
        option::of(text),
        option::of(text),
        option::of(text),
    );
    let library = (option::of(text), option::of(text));
    let slot = (option::of(text), option::of(text));
    let module = (option::of(text), option::of(text));
    let object_type = prop_oneof![
        Just(ObjectType::Public),
        Just(ObjectType::Private),
        Just(ObjectType::Certificate),
        Just(ObjectType::SecretKey),
        Just(ObjectType::Data),
    ];
    let object = (
        option::of(text),
        option::of(vec(any::<u8>(), 0..8)),
        option::of(object_type),
        option::weighted(0.2, any::<u64>()),
        option::weighted(0.2, any::<(u8, u8)>()),
    );
    (token, library, slot, module, object).prop_map(|(token, library, slot, module, object)| {
        fn put<T>(uri: Uri, value: Option<T>, with: impl Fn(Uri, T) -> Uri) -> Uri {
            match value {
                Some(value) => with(uri, value),
                None => uri,
            }
        }
        let mut uri = Uri::new();
        uri = put(uri, token.0, Uri::with_token);
        uri = put(uri, token.1, Uri::with_manufacturer);
        uri = put(uri, token.2, Uri::with_serial);
        uri = put(uri, token.3, Uri::with_model);
        uri = put(uri, library.0, Uri::with_library_manufacturer);
        uri = put(uri, library.1, Uri::with_library_description);
        uri = put(uri, slot.0, Uri::with_slot_manufacturer);
        uri = put(uri, slot.1, Uri::with_slot_description);
        uri = put(uri, module.0, Uri::with_module_name);
        uri = put(uri, module.1, Uri::with_module_path);
        uri = put(uri, object.0, Uri::with_object);
        uri = put(uri, object.1, Uri::with_id);
        uri = put(uri, object.2, Uri::with_type);
        uri = put(uri, object.3, Uri::with_slot_id);
        put(uri, object.4, |uri, (major, minor)| {
            uri.with_library_version(major, minor)
        })
    })
}
