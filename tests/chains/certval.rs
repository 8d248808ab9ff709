//! Why paths are not validated with `certval`: where it gives other answers than OpenSSL and keyfob.
//!
//! `good` and `bad` see to it that these two agree. Where a newer certval gives the right answer,
//! the case fails here, and docs/design.md is to be thought over.

use std::fs;

use certval::{
    CertificationPath, CertificationPathResults, CertificationPathSettings, PDVCertificate,
    PDVTrustAnchorChoice, PkiEnvironment, TimeOfInterest, validate_path_rfc5280,
};
use keyfob::Certificate;

use crate::authority_case::{Judged, case};

/// Whether certval accepts the chain of `root`, `inter` and `leaf`.
fn certval_accepts(judged: &Judged) -> bool {
    let der = |name: &str| {
        let pem = fs::read(judged.made.path(&format!("{name}.pem"))).expect("a file");
        Certificate::from_bytes(&pem).expect("sound").der().to_vec()
    };
    let node = |name| PDVCertificate::try_from(der(name).as_slice()).expect("readable");
    let anchor = PDVTrustAnchorChoice::try_from(der("root").as_slice()).expect("readable");
    let path = CertificationPath::new(anchor, vec![node("inter")], node("leaf"));
    let mut environment = PkiEnvironment::default();
    environment.populate_5280_pki_environment();
    let mut settings = CertificationPathSettings::new();
    // They are all valid now, and it knows no clock without its feature `std`.
    settings.set_time_of_interest(TimeOfInterest::disabled());
    settings.set_require_ta_store(false);
    let mut results = CertificationPathResults::new();
    validate_path_rfc5280(&environment, &settings, &path, &mut results).is_ok()
}

#[test]
fn it_agrees_on_plain_chains() {
    assert!(certval_accepts(&case("certval-plain").good()));
    let excluded = "nameConstraints=critical,excluded;dirName:d\n[d]\nO=Roga";
    let bad = case("certval-excluded")
        .change("inter", excluded)
        .edit("leaf", |order| order.subject("/O=Roga/CN=Ivan"))
        .bad("NameNotAllowed", "leaf");
    assert!(!certval_accepts(&bad));
}

/// Wrong, and on the wrong side: a name that an authority may not certify is accepted.
#[test]
fn it_accepts_excluded_names() {
    let every_host = "nameConstraints=critical,DER:30:06:A1:04:30:02:82:00";
    let bad = case("certval-every-host-excluded")
        .change("inter", every_host)
        .change("leaf", "subjectAltName=DNS:example.com")
        .bad("NameNotAllowed", "leaf");
    assert!(certval_accepts(&bad), "mended: see docs/design.md");

    let excluded = "nameConstraints=critical,excluded;dirName:d\n[d]\nO=Roga";
    let bad = case("certval-other-string-type")
        .change("inter", excluded)
        .edit("leaf", |mut order| {
            order.strings = "MASK:0x800";
            order.subject("/O=Roga/CN=Ivan")
        })
        .bad("NameNotAllowed", "leaf");
    assert!(certval_accepts(&bad), "mended: see docs/design.md");
}

/// Stricter than RFC 5280, where real authorities are not.
#[test]
fn it_refuses_authorities_that_others_accept() {
    let good = case("certval-without-usage")
        .change("inter", "keyUsage=")
        .good();
    assert!(!certval_accepts(&good), "mended: see docs/design.md");
    let good = case("certval-dot")
        .change(
            "inter",
            "nameConstraints=critical,permitted;DNS:.example.com",
        )
        .change("leaf", "subjectAltName=DNS:a.example.com")
        .good();
    assert!(!certval_accepts(&good), "mended: see docs/design.md");
}
