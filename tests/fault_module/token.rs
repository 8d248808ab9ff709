//! C_GetTokenInfo, where anything can be written over.

use cryptoki_sys::*;

use crate::fields::{Changes, Table};
use crate::forward::real;
use crate::options::Options;
use crate::shared::Shared;
use crate::{pin, slots};

static CHANGES: Shared<Vec<Changes<CK_TOKEN_INFO>>> = Shared::new(Vec::new());

const INFO: Table<CK_TOKEN_INFO> = Table {
    flags: |info| &mut info.flags,
    numbers: &[
        ("min-pin", |info| &mut info.ulMinPinLen),
        ("max-pin", |info| &mut info.ulMaxPinLen),
        ("sessions", |info| &mut info.ulSessionCount),
        ("max-sessions", |info| &mut info.ulMaxSessionCount),
        ("rw-sessions", |info| &mut info.ulRwSessionCount),
        ("max-rw-sessions", |info| &mut info.ulMaxRwSessionCount),
    ],
    texts: &[
        ("label", |info| &mut info.label),
        ("manufacturer", |info| &mut info.manufacturerID),
        ("model", |info| &mut info.model),
        ("serial", |info| &mut info.serialNumber),
        ("time", |info| &mut info.utcTime),
    ],
};

pub(crate) unsafe fn info(slot: CK_SLOT_ID, out: *mut CK_TOKEN_INFO) -> CK_RV {
    let slot = match slots::real(slot) {
        Ok(slot) => slot,
        Err(code) => return code,
    };
    let result = real!(C_GetTokenInfo(slot, out));
    if result == CKR_OK {
        // SAFETY: the real module has just written there.
        let out = unsafe { &mut *out };
        pin::show(slot, out);
        let changes = CHANGES.lock();
        changes
            .iter()
            .filter(|changes| changes.concern(slot))
            .for_each(|it| it.apply(out));
    }
    result
}

pub(crate) unsafe fn init(
    slot: CK_SLOT_ID,
    pin: *mut CK_BYTE,
    length: CK_ULONG,
    label: *mut CK_BYTE,
) -> CK_RV {
    match slots::real(slot) {
        Ok(slot) => real!(C_InitToken(slot, pin, length, label)),
        Err(code) => code,
    }
}

pub(crate) fn change(mut options: Options) -> Result<(), String> {
    let changes = INFO.read(&mut options)?;
    options.done()?;
    CHANGES.lock().push(changes);
    Ok(())
}

/// The slot, as the test sees it, of the token that the real module labels so.
pub(crate) fn labelled(label: &str) -> Result<CK_SLOT_ID, String> {
    let ask = |out, count| real!(C_GetSlotList(CK_TRUE, out, count));
    let slots = crate::lists::whole(ask).map_err(|code| format!("C_GetSlotList: 0x{code:x}"))?;
    for slot in slots {
        let mut info = CK_TOKEN_INFO::default();
        let result = real!(C_GetTokenInfo(slot, &mut info));
        if result == CKR_OK && info.label.trim_ascii_end() == label.as_bytes() {
            return Ok(slots::visible(slot));
        }
    }
    Err(format!("no token is labelled {label}"))
}

pub(crate) fn reset() {
    CHANGES.lock().clear();
}
