//! The two-call way in which PKCS#11 gives lists, and how to lie in it.

use cryptoki_sys::{CK_RV, CK_ULONG, CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL, CKR_OK};

use crate::options::Options;

/// Counts to be given in place of the true ones: when asked for the size (`count=`), and
/// after filling the list (`filled=`).
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    count: Option<CK_ULONG>,
    filled: Option<CK_ULONG>,
}

impl Claim {
    pub(crate) const NONE: Self = Self {
        count: None,
        filled: None,
    };

    pub(crate) fn read(options: &mut Options) -> Result<Self, String> {
        Ok(Self {
            count: options.number("count")?,
            filled: options.number("filled")?,
        })
    }
}

/// # Safety
/// `out` is NULL or good for `*count` values; `count` is NULL or good.
pub(crate) unsafe fn answer(
    list: &[CK_ULONG],
    claim: Claim,
    out: *mut CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    // SAFETY: as promised by our caller.
    let Some(count) = (unsafe { count.as_mut() }) else {
        return CKR_ARGUMENTS_BAD;
    };
    let (capacity, length) = (*count, list.len() as CK_ULONG);
    if out.is_null() {
        *count = claim.count.unwrap_or(length);
        return CKR_OK;
    }
    *count = claim.filled.unwrap_or(length);
    if capacity < length {
        return CKR_BUFFER_TOO_SMALL;
    }
    // SAFETY: `out` is good for `capacity` values, and that is enough.
    unsafe { std::ptr::copy_nonoverlapping(list.as_ptr(), out, list.len()) };
    CKR_OK
}

/// A whole list from the real module.
pub(crate) fn whole(
    ask: impl Fn(*mut CK_ULONG, *mut CK_ULONG) -> CK_RV,
) -> Result<Vec<CK_ULONG>, CK_RV> {
    let mut count = 0;
    loop {
        match ask(std::ptr::null_mut(), &mut count) {
            CKR_OK => {}
            code => return Err(code),
        }
        let mut list = vec![0; count as usize];
        match ask(list.as_mut_ptr(), &mut count) {
            CKR_OK => {
                list.truncate(count as usize);
                return Ok(list);
            }
            CKR_BUFFER_TOO_SMALL => {} // it grew meanwhile
            code => return Err(code),
        }
    }
}
