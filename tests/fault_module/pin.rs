//! Logins: a PIN counter as real tokens have, a PIN pad, and how long the PINs were.
//!
//! PINs that arrive are passed on and never kept; a pad "types" the one the test gave it.

use std::collections::{BTreeMap, VecDeque};

use cryptoki_sys::*;

use crate::forward::real;
use crate::options::Options;
use crate::sessions;
use crate::shared::Shared;

const USER_PIN_STATE: CK_FLAGS =
    CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;

static PINS: Shared<Pins> = Shared::new(Pins::NONE);

struct Pins {
    policies: Vec<(Option<CK_SLOT_ID>, Policy)>,
    counters: BTreeMap<CK_SLOT_ID, Counter>,
    pads: Vec<(Option<CK_SLOT_ID>, Pad)>,
    lengths: VecDeque<String>,
}

#[derive(Clone, Copy)]
struct Policy {
    tries: CK_ULONG,
    left: CK_ULONG,  // to begin with
    hidden: bool,    // no flags until a login has failed, as OpenSC does
    last_try: CK_RV, // the answer to the wrong PIN that locks
}

#[derive(Clone, Copy)]
struct Counter {
    left: CK_ULONG,
    shown: bool,
}

/// What the person types on the pad.
#[derive(Clone)]
struct Pad {
    pin: Option<Vec<u8>>,
    new_pin: Option<Vec<u8>>,
    so_pin: Option<Vec<u8>>,
}

impl Pins {
    const NONE: Self = Self {
        policies: Vec::new(),
        counters: BTreeMap::new(),
        pads: Vec::new(),
        lengths: VecDeque::new(),
    };

    fn policy(&self, slot: CK_SLOT_ID) -> Option<Policy> {
        newest(&self.policies, slot).copied()
    }

    fn counter(&mut self, slot: CK_SLOT_ID, policy: Policy) -> &mut Counter {
        let fresh = Counter {
            left: policy.left,
            shown: !policy.hidden,
        };
        self.counters.entry(slot).or_insert(fresh)
    }

    fn record(&mut self, what: &str, pin: *const CK_BYTE, length: CK_ULONG) {
        let length = if pin.is_null() {
            "null".into()
        } else {
            length.to_string()
        };
        self.lengths.push_back(format!("{what} {length}"));
        if self.lengths.len() > 1000 {
            self.lengths.pop_front();
        }
    }
}

fn newest<T>(list: &[(Option<CK_SLOT_ID>, T)], slot: CK_SLOT_ID) -> Option<&T> {
    let found = list
        .iter()
        .rev()
        .find(|(only, _)| only.is_none_or(|only| only == slot));
    found.map(|(_, value)| value)
}

/// A PIN argument, with the pad's in the place of NULL.
enum Typed {
    Given(*mut CK_BYTE, CK_ULONG),
    OnPad(Vec<u8>),
}

impl Typed {
    fn new(pin: *mut CK_BYTE, length: CK_ULONG, on_pad: Option<Vec<u8>>) -> Self {
        match on_pad {
            Some(typed) if pin.is_null() => Self::OnPad(typed),
            _ => Self::Given(pin, length),
        }
    }

    fn parts(&mut self) -> (*mut CK_BYTE, CK_ULONG) {
        match self {
            Self::Given(pin, length) => (*pin, *length),
            Self::OnPad(typed) => (typed.as_mut_ptr(), typed.len() as CK_ULONG),
        }
    }
}

fn pad(slot: Option<CK_SLOT_ID>) -> Pad {
    let pad = slot.and_then(|slot| newest(&PINS.lock().pads, slot).cloned());
    pad.unwrap_or(Pad {
        pin: None,
        new_pin: None,
        so_pin: None,
    })
}

pub(crate) unsafe fn login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_BYTE,
    length: CK_ULONG,
) -> CK_RV {
    PINS.lock().record("C_Login", pin, length);
    let slot = sessions::slot_of(session);
    let pad = pad(slot);
    let on_pad = if user == CKU_SO { pad.so_pin } else { pad.pin };
    let mut typed = Typed::new(pin, length, on_pad);
    let (pin, length) = typed.parts();
    let forward = || real!(C_Login(session, user, pin, length));
    if user == CKU_SO {
        forward()
    } else {
        counted(slot, forward)
    }
}

pub(crate) unsafe fn set(
    session: CK_SESSION_HANDLE,
    old: *mut CK_BYTE,
    old_length: CK_ULONG,
    new: *mut CK_BYTE,
    new_length: CK_ULONG,
) -> CK_RV {
    {
        let mut pins = PINS.lock();
        pins.record("C_SetPIN", old, old_length);
        pins.record("C_SetPIN", new, new_length);
    }
    let slot = sessions::slot_of(session);
    let pad = pad(slot);
    let mut info = CK_SESSION_INFO::default();
    let of_so =
        real!(C_GetSessionInfo(session, &mut info)) == CKR_OK && info.state == CKS_RW_SO_FUNCTIONS;
    let mut old = Typed::new(old, old_length, if of_so { pad.so_pin } else { pad.pin });
    let mut new = Typed::new(new, new_length, pad.new_pin);
    let ((old, old_length), (new, new_length)) = (old.parts(), new.parts());
    let forward = || real!(C_SetPIN(session, old, old_length, new, new_length));
    if of_so {
        forward()
    } else {
        counted(slot, forward)
    }
}

pub(crate) unsafe fn init(
    session: CK_SESSION_HANDLE,
    pin: *mut CK_BYTE,
    length: CK_ULONG,
) -> CK_RV {
    PINS.lock().record("C_InitPIN", pin, length);
    let slot = sessions::slot_of(session);
    let mut typed = Typed::new(pin, length, pad(slot).new_pin);
    let (pin, length) = typed.parts();
    let result = real!(C_InitPIN(session, pin, length));
    if let (CKR_OK, Some(slot)) = (result, slot) {
        refill(slot);
    }
    result
}

/// A use of the user PIN, which the counter may refuse and which moves it.
fn counted(slot: Option<CK_SLOT_ID>, forward: impl FnOnce() -> CK_RV) -> CK_RV {
    let rule = slot.and_then(|slot| Some((slot, PINS.lock().policy(slot)?)));
    let Some((slot, policy)) = rule else {
        return forward();
    };
    {
        let mut pins = PINS.lock();
        let counter = pins.counter(slot, policy);
        if counter.left == 0 {
            counter.shown = true;
            return CKR_PIN_LOCKED;
        }
    }
    let result = forward();
    if result == CKR_OK {
        refill(slot);
    } else if result == CKR_PIN_INCORRECT {
        let mut pins = PINS.lock();
        let counter = pins.counter(slot, policy);
        *counter = Counter {
            left: counter.left.saturating_sub(1),
            shown: true,
        };
        if counter.left == 0 {
            return policy.last_try;
        }
    }
    result
}

fn refill(slot: CK_SLOT_ID) {
    let mut pins = PINS.lock();
    if let Some(policy) = pins.policy(slot) {
        pins.counter(slot, policy).left = policy.tries;
    }
}

/// Shows the counter and the pad in the token's flags.
pub(crate) fn show(slot: CK_SLOT_ID, info: &mut CK_TOKEN_INFO) {
    let mut pins = PINS.lock();
    if newest(&pins.pads, slot).is_some() {
        info.flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
    }
    let Some(policy) = pins.policy(slot) else {
        return;
    };
    let counter = *pins.counter(slot, policy);
    info.flags &= !USER_PIN_STATE;
    if counter.shown {
        info.flags |= match counter.left {
            0 => CKF_USER_PIN_LOCKED,
            1 => CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY,
            left if left == policy.tries => 0,
            _ => CKF_USER_PIN_COUNT_LOW,
        };
    }
}

pub(crate) fn set_policy(mut options: Options) -> Result<(), String> {
    let slot = options.slot()?;
    let tries = options.needed_number("tries")?;
    let policy = Policy {
        tries,
        left: options.number("left")?.unwrap_or(tries),
        hidden: options.flag("hidden"),
        last_try: options.number("last")?.unwrap_or(CKR_PIN_LOCKED),
    };
    options.done()?;
    let mut pins = PINS.lock();
    pins.policies.push((slot, policy));
    pins.counters
        .retain(|of, _| slot.is_some_and(|only| only != *of));
    Ok(())
}

pub(crate) fn set_pad(mut options: Options) -> Result<(), String> {
    let slot = options.slot()?;
    let pad = Pad {
        pin: options.bytes("pin")?,
        new_pin: options.bytes("new-pin")?,
        so_pin: options.bytes("so-pin")?,
    };
    options.done()?;
    PINS.lock().pads.push((slot, pad));
    Ok(())
}

pub(crate) fn lengths() -> String {
    let lengths: Vec<_> = PINS.lock().lengths.iter().cloned().collect();
    lengths.join("\n")
}

/// The next C_Initialize is like another process: hidden flags are hidden again.
pub(crate) fn finalized() {
    let mut pins = PINS.lock();
    let slots: Vec<_> = pins.counters.keys().copied().collect();
    for slot in slots {
        if let Some(policy) = pins.policy(slot) {
            pins.counter(slot, policy).shown = !policy.hidden;
        }
    }
}

pub(crate) fn reset() {
    *PINS.lock() = Pins::NONE;
}
