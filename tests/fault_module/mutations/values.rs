//! Values of attributes and signatures: other bytes, other lengths.

mod asn1;

use cryptoki_sys::*;

use super::random::Random;
use super::{Kind, Mutation};
use crate::shared::Shared;

pub(crate) const LENGTHS: &[Kind] = &[
    Kind::Zero,
    Kind::OneOff,
    Kind::TooLarge,
    Kind::HighBit,
    Kind::Unavailable,
];
pub(crate) const VALUE: &[Kind] = &[
    Kind::BitFlip,
    Kind::Truncated,
    Kind::Extended,
    Kind::Zeros,
    Kind::Noise,
    Kind::Asn1,
    Kind::Another,
];
pub(crate) const ATTRIBUTE: &[Kind] = &[Kind::Template];

pub(crate) unsafe fn attributes(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    _: CK_SESSION_HANDLE,
    _: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    if template.is_null() || count == 0 {
        return answer();
    }
    // SAFETY: as promised by the caller of PKCS#11, and not NULL.
    let wanted = unsafe { std::slice::from_raw_parts_mut(template, count as usize) };
    let offered = wanted.to_vec();
    let result = answer();
    let is_answered = [
        CKR_OK,
        CKR_ATTRIBUTE_SENSITIVE,
        CKR_ATTRIBUTE_TYPE_INVALID,
        CKR_BUFFER_TOO_SMALL,
    ];
    if !is_answered.contains(&result) {
        return mutation.failed();
    }
    for _ in 0..=mutation.random.below(3) {
        let at = mutation.random.below(wanted.len());
        // SAFETY: each attribute is what the caller promised.
        let value = unsafe { Value::of_attribute(&offered[at], &wanted[at]) };
        let Some(mut value) = value.filter(|value| value.length > 0) else {
            let kind = mutation.pick(LENGTHS);
            let told = wanted[at].ulValueLen;
            wanted[at].ulValueLen = length(&mut mutation.random, kind, told, 0);
            continue;
        };
        let kind = mutation.pick(&[LENGTHS, VALUE, ATTRIBUTE].concat());
        if kind == Kind::Template {
            wanted[at].type_ = mutation.random.next() as CK_ATTRIBUTE_TYPE;
            wanted[at].pValue = std::ptr::null_mut();
            continue;
        }
        let other = mutation.random.below(wanted.len());
        // SAFETY: as above.
        let other = unsafe { Value::of_attribute(&offered[other], &wanted[other]) };
        let other = other.map_or(Vec::new(), |other| other.bytes().to_vec());
        wanted[at].ulValueLen = value.spoil(&mut mutation.random, kind, &other);
    }
    result
}

static LAST: Shared<Vec<u8>> = Shared::new(Vec::new());

pub(crate) unsafe fn signature(
    mut mutation: Mutation,
    answer: impl FnOnce() -> CK_RV,
    _: CK_SESSION_HANDLE,
    _: *mut CK_BYTE,
    _: CK_ULONG,
    signature: *mut CK_BYTE,
    signature_length: *mut CK_ULONG,
) -> CK_RV {
    // SAFETY: as promised by the caller of PKCS#11.
    let Some(told) = (unsafe { signature_length.as_mut() }) else {
        return answer();
    };
    let room = *told as usize;
    if answer() != CKR_OK {
        return mutation.failed();
    }
    if signature.is_null() || *told as usize > room {
        let kind = mutation.pick(LENGTHS);
        *told = length(&mut mutation.random, kind, *told, 0);
        return CKR_OK;
    }
    let mut value = Value {
        start: signature,
        room,
        length: *told as usize,
    };
    let last = std::mem::replace(&mut *LAST.lock(), value.bytes().to_vec());
    let kind = mutation.pick(&[LENGTHS, VALUE].concat());
    *told = value.spoil(&mut mutation.random, kind, &last);
    CKR_OK
}

/// Bytes that were written into the room that the caller offered for them.
struct Value {
    start: *mut u8,
    room: usize,
    length: usize,
}

impl Value {
    /// `None` where nothing was written.
    ///
    /// # Safety
    /// `offered` is what the caller of PKCS#11 promised, and `answered` what the real module made of
    /// it.
    unsafe fn of_attribute(offered: &CK_ATTRIBUTE, answered: &CK_ATTRIBUTE) -> Option<Self> {
        let (room, length) = (offered.ulValueLen as usize, answered.ulValueLen as usize);
        let is_written = !offered.pValue.is_null() && length <= room;
        is_written.then(|| Self {
            start: offered.pValue.cast(),
            room,
            length,
        })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: as many were written there.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.length = bytes.len().min(self.room);
        // SAFETY: the caller's room is good for that many.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start, self.length) };
    }

    /// Changes it, and returns the length that is to be claimed.
    fn spoil(&mut self, random: &mut Random, kind: Kind, other: &[u8]) -> CK_ULONG {
        let mut bytes = self.bytes().to_vec();
        match kind {
            Kind::BitFlip if !bytes.is_empty() => {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            Kind::Truncated if !bytes.is_empty() => bytes.truncate(random.below(bytes.len())),
            Kind::Extended => {
                let most = self.room - bytes.len();
                let some = random.below(most + 1);
                let more = random.one_of(&[most, most.min(1), some]);
                let old = bytes.len();
                bytes.resize(old + more, 0);
                // Padding with zeros is what some tokens do.
                if random.one_in(2) {
                    random.fill(&mut bytes[old..]);
                }
            }
            Kind::Zeros => bytes.fill(0),
            Kind::Noise => {
                bytes.resize(random.one_of(&[bytes.len(), self.room]), 0);
                random.fill(&mut bytes);
            }
            Kind::Asn1 => bytes = asn1::nonsense(random, &bytes, self.room),
            Kind::Another => bytes = other.to_vec(),
            _ => return length(random, kind, bytes.len() as CK_ULONG, self.room),
        }
        self.write(&bytes);
        self.length as CK_ULONG
    }
}

/// A length to be claimed in place of the true one.
pub(super) fn length(random: &mut Random, kind: Kind, told: CK_ULONG, room: usize) -> CK_ULONG {
    match kind {
        Kind::Zero => 0,
        Kind::OneOff => random.one_of(&[
            told.wrapping_add(1),
            told.wrapping_sub(1),
            (room as CK_ULONG).wrapping_add(1),
        ]),
        Kind::TooLarge => {
            let any = random.next() as CK_ULONG >> random.below(CK_ULONG::BITS as usize);
            // The limits of whoever reads it are likely to be at these.
            let exponent = random.one_of(&[8, 10, 12, 14, 16, 20, 24, 31]);
            random.one_of(&[1 << exponent, (1 << exponent) + 1, any])
        }
        Kind::HighBit => 1 << (CK_ULONG::BITS - 1),
        _ => CK_UNAVAILABLE_INFORMATION,
    }
}
