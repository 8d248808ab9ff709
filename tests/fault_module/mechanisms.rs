//! C_GetMechanismList and C_GetMechanismInfo: mechanisms added, dropped, and described anew.

use cryptoki_sys::*;

use crate::fields::{Changes, Table};
use crate::forward::real;
use crate::lists::{self, Claim};
use crate::options::{self, Options};
use crate::shared::Shared;
use crate::{sessions, slots};

static EDITS: Shared<Edits> = Shared::new(Edits::NONE);

struct Edits {
    list: Vec<Edit>,
    info: Vec<(CK_MECHANISM_TYPE, Changes<CK_MECHANISM_INFO>)>,
    claim: Claim,
}

struct Edit {
    slot: Option<CK_SLOT_ID>,
    mechanism: CK_MECHANISM_TYPE,
    there: bool,
}

impl Edits {
    const NONE: Self = Self {
        list: Vec::new(),
        info: Vec::new(),
        claim: Claim::NONE,
    };

    fn of(&self, slot: CK_SLOT_ID) -> impl Iterator<Item = &Edit> {
        self.list
            .iter()
            .filter(move |edit| edit.slot.is_none_or(|only| only == slot))
    }
}

const INFO: Table<CK_MECHANISM_INFO> = Table {
    flags: |info| &mut info.flags,
    numbers: &[
        ("min", |info| &mut info.ulMinKeySize),
        ("max", |info| &mut info.ulMaxKeySize),
    ],
    texts: &[],
};

pub(crate) unsafe fn list(
    slot: CK_SLOT_ID,
    out: *mut CK_MECHANISM_TYPE,
    count: *mut CK_ULONG,
) -> CK_RV {
    let slot = match slots::real(slot) {
        Ok(slot) => slot,
        Err(code) => return code,
    };
    let mut list = match lists::whole(|out, count| real!(C_GetMechanismList(slot, out, count))) {
        Ok(list) => list,
        Err(code) => return code,
    };
    let edits = EDITS.lock();
    for edit in edits.of(slot) {
        list.retain(|mechanism| *mechanism != edit.mechanism);
        list.extend(edit.there.then_some(edit.mechanism));
    }
    // SAFETY: as promised by the caller of PKCS#11.
    unsafe { lists::answer(&list, edits.claim, out, count) }
}

pub(crate) unsafe fn info(
    slot: CK_SLOT_ID,
    mechanism: CK_MECHANISM_TYPE,
    out: *mut CK_MECHANISM_INFO,
) -> CK_RV {
    let slot = match slots::real(slot) {
        Ok(slot) => slot,
        Err(code) => return code,
    };
    let there = edited(slot, mechanism);
    if there == Some(false) {
        return CKR_MECHANISM_INVALID;
    }
    let mut result = real!(C_GetMechanismInfo(slot, mechanism, out));
    // SAFETY: as promised by the caller of PKCS#11.
    let Some(out) = (unsafe { out.as_mut() }) else {
        return result;
    };
    if result == CKR_MECHANISM_INVALID && there == Some(true) {
        *out = CK_MECHANISM_INFO::default();
        result = CKR_OK;
    }
    if result == CKR_OK {
        let edits = EDITS.lock();
        let changes = edits
            .info
            .iter()
            .filter(|(of, it)| *of == mechanism && it.concern(slot));
        changes.for_each(|(_, changes)| changes.apply(out));
    }
    result
}

/// Whether it was added or dropped.
fn edited(slot: CK_SLOT_ID, mechanism: CK_MECHANISM_TYPE) -> Option<bool> {
    let edits = EDITS.lock();
    let of_it = edits.of(slot).filter(|it| it.mechanism == mechanism);
    of_it.last().map(|it| it.there)
}

/// Whether a mechanism that the real module has not was added to the session's slot.
pub(crate) fn added(session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_TYPE) -> Result<(), CK_RV> {
    let slot = sessions::slot_of(session).ok_or(CKR_SESSION_HANDLE_INVALID)?;
    match edited(slot, mechanism) {
        Some(true) => Ok(()),
        _ => Err(CKR_MECHANISM_INVALID),
    }
}

/// The command `mechanism add|drop CODE …` or `mechanism CODE …`.
pub(crate) fn command(mut options: Options) -> Result<(), String> {
    let what = options.needed_word("add, drop or the mechanism's number")?;
    let there = match what {
        "add" => Some(true),
        "drop" => Some(false),
        _ => None,
    };
    let code = if there.is_some() {
        options.needed_word("the mechanism's number")?
    } else {
        what
    };
    let mechanism = options::number(code)?;
    let changes = INFO.read(&mut options)?;
    options.done()?;
    let mut edits = EDITS.lock();
    edits.list.extend(there.map(|there| Edit {
        slot: changes.slot(),
        mechanism,
        there,
    }));
    edits.info.push((mechanism, changes));
    Ok(())
}

/// The command `mechanism-list count=N filled=N`.
pub(crate) fn change_list(mut options: Options) -> Result<(), String> {
    let claim = Claim::read(&mut options)?;
    options.done()?;
    EDITS.lock().claim = claim;
    Ok(())
}

pub(crate) fn reset() {
    *EDITS.lock() = Edits::NONE;
}
