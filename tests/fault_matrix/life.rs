//! What a program does with a token, looked at step by step: the PINs that are sent, the errors that
//! come, the signatures.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cryptoki_sys::*;
use keyfob::{
    Error, Module, Pin, PinError, PinRequest, PrivateKey, PublicKey, ReturnCode, Scheme, Search,
    SignError, Token, Unlocked,
};

use crate::fault::Fault;
use crate::softhsm::PIN;

/// With these a module says that the token is gone.
const REMOVED: [CK_RV; 2] = [CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT];

/// With these that a PIN is wrong.
const REFUSED: [CK_RV; 2] = [CKR_PIN_INCORRECT, CKR_PIN_LOCKED];

/// With these that a session is, or an object that was found with one.
const LOST: [CK_RV; 4] = [
    CKR_SESSION_HANDLE_INVALID,
    CKR_SESSION_CLOSED,
    CKR_DEVICE_ERROR,
    CKR_OBJECT_HANDLE_INVALID,
];

const SCHEME: Scheme = Scheme::EcdsaP256Sha256;

/// How it is unlocked, and what is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Plain,
    /// The PIN is kept.
    Kept,
    /// The key wants its PIN for each signature.
    Asking,
}

pub struct Life<'a> {
    fault: &'a Fault,
    manner: Manner,
    keys: &'a [PublicKey; 2],
    /// What fails, and the code that it answers.
    failing: (&'a str, CK_RV),
    token: Option<Token>,
    fob: Option<Unlocked>,
    key: Option<PrivateKey>,
    /// How often the person was asked.
    asked: Arc<AtomicU64>,
    /// The PIN was, or may have been, since it was last unlocked.
    is_refused: bool,
    /// The login is, as the last step has told.
    is_lost: bool,
    is_away: bool,
    was_away: bool,
    /// The kinds that came, but for those that come without a fault.
    pub errors: BTreeSet<&'static str>,
}

impl<'a> Life<'a> {
    pub fn new(
        fault: &'a Fault,
        manner: Manner,
        keys: &'a [PublicKey; 2],
        failing: (&'a str, CK_RV),
    ) -> Self {
        Self {
            fault,
            manner,
            keys,
            failing,
            token: None,
            fob: None,
            key: None,
            asked: Arc::default(),
            is_refused: false,
            is_lost: false,
            is_away: false,
            was_away: false,
            errors: BTreeSet::new(),
        }
    }

    /// The whole of it, as far as it goes.
    pub fn live(&mut self) {
        if !self.begin() {
            return;
        }
        for _ in 0..3 {
            self.ask_around();
        }
        for _ in 0..2 {
            self.sign();
        }
        let slot = self.fault.slot_of("matrix");
        self.fault.token(slot).remove();
        (self.is_away, self.was_away) = (true, true);
        assert!(!self.sign(), "it is away");
        self.is_away = false;
        self.fault.token(slot).insert();
        for _ in 0..2 {
            if !self.sign() && self.is_lost {
                self.unlock();
            }
        }
    }

    /// With nothing in its way any more.
    pub fn go_on(&mut self) {
        assert!(self.begin(), "nothing begins: {:?}", self.errors);
        let mut signs = self.sign();
        if !signs && self.is_lost {
            assert!(self.unlock(), "it does not unlock: {:?}", self.errors);
            signs = self.sign();
        }
        // A key that asks is not tried again; a handle that was lost is found for the next time.
        if !signs && self.manner == Manner::Asking {
            signs = self.sign();
        }
        assert!(signs, "it does not sign: {:?}", self.errors);
    }

    /// Drops all but the module, which stays initialised.
    pub fn let_go(self) -> Option<Module> {
        self.token.as_ref().map(|token| token.module().clone())
    }

    /// Whatever of it there is not yet.
    fn begin(&mut self) -> bool {
        (self.token.is_some() || self.find())
            && (self.fob.is_some() || self.unlock())
            && (self.key.is_some() || self.choose())
    }

    fn find(&mut self) -> bool {
        let search = Search::new().module(Fault::path()).named_only();
        self.token = self.step(0, || search.run()?.select("matrix"));
        self.token.is_some()
    }

    fn unlock(&mut self) -> bool {
        let pin = match self.manner {
            Manner::Kept => Pin::from(PIN).keep_pin(),
            _ => Pin::from(PIN),
        };
        let token = self.token.clone().expect("it was found");
        let fob = self.step(1, || token.unlock(&pin));
        let is_open = fob.is_some();
        if is_open {
            self.fob = fob;
            self.is_refused = false;
        }
        is_open
    }

    fn choose(&mut self) -> bool {
        let fob = self.fob.clone().expect("it is unlocked");
        let label = match self.manner {
            Manner::Asking => "asking",
            _ => "usual",
        };
        let asked = Arc::clone(&self.asked);
        let prompt = move |_: &PinRequest| {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok(Pin::from(PIN))
        };
        let chosen = self.step(self.again(), || fob.identities()?.label(label).only());
        let key = chosen.as_ref().and_then(|chosen| chosen.key());
        self.key = key.map(|key| key.with_prompt(Arc::new(prompt)));
        self.key.is_some()
    }

    /// The other questions that there are.
    fn ask_around(&mut self) {
        let (mut token, fob) = (self.token.clone().unwrap(), self.fob.clone().unwrap());
        let again = self.again();
        self.step(0, || token.refresh());
        self.step(0, || token.slot_description());
        self.step(0, || token.mechanisms());
        self.step(0, || token.module().info());
        self.step(0, || token.unlocked());
        self.step(again, || fob.key("usual"));
    }

    fn sign(&mut self) -> bool {
        let key = self.key.clone().expect("it was chosen");
        let asks = self.manner == Manner::Asking;
        let functions = ["C_SignInit", "C_Sign", "C_Login"];
        let before = functions.map(|function| self.fault.count(function));
        let asked = self.asked.load(Ordering::Relaxed);
        let logins = if asks { 1 } else { self.again() };
        let signature = self.step(logins, || key.sign(SCHEME, b"message"));

        let asked = self.asked.load(Ordering::Relaxed) - asked;
        let calls = [0, 1, 2].map(|at| self.fault.count(functions[at]) - before[at]);
        match (asks, calls) {
            (false, [0..=2, 0..=2, _]) if asked == 0 => {}
            (true, [0..=1, 0..=1, logins]) if asked <= 1 && logins <= asked => {}
            _ => panic!("asked {asked} times, and of {functions:?} there were {calls:?} calls"),
        }
        if let Some(signature) = &signature {
            let verified = self.keys[usize::from(asks)].verify(SCHEME, b"message", signature);
            verified.expect("a right signature");
        }
        signature.is_some()
    }

    /// How often a PIN may be sent where nobody gave one.
    fn again(&self) -> u64 {
        u64::from(self.manner == Manner::Kept && !self.is_refused)
    }

    /// Does something during which a PIN is sent this often at most.
    fn step<T>(&mut self, logins: u64, act: impl FnOnce() -> Result<T, Error>) -> Option<T> {
        let before = self.fault.count("C_Login");
        let outcome = act();
        let sent = self.fault.count("C_Login") - before;
        assert!(
            sent <= logins,
            "{sent} PINs sent, and {logins} were to be: {:?}",
            outcome.err()
        );
        self.is_lost = false;
        match outcome {
            Ok(done) => Some(done),
            Err(error) => {
                self.judge(&error);
                None
            }
        }
    }

    /// An error has to fit what went wrong, and to name it.
    fn judge(&mut self, error: &Error) {
        let (function, code) = self.failing;
        let text = error.to_string();
        let named = |code: CK_RV| text.contains(&ReturnCode::new(code).to_string());
        let is_one_of = |codes: &[CK_RV]| codes.contains(&code);
        let was_away = self.was_away;
        // Without C_GetTokenInfo nobody can see which token it is.
        let may_seem_removed =
            was_away || is_one_of(&REMOVED) || function == "C_GetTokenInfo" && is_one_of(&LOST);
        let (kind, fits) = match error {
            Error::Call { .. } => (
                "Call",
                named(code)
                    || was_away && LOST.iter().any(|code| named(*code))
                    // The list that it is for seems to grow for ever.
                    || is_one_of(&[CKR_BUFFER_TOO_SMALL]) && named(CKR_GENERAL_ERROR),
            ),
            // The reason is told on the way to the selection.
            Error::Selection { .. } => (
                "Selection",
                named(code)
                    || function == "C_GetFunctionList" && text.contains("GetFunctionList")
                    // An object that is gone by now is no error.
                    || is_one_of(&[CKR_OBJECT_HANDLE_INVALID]),
            ),
            Error::TokenRemoved { .. } => ("TokenRemoved", may_seem_removed),
            Error::NotUnlocked { .. } => (
                "NotUnlocked",
                may_seem_removed && (self.manner != Manner::Kept || self.is_refused),
            ),
            Error::Pin { reason, .. } => (
                "Pin",
                match reason {
                    PinError::Incorrect { .. } | PinError::Locked => is_one_of(&REFUSED),
                    // Unlocked because of a code that was not true.
                    PinError::AlreadyUnlocked => {
                        is_one_of(&REMOVED) || is_one_of(&[CKR_USER_NOT_LOGGED_IN])
                    }
                    _ => false,
                },
            ),
            Error::Sign {
                reason: SignError::LoginNeeded,
                ..
            } => ("LoginNeeded", is_one_of(&[CKR_USER_NOT_LOGGED_IN])),
            _ => ("other", false),
        };
        assert!(fits, "no error for this: {error:?}");
        // A login that failed otherwise may have cost a try: its PIN is not sent again either.
        self.is_refused |=
            is_one_of(&REFUSED) && kind == "Pin" || function == "C_Login" && kind == "Call";
        self.is_lost = matches!(kind, "TokenRemoved" | "NotUnlocked" | "LoginNeeded");
        let would_come_anyway = self.is_away || self.was_away && kind == "NotUnlocked";
        if !would_come_anyway {
            self.errors.insert(kind);
        }
    }
}
