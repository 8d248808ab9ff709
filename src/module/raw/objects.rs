//! Finding a token's objects and reading their attributes.

use cryptoki_sys::*;

use super::Functions;
use super::attributes::{
    AttributeBuffers, accept_partial, has_any_length, is_partial, may_answer_singly,
};
use crate::module::ReturnCode;

/// No token holds as many objects; a module that says so is broken.
const MAX_OBJECTS: usize = 1 << 16;
/// How many handles one `C_FindObjects` is asked for.
const FIND_BATCH: usize = 256;
/// The largest certificate read from a token, in bytes.
const MAX_CERTIFICATE: usize = 1 << 20;
/// The largest value of any other attribute, in bytes. The longest of them are RSA's numbers, of
/// half of it.
const MAX_ATTRIBUTE: usize = 1 << 12;

impl Functions {
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
        self.find_init(session, template)?;
        let found = self.found(session, few);
        // The search is ended even where it failed, or the session would be of no more use.
        let ended = self.find_final(session);
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
            let count = self.find_next(session, &mut batch)?;
            let handles = batch.get(..count).ok_or(ReturnCode::GENERAL_ERROR)?;
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
        let code = match self.get_attributes(session, object, &mut buffers) {
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
        let unread = absent.iter().filter_map(|index| wanted.get(*index));
        let unread: Vec<_> = unread.map(|(attribute, _)| *attribute).collect();
        let mut lengths = AttributeBuffers::for_lengths(unread.iter().copied());
        accept_partial(self.get_attributes(session, object, &mut lengths))?;
        let known: Vec<(usize, (CK_ATTRIBUTE_TYPE, usize))> = absent
            .into_iter()
            .zip(unread.into_iter().zip(lengths.lengths()))
            .filter_map(|(index, (attribute, length))| Some((index, (attribute, length?))))
            .filter(|(_, (attribute, length))| *length <= longest(*attribute))
            .collect();
        if known.is_empty() {
            return Ok(());
        }
        let mut buffers = AttributeBuffers::new(known.iter().map(|(_, wanted)| *wanted));
        accept_partial(self.get_attributes(session, object, &mut buffers))?;
        for ((index, _), read) in known.iter().zip(buffers.values()) {
            if let Some(value) = values.get_mut(*index) {
                *value = read;
            }
        }
        Ok(())
    }
}

/// What is longer makes no sense, and is taken for a value that is not there.
fn longest(attribute: CK_ATTRIBUTE_TYPE) -> usize {
    match attribute {
        CKA_VALUE => MAX_CERTIFICATE,
        _ => MAX_ATTRIBUTE,
    }
}
