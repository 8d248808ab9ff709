//! Lists of slots, mechanisms and objects that lie, and handles of sessions.

use std::ffi::c_void;

use cryptoki_sys::*;

use super::random::Random;
use super::values::{LENGTHS, length};
use super::{Kind, Mutation};
use crate::{find, sessions};

pub(crate) const LIST: &[Kind] = &[
    Kind::DuplicateHandle,
    Kind::ZeroHandle,
    Kind::UnknownHandle,
    Kind::Shorter,
    Kind::Repeated,
];
pub(crate) const SEARCH: &[Kind] = &[Kind::Endless];
pub(crate) const HANDLE: &[Kind] = &[Kind::DuplicateHandle, Kind::ZeroHandle, Kind::UnknownHandle];

pub(crate) unsafe fn slots(
    mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    _: CK_BBOOL,
    out: *mut CK_SLOT_ID,
    count: *mut CK_ULONG,
) -> CK_RV {
    // SAFETY: passed on.
    unsafe { counted(mutation, answer, out, count) }
}

pub(crate) unsafe fn mechanisms(
    mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    _: CK_SLOT_ID,
    out: *mut CK_MECHANISM_TYPE,
    count: *mut CK_ULONG,
) -> CK_RV {
    // SAFETY: passed on.
    unsafe { counted(mutation, answer, out, count) }
}

pub(crate) unsafe fn objects(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    session: CK_SESSION_HANDLE,
    out: *mut CK_OBJECT_HANDLE,
    capacity: CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    let result = answer();
    if result != CKR_OK || out.is_null() || count.is_null() {
        return mutation.failed();
    }
    let kind = mutation.pick(&[LENGTHS, LIST, SEARCH].concat());
    if kind == Kind::Endless {
        find::never_end(session);
    }
    // SAFETY: both are not NULL, and `out` is good for `capacity` handles.
    unsafe {
        spoil(
            &mut mutation.random,
            kind,
            out,
            capacity as usize,
            &mut *count,
        )
    };
    CKR_OK
}

/// # Safety
/// As in `lists::answer`.
unsafe fn counted(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    out: *mut CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    // SAFETY: as promised by our caller.
    let Some(count) = (unsafe { count.as_mut() }) else {
        return answer();
    };
    let room = if out.is_null() { 0 } else { *count as usize };
    if answer() != CKR_OK {
        return mutation.failed();
    }
    if out.is_null() {
        let kind = mutation.pick(LENGTHS);
        *count = length(&mut mutation.random, kind, *count, 0);
        return CKR_OK;
    }
    let kind = mutation.pick(&[LENGTHS, LIST].concat());
    // SAFETY: `out` is good for `room` values.
    unsafe { spoil(&mut mutation.random, kind, out, room, count) };
    CKR_OK
}

/// # Safety
/// `out` is good for `room` values, of which the first `*count` have been written.
unsafe fn spoil(
    random: &mut Random,
    kind: Kind,
    out: *mut CK_ULONG,
    room: usize,
    count: &mut CK_ULONG,
) {
    let given = (*count as usize).min(room);
    // SAFETY: as promised by our caller.
    let mut list: Vec<_> = (0..given).map(|at| unsafe { *out.add(at) }).collect();
    match kind {
        Kind::DuplicateHandle | Kind::ZeroHandle | Kind::UnknownHandle if given > 0 => {
            list[random.below(given)] = match kind {
                Kind::DuplicateHandle => list[random.below(given)],
                Kind::ZeroHandle => 0,
                _ => unknown(random),
            };
        }
        // An empty list has nothing to be wrong but that it is empty.
        Kind::ZeroHandle if room > 0 => list.push(0),
        Kind::DuplicateHandle | Kind::UnknownHandle if room > 0 => list.push(unknown(random)),
        Kind::Shorter => list.truncate(random.below(given + 1)),
        Kind::Repeated if given > 0 && random.one_in(2) => {
            list = list.iter().copied().cycle().take(room).collect();
        }
        Kind::Repeated => {
            let first = unknown(random);
            list = (0..room)
                .map(|at| first.wrapping_add(at as CK_ULONG))
                .collect();
        }
        _ => {}
    }
    *count = match LENGTHS.contains(&kind) {
        true => length(random, kind, *count, room),
        false => list.len() as CK_ULONG,
    };
    // SAFETY: the list is never longer than the room.
    unsafe { std::ptr::copy_nonoverlapping(list.as_ptr(), out, list.len()) };
}

pub(crate) unsafe fn session(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    _: CK_SLOT_ID,
    _: CK_FLAGS,
    _: *mut c_void,
    _: CK_NOTIFY,
    out: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    if answer() != CKR_OK {
        return mutation.failed();
    }
    let kind = mutation.pick(HANDLE);
    // SAFETY: the real module has just written there.
    unsafe {
        *out = match kind {
            Kind::DuplicateHandle => sessions::oldest().unwrap_or(*out),
            Kind::ZeroHandle => CK_INVALID_HANDLE,
            _ => unknown(&mut mutation.random),
        };
    }
    CKR_OK
}

/// Neither the real module nor a test has as many.
fn unknown(random: &mut Random) -> CK_ULONG {
    random.one_of(&[0x7000_0000, CK_ULONG::MAX, CK_ULONG::MAX >> 1])
        - random.below(1 << 16) as CK_ULONG
}
