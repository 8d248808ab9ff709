//! Certificates and CRLs from somebody who wishes ill: changed ones, and a great many.

#[path = "support/authority.rs"]
mod authority;

use std::fs;
use std::sync::OnceLock;
use std::time::SystemTime;

use authority::{Authorities, CrlOrder, Order};
use keyfob::Certificate;
use keyfob::trust::{ChainReason, Purpose, Revocation, Trust};
use proptest::prelude::*;

/// A chain with something of everything, and CRLs, the second of which has the signer.
struct Chain {
    root: Certificate,
    inter: Certificate,
    leaf: Certificate,
    crls: [Vec<u8>; 2],
}

fn chain() -> &'static Chain {
    static CHAIN: OnceLock<Chain> = OnceLock::new();
    CHAIN.get_or_init(|| {
        let made = Authorities::new("hostile");
        let of_inter = "nameConstraints=critical,permitted;DNS:example.com,permitted;email:.example.com,\
            permitted;IP:192.0.2.0/255.255.255.0,permitted;dirName:d,excluded;URI:.example.org\n\
            certificatePolicies=1.2.3.1,2.5.29.32.0\npolicyMappings=1.2.3.1:1.2.3.2\n\
            policyConstraints=critical,requireExplicitPolicy:0,inhibitPolicyMapping:1\n\
            inhibitAnyPolicy=critical,1\n[d]\nC=KZ\n";
        let of_leaf = "subjectAltName=DNS:a.example.com,email:a@b.example.com,IP:192.0.2.1,\
            URI:http://a.example.com/,RID:1.2.3\ncertificatePolicies=1.2.3.2\n\
            extendedKeyUsage=emailProtection,1.2.398.3.3.4.1.1\n\
            crlDistributionPoints=URI:http://a.example.com/1.crl\n\
            1.2.643.100.111=ASN1:UTF8:tool\n1.2.643.100.114=ASN1:INTEGER:1\n\
            1.3.6.1.5.5.7.1.3=DER:30:0A:30:08:06:06:04:00:8E:46:01:01\n";
        let root = made.issue(&Order::authority("root", "", ""));
        let inter = made.issue(&Order::authority("inter", "root", of_inter));
        let subject = "/C=KZ/O=X/serialNumber=IIN900101300017/CN=Ivan";
        let leaf = made.issue(&Order::signer("leaf", "inter", of_leaf).subject(subject));
        let point = "issuingDistributionPoint=critical,@p\n[p]\nfullname=URI:http://a.example.com/1.crl\n";
        let crl = |order: CrlOrder<'_>| {
            let pem = made.crl(&order);
            let der = pem.with_extension("der");
            let (from, to) = (authority::text(&pem), authority::text(&der));
            made.run(&["crl", "-in", from, "-outform", "DER", "-out", to]);
            fs::read(der).expect("a CRL")
        };
        let crls = [
            crl(CrlOrder::new("root-crl", "root")),
            crl(CrlOrder {
                revoked: &["leaf 250101000000Z keyCompromise", "root 250101000000Z"],
                extensions: point,
                ..CrlOrder::new("inter-crl", "inter")
            }),
        ];
        Chain { root, inter, leaf, crls }
    })
}

/// Some bytes changed, cut off, left out or doubled.
fn spoilt(original: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let length = original.len();
    let change = (0..length, any::<u8>(), 0..5_u8, 1..20_usize);
    prop::collection::vec(change, 1..4).prop_map(move |changes| {
        let mut bytes = original.to_vec();
        for (position, value, kind, count) in changes {
            let position = position.min(bytes.len().saturating_sub(1));
            let end = (position + count).min(bytes.len());
            match kind {
                0 => bytes.truncate(position),
                1 => drop(bytes.drain(position..end)),
                2 => {
                    let again = bytes[position..end].to_vec();
                    bytes.splice(position..position, again);
                }
                _ if !bytes.is_empty() => bytes[position] = value,
                _ => {}
            }
        }
        bytes
    })
}

/// All that is to be asked of a certificate.
fn ask(certificate: &Certificate) {
    let owner = certificate.owner();
    let _ = (owner.person(), owner.organization(), owner.units().count());
    for identifier in owner.identifiers() {
        let _ = (identifier.to_string(), identifier.check_digit());
    }
    let _ = (
        certificate.qc_statements(),
        certificate.policies(),
        certificate.kazakh_roles(),
    );
    let _ = (
        certificate.subject_sign_tool(),
        certificate.issuer_sign_tool(),
    );
    let _ = (
        certificate.identification_kind(),
        certificate.is_for_documents(),
    );
    let _ = certificate.days_left(SystemTime::now());
}

fn trust() -> Trust {
    let mut trust = Trust::new();
    trust.anchor(&chain().root);
    trust
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn spoilt_signers_are_refused(der in spoilt(chain().leaf.der())) {
        if let Ok(leaf) = Certificate::from_der(&der) {
            ask(&leaf);
            let given = [chain().inter.clone()];
            let outcome = trust().check(&leaf, &given, Purpose::Signing, SystemTime::now());
            prop_assert!(outcome.is_err() || leaf == chain().leaf);
        }
    }

    #[test]
    fn spoilt_authorities_are_refused(der in spoilt(chain().inter.der())) {
        if let Ok(inter) = Certificate::from_der(&der) {
            let same = inter == chain().inter;
            let outcome = trust().check(&chain().leaf, std::slice::from_ref(&inter), Purpose::Signing, SystemTime::now());
            prop_assert!(outcome.is_err() || same);
            // As an anchor it is believed as it is, and must not do harm.
            let mut trust = Trust::new();
            trust.anchor(&inter);
            let _ = trust.check(&chain().leaf, &[], Purpose::Any, SystemTime::now());
        }
    }

    /// The list has the signer, so that no change to it may make the signer good.
    #[test]
    fn spoilt_crls_acquit_nobody(der in spoilt(&chain().crls[1])) {
        let mut trust = trust();
        trust.crl(&chain().crls[0]).expect("sound");
        trust.revocation(Revocation::Required);
        if trust.crl(&der).is_ok() {
            let given = [chain().inter.clone()];
            let outcome = trust.check(&chain().leaf, &given, Purpose::Signing, SystemTime::now());
            prop_assert!(outcome.is_err());
        }
    }

    #[test]
    fn no_bytes_make_a_crl_panic(der in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Trust::new().crl(&der);
    }
}

#[test]
fn the_chain_is_good_before_it_is_spoilt() {
    let given = [chain().inter.clone()];
    let mut trust = trust();
    trust
        .check(&chain().leaf, &given, Purpose::Signing, SystemTime::now())
        .expect("a chain");
    for crl in &chain().crls {
        trust.crl(crl).expect("sound");
    }
    let outcome = trust.check(&chain().leaf, &given, Purpose::Signing, SystemTime::now());
    let error = outcome.expect_err("revoked");
    assert!(
        matches!(error.reason, ChainReason::Revoked { .. }),
        "{error}"
    );
}

/// Ten thousand with the name and the key of the signer's issuer, which nobody has signed.
fn impostors() -> Vec<Certificate> {
    let der = chain().inter.der();
    let serial = chain().inter.serial();
    let at = der
        .windows(serial.len())
        .position(|window| window == serial)
        .expect("there");
    (0..10_000_u32)
        .map(|number| {
            let mut der = der.to_vec();
            der[at + 1..at + 5].copy_from_slice(&number.to_be_bytes());
            Certificate::from_der(&der).expect("well-formed")
        })
        .collect()
}

#[test]
fn ten_thousand_impostors_are_not_all_tried() {
    let mut given = impostors();
    let now = SystemTime::now();
    let error = trust()
        .check(&chain().leaf, &given, Purpose::Signing, now)
        .expect_err("refused");
    assert!(
        matches!(error.reason, ChainReason::TooComplex { .. }),
        "{error}"
    );

    // They are in nobody's way where the program has the right one itself,
    let mut trust = trust();
    trust.intermediate(&chain().inter);
    trust
        .check(&chain().leaf, &given, Purpose::Signing, now)
        .expect("a chain");

    // and where they are of other names.
    given.truncate(1);
    let others: Vec<_> = impostors()
        .into_iter()
        .map(|impostor| rename(&impostor))
        .collect();
    let all: Vec<_> = others.into_iter().chain([chain().inter.clone()]).collect();
    assert_eq!(all.len(), 10_001);
    let mut trust = Trust::new();
    trust.anchor(&chain().root);
    trust
        .check(&chain().leaf, &all, Purpose::Signing, now)
        .expect("a chain");
}

/// The same certificate for somebody called `intez`.
fn rename(certificate: &Certificate) -> Certificate {
    let mut der = certificate.der().to_vec();
    let at = der
        .windows(5)
        .rposition(|window| window == b"inter")
        .expect("there");
    der[at + 4] = b'z';
    Certificate::from_der(&der).expect("well-formed")
}

/// Eight authorities, each of which vouches for each: some hundred thousand ways.
#[test]
fn a_web_of_authorities() {
    let made = Authorities::new("web");
    let root = made.issue(&Order::authority("root", "", ""));
    let names: Vec<_> = (0..8).map(|number| format!("a{number}")).collect();
    for name in &names {
        made.issue(&Order::authority(name, "", ""));
    }
    let mut given = Vec::new();
    for issuer in &names {
        for subject in names.iter().filter(|subject| *subject != issuer) {
            let name = format!("{subject}-by-{issuer}");
            let cn = format!("/CN={subject}");
            given.push(
                made.issue(
                    &Order::authority(&name, issuer, "")
                        .subject(&cn)
                        .key(subject),
                ),
            );
        }
    }
    let leaf = made.issue(&Order::signer("leaf", "a0", ""));
    let mut trust = Trust::new();
    trust.anchor(&root);
    let now = SystemTime::now();
    let error = trust
        .check(&leaf, &given, Purpose::Signing, now)
        .expect_err("no anchor in it");
    assert!(
        matches!(error.reason, ChainReason::TooComplex { .. }),
        "{error}"
    );

    given.push(
        made.issue(
            &Order::authority("a7-by-root", "root", "")
                .subject("/CN=a7")
                .key("a7"),
        ),
    );
    let now = SystemTime::now();
    let chain = trust
        .check(&leaf, &given, Purpose::Signing, now)
        .expect("there is a way");
    assert_eq!(chain.anchor(), &root);
}
