//! The functions of a PKCS#11 module, for who calls them bare.

use std::path::Path;
use std::ptr;

use cryptoki_sys::{CK_FUNCTION_LIST, CK_RV, CKR_OK};
use libloading::Library;

/// Of a module that this process has loaded already.
pub fn of(module: &Path) -> &'static CK_FUNCTION_LIST {
    // SAFETY: it is loaded already, so that nothing of it runs.
    let library = unsafe { Library::new(module) }.expect("the module is loaded");
    let mut list = ptr::null_mut();
    // SAFETY: every PKCS#11 module exports this function with this type, and what it gives
    // lives as long as the module, which is never unloaded.
    unsafe {
        let entry = library.get::<unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV>(
            b"C_GetFunctionList\0",
        );
        assert_eq!(entry.expect("a PKCS#11 module")(&mut list), CKR_OK);
        list.as_ref().expect("a function list")
    }
}
