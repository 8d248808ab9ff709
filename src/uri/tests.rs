use super::*;

fn uri(text: &str) -> Uri {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> UriError {
    text.parse::<Uri>().unwrap_err()
}

/// Every URI of RFC 7512, section 3, and its canonical form here.
const RFC_EXAMPLES: [(&str, &str); 13] = [
    ("pkcs11:", "pkcs11:"),
    (
        "pkcs11:object=my-pubkey;type=public",
        "pkcs11:object=my-pubkey;type=public",
    ),
    (
        "pkcs11:object=my-key;type=private?pin-source=file:/etc/token",
        "pkcs11:object=my-key;type=private?pin-source=file:/etc/token",
    ),
    (
        "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;\
         model=1.0;object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=\
         ?pin-source=file:/etc/token_pin",
        "pkcs11:model=1.0;manufacturer=Snake%20Oil,%20Inc.;serial=;\
         token=The%20Software%20PKCS%2311%20Softtoken;id=%69%95%3E%5C%F4%BD%EC%91;\
         object=my-certificate;type=cert?pin-source=file:/etc/token_pin",
    ),
    (
        "pkcs11:object=my-sign-key;type=private?module-name=mypkcs11",
        "pkcs11:object=my-sign-key;type=private?module-name=mypkcs11",
    ),
    (
        "pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1",
        "pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1",
    ),
    (
        "pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.\
         ?pin-value=the-pin",
        "pkcs11:manufacturer=Snake%20Oil,%20Inc.;token=Software%20PKCS%2311%20softtoken",
    ),
    (
        "pkcs11:slot-description=Sun%20Metaslot",
        "pkcs11:slot-description=Sun%20Metaslot",
    ),
    (
        "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;\
         library-description=Soft%20Token%20Library;library-version=1.23",
        "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;\
         library-description=Soft%20Token%20Library;library-version=1.23",
    ),
    (
        "pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3;\
         id=%01%02%03%Ba%dd%Ca%fe%04%05%06",
        "pkcs11:library-version=3.0;token=My%20token%25%20created%20by%20Joe;\
         id=%01%02%03%BA%DD%CA%FE%04%05%06",
    ),
    (
        "pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=my-certificate;type=cert",
        "pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=my-certificate;type=cert",
    ),
    (
        "pkcs11:token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1;\
         object=my-certificate;type=cert",
        "pkcs11:token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1;\
         object=my-certificate;type=cert",
    ),
    (
        "pkcs11:token=my-token;object=my-certificate;type=cert;vendor-aaa=value-a\
         ?pin-source=file:/etc/token_pin&vendor-bbb=value-b",
        "pkcs11:token=my-token;object=my-certificate;type=cert;vendor-aaa=value-a\
         ?pin-source=file:/etc/token_pin&vendor-bbb=value-b",
    ),
];

#[test]
fn rfc_examples_are_read_and_written() {
    for (text, canonical) in RFC_EXAMPLES {
        assert_eq!(uri(text).to_string(), canonical, "{text}");
        assert_eq!(uri(canonical).to_string(), canonical);
    }
}

#[test]
fn values_are_decoded() {
    let all = uri(RFC_EXAMPLES[3].0);
    assert_eq!(all.token(), Some("The Software PKCS#11 Softtoken"));
    assert_eq!(all.manufacturer(), Some("Snake Oil, Inc."));
    assert_eq!(all.serial(), Some(""));
    assert_eq!(
        all.id(),
        Some(&[0x69, 0x95, 0x3E, 0x5C, 0xF4, 0xBD, 0xEC, 0x91][..])
    );
    assert_eq!(all.object_type(), Some(ObjectType::Certificate));
    assert_eq!(all.pin_source(), Some("file:/etc/token_pin"));
    assert_eq!(all.slot_id(), None);
    assert_eq!(uri(RFC_EXAMPLES[6].0).pin_value(), Some(&b"the-pin"[..]));
    assert_eq!(uri(RFC_EXAMPLES[9].0).library_version(), Some((3, 0)));
    assert_eq!(
        uri(RFC_EXAMPLES[11].0).token(),
        Some("Name with a small A with acute: á")
    );
    let vendor = uri(RFC_EXAMPLES[12].0);
    assert!(
        vendor
            .vendor_path_attributes()
            .eq([("vendor-aaa", "value-a")])
    );
    assert!(
        vendor
            .vendor_query_attributes()
            .eq([("vendor-bbb", "value-b")])
    );
}

#[test]
fn reserved_characters_need_no_encoding() {
    let uri = uri(
        "pkcs11:token=:[]@!$'()*+,=&?x-a=:[]@!$'()*+,=/?|&module-name=a;".trim_end_matches(';'),
    );
    assert_eq!(uri.token(), Some(":[]@!$'()*+,=&"));
    assert!(
        uri.vendor_query_attributes()
            .eq([("x-a", ":[]@!$'()*+,=/?|")])
    );
    assert_eq!(uri.to_string().parse(), Ok(uri));
}

#[test]
fn scheme_and_names_are_read_in_any_case() {
    let any = uri("PkCs11:TOKEN=a;Type=PRIVATE?PIN-Value=1");
    assert_eq!(any, uri("pkcs11:token=a;type=private?pin-value=1"));
    assert!(Uri::looks_like("PKCS11:"));
    for no in ["", "pkcs11", "pkcs12:", "file:/a", "é", "pkcs1é:"] {
        assert!(!Uri::looks_like(no));
        assert_eq!(error(no), UriError::Scheme);
    }
}

#[test]
fn equal_whatever_the_order_and_the_encoding() {
    assert_eq!(
        uri("pkcs11:token=a%2Db;id=%41;library-version=3?x-b=1&x-a=2"),
        uri("pkcs11:library-version=3.0;id=A;token=%61-b?x-a=2&x-b=1"),
    );
    assert_ne!(uri("pkcs11:serial="), uri("pkcs11:"));
    assert_ne!(uri("pkcs11:token=A"), uri("pkcs11:token=a"));
    assert_ne!(uri("pkcs11:?x-a=1&x-a=2"), uri("pkcs11:?x-a=2&x-a=1"));
}

#[test]
fn a_pin_is_never_shown() {
    for text in [
        "pkcs11:token=a?pin-value=87654321",
        "pkcs11:token=a?PIN-VALUE=87654321",
        "pkcs11:token=a?x-pin-value=87654321",
        "pkcs11:token=a?pin_value=87654321",
        "pkcs11:token=a;x-passphrase=87654321",
        "pkcs11:token=a?x-a=1&my-SECRET=87654321",
    ] {
        let uri = uri(text);
        for shown in [uri.to_string(), format!("{uri:?}"), format!("{uri:#?}")] {
            assert!(!shown.contains("8765"), "{text}: {shown}");
        }
    }
    assert_eq!(
        format!("{:?}", uri("pkcs11:token=a?pin-value=1")),
        "Uri(pkcs11:token=a, pin-value not shown)"
    );
}

#[test]
fn an_error_does_not_repeat_the_pin() {
    for text in [
        "pkcs11:?pin-value=87654321%",
        "pkcs11:?pin-value=87654321%9",
        "pkcs11:?pin-value=%zz87654321",
        "pkcs11:?pin-value=87654321#",
        "pkcs11:?pin-value=8765é4321",
        "pkcs11:?pin-value=1&pin-value=87654321",
        "pkcs11:?pin-value=87654321&pin-source=a",
        "pkcs11:pin-value=87654321",
        "pkcs11:?87654321",
        "pkcs11:?pin-value:87654321",
        "pkcs11:?8765/4321=",
        "87654321",
    ] {
        let error = error(text);
        assert!(
            !format!("{error} {error:?}").contains("8765"),
            "{text}: {error}"
        );
    }
}

#[test]
fn duplicates_are_errors_but_for_vendor_query_attributes() {
    for (text, name) in [
        ("pkcs11:token=a;token=a", "token"),
        ("pkcs11:token=a;TOKEN=b", "TOKEN"),
        ("pkcs11:id=a;id=b", "id"),
        ("pkcs11:slot-id=1;slot-id=1", "slot-id"),
        ("pkcs11:type=cert;type=cert", "type"),
        (
            "pkcs11:library-version=1;library-version=1",
            "library-version",
        ),
        ("pkcs11:x-a=1;x-a=2", "x-a"),
        ("pkcs11:?module-name=a&module-name=b", "module-name"),
        ("pkcs11:?pin-value=a&pin-value=b", "pin-value"),
    ] {
        let attribute = name.to_owned();
        assert_eq!(error(text), UriError::Duplicate { attribute }, "{text}");
    }
    assert_eq!(
        uri("pkcs11:?x-a=1&x-a=2").to_string(),
        "pkcs11:?x-a=1&x-a=2"
    );
}

#[test]
fn the_wrong_side_of_the_question_mark() {
    for text in [
        "pkcs11:pin-value=1",
        "pkcs11:module-path=/a",
        "pkcs11:?token=a",
        "pkcs11:?object=a",
        "pkcs11:?slot-id=1",
    ] {
        assert!(matches!(error(text), UriError::Misplaced { .. }), "{text}");
    }
}

#[test]
fn malformed_attributes_tell_their_place() {
    for (text, position) in [
        ("pkcs11:token", 7),
        ("pkcs11:token=a;", 15),
        ("pkcs11:;token=a", 7),
        ("pkcs11:token=a;;id=a", 15),
        ("pkcs11:=a", 7),
        ("pkcs11:?x-a=1&", 14),
        ("pkcs11:token=a?b", 15),
    ] {
        assert_eq!(error(text), UriError::NotAnAttribute { position }, "{text}");
    }
    assert_eq!(error("pkcs11:to ken=a;x=1"), UriError::Name { position: 7 });
    let attribute = || "token".to_owned();
    for (text, position) in [
        ("pkcs11:token=a b", 14),
        ("pkcs11:token=a/b", 14),
        ("pkcs11:token=é", 13),
        ("pkcs11:x=1;token=ab#", 19),
    ] {
        let attribute = attribute();
        let expected = UriError::Unencoded {
            attribute,
            position,
        };
        assert_eq!(error(text), expected, "{text}");
    }
    for (text, position) in [
        ("pkcs11:token=a%", 14),
        ("pkcs11:token=%4", 13),
        ("pkcs11:token=%4g", 13),
        ("pkcs11:token=%+4", 13),
    ] {
        let attribute = attribute();
        let expected = UriError::Escape {
            attribute,
            position,
        };
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn values_that_do_not_fit() {
    for text in [
        "pkcs11:slot-id=",
        "pkcs11:slot-id=-1",
        "pkcs11:slot-id=+1",
        "pkcs11:slot-id=0x1",
        "pkcs11:slot-id=18446744073709551616",
        "pkcs11:library-version=",
        "pkcs11:library-version=256",
        "pkcs11:library-version=1.",
        "pkcs11:library-version=.1",
        "pkcs11:library-version=1.2.3",
        "pkcs11:type=",
        "pkcs11:type=certificate",
    ] {
        assert!(matches!(error(text), UriError::Value { .. }), "{text}");
    }
    assert_eq!(
        uri("pkcs11:slot-id=18446744073709551615").slot_id(),
        Some(u64::MAX)
    );
    for text in [
        "pkcs11:token=%FF",
        "pkcs11:x-a=%FF",
        "pkcs11:?module-path=%C3",
    ] {
        assert!(matches!(error(text), UriError::NotText { .. }), "{text}");
    }
    assert_eq!(
        uri("pkcs11:id=%FF?pin-value=%FF").pin_value(),
        Some(&[0xFF][..])
    );
}

#[test]
fn pin_source_and_pin_value_are_one_too_many() {
    assert_eq!(
        error("pkcs11:?pin-source=file:/a&pin-value=1"),
        UriError::TwoPins
    );
}

#[test]
fn an_empty_query_is_a_query() {
    assert_eq!(uri("pkcs11:?"), Uri::new());
    assert_eq!(uri("pkcs11:token=a?"), Uri::new().with_token("a"));
}
