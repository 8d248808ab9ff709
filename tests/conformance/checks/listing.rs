use cryptoki::object::{Attribute, AttributeType};
use keyfob::{Error, KeyStatus};

use super::bare::{Bare, attribute, private_keys};
use crate::bench::Bench;

pub fn before_login(bench: &Bench<'_>) {
    let token = bench.token();
    let identities = token.identities().unwrap();
    assert!(
        identities.problems().is_empty(),
        "{:?}",
        identities.problems()
    );
    for key in &bench.keys {
        let mut seen = identities.iter().filter(|one| key.is(one));
        let identity = seen.next();
        assert!(seen.next().is_none(), "{key:?} is there twice");
        let status = identity.map(|identity| identity.key_status());
        assert_eq!(status, key.before_login, "{key:?}");
        if let Some(identity) = identity {
            assert_eq!(identity.key().is_some(), status == Some(KeyStatus::Visible));
            assert_eq!(identity.key_type(), key.key_type);
        }
    }
    let seen = bench.keys.iter().filter(|key| key.before_login.is_some());
    assert_eq!(identities.len(), seen.count(), "{identities:?}");
}

/// Each key with its certificate, and nothing else; each found by the name that it gives itself.
pub fn after_login(bench: &Bench<'_>) {
    let fob = bench.token().unlock(&bench.pin.into()).unwrap();
    let identities = fob.identities().unwrap();
    assert!(
        identities.problems().is_empty(),
        "{:?}",
        identities.problems()
    );
    assert_eq!(identities.len(), bench.keys.len(), "{identities:?}");
    for key in &bench.keys {
        let identity = key.among(identities.iter());
        assert_eq!(identity.key_status(), KeyStatus::Visible, "{key:?}");
        assert_eq!(identity.key_type(), key.key_type);
        let certificate = identity.certificate();
        assert_eq!(certificate.is_some(), key.has_certificate, "{key:?}");
        if let Some(certificate) = certificate {
            let certified = certificate.public_key().unwrap();
            assert_eq!(certified.spki_der(), key.spki);
            assert!(certificate.allows_signing());
        }
        let again = fob.key(&identity.uri().to_string()).unwrap();
        assert_eq!(
            (again.id(), again.label()),
            (identity.id(), identity.label())
        );
        assert_eq!(again.key_type(), key.key_type);
    }
}

/// What keyfob tells is what the module tells when asked for one attribute after the other.
pub fn protection_as_the_token_tells(bench: &Bench<'_>) {
    const FLAGS: [AttributeType; 6] = [
        AttributeType::Sensitive,
        AttributeType::Extractable,
        AttributeType::AlwaysSensitive,
        AttributeType::NeverExtractable,
        AttributeType::Local,
        AttributeType::AlwaysAuthenticate,
    ];
    let bare = Bare::of(bench);
    let session = bare.unlocked(bench);
    let mut expected: Vec<_> = private_keys(&session)
        .into_iter()
        .map(|key| {
            let id = match attribute(&session, key, AttributeType::Id) {
                Some(Attribute::Id(id)) => id,
                _ => Vec::new(),
            };
            (
                id,
                FLAGS.map(|flag| attribute(&session, key, flag).and_then(is_true)),
            )
        })
        .collect();
    session.logout().unwrap();
    drop(session);
    drop(bare);
    let fob = bench.token().unlock(&bench.pin.into()).unwrap();
    let identities = fob.identities().unwrap();
    let mut told: Vec<_> = identities
        .iter()
        .filter_map(|identity| identity.key())
        .map(|key| {
            let told = key.protection();
            let flags = [
                told.sensitive,
                told.extractable,
                told.always_sensitive,
                told.never_extractable,
                told.local,
                Some(told.always_authenticate),
            ];
            (key.id().to_vec(), flags)
        })
        .collect();
    // One that is not told is taken for no.
    for (_, flags) in &mut expected {
        flags[5] = Some(flags[5] == Some(true));
    }
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
}

fn is_true(attribute: Attribute) -> Option<bool> {
    match attribute {
        Attribute::Sensitive(is)
        | Attribute::Extractable(is)
        | Attribute::AlwaysSensitive(is)
        | Attribute::NeverExtractable(is)
        | Attribute::Local(is)
        | Attribute::AlwaysAuthenticate(is) => Some(is),
        other => panic!("{other:?} was not asked for"),
    }
}

/// All keys were made on the token, and it vouches for them.
pub fn never_left_the_token(bench: &Bench<'_>) {
    let fob = bench.token().unlock(&bench.pin.into()).unwrap();
    let identities = fob.identities().unwrap();
    for key in &bench.keys {
        let identity = key.among(identities.iter());
        let key = identity.key().expect("it is visible").clone();
        key.never_left_token().unwrap();
    }
}

/// The proof that a token does not vouch for its keys, and what is missing for it.
pub fn missing_protection(bench: &Bench<'_>, what: &str) {
    let fob = bench.token().unlock(&bench.pin.into()).unwrap();
    let identities = fob.identities().unwrap();
    for key in &bench.keys {
        let identity = key.among(identities.iter());
        let key = identity.key().expect("it is visible").clone();
        match key.never_left_token() {
            Err(Error::Unprotected { missing, .. }) => assert_eq!(missing, what),
            other => panic!("{other:?}"),
        }
    }
}
