//! The PKCS#11 calls that `cryptoki` cannot make as they are needed here, and those whose answers
//! must be read without trust. The only unsafe code of the library.
//!
//! Two invariants hold for every call below:
//!
//! - **The function is alive.** The pointers were copied from the module's own function list, and
//!   [`Functions`] keeps the library mapped for as long as it lives.
//! - **Every pointer handed over is good for the length handed over with it**, and the memory
//!   behind it is initialised and outlives the call; PKCS#11 keeps no pointer after it returns.
//!   What comes back is read only within the length that was offered, whatever the module says.
#![allow(unsafe_code)]

mod attributes;

use std::path::Path;
use std::ptr;

use cryptoki_sys::*;

use super::ReturnCode;
use super::calls::Calls;
use attributes::{AttributeBuffers, accept_partial, has_any_length, is_partial, may_answer_singly};

/// No token holds as many objects; a module that says so is broken.
const MAX_OBJECTS: usize = 100_000;
/// How many handles one `C_FindObjects` is asked for.
const FIND_BATCH: usize = 256;
/// The largest attribute value read from a token, in bytes.
const MAX_ATTRIBUTE: usize = 1 << 20;
/// Slots that are asked for at once.
const FEW_SLOTS: usize = 32;
/// More slots or mechanisms than any module has.
const MAX_LIST: usize = 1 << 14;

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
pub(crate) struct Functions {
    list: CK_FUNCTION_LIST,
    pub(super) calls: Calls,
    /// Never unmapped: a module's own threads and exit handlers may run to the end of the process.
    _library: std::mem::ManuallyDrop<Pkcs11>,
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
            unsafe { Pkcs11::new(path) }.map_err(|error| LoadFault::Loader(error.to_string()))?;
        let library = std::mem::ManuallyDrop::new(library);
        let Ok(function_list) = library.C_GetFunctionList.as_ref() else {
            return Err(LoadFault::NoFunctionList);
        };
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
            _library: library,
        })
    }

    /// How to make a call that `cryptoki` makes.
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The ids of the slots that have a token. Asks for the count first, which is what makes a
    /// module look again at what is plugged in (PKCS#11 3.1, section 5.5.1).
    pub(crate) fn slots(&self) -> Result<Vec<CK_SLOT_ID>, ReturnCode> {
        list(|values: *mut CK_SLOT_ID, count| call!(self.C_GetSlotList(CK_TRUE, values, count)))
    }

    /// The same of a module that was initialised a moment ago and need not look again: in one
    /// call, where it has slots and not too many.
    pub(crate) fn first_slots(&self) -> Result<Vec<CK_SLOT_ID>, ReturnCode> {
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
        let mut info = CK_SLOT_INFO::default();
        call!(self.C_GetSlotInfo(slot, &mut info))?;
        Ok(info)
    }

    /// What is known of a token; its text and time fields are as the module left them.
    pub(crate) fn token_info(&self, slot: CK_SLOT_ID) -> Result<CK_TOKEN_INFO, ReturnCode> {
        let mut info = CK_TOKEN_INFO::default();
        call!(self.C_GetTokenInfo(slot, &mut info))?;
        Ok(info)
    }

    /// What is known of the library.
    pub(crate) fn info(&self) -> Result<CK_INFO, ReturnCode> {
        let mut info = CK_INFO::default();
        call!(self.C_GetInfo(&mut info))?;
        Ok(info)
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
        let mut info = CK_MECHANISM_INFO::default();
        call!(self.C_GetMechanismInfo(slot, mechanism, &mut info))?;
        Ok(info)
    }

    /// The objects whose attributes are those of `template`.
    ///
    /// By PKCS#11 a search has ended when it gives nothing more, and not when it gives less than
    /// it was asked for. Where the template names an object, so that few are looked for, the
    /// second is believed, which spares a call.
    pub(crate) fn find(
        &self,
        session: CK_SESSION_HANDLE,
        template: &[(CK_ATTRIBUTE_TYPE, &[u8])],
        few: bool,
    ) -> Result<Vec<CK_OBJECT_HANDLE>, ReturnCode> {
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
        call!(self.C_FindObjectsInit(session, template.as_mut_ptr(), length))?;
        let found = self.found(session, few);
        // The search is ended even where it failed, or the session would be of no more use.
        let ended = call!(self.C_FindObjectsFinal(session));
        let found = found?;
        ended?;
        Ok(found)
    }

    fn found(
        &self,
        session: CK_SESSION_HANDLE,
        few: bool,
    ) -> Result<Vec<CK_OBJECT_HANDLE>, ReturnCode> {
        let mut found = Vec::new();
        let mut batch: [CK_OBJECT_HANDLE; FIND_BATCH] = [0; FIND_BATCH];
        loop {
            let mut count: CK_ULONG = 0;
            call!(self.C_FindObjects(
                session,
                batch.as_mut_ptr(),
                FIND_BATCH as CK_ULONG,
                &mut count
            ))?;
            let handles = batch
                .get(..count as usize)
                .ok_or(ReturnCode::GENERAL_ERROR)?;
            found.extend_from_slice(handles);
            if found.len() > MAX_OBJECTS {
                return Err(ReturnCode::GENERAL_ERROR);
            }
            if handles.is_empty() || (few && handles.len() < FIND_BATCH) {
                return Ok(found);
            }
        }
    }

    /// Several attributes of an object, in one call where the module can.
    ///
    /// `wanted` names each attribute and the length in bytes that it usually has at most; longer
    /// ones are read with two more calls. The answer has a value, or `None` where the token does
    /// not show it, for each in order. A module that fails a whole group is asked singly.
    pub(crate) fn attributes(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        wanted: &[(CK_ATTRIBUTE_TYPE, usize)],
    ) -> Result<Vec<Option<Vec<u8>>>, ReturnCode> {
        match self.attribute_group(session, object, wanted) {
            Err(code) if wanted.len() > 1 && may_answer_singly(code) => {
                let singly: Vec<_> = wanted
                    .iter()
                    .map(|one| self.attribute_group(session, object, &[*one]))
                    .collect();
                if singly.iter().all(Result::is_err) {
                    return Err(code);
                }
                singly
                    .into_iter()
                    .map(|answer| match answer {
                        Ok(values) => Ok(values.into_iter().next().flatten()),
                        Err(code) if may_answer_singly(code) => Ok(None),
                        Err(code) => Err(code),
                    })
                    .collect()
            }
            answer => answer,
        }
    }

    fn attribute_group(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        wanted: &[(CK_ATTRIBUTE_TYPE, usize)],
    ) -> Result<Vec<Option<Vec<u8>>>, ReturnCode> {
        let mut buffers = AttributeBuffers::new(wanted.iter().copied());
        let code = match call!(self.C_GetAttributeValue(
            session,
            object,
            buffers.template.as_mut_ptr(),
            buffers.template.len() as CK_ULONG,
        )) {
            Err(code) if !is_partial(code) => return Err(code),
            outcome => outcome.err(),
        };
        let mut values = buffers.values();
        // None is too long for its room: the module has written nothing.
        if let Some(code) = code.filter(|code| code.is(CKR_BUFFER_TOO_SMALL))
            && values.iter().all(Option::is_some)
        {
            return Err(code);
        }
        // Where one attribute is too long and another unknown, a module may name either reason.
        let too_long = code.is_some_and(|code| {
            let mut read = wanted.iter().zip(&values);
            code.is(CKR_BUFFER_TOO_SMALL)
                || read.any(|((attribute, _), value)| value.is_none() && has_any_length(*attribute))
        });
        if too_long {
            self.long_attributes(session, object, wanted, &mut values)?;
        }
        Ok(values)
    }

    /// Reads again, with as much room as they say they need, the attributes without a value.
    fn long_attributes(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        wanted: &[(CK_ATTRIBUTE_TYPE, usize)],
        values: &mut [Option<Vec<u8>>],
    ) -> Result<(), ReturnCode> {
        let absent: Vec<usize> = (0..values.len())
            .filter(|index| values.get(*index).is_some_and(Option::is_none))
            .collect();
        let mut lengths: Vec<CK_ATTRIBUTE> = absent
            .iter()
            .filter_map(|index| wanted.get(*index))
            .map(|(attribute, _)| CK_ATTRIBUTE {
                type_: *attribute,
                pValue: ptr::null_mut(),
                ulValueLen: 0,
            })
            .collect();
        let count = lengths.len() as CK_ULONG;
        accept_partial(call!(self.C_GetAttributeValue(
            session,
            object,
            lengths.as_mut_ptr(),
            count
        )))?;
        let known: Vec<(usize, (CK_ATTRIBUTE_TYPE, usize))> = absent
            .into_iter()
            .zip(&lengths)
            .filter(|(_, answer)| answer.ulValueLen != CK_UNAVAILABLE_INFORMATION)
            .map(|(index, answer)| (index, (answer.type_, answer.ulValueLen as usize)))
            .filter(|(_, (_, length))| *length <= MAX_ATTRIBUTE)
            .collect();
        if known.is_empty() {
            return Ok(());
        }
        let mut buffers = AttributeBuffers::new(known.iter().map(|(_, wanted)| *wanted));
        accept_partial(call!(self.C_GetAttributeValue(
            session,
            object,
            buffers.template.as_mut_ptr(),
            buffers.template.len() as CK_ULONG,
        )))?;
        for ((index, _), read) in known.iter().zip(buffers.values()) {
            if let Some(value) = values.get_mut(*index) {
                *value = read;
            }
        }
        Ok(())
    }

    /// Begins a signature.
    pub(crate) fn sign_init(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        key: CK_OBJECT_HANDLE,
    ) -> Result<(), ReturnCode> {
        let (parameter, length) = match &mechanism.parameter {
            Parameter::None => (ptr::null_mut(), 0),
            Parameter::Pss(pss) => (
                ptr::from_ref(pss).cast_mut().cast(),
                size_of::<CK_RSA_PKCS_PSS_PARAMS>() as CK_ULONG,
            ),
        };
        let mut mechanism = CK_MECHANISM {
            mechanism: mechanism.code,
            pParameter: parameter,
            ulParameterLen: length,
        };
        call!(self.C_SignInit(session, &mut mechanism, key))
    }

    /// Ends a signature, in one call: `longest` is the most bytes that it can have.
    pub(crate) fn sign(
        &self,
        session: CK_SESSION_HANDLE,
        data: &[u8],
        longest: usize,
    ) -> Result<Vec<u8>, ReturnCode> {
        let mut signature = vec![0; longest];
        let mut length = longest as CK_ULONG;
        call!(self.C_Sign(
            session,
            // A module only reads what it signs.
            data.as_ptr().cast_mut(),
            data.len() as CK_ULONG,
            signature.as_mut_ptr(),
            &mut length,
        ))?;
        if length as usize > longest {
            return Err(ReturnCode::GENERAL_ERROR);
        }
        signature.truncate(length as usize);
        Ok(signature)
    }
}

/// A mechanism and its parameter, as `C_SignInit` wants them.
pub(crate) struct Mechanism {
    pub(crate) code: CK_MECHANISM_TYPE,
    pub(crate) parameter: Parameter,
}

pub(crate) enum Parameter {
    None,
    Pss(CK_RSA_PKCS_PSS_PARAMS),
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
