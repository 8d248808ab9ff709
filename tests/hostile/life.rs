//! What a program does with a token, from loading the module to dropping it, whatever it is answered.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use keyfob::{
    Discovery, Error, Identities, Identity, KeyType, Pin, PinRequest, PrivateKey, Scheme, Search,
    Signature, Token, Unlocked,
};

use crate::fault::Fault;
use crate::keys::{Known, TOKEN};
use crate::softhsm::PIN;

const SLOW: Scheme = Scheme::EcdsaP521Sha512;

const MESSAGE: &[u8] = b"message";

/// Identities that are looked at closely; of a long list the rest is like these.
const LOOKED_AT: usize = 12;

pub struct Life<'a> {
    pub fault: &'a Fault,
    pub known: &'a [Known],
    /// Signs with P-521 too, to verify with which takes longer than all the rest.
    pub is_thorough: bool,
    /// The PIN is kept, to be sent again for each loss of the login.
    pub keeps: bool,
    /// That sign a batch.
    pub threads: NonZero<usize>,
    /// How often the person was asked for the PIN of a signature.
    pub asked: Arc<AtomicU64>,
    /// What came of it: errors by their kind, signatures.
    pub outcomes: BTreeMap<String, u64>,
    /// Signatures that nobody had asked to be checked, and that are not right.
    pub wrong: u64,
}

impl<'a> Life<'a> {
    /// All of it, as far as it goes.
    pub fn live(&mut self) {
        let Some(found) = self.find() else { return };
        for module in found.modules() {
            self.step(0, || module.info());
        }
        let named = self.step(0, || found.select(TOKEN));
        let Some(mut token) = named.or_else(|| found.tokens().first().cloned()) else {
            return;
        };
        // Where one session is all that is said to be allowed, nobody waits for a minute.
        token.set_patience(Duration::from_millis(20));
        self.step(0, || token.mechanisms());
        self.step(0, || token.slot_description());
        if let Some(identities) = self.step(0, || token.identities()) {
            self.look_at_all(&identities);
        }
        let pin = match self.keeps {
            true => Pin::from(PIN).keep_pin(),
            false => Pin::from(PIN),
        };
        let Some(fob) = self.step(1, || token.unlock(&pin)) else {
            return;
        };
        self.sign_by_label(&fob);
        if let Some(identities) = self.step(self.again(), || fob.identities()) {
            self.look_at_all(&identities);
            self.sign_checked(identities);
        }
        self.step(0, || token.refresh());
        // A program has more than one part.
        if let Some(again) = self.find()
            && let Some(other) = self.step(0, || again.select(TOKEN))
        {
            self.step(1, || other.unlock(&Pin::from(PIN)));
        }
        self.step(0, || token.unlocked());
        self.sign_by_label(&fob);
    }

    /// With no more lies, and nothing left of what came before: all of it has to go well.
    pub fn live_well(&mut self, turn: usize) {
        let found = self.find().expect("a search does not fail");
        let token = found.select(TOKEN).expect("the token is there");
        let before = self.fault.count("C_Login");
        // What became of the login, nobody was told for sure.
        let fob = token.unlocked().expect("the module answers");
        let fob = fob.unwrap_or_else(|| token.unlock(&Pin::from(PIN)).expect("it unlocks"));
        assert!(self.fault.count("C_Login") <= before + 1, "logins");
        let keys: Vec<_> = self.keys().collect();
        let known = keys[turn % keys.len()];
        let me = fob.key(known.label).expect("one of each");
        let me = me.with_prompt(self.prompt());
        let signature = me.sign(known.scheme, MESSAGE).expect("it signs");
        let verified = known.public_key.verify(known.scheme, MESSAGE, &signature);
        verified.expect("a right signature");
        assert_eq!(self.outcomes, BTreeMap::new(), "there is nothing wrong");
    }

    fn find(&mut self) -> Option<Discovery> {
        let search = Search::new().module(Fault::path()).named_only();
        let found = self.step(0, || search.run())?;
        for problem in found.problems() {
            self.note(problem);
        }
        for token in found.tokens() {
            look_at_token(token);
        }
        Some(found)
    }

    fn sign_by_label(&mut self, fob: &Unlocked) {
        for known in self.keys() {
            let key = self.step(self.again(), || fob.key(known.label));
            if let Some(key) = key.map(|key| key.with_prompt(self.prompt())) {
                self.sign(&key, known);
            }
        }
    }

    fn keys(&self) -> impl Iterator<Item = &'a Known> + use<'a> {
        let is_thorough = self.is_thorough;
        let keys = self.known.iter();
        keys.filter(move |known| is_thorough || known.scheme != SLOW)
    }

    /// A key of which the token shows no public key, mostly: nobody can check.
    fn sign(&mut self, key: &PrivateKey, known: &Known) {
        let signature = self.sign_step(1, || key.sign(known.scheme, MESSAGE));
        if let Some(signature) = signature {
            let verified = known.public_key.verify(known.scheme, MESSAGE, &signature);
            self.wrong += u64::from(verified.is_err());
            self.count(match verified {
                Ok(()) => "a right signature",
                Err(_) => "a wrong signature, unchecked",
            });
        }
    }

    /// Whatever becomes of these, no signature is handed out that is not right.
    fn sign_checked(&mut self, identities: Identities) {
        for identity in identities.into_iter().take(LOOKED_AT) {
            let scheme = scheme(identity.key_type());
            let Some(scheme) = scheme.filter(|scheme| self.is_thorough || *scheme != SLOW) else {
                continue;
            };
            let identity = self.with_prompt(identity);
            let Some(me) = self.step(0, || identity.checked()) else {
                continue;
            };
            if let Some(signature) = self.sign_step(1, || me.sign(scheme, MESSAGE)) {
                self.must_be_right(&me, &signature, MESSAGE);
            }
            if me.label() != "p256" {
                continue;
            }
            let messages: Vec<_> = (0..4).map(|number| format!("message {number}")).collect();
            let Some(batch) = self.step(0, || me.batch(scheme)) else {
                continue;
            };
            let batch = batch.threads(self.threads);
            let answers = self.sign_step(4, || Ok(batch.sign(&messages)));
            let answers = answers.expect("an answer for each");
            assert_eq!(answers.len(), messages.len(), "an answer for each");
            for (message, answer) in messages.iter().zip(answers) {
                match answer {
                    Ok(signature) => self.must_be_right(&me, &signature, message.as_bytes()),
                    Err(error) => self.note(&error),
                }
            }
        }
    }

    fn must_be_right(&mut self, me: &Identity, signature: &Signature, message: &[u8]) {
        let shown = me.public_key().expect("it was checked with it");
        let known = self.known.iter().find(|known| known.public_key == *shown);
        // A key that nobody has cannot have signed.
        let known = known.unwrap_or_else(|| panic!("checked by a key that is none: {shown:?}"));
        let verified = known
            .public_key
            .verify(signature.scheme(), message, signature);
        verified.expect("what was checked is right");
        self.count("a right signature, checked");
    }

    fn look_at_all(&mut self, identities: &Identities) {
        for problem in identities.problems() {
            self.note(problem);
        }
        for identity in identities.iter().take(LOOKED_AT) {
            look_at(identity);
        }
    }

    fn prompt(&self) -> Arc<dyn keyfob::PinPrompt> {
        let asked = Arc::clone(&self.asked);
        Arc::new(move |_: &PinRequest| {
            asked.fetch_add(1, Relaxed);
            Ok(Pin::from(PIN))
        })
    }

    fn with_prompt(&self, identity: Identity) -> Identity {
        identity.with_prompt(self.prompt())
    }

    /// How often a PIN may be sent where nobody gave one.
    fn again(&self) -> u64 {
        u64::from(self.keeps)
    }

    /// Signs, for which a person is asked once for each signature at most.
    fn sign_step<T>(&mut self, most: u64, act: impl FnOnce() -> Result<T, Error>) -> Option<T> {
        let before = self.asked.load(Relaxed);
        let signed = self.step(most * (1 + self.again()), act);
        let asked = self.asked.load(Relaxed) - before;
        assert!(asked <= most, "asked {asked} times for {most}");
        signed
    }

    /// Does something during which a PIN is sent this often at most.
    fn step<T>(&mut self, logins: u64, act: impl FnOnce() -> Result<T, Error>) -> Option<T> {
        let before = self.fault.count("C_Login");
        let outcome = act();
        let sent = self.fault.count("C_Login") - before;
        assert!(
            sent <= logins,
            "{sent} PINs were sent where {logins} may be"
        );
        outcome.inspect_err(|error| self.note(error)).ok()
    }

    fn note(&mut self, error: &Error) {
        let text = error.to_string();
        assert!(!text.is_empty() && !text.contains(PIN), "{text}");
        let kind = format!("{error:?}");
        assert!(!kind.contains(PIN), "{kind}");
        let end = kind.find([' ', '(', '{']).unwrap_or(kind.len());
        self.count(&format!("Error::{}", &kind[..end]));
    }

    fn count(&mut self, what: &str) {
        *self.outcomes.entry(what.to_owned()).or_default() += 1;
    }
}

fn scheme(key_type: KeyType) -> Option<Scheme> {
    Some(match key_type {
        KeyType::Rsa { .. } => Scheme::RsaPssSha256,
        KeyType::Ec(keyfob::Curve::P256) => Scheme::EcdsaP256Sha256,
        KeyType::Ec(keyfob::Curve::P384) => Scheme::EcdsaP384Sha384,
        KeyType::Ec(keyfob::Curve::P521) => Scheme::EcdsaP521Sha512,
        KeyType::Ed25519 => Scheme::Ed25519,
        _ => return None,
    })
}

/// All that can be asked of what was read, and written of it.
fn look_at_token(token: &Token) {
    let text = format!(
        "{token:?} {} {} {} {} {} {:?} {:?}",
        token.label(),
        token.manufacturer(),
        token.model(),
        token.serial(),
        token.pin_state(),
        token.flags(),
        token.pin_lengths()
    );
    assert!(!text.is_empty());
    let uri = token.uri();
    assert_eq!(uri.to_string().parse::<keyfob::Uri>().as_ref(), Ok(&uri));
}

fn look_at(identity: &Identity) {
    let mut text = format!("{identity:?} {} {}", identity.label(), identity.key_type());
    let uri = identity.uri();
    assert_eq!(uri.to_string().parse::<keyfob::Uri>().as_ref(), Ok(&uri));
    if let Some(key) = identity.key() {
        text += &format!("{key:?} {} {:?}", key.protection(), key.can_sign());
    }
    if let Some(certificate) = identity.certificate() {
        text += &certificate.subject();
        text += &certificate.issuer();
        text += &certificate.serial_hex();
        text += &certificate.common_name().unwrap_or_default();
        text += &format!("{:?}", certificate.key_usage());
        let dates = (certificate.not_before(), certificate.not_after());
        text += &format!("{dates:?} {}", certificate.allows_signing());
        text += &certificate.to_pem();
    }
    if let Some(public_key) = identity.public_key() {
        text += &public_key.to_pem();
    }
    assert!(!text.is_empty());
}
