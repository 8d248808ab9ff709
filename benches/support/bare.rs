//! PKCS#11 with nothing around it: C_SignInit and C_Sign in a loop.

use std::path::Path;
use std::ptr;

use cryptoki_sys::*;

pub struct Module {
    functions: CK_FUNCTION_LIST,
    _library: Pkcs11,
}

/// A session with a key found in it.
pub struct Session<'a> {
    module: &'a Module,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
}

macro_rules! call {
    ($module:expr, $function:ident($($argument:expr),*)) => {{
        let function = $module.functions.$function.expect(stringify!($function));
        // SAFETY: the function list is the module's own, and the pointers are to live locals.
        let code = unsafe { function($($argument),*) };
        assert_eq!(code, CKR_OK, stringify!($function));
    }};
}

impl Module {
    /// Loads a module that is initialised and unlocked already.
    pub fn load(path: &Path) -> Self {
        // SAFETY: it is the module that keyfob has loaded already.
        let library = unsafe { Pkcs11::new(path) }.expect("it is loaded already");
        let mut list = ptr::null_mut();
        // SAFETY: the symbol is the library's, and `list` outlives the call.
        let code = unsafe { library.C_GetFunctionList(&mut list) };
        assert_eq!(code, CKR_OK);
        // SAFETY: C_GetFunctionList has succeeded.
        let functions = unsafe { *list };
        Self {
            functions,
            _library: library,
        }
    }

    /// A session on the first token, and the private key with this label.
    pub fn session(&self, label: &str) -> Session<'_> {
        let mut slots = [0; 8];
        let mut count = slots.len() as CK_ULONG;
        call!(self, C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &mut count));
        let mut session = 0;
        let flags = CKF_SERIAL_SESSION;
        call!(
            self,
            C_OpenSession(slots[0], flags, ptr::null_mut(), None, &mut session)
        );
        let mut class = CKO_PRIVATE_KEY;
        let mut template = [
            CK_ATTRIBUTE {
                type_: CKA_CLASS,
                pValue: ptr::from_mut(&mut class).cast(),
                ulValueLen: size_of::<CK_OBJECT_CLASS>() as CK_ULONG,
            },
            CK_ATTRIBUTE {
                type_: CKA_LABEL,
                pValue: label.as_ptr().cast_mut().cast(),
                ulValueLen: label.len() as CK_ULONG,
            },
        ];
        let (mut key, mut found) = (0, 0);
        call!(self, C_FindObjectsInit(session, template.as_mut_ptr(), 2));
        call!(self, C_FindObjects(session, &mut key, 1, &mut found));
        call!(self, C_FindObjectsFinal(session));
        assert_eq!(found, 1, "{label}");
        Session {
            module: self,
            session,
            key,
        }
    }
}

impl Session<'_> {
    pub fn sign(&self, mechanism: CK_MECHANISM_TYPE, data: &[u8]) {
        let mut mechanism = CK_MECHANISM {
            mechanism,
            pParameter: ptr::null_mut(),
            ulParameterLen: 0,
        };
        let mut signature = [0u8; 512];
        let mut length = signature.len() as CK_ULONG;
        call!(
            self.module,
            C_SignInit(self.session, &mut mechanism, self.key)
        );
        call!(
            self.module,
            C_Sign(
                self.session,
                data.as_ptr().cast_mut(),
                data.len() as CK_ULONG,
                signature.as_mut_ptr(),
                &mut length
            )
        );
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        call!(self.module, C_CloseSession(self.session));
    }
}

/// Commands the tests' fault module.
pub fn command(path: &Path, command: &str) {
    type Control = unsafe extern "C" fn(*const u8, usize, *mut u8, usize) -> isize;
    // SAFETY: it is the module that keyfob has loaded already.
    let library = unsafe { libloading::Library::new(path) }.expect("it is loaded already");
    // SAFETY: the symbol has this type in the fault module.
    let control = unsafe { library.get::<Control>(b"keyfob_fault\0") };
    let mut answer = [0u8; 256];
    let control = control.expect("it is the fault module");
    // SAFETY: both pointers are good for the lengths beside them.
    let length = unsafe {
        control(
            command.as_ptr(),
            command.len(),
            answer.as_mut_ptr(),
            answer.len(),
        )
    };
    assert!(length >= 0, "{}", String::from_utf8_lossy(&answer));
}
