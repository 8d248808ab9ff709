//! The calls of a module, each made by one function list, and their answers, read without trust. The
//! only unsafe code of the library.
//!
//! Two invariants hold for every call below:
//!
//! - **The function is alive.** The pointers were copied from the module's own function list, and
//!   the library is never unmapped.
//! - **Every pointer handed over is good for the length handed over with it**, and the memory
//!   behind it is initialised and outlives the call; PKCS#11 keeps no pointer after it returns.
//!   What comes back is read only within the length that was offered, whatever the module says.
#![allow(unsafe_code)]

mod attributes;
mod objects;

use std::path::Path;
use std::ptr;

use cryptoki::context::{CInitializeArgs, CInitializeFlags};
use cryptoki::session::UserType;
use cryptoki::types::RawAuthPin;
use cryptoki_sys::*;
use libloading::Library;
use secrecy::ExposeSecret;

use super::ReturnCode;
use super::calls::Calls;
use super::life::Life;
use attributes::AttributeBuffers;

type FunctionList = unsafe extern "C" fn(CK_FUNCTION_LIST_PTR_PTR) -> CK_RV;

/// Slots that are asked for at once.
const FEW_SLOTS: usize = 32;
/// More slots or mechanisms than any module has.
const MAX_LIST: usize = 1 << 12;

/// Why a library gives no function list.
#[derive(Debug)]
pub(crate) enum LoadFault {
    /// The system's loader refused the file, in its own words.
    Loader(String),
    /// The library has no `C_GetFunctionList`.
    NoFunctionList,
    /// `C_GetFunctionList` failed or returned no list.
    BrokenFunctionList,
}

/// A module's function list, version 2.40 of PKCS#11, which every later version begins with.
///
/// There is one for a loaded library, asked for once: p11-kit's client gives everybody who asks for
/// it a list with a connection of its own, and what is opened by one is unknown to another.
///
/// What is made with handles, and so with a session, is made by somebody who is [`Life::enter`]ed;
/// what asks for a slot enters here.
pub(crate) struct Functions {
    list: CK_FUNCTION_LIST,
    calls: Calls,
    life: Life,
}

macro_rules! call {
    ($self:ident . $function:ident ( $($argument:expr),* $(,)? )) => {
        match $self.list.$function {
            Some(function) => $self.calls.make(stringify!($function), || {
                // SAFETY: the function is alive, and its pointer arguments are good for the lengths
                // that are passed beside them (the module's invariants, at the top).
                ReturnCode::check(unsafe { function($($argument),*) })
            }),
            None => Err(ReturnCode::FUNCTION_NOT_SUPPORTED),
        }
    };
}

impl Functions {
    /// Loads the library at `path` and takes its function list. Calls nothing else in it.
    pub(crate) fn load(path: &Path) -> Result<Self, LoadFault> {
        // SAFETY: loading runs the library's initialisers. The caller has chosen to trust this
        // file: that is what naming a PKCS#11 module means.
        let library =
            unsafe { Library::new(path) }.map_err(|error| LoadFault::Loader(error.to_string()))?;
        // SAFETY: the name is PKCS#11's own, and says which type the symbol has.
        let function_list = unsafe { library.get::<FunctionList>(b"C_GetFunctionList\0") };
        let function_list = function_list.map(|symbol| *symbol);
        // Never unmapped: a module's own threads and exit handlers may run to the end of the process.
        std::mem::forget(library);
        let function_list = function_list.map_err(|_| LoadFault::NoFunctionList)?;
        let mut list: CK_FUNCTION_LIST_PTR = ptr::null_mut();
        // SAFETY: the symbol was found in the library, which is mapped; `list` outlives the call.
        let code = unsafe { function_list(&mut list) };
        if code != CKR_OK || list.is_null() {
            return Err(LoadFault::BrokenFunctionList);
        }
        // SAFETY: not null, and by PKCS#11 it points to a function list that lives as long as the
        // library is mapped. The list may stand unaligned in a packed structure.
        let list = unsafe { ptr::read_unaligned(list) };
        Ok(Self {
            list,
            calls: Calls::default(),
            life: Life::default(),
        })
    }

    /// The time from `C_Initialize` to `C_Finalize`.
    pub(crate) fn life(&self) -> &Life {
        &self.life
    }

    /// Initialises the module, with the operating system's locks. One that cannot lock is called by
    /// one thread at a time from then on.
    pub(super) fn initialize(&self) -> Result<(), ReturnCode> {
        let initialize = |flags| {
            let mut arguments = CK_C_INITIALIZE_ARGS::from(CInitializeArgs::new(flags));
            call!(self.C_Initialize(ptr::from_mut(&mut arguments).cast()))
        };
        match initialize(CInitializeFlags::OS_LOCKING_OK) {
            Err(code) if code.is(CKR_CANT_LOCK) => {
                self.take_turns();
                initialize(CInitializeFlags::empty())
            }
            outcome => outcome,
        }
    }

    /// From now on the module is called by one thread at a time.
    pub(super) fn take_turns(&self) {
        self.calls.take_turns();
    }

    pub(super) fn finalize(&self) -> Result<(), ReturnCode> {
        call!(self.C_Finalize(ptr::null_mut()))
    }

    /// The ids of the slots that have a token. Asks for the count first, which is what makes a
    /// module look again at what is plugged in (PKCS#11 3.1, section 5.5.1).
    pub(crate) fn slots(&self) -> Result<Vec<CK_SLOT_ID>, ReturnCode> {
        let _alive = self.life.enter();
        list(|values: *mut CK_SLOT_ID, count| call!(self.C_GetSlotList(CK_TRUE, values, count)))
    }

    /// The same of a module that was initialised a moment ago and need not look again: in one
    /// call, where it has slots and not too many.
    pub(crate) fn first_slots(&self) -> Result<Vec<CK_SLOT_ID>, ReturnCode> {
        let _alive = self.life.enter();
        let mut slots = [0; FEW_SLOTS];
        let mut count = FEW_SLOTS as CK_ULONG;
        let outcome = call!(self.C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &mut count));
        match slots.get(..count as usize) {
            Some(slots) if outcome.is_ok() && count > 0 => Ok(slots.to_vec()),
            _ => self.slots(),
        }
    }

    /// What is known of a slot; its text fields are as the module left them.
    pub(crate) fn slot_info(&self, slot: CK_SLOT_ID) -> Result<CK_SLOT_INFO, ReturnCode> {
        let _alive = self.life.enter();
        let mut info = CK_SLOT_INFO::default();
        call!(self.C_GetSlotInfo(slot, &mut info))?;
        Ok(info)
    }

    /// What is known of a token; its text and time fields are as the module left them.
    pub(crate) fn token_info(&self, slot: CK_SLOT_ID) -> Result<CK_TOKEN_INFO, ReturnCode> {
        let _alive = self.life.enter();
        let mut info = CK_TOKEN_INFO::default();
        call!(self.C_GetTokenInfo(slot, &mut info))?;
        Ok(info)
    }

    /// What is known of the library.
    pub(crate) fn info(&self) -> Result<CK_INFO, ReturnCode> {
        let _alive = self.life.enter();
        let mut info = CK_INFO::default();
        call!(self.C_GetInfo(&mut info))?;
        Ok(info)
    }

    /// Opens a session that reads.
    pub(crate) fn open_session(&self, slot: CK_SLOT_ID) -> Result<CK_SESSION_HANDLE, ReturnCode> {
        let mut session = 0;
        call!(self.C_OpenSession(
            slot,
            CKF_SERIAL_SESSION,
            ptr::null_mut(),
            None,
            &mut session
        ))?;
        Ok(session)
    }

    pub(crate) fn close_session(&self, session: CK_SESSION_HANDLE) -> Result<(), ReturnCode> {
        call!(self.C_CloseSession(session))
    }

    /// Sends a PIN, or has it typed on the token's pad. Sees to nothing: `Slot::present` is the one
    /// place that may call this.
    pub(crate) fn login(
        &self,
        session: CK_SESSION_HANDLE,
        user: UserType,
        pin: Option<&RawAuthPin>,
    ) -> Result<(), ReturnCode> {
        let (pin, length) = match pin.map(ExposeSecret::expose_secret) {
            // A module only reads a PIN.
            Some(pin) => (pin.as_ptr().cast_mut(), pin.len() as CK_ULONG),
            None => (ptr::null_mut(), 0),
        };
        call!(self.C_Login(session, user.into(), pin, length))
    }

    pub(crate) fn logout(&self, session: CK_SESSION_HANDLE) -> Result<(), ReturnCode> {
        call!(self.C_Logout(session))
    }

    /// The state of a session, one of `CKS_…`.
    pub(crate) fn session_state(&self, session: CK_SESSION_HANDLE) -> Result<CK_STATE, ReturnCode> {
        let mut info = CK_SESSION_INFO::default();
        call!(self.C_GetSessionInfo(session, &mut info))?;
        Ok(info.state)
    }

    /// All mechanisms of a token, vendors' own included.
    pub(crate) fn mechanisms(
        &self,
        slot: CK_SLOT_ID,
    ) -> Result<Vec<CK_MECHANISM_TYPE>, ReturnCode> {
        let _alive = self.life.enter();
        list(|values: *mut CK_MECHANISM_TYPE, count| {
            call!(self.C_GetMechanismList(slot, values, count))
        })
    }

    /// Key sizes and uses of one mechanism.
    pub(crate) fn mechanism_info(
        &self,
        slot: CK_SLOT_ID,
        mechanism: CK_MECHANISM_TYPE,
    ) -> Result<CK_MECHANISM_INFO, ReturnCode> {
        let _alive = self.life.enter();
        let mut info = CK_MECHANISM_INFO::default();
        call!(self.C_GetMechanismInfo(slot, mechanism, &mut info))?;
        Ok(info)
    }

    /// Begins a search for the objects whose attributes are those of `template`.
    fn find_init(
        &self,
        session: CK_SESSION_HANDLE,
        template: &[(CK_ATTRIBUTE_TYPE, &[u8])],
    ) -> Result<(), ReturnCode> {
        let mut template: Vec<CK_ATTRIBUTE> = template
            .iter()
            .map(|(attribute, value)| CK_ATTRIBUTE {
                type_: *attribute,
                // A module only reads a search template.
                pValue: value.as_ptr().cast_mut().cast(),
                ulValueLen: value.len() as CK_ULONG,
            })
            .collect();
        let length = template.len() as CK_ULONG;
        call!(self.C_FindObjectsInit(session, template.as_mut_ptr(), length))
    }

    /// The next objects found, written to `batch`: how many.
    fn find_next(
        &self,
        session: CK_SESSION_HANDLE,
        batch: &mut [CK_OBJECT_HANDLE],
    ) -> Result<usize, ReturnCode> {
        let mut count: CK_ULONG = 0;
        let room = batch.len() as CK_ULONG;
        call!(self.C_FindObjects(session, batch.as_mut_ptr(), room, &mut count))?;
        Ok(count as usize)
    }

    fn find_final(&self, session: CK_SESSION_HANDLE) -> Result<(), ReturnCode> {
        call!(self.C_FindObjectsFinal(session))
    }

    /// Fills in what of the attributes the module shows and there is room for.
    fn get_attributes(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        buffers: &mut AttributeBuffers,
    ) -> Result<(), ReturnCode> {
        call!(self.C_GetAttributeValue(
            session,
            object,
            buffers.template.as_mut_ptr(),
            buffers.template.len() as CK_ULONG,
        ))
    }

    /// Begins a signature.
    #[inline]
    pub(crate) fn sign_init(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        key: CK_OBJECT_HANDLE,
    ) -> Result<(), ReturnCode> {
        let (parameter, length) = match &mechanism.parameter {
            Parameter::None => (ptr::null_mut(), 0),
            Parameter::Pss(pss) => (
                ptr::from_ref(*pss).cast_mut().cast(),
                size_of::<CK_RSA_PKCS_PSS_PARAMS>() as CK_ULONG,
            ),
            Parameter::Bytes(bytes) => (bytes.as_ptr().cast_mut().cast(), bytes.len() as CK_ULONG),
        };
        let mut mechanism = CK_MECHANISM {
            mechanism: mechanism.code,
            pParameter: parameter,
            ulParameterLen: length,
        };
        call!(self.C_SignInit(session, &mut mechanism, key))
    }

    /// Ends a signature, in one call, and writes it to `room`: how many bytes it has.
    #[inline]
    pub(crate) fn sign(
        &self,
        session: CK_SESSION_HANDLE,
        data: &[u8],
        room: &mut [u8],
    ) -> Result<usize, ReturnCode> {
        let mut length = room.len() as CK_ULONG;
        call!(self.C_Sign(
            session,
            // A module only reads what it signs.
            data.as_ptr().cast_mut(),
            data.len() as CK_ULONG,
            room.as_mut_ptr(),
            &mut length,
        ))?;
        match length as usize {
            length if length <= room.len() => Ok(length),
            _ => Err(ReturnCode::GENERAL_ERROR),
        }
    }
}

/// A mechanism and its parameter, as `C_SignInit` wants them.
pub(crate) struct Mechanism {
    pub(crate) code: CK_MECHANISM_TYPE,
    pub(crate) parameter: Parameter,
}

pub(crate) enum Parameter {
    None,
    /// Modules look at it after the call, too.
    Pss(&'static CK_RSA_PKCS_PSS_PARAMS),
    Bytes(&'static [u8]),
}

/// A list whose length is asked for first. It may grow between the two calls, so that is tried
/// again, but not for ever.
fn list<T: Copy + Default>(
    fill: impl Fn(*mut T, *mut CK_ULONG) -> Result<(), ReturnCode>,
) -> Result<Vec<T>, ReturnCode> {
    let mut count: CK_ULONG = 0;
    fill(ptr::null_mut(), &mut count)?;
    for _ in 0..3 {
        let room = count as usize;
        if room == 0 {
            return Ok(Vec::new());
        }
        if room > MAX_LIST {
            break;
        }
        let mut values = vec![T::default(); room];
        match fill(values.as_mut_ptr(), &mut count) {
            Err(code) if code.is(CKR_BUFFER_TOO_SMALL) => continue,
            outcome => outcome?,
        }
        if count as usize > room {
            break;
        }
        values.truncate(count as usize);
        return Ok(values);
    }
    Err(ReturnCode::GENERAL_ERROR)
}

/// Has a function called in each child that this process forks, as soon as it is there. Whether it
/// will be.
pub(super) fn call_in_forked_children(function: extern "C" fn()) -> bool {
    #[cfg(unix)]
    {
        let function: unsafe extern "C" fn() = function;
        // SAFETY: the function is part of this program, and safe to call at any time.
        let code = unsafe { libc::pthread_atfork(None, None, Some(function)) };
        code == 0
    }
    #[cfg(not(unix))]
    {
        let _ = function; // there are no forks
        true
    }
}
