//! What a module says of itself, its slots, its tokens: any field wrong, or all of it noise.

use std::slice;

use cryptoki_sys::*;

use super::random::Random;
use super::{Kind, Mutation};
use crate::functions;

pub(crate) const INFO: &[Kind] = &[Kind::Text, Kind::Flags, Kind::Version, Kind::Noise];
pub(crate) const SLOT_INFO: &[Kind] = &[Kind::Text, Kind::Flags, Kind::Version, Kind::Noise];
pub(crate) const TOKEN_INFO: &[Kind] = &[
    Kind::Text,
    Kind::Clock,
    Kind::Flags,
    Kind::Version,
    Kind::SessionLimits,
    Kind::PinLengths,
    Kind::Noise,
];
pub(crate) const MECHANISM_INFO: &[Kind] = &[Kind::KeySizes, Kind::Flags, Kind::Noise];
pub(crate) const SESSION_INFO: &[Kind] = &[Kind::State, Kind::Flags, Kind::Noise];
pub(crate) const FUNCTION_LIST: &[Kind] = &[Kind::NoList, Kind::MissingFunction, Kind::Version];

pub(crate) unsafe fn info(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    out: *mut CK_INFO,
) -> CK_RV {
    // SAFETY: passed on.
    let Some(info) = (unsafe { written(answer(), out) }) else {
        return mutation.failed();
    };
    let kind = mutation.pick(INFO);
    let random = &mut mutation.random;
    match kind {
        Kind::Text => text(
            random,
            &mut [&mut info.manufacturerID, &mut info.libraryDescription],
        ),
        Kind::Flags => info.flags = number(random),
        Kind::Version => {
            (info.cryptokiVersion, info.libraryVersion) = (version(random), version(random));
        }
        _ => noise(random, info),
    }
    CKR_OK
}

pub(crate) unsafe fn slot_info(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    _: CK_SLOT_ID,
    out: *mut CK_SLOT_INFO,
) -> CK_RV {
    // SAFETY: passed on.
    let Some(info) = (unsafe { written(answer(), out) }) else {
        return mutation.failed();
    };
    let kind = mutation.pick(SLOT_INFO);
    let random = &mut mutation.random;
    match kind {
        Kind::Text => text(
            random,
            &mut [&mut info.slotDescription, &mut info.manufacturerID],
        ),
        Kind::Flags => info.flags = flags(random, info.flags),
        Kind::Version => {
            (info.hardwareVersion, info.firmwareVersion) = (version(random), version(random));
        }
        _ => noise(random, info),
    }
    CKR_OK
}

pub(crate) unsafe fn token_info(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    _: CK_SLOT_ID,
    out: *mut CK_TOKEN_INFO,
) -> CK_RV {
    // SAFETY: passed on.
    let Some(info) = (unsafe { written(answer(), out) }) else {
        return mutation.failed();
    };
    let kind = mutation.pick(TOKEN_INFO);
    let random = &mut mutation.random;
    match kind {
        Kind::Text => text(
            random,
            &mut [
                &mut info.label,
                &mut info.manufacturerID,
                &mut info.model,
                &mut info.serialNumber,
            ],
        ),
        Kind::Clock => text(random, &mut [&mut info.utcTime]),
        Kind::Flags => info.flags = flags(random, info.flags),
        Kind::Version => {
            (info.hardwareVersion, info.firmwareVersion) = (version(random), version(random));
        }
        Kind::SessionLimits => {
            (info.ulMaxSessionCount, info.ulSessionCount) = (number(random), number(random));
            (info.ulMaxRwSessionCount, info.ulRwSessionCount) = (number(random), number(random));
        }
        Kind::PinLengths => (info.ulMinPinLen, info.ulMaxPinLen) = (number(random), number(random)),
        _ => noise(random, info),
    }
    CKR_OK
}

pub(crate) unsafe fn mechanism_info(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    _: CK_SLOT_ID,
    _: CK_MECHANISM_TYPE,
    out: *mut CK_MECHANISM_INFO,
) -> CK_RV {
    // SAFETY: passed on.
    let Some(info) = (unsafe { written(answer(), out) }) else {
        return mutation.failed();
    };
    let kind = mutation.pick(MECHANISM_INFO);
    let random = &mut mutation.random;
    match kind {
        Kind::KeySizes => (info.ulMinKeySize, info.ulMaxKeySize) = (number(random), number(random)),
        Kind::Flags => info.flags = flags(random, info.flags),
        _ => noise(random, info),
    }
    CKR_OK
}

pub(crate) unsafe fn session_info(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    _: CK_SESSION_HANDLE,
    out: *mut CK_SESSION_INFO,
) -> CK_RV {
    // SAFETY: passed on.
    let Some(info) = (unsafe { written(answer(), out) }) else {
        return mutation.failed();
    };
    let kind = mutation.pick(SESSION_INFO);
    let random = &mut mutation.random;
    match kind {
        Kind::State => info.state = random.one_of(&[0, 1, 2, 3, 4, 5, CK_ULONG::MAX]),
        Kind::Flags => (info.slotID, info.flags) = (number(random), flags(random, info.flags)),
        _ => noise(random, info),
    }
    CKR_OK
}

pub(crate) unsafe fn function_list(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    out: *mut *mut CK_FUNCTION_LIST,
) -> CK_RV {
    // SAFETY: passed on; the list is our own, and 'static.
    let list = unsafe { written(answer(), out).and_then(|list| list.as_ref()) };
    let Some(mut list) = list.copied() else {
        return mutation.failed();
    };
    let kind = mutation.pick(FUNCTION_LIST);
    let random = &mut mutation.random;
    let list = match kind {
        Kind::NoList => std::ptr::null_mut(),
        Kind::Version => {
            list.version = version(random);
            Box::leak(Box::new(list)) // a module's list lives as long as the module
        }
        _ => {
            let (missing, _) = functions::ALL[random.below(functions::ALL.len())];
            functions::leave_out(&mut list, missing);
            Box::leak(Box::new(list))
        }
    };
    // SAFETY: it was written to a moment ago.
    unsafe { *out = list };
    CKR_OK
}

/// What the real module has written, where it has.
unsafe fn written<'a, T>(result: CK_RV, out: *mut T) -> Option<&'a mut T> {
    // SAFETY: as promised by the caller of PKCS#11; the real module has just written there.
    unsafe { out.as_mut() }.filter(|_| result == CKR_OK)
}

/// One of the fields.
fn text(random: &mut Random, fields: &mut [&mut [u8]]) {
    let count = fields.len();
    let field = &mut *fields[random.below(count)];
    match random.below(7) {
        0 => random.fill(field),
        1 => field.fill(0xff),
        2 => field.fill(0),
        3 => field.fill(b' '),
        4 => field.fill(random.one_of(b"A/%\"\\\x1b\n\x7f")),
        5 => field.fill_with(|| random.one_of(b"\x1b[2J\n\r\0%;?&\"' ")),
        _ => {
            let at = random.below(field.len());
            field[at] ^= 1 << random.below(8);
        }
    }
}

fn number(random: &mut Random) -> CK_ULONG {
    let any = random.next() as CK_ULONG;
    let high = 1 << (CK_ULONG::BITS - 1);
    let all = [0, 1, 2, 3, 255, 1 << 16, 1 << 31, high, CK_ULONG::MAX - 1];
    random.one_of(&[&all[..], &[CK_ULONG::MAX, any]].concat())
}

/// Mostly one flag; or all, none, any.
fn flags(random: &mut Random, flags: CK_FLAGS) -> CK_FLAGS {
    match random.below(6) {
        0 => 0,
        1 => CK_FLAGS::MAX,
        2 => random.next() as CK_FLAGS,
        _ => flags ^ (1 << random.below(24)), // beyond these PKCS#11 has none but one
    }
}

fn version(random: &mut Random) -> CK_VERSION {
    CK_VERSION {
        major: random.one_of(&[0, 1, 2, 3, 255]),
        minor: random.one_of(&[0, 20, 40, 255]),
    }
}

/// `T` is one of PKCS#11's structures of numbers and text, in which any bytes are a value.
fn noise<T>(random: &mut Random, structure: &mut T) {
    let bytes = (&raw mut *structure).cast();
    // SAFETY: it is as long as it is, and takes any bytes.
    random.fill(unsafe { slice::from_raw_parts_mut(bytes, size_of::<T>()) });
}
