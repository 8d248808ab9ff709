//! The table of all functions of PKCS#11 2.40, made into the function list.
//!
//! `=> hook` names the function that stands between the caller and the real module; without
//! one the call is forwarded as it is. `| spoiler` names the one that makes an answer wrong, where
//! one is to be (`mutations`); without it only the return code can be. Names and counts are the
//! same for all.

use std::ffi::c_void;

use cryptoki_sys::*;

use crate::call::{Word, enter};
use crate::forward::real;
use crate::mutations::{lists, structures, values};
use crate::{
    attributes, events, find, forward, gost_digests, gost_pairs, mechanisms, pin, sessions,
    signing, slots, token,
};

type Session = CK_SESSION_HANDLE;
type Object = CK_OBJECT_HANDLE;
type Slot = CK_SLOT_ID;
type Bytes = *mut CK_BYTE;
type Length = *mut CK_ULONG;
type Mechanism = *mut CK_MECHANISM;
type Template = *mut CK_ATTRIBUTE;

macro_rules! functions {
    ($( $name:ident ( $($arg:ident : $type:ty),* ) $(=> $hook:path)? $(| $spoiler:path)?; )*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(non_camel_case_types, clippy::enum_variant_names)] // the standard's names
        pub(crate) enum Function { $($name),* }

        pub(crate) const ALL: &[(Function, &str)] = &[$((Function::$name, stringify!($name))),*];

        $(
            #[allow(non_snake_case)]
            pub(crate) unsafe extern "C" fn $name($($arg: $type),*) -> CK_RV {
                enter(
                    Function::$name,
                    &[$(Word::word($arg)),*],
                    || hook_or_forward!($name ($($arg),*) $($hook)?),
                    |mutation| spoiled!(
                        mutation,
                        || hook_or_forward!($name ($($arg),*) $($hook)?),
                        ($($arg),*) $($spoiler)?
                    ),
                )
            }
        )*

        static LIST: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
            version: CK_VERSION { major: 2, minor: 40 },
            $($name: Some($name)),*
        };

        /// As a module does that does not have a function.
        pub(crate) fn leave_out(list: &mut CK_FUNCTION_LIST, function: Function) {
            match function {
                $(Function::$name => list.$name = None),*
            }
        }
    };
}

macro_rules! hook_or_forward {
    ($name:ident $args:tt) => {
        real!($name $args)
    };
    ($name:ident ($($arg:ident),*) $hook:path) => {
        // SAFETY: the arguments are our caller's, who promises what PKCS#11 asks of them.
        unsafe { $hook($($arg),*) }
    };
}

macro_rules! spoiled {
    ($mutation:ident, $answer:expr, $args:tt) => {
        $mutation.code($answer)
    };
    ($mutation:ident, $answer:expr, ($($arg:ident),*) $spoiler:path) => {{
        let (mut mutation, answer) = ($mutation, $answer);
        match mutation.is_of_code() {
            true => mutation.code(answer),
            // SAFETY: as above.
            false => unsafe { $spoiler(mutation, answer, $($arg),*) },
        }
    }};
}

functions! {
    C_Initialize(args: *mut c_void) => forward::initialize;
    C_Finalize(reserved: *mut c_void) => forward::finalize;
    C_GetInfo(info: *mut CK_INFO) | structures::info;
    C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) => function_list | structures::function_list;

    C_GetSlotList(present: CK_BBOOL, list: *mut Slot, count: Length) => slots::list | lists::slots;
    C_GetSlotInfo(slot: Slot, info: *mut CK_SLOT_INFO) => slots::info | structures::slot_info;
    C_GetTokenInfo(slot: Slot, info: *mut CK_TOKEN_INFO) => token::info | structures::token_info;
    C_GetMechanismList(slot: Slot, list: *mut CK_MECHANISM_TYPE, count: Length) => mechanisms::list | lists::mechanisms;
    C_GetMechanismInfo(slot: Slot, mechanism: CK_MECHANISM_TYPE, info: *mut CK_MECHANISM_INFO) => mechanisms::info | structures::mechanism_info;
    C_InitToken(slot: Slot, pin: Bytes, length: CK_ULONG, label: Bytes) => token::init;
    C_InitPIN(session: Session, pin: Bytes, length: CK_ULONG) => pin::init;
    C_SetPIN(session: Session, old: Bytes, old_length: CK_ULONG, new: Bytes, new_length: CK_ULONG) => pin::set;

    C_OpenSession(slot: Slot, flags: CK_FLAGS, application: *mut c_void, notify: CK_NOTIFY, session: *mut Session) => sessions::open | lists::session;
    C_CloseSession(session: Session) => sessions::close;
    C_CloseAllSessions(slot: Slot) => sessions::close_all;
    C_GetSessionInfo(session: Session, info: *mut CK_SESSION_INFO) => sessions::info | structures::session_info;
    C_GetOperationState(session: Session, state: Bytes, length: Length);
    C_SetOperationState(session: Session, state: Bytes, length: CK_ULONG, encrypt: Object, sign: Object);
    C_Login(session: Session, user: CK_USER_TYPE, pin: Bytes, length: CK_ULONG) => pin::login;
    C_Logout(session: Session) => sessions::logout;

    C_CreateObject(session: Session, template: Template, count: CK_ULONG, object: *mut Object);
    C_CopyObject(session: Session, object: Object, template: Template, count: CK_ULONG, copy: *mut Object);
    C_DestroyObject(session: Session, object: Object);
    C_GetObjectSize(session: Session, object: Object, size: Length);
    C_GetAttributeValue(session: Session, object: Object, template: Template, count: CK_ULONG) => attributes::value | values::attributes;
    C_SetAttributeValue(session: Session, object: Object, template: Template, count: CK_ULONG);
    C_FindObjectsInit(session: Session, template: Template, count: CK_ULONG) => find::init;
    C_FindObjects(session: Session, list: *mut Object, capacity: CK_ULONG, count: Length) => find::next | lists::objects;
    C_FindObjectsFinal(session: Session) => find::done;

    C_EncryptInit(session: Session, mechanism: Mechanism, key: Object);
    C_Encrypt(session: Session, data: Bytes, length: CK_ULONG, out: Bytes, out_length: Length);
    C_EncryptUpdate(session: Session, part: Bytes, length: CK_ULONG, out: Bytes, out_length: Length);
    C_EncryptFinal(session: Session, out: Bytes, out_length: Length);
    C_DecryptInit(session: Session, mechanism: Mechanism, key: Object);
    C_Decrypt(session: Session, data: Bytes, length: CK_ULONG, out: Bytes, out_length: Length);
    C_DecryptUpdate(session: Session, part: Bytes, length: CK_ULONG, out: Bytes, out_length: Length);
    C_DecryptFinal(session: Session, out: Bytes, out_length: Length);

    C_DigestInit(session: Session, mechanism: Mechanism) => gost_digests::init;
    C_Digest(session: Session, data: Bytes, length: CK_ULONG, digest: Bytes, digest_length: Length) => gost_digests::whole;
    C_DigestUpdate(session: Session, part: Bytes, length: CK_ULONG) => gost_digests::part;
    C_DigestKey(session: Session, key: Object);
    C_DigestFinal(session: Session, digest: Bytes, digest_length: Length) => gost_digests::last;

    C_SignInit(session: Session, mechanism: Mechanism, key: Object) => signing::init;
    C_Sign(session: Session, data: Bytes, length: CK_ULONG, signature: Bytes, signature_length: Length) => signing::sign | values::signature;
    C_SignUpdate(session: Session, part: Bytes, length: CK_ULONG);
    C_SignFinal(session: Session, signature: Bytes, signature_length: Length) => signing::last;
    C_SignRecoverInit(session: Session, mechanism: Mechanism, key: Object);
    C_SignRecover(session: Session, data: Bytes, length: CK_ULONG, signature: Bytes, signature_length: Length);
    C_VerifyInit(session: Session, mechanism: Mechanism, key: Object);
    C_Verify(session: Session, data: Bytes, length: CK_ULONG, signature: Bytes, signature_length: CK_ULONG);
    C_VerifyUpdate(session: Session, part: Bytes, length: CK_ULONG);
    C_VerifyFinal(session: Session, signature: Bytes, signature_length: CK_ULONG);
    C_VerifyRecoverInit(session: Session, mechanism: Mechanism, key: Object);
    C_VerifyRecover(session: Session, signature: Bytes, length: CK_ULONG, data: Bytes, data_length: Length);

    C_DigestEncryptUpdate(session: Session, part: Bytes, length: CK_ULONG, out: Bytes, out_length: Length);
    C_DecryptDigestUpdate(session: Session, part: Bytes, length: CK_ULONG, out: Bytes, out_length: Length);
    C_SignEncryptUpdate(session: Session, part: Bytes, length: CK_ULONG, out: Bytes, out_length: Length);
    C_DecryptVerifyUpdate(session: Session, part: Bytes, length: CK_ULONG, out: Bytes, out_length: Length);

    C_GenerateKey(session: Session, mechanism: Mechanism, template: Template, count: CK_ULONG, key: *mut Object);
    C_GenerateKeyPair(session: Session, mechanism: Mechanism, public: Template, public_count: CK_ULONG, private: Template, private_count: CK_ULONG, public_key: *mut Object, private_key: *mut Object) => gost_pairs::generate;
    C_WrapKey(session: Session, mechanism: Mechanism, wrapping: Object, key: Object, out: Bytes, out_length: Length);
    C_UnwrapKey(session: Session, mechanism: Mechanism, unwrapping: Object, wrapped: Bytes, length: CK_ULONG, template: Template, count: CK_ULONG, key: *mut Object);
    C_DeriveKey(session: Session, mechanism: Mechanism, base: Object, template: Template, count: CK_ULONG, key: *mut Object) => gost_pairs::derive;
    C_SeedRandom(session: Session, seed: Bytes, length: CK_ULONG);
    C_GenerateRandom(session: Session, out: Bytes, length: CK_ULONG);
    C_GetFunctionStatus(session: Session);
    C_CancelFunction(session: Session);
    C_WaitForSlotEvent(flags: CK_FLAGS, slot: *mut Slot, reserved: *mut c_void) => events::wait;
}

impl Function {
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let found = ALL.iter().find(|(_, known)| *known == name);
        found
            .map(|(function, _)| *function)
            .ok_or_else(|| format!("no PKCS#11 function is called {name}"))
    }

    pub(crate) fn name(self) -> &'static str {
        ALL[self as usize].1
    }

    /// Whether its first argument is a session.
    pub(crate) fn takes_session(self) -> bool {
        use Function::*;
        !matches!(
            self,
            C_Initialize
                | C_Finalize
                | C_GetInfo
                | C_GetFunctionList
                | C_GetSlotList
                | C_GetSlotInfo
                | C_GetTokenInfo
                | C_GetMechanismList
                | C_GetMechanismInfo
                | C_InitToken
                | C_OpenSession
                | C_CloseAllSessions
                | C_WaitForSlotEvent
        )
    }
}

/// Ours, to recognise it where the module would forward to itself.
pub(crate) fn own_list() -> *mut CK_FUNCTION_LIST {
    (&raw const LIST).cast_mut() // PKCS#11 forgot the const; no client writes to it
}

unsafe fn function_list(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    if list.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    // SAFETY: as promised by the caller of PKCS#11.
    unsafe { *list = own_list() };
    CKR_OK
}
