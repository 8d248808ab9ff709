//! A program that signs: each call is counted, and what came of it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use cryptoki_sys::*;
use keyfob::{Error, Identity, Pin, PinError, PublicKey, ReturnCode, Scheme, SignError, Token};

use crate::softhsm::PIN;

const SCHEME: Scheme = Scheme::EcdsaP256Sha256;

/// How long a service waits after an error.
const PAUSE: Duration = Duration::from_millis(1);

pub struct Service {
    token: Token,
    me: Identity,
    /// The certificate's.
    public_key: PublicKey,
    begun: AtomicU64,
    signed: AtomicU64,
    unlocks: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
    /// Those that do not fit.
    unexpected: Mutex<Vec<String>>,
}

fn kept() -> Pin {
    Pin::from(PIN).keep_pin()
}

impl Service {
    pub fn start(token: Token, label: &str) -> Self {
        let fob = token.unlock(&kept()).unwrap();
        let me = fob.identities().unwrap().label(label).only().unwrap();
        let public_key = me.certificate().unwrap().public_key().unwrap();
        Self {
            token,
            me,
            public_key,
            begun: AtomicU64::new(0),
            signed: AtomicU64::new(0),
            unlocks: AtomicU64::new(0),
            errors: Mutex::default(),
            unexpected: Mutex::default(),
        }
    }

    /// Signs until so many were signed by all threads.
    pub fn sign_until(&self, until: u64, thread: u64) {
        for number in 0_u64.. {
            if self.signed() >= until || self.is_astray() {
                return;
            }
            self.sign(&[thread.to_be_bytes(), number.to_be_bytes()].concat());
        }
    }

    /// One call. Whether it signed.
    pub fn sign(&self, message: &[u8]) -> bool {
        self.begun.fetch_add(1, Relaxed);
        match self.me.sign(SCHEME, message) {
            Ok(signature) => {
                let verified = self.public_key.verify(SCHEME, message, &signature);
                if let Err(error) = verified {
                    panic!("a wrong signature was returned: {error}");
                }
                self.signed.fetch_add(1, Relaxed);
                true
            }
            Err(error) => {
                self.note(&error);
                if matches!(error, Error::NotUnlocked { .. }) {
                    self.unlock();
                }
                thread::sleep(PAUSE);
                false
            }
        }
    }

    /// The kept PIN was given up: it was sent, and nobody knows what became of it.
    fn unlock(&self) {
        match self.token.unlock(&kept()) {
            // Another thread has.
            Err(Error::Pin {
                reason: PinError::AlreadyUnlocked,
                ..
            }) => {}
            outcome => {
                self.unlocks.fetch_add(1, Relaxed);
                if let Err(error) = outcome {
                    let fits = kind(&error).is_some();
                    let mut unexpected = self.unexpected.lock().unwrap();
                    unexpected.extend((!fits).then(|| format!("unlock: {error:?}")));
                }
            }
        }
    }

    fn note(&self, error: &Error) {
        match kind(error) {
            Some(kind) => *self.errors.lock().unwrap().entry(kind).or_default() += 1,
            None => self.unexpected.lock().unwrap().push(format!("{error:?}")),
        }
    }

    /// An error came that does not fit: there is no use in going on.
    pub fn is_astray(&self) -> bool {
        !self.unexpected.lock().unwrap().is_empty()
    }

    pub fn signed(&self) -> u64 {
        self.signed.load(Relaxed)
    }

    /// How many calls ended with an error that fits.
    pub fn errors(&self) -> u64 {
        self.errors.lock().unwrap().values().sum()
    }

    /// How often it was unlocked anew, or tried to be.
    pub fn unlocks(&self) -> u64 {
        self.unlocks.load(Relaxed)
    }

    #[track_caller]
    pub fn is_accounted_for(&self) {
        let unexpected = self.unexpected.lock().unwrap();
        assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
        assert_eq!(self.begun.load(Relaxed), self.signed() + self.errors());
    }

    pub fn print(&self) {
        let begun = self.begun.load(Relaxed);
        crate::say(&format!(
            "{begun} calls of sign: {} signed and verified",
            self.signed()
        ));
        for (kind, count) in &*self.errors.lock().unwrap() {
            crate::say(&format!("{count:>15} {kind}"));
        }
        crate::say(&format!("{:>15} unlocks", self.unlocks()));
    }
}

/// What an error is that may come where tokens come and go.
fn kind(error: &Error) -> Option<String> {
    Some(match error {
        Error::TokenRemoved { .. } => "TokenRemoved".into(),
        Error::NotUnlocked { .. } => "NotUnlocked".into(),
        Error::Sign {
            reason: SignError::LoginNeeded,
            ..
        } => "LoginNeeded".into(),
        Error::Call { code, function, .. } if MAY_COME.contains(&(code.code() as CK_RV)) => {
            format!("{} of {function}", ReturnCode::new(code.code() as CK_RV))
        }
        _ => return None,
    })
}

/// What is lost a second time while it is found again is told as the module tells it.
const MAY_COME: [CK_RV; 6] = [
    CKR_DEVICE_ERROR,
    // SoftHSM, where it is logged out in the middle of a signature.
    CKR_GENERAL_ERROR,
    // Of a signature that was made while another thread logged in anew.
    CKR_KEY_HANDLE_INVALID,
    // SoftHSM, of a key that was found before a logout.
    CKR_OBJECT_HANDLE_INVALID,
    CKR_SESSION_CLOSED,
    CKR_SESSION_HANDLE_INVALID,
];
