//! Who can sign: keys and certificates, how they pair, and what shows before login.

#[path = "identities/always_ask.rs"]
mod always_ask;
#[path = "identities/answers.rs"]
mod answers;
#[path = "support/fault.rs"]
mod fault;
#[path = "identities/protection.rs"]
mod protection;
#[path = "identities/select.rs"]
mod select;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::collections::BTreeMap;

use cryptoki::object::Attribute;
use fault::Fault;
use keyfob::{
    Curve, Error, Identities, Identity, KeyStatus, KeyType, Scheme, Search, SignError, Token,
    Unlocked,
};
use p256::pkcs8::EncodePublicKey;
use softhsm::{Kind, Leaf, PIN, SoftHsm};

/// The public key of a software key, which is on no token.
fn foreign_spki(secret: u8) -> Vec<u8> {
    let key = p256::SecretKey::from_slice(&[secret; 32]).unwrap();
    key.public_key().to_public_key_der().unwrap().into_vec()
}

fn pairing() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("pairing", |token| {
        token.identity(Kind::P256, "by id", &[1]);

        let spki = token.key(Kind::P256, "by key", &[2]);
        let certificate = Leaf::new("CN=By key").issue(&spki);
        token.certificate(&certificate, "another label", &[0x22]);

        let spki = token.key(Kind::Rsa(2048), "by key, RSA", &[3]);
        let certificate = Leaf::new("CN=By key RSA").issue(&spki);
        token.certificate(&certificate, "", &[]);

        token.key(Kind::P256, "same label", &[4]);
        let certificate = Leaf::new("CN=Same label").issue(&foreign_spki(4));
        token.certificate(&certificate, "same label", &[0x44]);

        token.key(Kind::P256, "same id", &[5]);
        let certificate = Leaf::new("CN=Same id").issue(&foreign_spki(5));
        token.certificate(&certificate, "of the same id", &[5]);

        token.key(Kind::P384, "no certificate", &[6]);

        let certificate = Leaf::new("CN=No key").issue(&foreign_spki(7));
        token.certificate(&certificate, "no key", &[7]);

        let spki = token.key(Kind::P256, "two certificates", &[8]);
        for name in ["CN=One", "CN=Two"] {
            let certificate = Leaf::new(name).issue(&spki);
            token.certificate(&certificate, name, &[8]);
        }

        // No public key object: its certificate is all there is to go by.
        token.import_p256(&[9; 32], "imported", &[9]);
        let certificate = Leaf::new("CN=Imported").issue(&foreign_spki(9));
        token.certificate(&certificate, "imported", &[9]);

        // The same, but the certificate is for a key on another curve.
        token.import_p256(&[10; 32], "another curve", &[10]);
        let p384 = token.key(Kind::P384, "p384", &[0xaa]);
        let certificate = Leaf::new("CN=Another curve").issue(&p384);
        token.certificate(&certificate, "another curve", &[10]);

        // Neither id nor label: by public key or not at all.
        token.key(Kind::P256, "", &[]);
        let certificate = Leaf::new("CN=Nameless").issue(&foreign_spki(11));
        token.certificate(&certificate, "", &[]);
    });
    (bench, Fault::load())
}

fn token(label: &str) -> Token {
    let found = Search::new().module(Fault::path()).named_only().run();
    found.unwrap().by_label(label).unwrap()
}

fn unlocked(label: &str) -> Unlocked {
    token(label).unlock(&PIN.into()).unwrap()
}

/// Key label and certificate subject, and whether there is a key.
fn pairs(identities: &Identities) -> Vec<(String, String)> {
    let pair = |identity: &Identity| {
        let key = identity.key().map(|key| key.label().to_owned());
        let certificate = identity.certificate().map(|one| one.subject());
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        (or_none(key), or_none(certificate))
    };
    let mut pairs: Vec<_> = identities.iter().map(pair).collect();
    pairs.sort();
    pairs
}

/// Keys and certificates pair by id and by public key, never by what is only alike.
const PAIRS: &[(&str, &str)] = &[
    ("", "-"),
    ("-", "CN=Nameless"),
    ("-", "CN=No key"),
    ("-", "CN=Same id"),
    ("-", "CN=Same label"),
    ("another curve", "-"),
    ("by id", "CN=Test by id"),
    ("by key", "CN=By key"),
    ("by key, RSA", "CN=By key RSA"),
    ("imported", "CN=Imported"),
    ("no certificate", "-"),
    ("p384", "CN=Another curve"),
    ("same id", "-"),
    ("same label", "-"),
    ("two certificates", "CN=One"),
    ("two certificates", "CN=Two"),
];

fn expected() -> Vec<(String, String)> {
    let owned = |(key, certificate): &(&str, &str)| ((*key).into(), (*certificate).into());
    PAIRS.iter().map(owned).collect()
}

#[test]
fn keys_and_certificates_pair_by_id_and_by_public_key() {
    let (_bench, fault) = pairing();
    let fob = unlocked("pairing");
    let identities = fob.identities().unwrap();
    assert!(identities.problems().is_empty());
    assert_eq!(pairs(&identities), expected());
    // In whatever order the token lists them.
    fault.command("find reverse");
    assert_eq!(pairs(&fob.identities().unwrap()), expected());
}

#[test]
fn whoever_has_both_signs_for_the_certificate() {
    let (_bench, _fault) = pairing();
    let fob = unlocked("pairing");
    let mut signed = 0;
    for identity in &fob.identities().unwrap() {
        let scheme = match identity.key_type() {
            KeyType::Rsa { .. } => Scheme::RsaPkcs1Sha256,
            KeyType::Ec(Curve::P384) => Scheme::EcdsaP384Sha384,
            _ => Scheme::EcdsaP256Sha256,
        };
        match (identity.key(), identity.certificate()) {
            (Some(_), Some(certificate)) => {
                assert_eq!(identity.key_status(), KeyStatus::Visible);
                assert_eq!(
                    identity.public_key(),
                    Some(&certificate.public_key().unwrap())
                );
                let signature = identity.sign(scheme, b"message").unwrap();
                certificate.verify(scheme, b"message", &signature).unwrap();
                signed += 1;
            }
            (Some(_), None) => drop(identity.sign(scheme, b"message").unwrap()),
            (None, _) => {
                assert_eq!(identity.key_status(), KeyStatus::Absent);
                assert!(matches!(
                    identity.sign(scheme, b"message"),
                    Err(Error::Sign {
                        reason: SignError::NoKey,
                        ..
                    })
                ));
            }
        }
    }
    assert_eq!(signed, 7);
}

#[test]
fn an_identity_has_the_keys_names_before_the_certificates() {
    let (_bench, _fault) = pairing();
    let fob = unlocked("pairing");
    let identities = fob.identities().unwrap();
    let names: BTreeMap<_, _> = identities
        .iter()
        .filter_map(|one| Some((one.certificate()?.subject(), (one.label(), one.id()))))
        .collect();
    assert_eq!(names["CN=By key"], ("by key", &[2][..]));
    assert_eq!(names["CN=No key"], ("no key", &[7][..]));
    assert_eq!(names["CN=By key RSA"], ("by key, RSA", &[3][..]));
    assert_eq!(names["CN=Nameless"], ("", &[][..]));
}

/// Certificates, and public keys where there is no certificate; of private keys nothing.
#[test]
fn before_login_certificates_show_and_keys_are_hidden() {
    let (_bench, fault) = pairing();
    let identities = token("pairing").identities().unwrap();
    assert_eq!(fault.count("C_Login"), 0);
    assert!(identities.problems().is_empty());
    let certificates = PAIRS.iter().filter(|(_, certificate)| *certificate != "-");
    let mut certificates: Vec<_> = certificates.map(|(_, name)| (*name).to_owned()).collect();
    certificates.sort();
    let mut shown = Vec::new();
    let mut bare = Vec::new();
    for identity in &identities {
        assert_eq!(identity.key_status(), KeyStatus::Hidden);
        assert!(identity.key().is_none());
        assert!(identity.public_key().is_some());
        let outcome = identity.sign(Scheme::EcdsaP256Sha256, b"message");
        assert!(matches!(
            outcome,
            Err(Error::Sign {
                reason: SignError::KeyHidden,
                ..
            })
        ));
        match identity.certificate() {
            Some(certificate) => shown.push(certificate.subject()),
            None => bare.push(identity.label()),
        }
    }
    shown.sort();
    assert_eq!(shown, certificates);
    bare.sort_unstable();
    assert_eq!(bare, ["", "no certificate", "same id", "same label"]);
}

/// What is chosen before login is found again after it.
#[test]
fn a_choice_made_before_login_holds_after_it() {
    let (_bench, _fault) = pairing();
    let token = token("pairing");
    let chosen = token.identities().unwrap().subject("by id").only().unwrap();
    let bare = token.identities().unwrap().label("no certificate").only();
    let bare = bare.unwrap();
    let fob = token.unlock(&PIN.into()).unwrap();
    let again = fob.identities().unwrap();
    let again = again.filter(|one| one.certificate() == chosen.certificate());
    again
        .only()
        .unwrap()
        .sign(Scheme::EcdsaP256Sha256, b"message")
        .unwrap();
    let again = fob.identities().unwrap();
    let again = again.filter(|one| one.public_key() == bare.public_key());
    let again = again.only().unwrap();
    assert_eq!(again.key_status(), KeyStatus::Visible);
    again.sign(Scheme::EcdsaP384Sha384, b"message").unwrap();
}

/// Some tokens have a key that everybody may see and use (PIV's card authentication key).
#[test]
fn a_key_that_is_no_private_object_shows_and_signs_before_login() {
    let bench = SoftHsm::start();
    bench.token("open", |token| {
        let open = [Attribute::Private(false)];
        let spki = token.key_with(Kind::P256, "open", &[1], &open);
        let certificate = Leaf::new("CN=Open").issue(&spki);
        token.certificate(&certificate, "open", &[1]);
        token.identity(Kind::P256, "closed", &[2]);
    });
    let fault = Fault::load();
    let token = token("open");
    let identities = token.identities().unwrap();
    let status = |label: &str| {
        let mut all = identities.iter().filter(|one| one.label() == label);
        all.next().unwrap().key_status()
    };
    assert_eq!(identities.len(), 2);
    assert_eq!(status("open"), KeyStatus::Visible);
    assert_eq!(status("closed"), KeyStatus::Hidden);
    let open = identities.label("open").only().unwrap();
    open.sign(Scheme::EcdsaP256Sha256, b"message").unwrap();
    token.key("open").unwrap();
    assert!(matches!(
        token.key("closed"),
        Err(Error::Selection {
            reason: keyfob::SelectionError::NoneWhileLocked,
            ..
        })
    ));
    assert_eq!(fault.count("C_Login"), 0);
}

#[test]
fn an_empty_token_has_no_identities() {
    let bench = SoftHsm::start();
    bench.token("empty", |_| {});
    let _fault = Fault::load();
    let token = token("empty");
    assert!(token.identities().unwrap().is_empty());
    let fob = token.unlock(&PIN.into()).unwrap();
    let identities = fob.identities().unwrap();
    assert!(identities.is_empty() && identities.problems().is_empty());
}
