//! A module with a token, as it is known without keyfob.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyfob::{
    Error, Identity, KeyStatus, KeyType, Pin, PinRequest, PinState, Search, Token, TriesLeft,
};

/// What is tested, and what is to be expected of it.
pub struct Bench<'a> {
    /// As docs/modules-tested.md has it.
    pub name: &'static str,
    pub module: PathBuf,
    pub label: String,
    pub pin: &'a str,
    pub states: PinStates,
    /// What takes back a wrong PIN where a right one does not.
    pub forgive: Option<&'a dyn Fn()>,
    pub keys: Vec<Key>,
    pub absence: Option<&'a dyn Absence>,
    /// Whether nobody is logged in, as the token itself has it: a card can be asked.
    pub is_locked: Option<&'a dyn Fn() -> bool>,
    pub lacks: Vec<Lack<'a>>,
}

/// What is told of a PIN.
pub struct PinStates {
    pub before: PinState,
    /// The answer to a wrong one.
    pub refused: TriesLeft,
    pub after: PinState,
    /// With the right one entered, and the login ended.
    pub at_rest: PinState,
}

/// A key, and what its token shows of it.
pub struct Key {
    pub key_type: KeyType,
    pub spki: Vec<u8>,
    pub has_certificate: bool,
    /// It wants the PIN for each signature.
    pub always_asks: bool,
    /// What shows before login. `None`: nothing.
    pub before_login: Option<KeyStatus>,
}

/// Takes the token away and brings it back.
pub trait Absence {
    fn go(&self);
    fn come_back(&self);

    /// Whether this is how a call ends meanwhile.
    fn is_absence(&self, error: &Error) -> bool {
        matches!(error, Error::TokenRemoved { .. })
    }
}

/// Something that the module does not do by itself: no fault of keyfob's.
pub struct Lack<'a> {
    /// A check's name.
    pub check: &'static str,
    /// As the page has it.
    pub why: &'static str,
    /// Panics where the module has it after all.
    pub proof: Box<dyn Fn(&Bench<'_>) + 'a>,
}

impl<'a> Lack<'a> {
    pub fn new(check: &'static str, why: &'static str, proof: impl Fn(&Bench<'_>) + 'a) -> Self {
        let proof = Box::new(proof);
        Self { check, why, proof }
    }
}

pub const WRONG_PIN: &str = "97531864";

impl Bench<'_> {
    /// The token, found anew. While nothing of it lives, the module is not loaded.
    #[track_caller]
    pub fn token(&self) -> Token {
        self.token_through(&self.module)
    }

    /// The same through a module that stands before this one.
    #[track_caller]
    pub fn token_through(&self, module: &Path) -> Token {
        let found = Search::new().module(module).named_only().run();
        let found = found.expect("a search has no errors");
        let token = found.by_label(&self.label);
        token.unwrap_or_else(|error| panic!("{error}: {found:?}"))
    }

    /// The token unlocked: all identities, which know the PIN where they are asked for it.
    #[track_caller]
    pub fn everybody(&self) -> Vec<Identity> {
        let fob = self.token().unlock(&self.pin.into()).unwrap();
        let identities = fob.identities().unwrap();
        let pin = self.pin.to_owned();
        let prompt = Arc::new(move |_: &PinRequest| Ok(Pin::from(pin.as_str())));
        let keys = self.keys.iter();
        keys.map(|key| key.among(identities.iter()).with_prompt(prompt.clone()))
            .collect()
    }

    #[track_caller]
    pub fn unlocked(&self) -> Vec<Identity> {
        self.signers(&self.token(), &self.pin.into())
    }

    /// The identities that sign without asking, of the token, unlocked.
    #[track_caller]
    pub fn signers(&self, token: &Token, pin: &Pin) -> Vec<Identity> {
        let fob = token.unlock(pin).unwrap();
        let identities = fob.identities().unwrap();
        let keys = self.keys.iter().filter(|key| !key.always_asks);
        let signers: Vec<_> = keys.map(|key| key.among(identities.iter())).collect();
        assert!(
            !signers.is_empty(),
            "no key of {} signs by itself",
            self.name
        );
        signers
    }
}

impl Key {
    /// Its identity.
    #[track_caller]
    pub fn among<'i>(&self, identities: impl IntoIterator<Item = &'i Identity>) -> Identity {
        let mut fit = identities.into_iter().filter(|one| self.is(one));
        let found = fit.next().unwrap_or_else(|| panic!("{self:?} is missing"));
        assert!(fit.next().is_none(), "{self:?} is there twice");
        found.clone()
    }

    pub fn is(&self, identity: &Identity) -> bool {
        let public_key = identity.public_key();
        public_key.is_some_and(|key| key.spki_der() == self.spki)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} key", self.key_type)
    }
}
