//! Slots: broken ones, lists that lie and grow, tokens that are pulled out and put back.

use cryptoki_sys::*;

use crate::fields::{Changes, Table};
use crate::forward::real;
use crate::lists::{self, Claim};
use crate::options::Options;
use crate::shared::Shared;
use crate::{events, sessions};

static SLOTS: Shared<Slots> = Shared::new(Slots::NONE);

struct Slots {
    broken: Vec<Broken>,
    removed: Vec<Removed>,
    renamed: Vec<Renamed>,
    info: Vec<Changes<CK_SLOT_INFO>>,
    claim: Claim,
    grow: CK_ULONG,
    /// How many are given out; those that there are begin anew, with other ids.
    repeat: Option<CK_ULONG>,
}

/// In which bits of its id the further names of a slot differ.
const NAME: u32 = CK_SLOT_ID::BITS / 2;

/// A slot that the real module does not have.
struct Broken {
    id: CK_SLOT_ID,
    slot_info: CK_RV,
    token_info: CK_RV,
    last: bool,
}

struct Removed {
    slot: CK_SLOT_ID,
    with_reader: bool,
}

struct Renamed {
    slot: CK_SLOT_ID,
    visible: CK_SLOT_ID,
}

impl Slots {
    const NONE: Self = Self {
        broken: Vec::new(),
        removed: Vec::new(),
        renamed: Vec::new(),
        info: Vec::new(),
        claim: Claim::NONE,
        grow: 0,
        repeat: None,
    };

    fn broken(&self, id: CK_SLOT_ID) -> Option<&Broken> {
        self.broken.iter().find(|broken| broken.id == id)
    }

    fn removed(&self, slot: CK_SLOT_ID) -> Option<&Removed> {
        self.removed.iter().find(|removed| removed.slot == slot)
    }

    fn unrenamed(&self, id: CK_SLOT_ID) -> CK_SLOT_ID {
        let id = self.first_name(id);
        let renamed = self.renamed.iter().find(|renamed| renamed.visible == id);
        renamed.map_or(id, |renamed| renamed.slot)
    }

    fn visible(&self, slot: CK_SLOT_ID) -> CK_SLOT_ID {
        let renamed = self.renamed.iter().find(|renamed| renamed.slot == slot);
        renamed.map_or(slot, |renamed| renamed.visible)
    }

    fn first_name(&self, id: CK_SLOT_ID) -> CK_SLOT_ID {
        match self.repeat {
            Some(_) => id & (CK_SLOT_ID::MAX >> NAME),
            None => id,
        }
    }

    fn repeated(&self, list: Vec<CK_SLOT_ID>) -> Vec<CK_SLOT_ID> {
        let Some(most) = self.repeat.filter(|_| !list.is_empty()) else {
            return list;
        };
        let round = |at| (at / list.len()) as CK_SLOT_ID;
        let slots = (0..most as usize).map(|at| list[at % list.len()] | round(at) << NAME);
        slots.collect()
    }

    /// The real module's name for a slot, whether its token is there or not.
    fn known(&self, id: CK_SLOT_ID) -> Result<CK_SLOT_ID, CK_RV> {
        let id = self.first_name(id);
        let slot = self.unrenamed(id);
        let gone = self
            .removed(slot)
            .is_some_and(|removed| removed.with_reader);
        if gone || self.visible(slot) != id {
            Err(CKR_SLOT_ID_INVALID)
        } else {
            Ok(slot)
        }
    }
}

/// The real module's name for the slot that the caller calls `id`, if its token is there.
pub(crate) fn real(id: CK_SLOT_ID) -> Result<CK_SLOT_ID, CK_RV> {
    let slots = SLOTS.lock();
    if let Some(broken) = slots.broken(id) {
        return Err(broken.token_info);
    }
    let slot = slots.known(id)?;
    if slots.removed(slot).is_some() {
        Err(CKR_TOKEN_NOT_PRESENT)
    } else {
        Ok(slot)
    }
}

/// The same for commands, which may speak of a token that is not there.
pub(crate) fn unrenamed(id: CK_SLOT_ID) -> CK_SLOT_ID {
    SLOTS.lock().unrenamed(id)
}

pub(crate) fn visible(slot: CK_SLOT_ID) -> CK_SLOT_ID {
    SLOTS.lock().visible(slot)
}

pub(crate) unsafe fn list(present: CK_BBOOL, out: *mut CK_SLOT_ID, count: *mut CK_ULONG) -> CK_RV {
    let found = match lists::whole(|out, count| real!(C_GetSlotList(present, out, count))) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let mut slots = SLOTS.lock();
    let there = |slot: &CK_SLOT_ID| match slots.removed(*slot) {
        Some(removed) => present == CK_FALSE && !removed.with_reader,
        None => true,
    };
    found
        .iter()
        .filter(|slot| slots.removed(**slot).is_none())
        .for_each(|s| sessions::listed(*s));
    let broken = |last| {
        slots
            .broken
            .iter()
            .filter(move |b| b.last == last)
            .map(|b| b.id)
    };
    let real = found
        .iter()
        .filter(|slot| there(slot))
        .map(|slot| slots.visible(*slot));
    let list: Vec<_> = broken(false).chain(real).chain(broken(true)).collect();
    if slots.grow > 0 {
        slots.grow -= 1;
        let id = 0x7000_0000 + slots.grow;
        slots.broken.push(Broken {
            id,
            slot_info: CKR_OK,
            token_info: CKR_TOKEN_NOT_RECOGNIZED,
            last: true,
        });
    }
    let list = slots.repeated(list);
    // SAFETY: as promised by the caller of PKCS#11.
    unsafe { lists::answer(&list, slots.claim, out, count) }
}

pub(crate) unsafe fn info(id: CK_SLOT_ID, out: *mut CK_SLOT_INFO) -> CK_RV {
    let slot = {
        let slots = SLOTS.lock();
        if let Some(broken) = slots.broken(id) {
            // SAFETY: as promised by the caller of PKCS#11.
            return unsafe { broken.info(out) };
        }
        match slots.known(id) {
            Ok(slot) => slot,
            Err(code) => return code,
        }
    };
    let result = real!(C_GetSlotInfo(slot, out));
    if result == CKR_OK {
        // SAFETY: the real module has just written there.
        let out = unsafe { &mut *out };
        let slots = SLOTS.lock();
        if slots.removed(slot).is_some() {
            out.flags &= !CKF_TOKEN_PRESENT;
        }
        let changes = slots.info.iter().filter(|changes| changes.concern(slot));
        changes.for_each(|changes| changes.apply(out));
    }
    result
}

impl Broken {
    unsafe fn info(&self, out: *mut CK_SLOT_INFO) -> CK_RV {
        if out.is_null() {
            return CKR_ARGUMENTS_BAD;
        }
        if self.slot_info == CKR_OK {
            let info = CK_SLOT_INFO {
                slotDescription: [b' '; 64],
                manufacturerID: [b' '; 32],
                flags: CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE | CKF_HW_SLOT,
                ..Default::default()
            };
            // SAFETY: not NULL, so good, as promised by the caller of PKCS#11.
            unsafe { *out = info };
        }
        self.slot_info
    }
}

const INFO: Table<CK_SLOT_INFO> = Table {
    flags: |info| &mut info.flags,
    numbers: &[],
    texts: &[
        ("description", |info| &mut info.slotDescription),
        ("manufacturer", |info| &mut info.manufacturerID),
    ],
};

pub(crate) fn change_info(mut options: Options) -> Result<(), String> {
    let changes = INFO.read(&mut options)?;
    options.done()?;
    SLOTS.lock().info.push(changes);
    Ok(())
}

pub(crate) fn add_broken(mut options: Options) -> Result<(), String> {
    let broken = Broken {
        id: options.needed_number("id")?,
        slot_info: options.number("slot-info")?.unwrap_or(CKR_OK),
        token_info: options.number("token-info")?.unwrap_or(CKR_DEVICE_ERROR),
        last: options.flag("last"),
    };
    options.done()?;
    SLOTS.lock().broken.push(broken);
    Ok(())
}

pub(crate) fn change_list(mut options: Options) -> Result<(), String> {
    let claim = Claim::read(&mut options)?;
    let (grow, repeat) = (options.number("grow")?, options.number("repeat")?);
    options.done()?;
    let mut slots = SLOTS.lock();
    (slots.claim, slots.grow) = (claim, grow.unwrap_or(0));
    slots.repeat = repeat;
    Ok(())
}

pub(crate) fn remove(mut options: Options) -> Result<(), String> {
    let slot = options.needed_slot()?;
    let code = options.number("code")?.unwrap_or(CKR_DEVICE_REMOVED);
    let with_reader = options.flag("reader");
    options.done()?;
    {
        let mut slots = SLOTS.lock();
        slots.removed.retain(|removed| removed.slot != slot);
        slots.removed.push(Removed { slot, with_reader });
    }
    sessions::lose(slot, code, true);
    events::push(visible(slot));
    Ok(())
}

pub(crate) fn insert(mut options: Options) -> Result<(), String> {
    let (slot, new) = (options.needed_slot()?, options.number("as")?);
    options.done()?;
    {
        let mut slots = SLOTS.lock();
        slots.removed.retain(|removed| removed.slot != slot);
        if let Some(visible) = new {
            slots.renamed.retain(|renamed| renamed.slot != slot);
            slots.renamed.push(Renamed { slot, visible });
        }
    }
    events::push(visible(slot));
    Ok(())
}

pub(crate) fn lose_sessions(mut options: Options) -> Result<(), String> {
    let slot = options.needed_slot()?;
    let code = options
        .number("code")?
        .unwrap_or(CKR_SESSION_HANDLE_INVALID);
    options.done()?;
    sessions::lose(slot, code, false);
    Ok(())
}

pub(crate) fn log_out(mut options: Options) -> Result<(), String> {
    let slot = options.needed_slot()?;
    options.done()?;
    sessions::log_out(slot);
    Ok(())
}

pub(crate) fn reset() {
    *SLOTS.lock() = Slots::NONE;
}
