//! Streebog, GOST R 34.11-2012, by the mechanisms that vendors have agreed on. SoftHSM has all other
//! digests.

use std::collections::BTreeMap;

use cryptoki_sys::*;
use streebog::{Digest, Streebog256, Streebog512};

use crate::forward::real;
use crate::shared::Shared;
use crate::{arguments, mechanisms};

const CKM_GOSTR3411_12_256: CK_MECHANISM_TYPE = 0xD432_1012;
const CKM_GOSTR3411_12_512: CK_MECHANISM_TYPE = 0xD432_1013;

/// What C_DigestInit has begun, by session.
static OPERATIONS: Shared<BTreeMap<CK_SESSION_HANDLE, Operation>> = Shared::new(BTreeMap::new());

struct Operation {
    bits: usize,
    data: Vec<u8>,
    /// It was given in parts.
    in_parts: bool,
}

pub(crate) fn digest(bits: usize, data: &[u8]) -> Vec<u8> {
    match bits {
        256 => Streebog256::digest(data).to_vec(),
        _ => Streebog512::digest(data).to_vec(),
    }
}

pub(crate) unsafe fn init(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM) -> CK_RV {
    // SAFETY: as promised by the caller of PKCS#11.
    let (code, parameter) = unsafe { arguments::mechanism(mechanism) };
    let bits = match code {
        CKM_GOSTR3411_12_256 => 256,
        CKM_GOSTR3411_12_512 => 512,
        _ => return real!(C_DigestInit(session, mechanism)),
    };
    if let Err(code) = mechanisms::added(session, code) {
        return code;
    }
    if !parameter.is_empty() {
        return CKR_MECHANISM_PARAM_INVALID;
    }
    let mut operations = OPERATIONS.lock();
    if operations.contains_key(&session) {
        return CKR_OPERATION_ACTIVE;
    }
    let operation = Operation {
        bits,
        data: Vec::new(),
        in_parts: false,
    };
    operations.insert(session, operation);
    CKR_OK
}

pub(crate) unsafe fn whole(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> CK_RV {
    let Some(mut operation) = OPERATIONS.lock().remove(&session) else {
        return real!(C_Digest(session, data, length, out, out_length));
    };
    if operation.in_parts {
        return CKR_OPERATION_ACTIVE;
    }
    // SAFETY: as promised by the caller of PKCS#11.
    operation.data = unsafe { arguments::bytes(data, length) }.to_vec();
    // SAFETY: likewise.
    unsafe { finish(session, operation, out, out_length) }
}

pub(crate) unsafe fn part(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
) -> CK_RV {
    let mut operations = OPERATIONS.lock();
    let Some(operation) = operations.get_mut(&session) else {
        return real!(C_DigestUpdate(session, data, length));
    };
    // SAFETY: as promised by the caller of PKCS#11.
    let part = unsafe { arguments::bytes(data, length) };
    operation.data.extend_from_slice(part);
    operation.in_parts = true;
    CKR_OK
}

pub(crate) unsafe fn last(
    session: CK_SESSION_HANDLE,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> CK_RV {
    let Some(operation) = OPERATIONS.lock().remove(&session) else {
        return real!(C_DigestFinal(session, out, out_length));
    };
    // SAFETY: as promised by the caller of PKCS#11.
    unsafe { finish(session, operation, out, out_length) }
}

/// Asking for the length, or with too little room, ends nothing.
unsafe fn finish(
    session: CK_SESSION_HANDLE,
    operation: Operation,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> CK_RV {
    let digest = digest(operation.bits, &operation.data);
    // SAFETY: as promised by our caller.
    let code = unsafe { arguments::answer(&digest, out, out_length) };
    if out.is_null() || code == CKR_BUFFER_TOO_SMALL {
        OPERATIONS.lock().insert(session, operation);
    }
    code
}

pub(crate) fn reset() {
    OPERATIONS.lock().clear();
}
