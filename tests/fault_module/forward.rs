//! The real module: found, loaded, initialised, finalized.

use std::env;
use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;

use cryptoki_sys::*;
use libloading::Library;

use crate::options::Options;
use crate::shared::Shared;
use crate::{events, find, functions, gost_digests, gost_keys, pin, sessions};

/// Calls the real module. For hooks, which pass on what their caller promised, and for
/// questions of our own with pointers to locals. Not counted, no rule applies.
macro_rules! real {
    ($name:ident ($($arg:expr),* $(,)?)) => {
        match $crate::forward::functions() {
            Ok(list) => match list.$name {
                // SAFETY: the function comes from the real module's list, which is never
                // unloaded; for the arguments see above.
                Some(function) => unsafe { function($($arg),*) },
                None => cryptoki_sys::CKR_FUNCTION_NOT_SUPPORTED,
            },
            Err(code) => code,
        }
    };
}
pub(crate) use real;

static PATH: Shared<Option<String>> = Shared::new(None);
static REAL: OnceLock<Result<&'static CK_FUNCTION_LIST, String>> = OnceLock::new();

pub(crate) fn functions() -> Result<&'static CK_FUNCTION_LIST, CK_RV> {
    match REAL.get_or_init(|| load().inspect_err(|error| eprintln!("fault module: {error}"))) {
        Ok(list) => Ok(list),
        Err(_) => Err(CKR_GENERAL_ERROR),
    }
}

fn path() -> Result<String, String> {
    let named = PATH.lock().clone();
    named
        .or_else(|| env::var("KEYFOB_FAULT_FORWARD").ok())
        .or_else(|| env::var("KEYFOB_MODULE").ok())
        .ok_or_else(|| "there is no module to forward to: set KEYFOB_FAULT_FORWARD".into())
}

fn load() -> Result<&'static CK_FUNCTION_LIST, String> {
    let path = path()?;
    // SAFETY: the test named this PKCS#11 module; its initialisers are trusted.
    let library = unsafe { Library::new(&path) }.map_err(|error| format!("{path}: {error}"))?;
    // SAFETY: every PKCS#11 module exports this function with this type.
    let list = unsafe {
        let entry = library.get::<unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV>(
            b"C_GetFunctionList\0",
        );
        let entry = entry.map_err(|error| format!("{path}: {error}"))?;
        let mut list = ptr::null_mut();
        match entry(&mut list) {
            CKR_OK => list,
            code => return Err(format!("{path}: C_GetFunctionList: 0x{code:x}")),
        }
    };
    if list == functions::own_list() {
        return Err(format!("{path} is the fault module itself"));
    }
    std::mem::forget(library); // for good: the list is 'static
    // SAFETY: a module's list lives as long as the module, and nobody writes to it.
    unsafe { list.as_ref() }.ok_or_else(|| format!("{path} has no function list"))
}

/// The command `forward [PATH]`.
pub(crate) fn command(mut options: Options) -> Result<String, String> {
    let Some(new) = options.word() else {
        return match REAL.get() {
            Some(Err(error)) => Err(error.clone()),
            _ => path(),
        };
    };
    options.done()?;
    if REAL.get().is_some() && path().as_deref() != Ok(new) {
        return Err(format!("too late: {} is loaded", path()?));
    }
    *PATH.lock() = Some(new.to_owned());
    Ok(String::new())
}

static REFUSE_LOCKING: Shared<bool> = Shared::new(false);
static LAST_ARGS: Shared<Option<String>> = Shared::new(None);

pub(crate) unsafe fn initialize(args: *mut c_void) -> CK_RV {
    // SAFETY: as promised by the caller of PKCS#11.
    let given = unsafe { args.cast::<CK_C_INITIALIZE_ARGS>().as_ref() };
    *LAST_ARGS.lock() = Some(given.map_or("null".into(), |args| {
        let mutexes = args.CreateMutex.is_some();
        format!(
            "flags=0x{:x} mutexes={mutexes} reserved={}",
            args.flags,
            !args.pReserved.is_null()
        )
    }));
    let os_locking = given.is_some_and(|args| args.flags & CKF_OS_LOCKING_OK != 0);
    if os_locking && *REFUSE_LOCKING.lock() {
        return CKR_CANT_LOCK;
    }
    let result = real!(C_Initialize(args));
    if result == CKR_OK {
        events::initialized(true);
    }
    result
}

pub(crate) unsafe fn finalize(reserved: *mut c_void) -> CK_RV {
    events::initialized(false); // before: a blocking wait has to end first
    let result = real!(C_Finalize(reserved));
    if result == CKR_OK {
        sessions::forget_all();
        find::forget_all();
        gost_keys::forget_operations();
        gost_digests::reset();
        pin::finalized();
    }
    result
}

pub(crate) fn refuses_locking() -> bool {
    *REFUSE_LOCKING.lock()
}

pub(crate) fn refuse_locking(refuse: bool) {
    *REFUSE_LOCKING.lock() = refuse;
}

/// What the last C_Initialize was given, `never` if there was none.
pub(crate) fn last_args() -> String {
    LAST_ARGS.lock().clone().unwrap_or_else(|| "never".into())
}

pub(crate) fn reset() {
    refuse_locking(false);
    *LAST_ARGS.lock() = None;
}
