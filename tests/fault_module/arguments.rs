//! What callers of PKCS#11 hand over, and how bytes are given out to them.

use cryptoki_sys::*;

/// What is there, which may be NULL where nothing is.
pub(crate) unsafe fn bytes<'a>(start: *const u8, length: CK_ULONG) -> &'a [u8] {
    match length {
        0 => &[],
        // SAFETY: as promised by our caller.
        _ => unsafe { std::slice::from_raw_parts(start, length as usize) },
    }
}

/// The attributes of a template.
pub(crate) unsafe fn template<'a>(
    start: *const CK_ATTRIBUTE,
    count: CK_ULONG,
) -> Vec<(CK_ATTRIBUTE_TYPE, &'a [u8])> {
    let attributes = (0..count as usize).map(|at| {
        // SAFETY: as promised by our caller.
        let attribute = unsafe { &*start.add(at) };
        // SAFETY: likewise.
        let value = unsafe { bytes(attribute.pValue.cast(), attribute.ulValueLen) };
        (attribute.type_, value)
    });
    attributes.collect()
}

/// A mechanism's number and parameter.
pub(crate) unsafe fn mechanism<'a>(
    mechanism: *const CK_MECHANISM,
) -> (CK_MECHANISM_TYPE, &'a [u8]) {
    // SAFETY: as promised by our caller.
    unsafe {
        let CK_MECHANISM {
            mechanism,
            pParameter: start,
            ulParameterLen: length,
        } = *mechanism;
        (mechanism, bytes(start.cast(), length))
    }
}

/// Gives out bytes: only their length where no room is offered, or too little.
pub(crate) unsafe fn answer(bytes: &[u8], out: *mut CK_BYTE, out_length: *mut CK_ULONG) -> CK_RV {
    // SAFETY: as promised by our caller.
    let capacity = unsafe { std::mem::replace(&mut *out_length, bytes.len() as CK_ULONG) };
    if out.is_null() {
        return CKR_OK;
    }
    if (capacity as usize) < bytes.len() {
        return CKR_BUFFER_TOO_SMALL;
    }
    // SAFETY: the caller's buffer is good for `capacity` bytes, and that is enough.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), out, bytes.len()) };
    CKR_OK
}
