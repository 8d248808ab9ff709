//! Signatures: none at all (to measure what lies above the module), wrong ones, ones of an
//! impossible length, and ones that look late at their mechanism.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use cryptoki_sys::*;

use crate::forward::real;
use crate::options::Options;
use crate::shared::Shared;
use crate::{arguments, find, gost_keys};

/// Apart from the other manners, so that the null mode costs one load.
static NULL: AtomicBool = AtomicBool::new(false);
static MANNERS: Shared<Manners> = Shared::new(Manners::GOOD);
/// What C_SignInit was given, by session.
static LATE: Shared<BTreeMap<CK_SESSION_HANDLE, Late>> = Shared::new(BTreeMap::new());

#[derive(Clone, Copy)]
struct Manners {
    flip: bool,
    late: bool,
    length: Option<CK_ULONG>, // claimed with the signature
    size: Option<CK_ULONG>,   // claimed when only asked for the size
}

impl Manners {
    const GOOD: Self = Self {
        flip: false,
        late: false,
        length: None,
        size: None,
    };
}

/// As long as P-256's and Ed25519's; neither half is zero.
const NULL_SIGNATURE: [u8; 64] = [0x5a; 64];

pub(crate) unsafe fn init(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    if NULL.load(Relaxed) {
        return CKR_OK;
    }
    if MANNERS.lock().late {
        // SAFETY: as promised by the caller of PKCS#11.
        let given = unsafe { Late::of(mechanism) };
        LATE.lock().insert(session, given);
    }
    let key = find::object(key);
    // SAFETY: as promised by the caller of PKCS#11.
    let ours = unsafe { gost_keys::sign_init(session, mechanism, key) };
    ours.unwrap_or_else(|| real!(C_SignInit(session, mechanism, key)))
}

pub(crate) unsafe fn sign(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    signature: *mut CK_BYTE,
    signature_length: *mut CK_ULONG,
) -> CK_RV {
    if NULL.load(Relaxed) {
        // SAFETY: as promised by the caller of PKCS#11.
        return unsafe { give_null(signature, signature_length) };
    }
    if LATE.lock().remove(&session).is_some_and(Late::has_changed) {
        return CKR_MECHANISM_INVALID;
    }
    // SAFETY: as promised by the caller of PKCS#11.
    let ours = unsafe { gost_keys::sign(session, data, length, signature, signature_length) };
    let result =
        ours.unwrap_or_else(|| real!(C_Sign(session, data, length, signature, signature_length)));
    // SAFETY: the signature has just been written there.
    unsafe { spoil(result, signature, signature_length) }
}

pub(crate) unsafe fn last(
    session: CK_SESSION_HANDLE,
    signature: *mut CK_BYTE,
    signature_length: *mut CK_ULONG,
) -> CK_RV {
    let result = real!(C_SignFinal(session, signature, signature_length));
    // SAFETY: the real module has just written there.
    unsafe { spoil(result, signature, signature_length) }
}

unsafe fn give_null(signature: *mut CK_BYTE, length: *mut CK_ULONG) -> CK_RV {
    match length.is_null() {
        true => CKR_ARGUMENTS_BAD,
        // SAFETY: as promised by our caller.
        false => unsafe { arguments::answer(&NULL_SIGNATURE, signature, length) },
    }
}

/// After a success: the real signature, or its length, made wrong.
unsafe fn spoil(result: CK_RV, signature: *mut CK_BYTE, length: *mut CK_ULONG) -> CK_RV {
    let manners = *MANNERS.lock();
    if result != CKR_OK {
        return result;
    }
    if signature.is_null() {
        if let Some(size) = manners.size {
            // SAFETY: as promised by our caller.
            unsafe { *length = size };
        }
        return result;
    }
    // SAFETY: as promised by our caller; there are `*length` bytes of signature.
    unsafe {
        if manners.flip && *length > 0 {
            *signature.add(*length as usize - 1) ^= 1;
        }
        if let Some(claimed) = manners.length {
            *length = claimed;
        }
    }
    result
}

/// A mechanism's parameter, which is looked at again in C_Sign where C_SignInit was given it.
struct Late {
    place: usize,
    value: Vec<u8>,
}

impl Late {
    unsafe fn of(mechanism: *const CK_MECHANISM) -> Self {
        // SAFETY: as promised by our caller.
        let mechanism = unsafe { mechanism.read_unaligned() };
        let place = mechanism.pParameter as usize;
        let length = mechanism.ulParameterLen as usize;
        Self {
            place,
            value: read(place, length),
        }
    }

    fn has_changed(self) -> bool {
        read(self.place, self.value.len()) != self.value
    }
}

/// What is in memory there now, whoever owns it: that is the fault.
fn read(place: usize, length: usize) -> Vec<u8> {
    let bytes = (0..length).map(|at| (place + at) as *const u8);
    // SAFETY: it was good in C_SignInit, on a stack or in a heap that is there still.
    bytes.map(|byte| unsafe { byte.read_volatile() }).collect()
}

/// The command `sign null|flip|late|forward [length=N] [size=N]`.
pub(crate) fn command(mut options: Options) -> Result<(), String> {
    let (null, flip) = (options.flag("null"), options.flag("flip"));
    let late = options.flag("late");
    options.flag("forward"); // what is left when nothing else is asked for
    let manners = Manners {
        flip,
        late,
        length: options.number("length")?,
        size: options.number("size")?,
    };
    options.done()?;
    NULL.store(null, Relaxed);
    *MANNERS.lock() = manners;
    Ok(())
}

pub(crate) fn reset() {
    NULL.store(false, Relaxed);
    *MANNERS.lock() = Manners::GOOD;
    LATE.lock().clear();
}
