//! Signatures that are wrong, and algorithms that are too weak.

use keyfob::trust::{ChainReason, Purpose, Trust, Weakness};
use keyfob::{Certificate, CertificateError};
use std::time::SystemTime;

use crate::authority::{Authorities, Order};
use crate::authority_case::case;

#[test]
fn every_scheme() {
    for key in ["rsa2048", "rsa3072", "ed25519"] {
        case(key)
            .edit("root", |order| order.key(key))
            .edit("inter", |order| order.key("rsa2048-inter"))
            .good();
    }
    case("pss")
        .edit("root", |order| order.key("rsa2048"))
        .edit("inter", |order| {
            order.options(&[
                "-sigopt",
                "rsa_padding_mode:pss",
                "-sigopt",
                "rsa_pss_saltlen:digest",
            ])
        })
        .good();
    case("sha512")
        .edit("leaf", |order| order.options(&["-sha512"]))
        .good();
}

#[test]
fn weak_ones() {
    case("short-signer")
        .edit("leaf", |order| order.key("rsa1024"))
        .bad("Weak(ShortRsa)", "leaf");
    case("short-authority")
        .edit("inter", |order| order.key("rsa1024"))
        .bad("Weak(ShortRsa)", "inter");
    case("short-root")
        .edit("root", |order| order.key("rsa1024"))
        .bad("Weak(ShortRsa)", "root");
    case("short-allowed")
        .edit("leaf", |order| order.key("rsa1024"))
        .trust(|trust| {
            trust.allow(Weakness::ShortRsa);
        })
        .openssl(&["-auth_level", "0"])
        .good();
    let sha1 = |order: Order<'static>| order.options(&["-sha1"]);
    case("sha1").edit("leaf", sha1).bad("Weak(Sha1)", "leaf");
    case("sha1-authority")
        .edit("inter", sha1)
        .bad("Weak(Sha1)", "inter");
    case("sha1-rsa")
        .edit("inter", |order| order.key("rsa2048"))
        .edit("leaf", sha1)
        .bad("Weak(Sha1)", "leaf");
    case("md5")
        .edit("inter", |order| order.key("rsa2048"))
        .edit("leaf", |order| order.options(&["-md5"]))
        .bad("Weak(Md5)", "leaf");
    // Nobody relies on the signature of an anchor.
    case("sha1-root").edit("root", sha1).good();
}

/// Every byte of a certificate, changed.
#[test]
fn a_changed_certificate_is_refused() {
    let made = Authorities::new("changed");
    let root = made.issue(&Order::authority("root", "", ""));
    let leaf = made.issue(&Order::signer(
        "leaf",
        "root",
        "subjectAltName=email:a@b.example\n",
    ));
    let mut trust = Trust::new();
    trust.anchor(&root);
    let now = SystemTime::now();
    trust
        .check(&leaf, &[], Purpose::Signing, now)
        .expect("a chain");
    let mut broken = 0;
    for position in 0..leaf.der().len() {
        let mut der = leaf.der().to_vec();
        der[position] ^= 1;
        let read: Result<Certificate, CertificateError> = Certificate::from_der(&der);
        let Ok(certificate) = read else { continue };
        let error = trust
            .check(&certificate, &[], Purpose::Signing, now)
            .expect_err("changed");
        broken += usize::from(error.reason == ChainReason::BrokenSignature);
    }
    assert!(broken > 200, "{broken}");
}
