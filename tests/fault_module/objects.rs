//! Which objects a command means, and reading attributes as they are.

use std::ptr;

use cryptoki_sys::*;

use crate::forward::real;
use crate::gost_keys;
use crate::options::Options;

/// All that is given has to fit.
#[derive(Clone)]
pub(crate) struct Filter {
    class: Option<CK_OBJECT_CLASS>,
    id: Option<Vec<u8>>,
    object: Option<CK_OBJECT_HANDLE>,
}

impl Filter {
    pub(crate) fn read(options: &mut Options) -> Result<Self, String> {
        Ok(Self {
            class: options.number("class")?,
            id: options.bytes("id")?,
            object: options.number("object")?,
        })
    }

    pub(crate) fn fits(&self, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> bool {
        self.object.is_none_or(|only| only == object)
            && self
                .class
                .is_none_or(|only| class(session, object) == Some(only))
            && self
                .id
                .as_ref()
                .is_none_or(|only| attribute(session, object, CKA_ID).as_ref() == Some(only))
    }
}

pub(crate) fn class(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
) -> Option<CK_OBJECT_CLASS> {
    let bytes = attribute(session, object, CKA_CLASS)?;
    Some(CK_OBJECT_CLASS::from_ne_bytes(bytes.try_into().ok()?))
}

/// None if it is not shown.
pub(crate) fn attribute(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    type_: CK_ATTRIBUTE_TYPE,
) -> Option<Vec<u8>> {
    if let Some(ours) = gost_keys::object(session, object) {
        return ours.ok()?.attribute(type_);
    }
    let mut template = CK_ATTRIBUTE {
        type_,
        pValue: ptr::null_mut(),
        ulValueLen: 0,
    };
    if real!(C_GetAttributeValue(session, object, &mut template, 1)) != CKR_OK {
        return None;
    }
    let mut value = vec![0; template.ulValueLen as usize];
    template.pValue = value.as_mut_ptr().cast();
    if real!(C_GetAttributeValue(session, object, &mut template, 1)) != CKR_OK {
        return None;
    }
    value.truncate(template.ulValueLen as usize);
    Some(value)
}

/// What fits a template, by a search in a session of our own: the caller's may be in one.
pub(crate) fn search(slot: CK_SLOT_ID, template: &mut [CK_ATTRIBUTE]) -> Vec<CK_OBJECT_HANDLE> {
    let (mut session, mut found) = (0, Vec::new());
    let flags = CKF_SERIAL_SESSION;
    if real!(C_OpenSession(
        slot,
        flags,
        ptr::null_mut(),
        None,
        &mut session
    )) != CKR_OK
    {
        return found;
    }
    let count = template.len() as CK_ULONG;
    if real!(C_FindObjectsInit(session, template.as_mut_ptr(), count)) == CKR_OK {
        found = rest(session).unwrap_or_default();
        real!(C_FindObjectsFinal(session));
    }
    real!(C_CloseSession(session));
    found
}

/// Everything that the session's search has still to give.
pub(crate) fn rest(session: CK_SESSION_HANDLE) -> Result<Vec<CK_OBJECT_HANDLE>, CK_RV> {
    let mut all = Vec::new();
    loop {
        let (mut some, mut count) = ([0; 64], 0);
        let result = real!(C_FindObjects(session, some.as_mut_ptr(), 64, &mut count));
        match (result, count as usize) {
            (CKR_OK, 0) => return Ok(all),
            (CKR_OK, count) => all.extend_from_slice(&some[..count]),
            (code, _) => return Err(code),
        }
    }
}
