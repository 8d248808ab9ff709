//! What `C_GetAttributeValue` is given, and how its answers are read.

use std::ptr;

use cryptoki_sys::*;

use crate::module::ReturnCode;

/// Room for several attributes' values in one block.
pub(super) struct AttributeBuffers {
    pub(super) template: Vec<CK_ATTRIBUTE>,
    /// The room offered for each, in bytes.
    capacities: Vec<usize>,
    /// Of words, since modules write numbers through pointers of their type. Never grown: the
    /// template points into it.
    block: Vec<u64>,
}

impl AttributeBuffers {
    pub(super) fn new(wanted: impl Iterator<Item = (CK_ATTRIBUTE_TYPE, usize)>) -> Self {
        let wanted: Vec<_> = wanted.collect();
        let words = |length: usize| length.div_ceil(size_of::<u64>());
        let mut block = vec![0u64; wanted.iter().map(|(_, length)| words(*length)).sum()];
        let mut rest = block.as_mut_slice();
        let mut template = Vec::with_capacity(wanted.len());
        for (attribute, length) in &wanted {
            let (room, after) = rest.split_at_mut(words(*length));
            template.push(CK_ATTRIBUTE {
                type_: *attribute,
                pValue: room.as_mut_ptr().cast(),
                ulValueLen: *length as CK_ULONG,
            });
            rest = after;
        }
        Self {
            template,
            capacities: wanted.into_iter().map(|(_, length)| length).collect(),
            block,
        }
    }

    /// No room: to be told how long the values are.
    pub(super) fn for_lengths(wanted: impl Iterator<Item = CK_ATTRIBUTE_TYPE>) -> Self {
        let template = wanted.map(|type_| CK_ATTRIBUTE {
            type_,
            pValue: ptr::null_mut(),
            ulValueLen: 0,
        });
        Self {
            template: template.collect(),
            capacities: Vec::new(),
            block: Vec::new(),
        }
    }

    /// The lengths that the values are said to have, in bytes; `None` for those that are not shown.
    pub(super) fn lengths(&self) -> impl Iterator<Item = Option<usize>> + use<'_> {
        self.template.iter().map(|answer| {
            let length = answer.ulValueLen;
            let is_shown = length != CK_UNAVAILABLE_INFORMATION;
            is_shown.then_some(length as usize)
        })
    }

    /// The values that fit the room that was offered for them.
    pub(super) fn values(&self) -> Vec<Option<Vec<u8>>> {
        let mut words = self.block.as_slice();
        self.template
            .iter()
            .zip(&self.capacities)
            .map(|(attribute, capacity)| {
                let (room, after) = words.split_at(capacity.div_ceil(size_of::<u64>()));
                words = after;
                let length = attribute.ulValueLen as usize;
                (length <= *capacity).then(|| {
                    room.iter()
                        .flat_map(|word| word.to_ne_bytes())
                        .take(length)
                        .collect()
                })
            })
            .collect()
    }
}

/// Codes with which `C_GetAttributeValue` still answers the attributes that it can (PKCS#11 3.1,
/// section 5.7.5).
pub(super) fn is_partial(code: ReturnCode) -> bool {
    code.is_any(&[
        CKR_ATTRIBUTE_SENSITIVE,
        CKR_ATTRIBUTE_TYPE_INVALID,
        CKR_BUFFER_TOO_SMALL,
    ])
}

/// Attributes that keys and certificates always have, and of any length.
pub(super) fn has_any_length(attribute: CK_ATTRIBUTE_TYPE) -> bool {
    matches!(attribute, CKA_LABEL | CKA_ID | CKA_VALUE)
}

pub(super) fn accept_partial(outcome: Result<(), ReturnCode>) -> Result<(), ReturnCode> {
    match outcome {
        Err(code) if is_partial(code) => Ok(()),
        outcome => outcome,
    }
}

/// Codes with which modules refuse a group of attributes though they would answer some of them.
pub(super) fn may_answer_singly(code: ReturnCode) -> bool {
    code.is_any(&[
        CKR_FUNCTION_FAILED,
        CKR_GENERAL_ERROR,
        CKR_ARGUMENTS_BAD,
        CKR_ATTRIBUTE_VALUE_INVALID,
        CKR_DATA_INVALID,
        CKR_DATA_LEN_RANGE,
        CKR_TEMPLATE_INCONSISTENT,
        CKR_FUNCTION_NOT_SUPPORTED,
    ])
}
