//! C_GetAttributeValue: refusals, other values, lengths that cannot be.

use cryptoki_sys::*;

use crate::forward::real;
use crate::objects::{self, Filter};
use crate::options::Options;
use crate::shared::Shared;
use crate::{find, gost_keys, sessions};

static SETTINGS: Shared<Settings> = Shared::new(Settings::NONE);

#[derive(Clone)]
struct Settings {
    overrides: Vec<Override>,
    one_at_a_time: Option<CK_RV>,
}

#[derive(Clone)]
struct Override {
    type_: CK_ATTRIBUTE_TYPE,
    of: Filter,
    answer: Answer,
}

#[derive(Clone)]
enum Answer {
    Refuse(CK_RV),
    Value(Vec<u8>),
    Length(CK_ULONG),
    /// CKA_EC_POINT as bare bytes, or as an OCTET STRING.
    EcPoint {
        bare: bool,
    },
}

impl Settings {
    const NONE: Self = Self {
        overrides: Vec::new(),
        one_at_a_time: None,
    };
}

pub(crate) unsafe fn value(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    let object = find::object(object);
    let settings = SETTINGS.lock().clone();
    if let Some(code) = settings.one_at_a_time.filter(|_| count > 1) {
        return code;
    }
    if settings.overrides.is_empty() || template.is_null() || count == 0 {
        // SAFETY: passed on.
        return unsafe { true_value(session, object, template, count) };
    }
    // SAFETY: as promised by the caller of PKCS#11, and not NULL.
    let wanted = unsafe { std::slice::from_raw_parts_mut(template, count as usize) };
    let answer = |wanted: &CK_ATTRIBUTE| {
        let mut known = settings
            .overrides
            .iter()
            .filter(|it| it.type_ == wanted.type_);
        known
            .find(|it| it.of.fits(session, object))
            .map(|it| &it.answer)
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for wanted in wanted.iter_mut() {
        match answer(wanted) {
            Some(answer) => ours.push((answer, wanted)),
            None => theirs.push(wanted),
        }
    }
    let mut result = forward_some(session, object, &mut theirs);
    for (answer, wanted) in ours {
        // SAFETY: each attribute is what the caller of PKCS#11 promised.
        let code = unsafe { answer.give(session, object, wanted) };
        if result == CKR_OK {
            result = code;
        }
    }
    result
}

/// As the real module answers or, for our own keys, as it would.
unsafe fn true_value(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    let ours = match gost_keys::object(session, object) {
        None => return real!(C_GetAttributeValue(session, object, template, count)),
        Some(Err(code)) => return code,
        Some(Ok(ours)) => ours,
    };
    let mut result = CKR_OK;
    for at in 0..count as usize {
        // SAFETY: as promised by the caller of PKCS#11.
        let wanted = unsafe { &mut *template.add(at) };
        let code = match ours.attribute(wanted.type_) {
            // SAFETY: likewise.
            Some(value) => unsafe { give_value(&value, wanted) },
            None => refuse(wanted, CKR_ATTRIBUTE_TYPE_INVALID),
        };
        if result == CKR_OK {
            result = code;
        }
    }
    result
}

/// What no override concerns, in one call as the caller made it.
fn forward_some(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    wanted: &mut [&mut CK_ATTRIBUTE],
) -> CK_RV {
    let mut template: Vec<_> = wanted.iter().map(|wanted| **wanted).collect();
    if template.is_empty() {
        return CKR_OK;
    }
    let count = template.len() as CK_ULONG;
    // SAFETY: the attributes are what the caller of PKCS#11 promised.
    let result = unsafe { true_value(session, object, template.as_mut_ptr(), count) };
    wanted
        .iter_mut()
        .zip(template)
        .for_each(|(wanted, answered)| **wanted = answered);
    result
}

impl Answer {
    unsafe fn give(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        wanted: &mut CK_ATTRIBUTE,
    ) -> CK_RV {
        match self {
            Self::Refuse(code) => refuse(wanted, *code),
            Self::Length(length) => {
                wanted.ulValueLen = *length;
                CKR_OK
            }
            // SAFETY: passed on.
            Self::Value(value) => unsafe { give_value(value, wanted) },
            Self::EcPoint { bare } => match ec_point(session, object, *bare) {
                // SAFETY: passed on.
                Some(point) => unsafe { give_value(&point, wanted) },
                None => refuse(wanted, CKR_ATTRIBUTE_TYPE_INVALID),
            },
        }
    }
}

fn refuse(wanted: &mut CK_ATTRIBUTE, code: CK_RV) -> CK_RV {
    wanted.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    code
}

unsafe fn give_value(value: &[u8], wanted: &mut CK_ATTRIBUTE) -> CK_RV {
    if !wanted.pValue.is_null() {
        if (wanted.ulValueLen as usize) < value.len() {
            return refuse(wanted, CKR_BUFFER_TOO_SMALL);
        }
        // SAFETY: the caller's buffer is good for ulValueLen bytes, and that is enough.
        unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), wanted.pValue.cast(), value.len()) };
    }
    wanted.ulValueLen = value.len() as CK_ULONG;
    CKR_OK
}

/// The object's own point or, as SoftHSM's private keys have none, its public key's.
fn ec_point(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, bare: bool) -> Option<Vec<u8>> {
    let own = objects::attribute(session, object, CKA_EC_POINT).filter(|point| !point.is_empty());
    let point = own.or_else(|| {
        let slot = sessions::slot_of(session)?;
        let mut id = objects::attribute(session, object, CKA_ID)?;
        let mut class = CKO_PUBLIC_KEY;
        let mut template = [
            CK_ATTRIBUTE {
                type_: CKA_CLASS,
                pValue: (&raw mut class).cast(),
                ulValueLen: size_of_val(&class) as CK_ULONG,
            },
            CK_ATTRIBUTE {
                type_: CKA_ID,
                pValue: id.as_mut_ptr().cast(),
                ulValueLen: id.len() as CK_ULONG,
            },
        ];
        let public = *objects::search(slot, &mut template).first()?;
        objects::attribute(session, public, CKA_EC_POINT)
    })?;
    Some(match (unwrapped(&point), bare) {
        (Some(inner), true) => inner.to_vec(),
        (None, false) => wrapped(&point),
        _ => point,
    })
}

/// Both lengths of length: one byte, and 0x81 with one (P-521).
fn unwrapped(point: &[u8]) -> Option<&[u8]> {
    match point {
        [0x04, 0x81, length, inner @ ..] if inner.len() == *length as usize => Some(inner),
        [0x04, length, inner @ ..] if inner.len() == *length as usize => Some(inner),
        _ => None,
    }
}

pub(crate) fn wrapped(point: &[u8]) -> Vec<u8> {
    let length = point.len() as u8; // no curve of ours has a point of 256 bytes
    let head: &[u8] = if length < 0x80 {
        &[0x04, length]
    } else {
        &[0x04, 0x81, length]
    };
    [head, point].concat()
}

/// The command `attribute TYPE …`.
pub(crate) fn add(mut options: Options) -> Result<(), String> {
    let type_ = crate::options::number(options.needed_word("the attribute's number")?)?;
    let of = Filter::read(&mut options)?;
    let refuse = options.number("refuse")?.map(Answer::Refuse);
    let value = options.bytes("value")?.map(Answer::Value);
    let length = options.number("length")?.map(Answer::Length);
    let answer = refuse
        .or(value)
        .or(length)
        .ok_or("one of refuse=, value=, length= is missing")?;
    options.done()?;
    SETTINGS
        .lock()
        .overrides
        .push(Override { type_, of, answer });
    Ok(())
}

/// The command `ec-point bare|wrapped …`.
pub(crate) fn shape_ec_point(mut options: Options) -> Result<(), String> {
    let bare = match options.needed_word("bare or wrapped")? {
        "bare" => true,
        "wrapped" => false,
        other => return Err(format!("a point is bare or wrapped, not {other}")),
    };
    let of = Filter::read(&mut options)?;
    options.done()?;
    let answer = Answer::EcPoint { bare };
    SETTINGS.lock().overrides.push(Override {
        type_: CKA_EC_POINT,
        of,
        answer,
    });
    Ok(())
}

pub(crate) fn one_at_a_time(mut options: Options) -> Result<(), String> {
    let code = options.number("code")?.unwrap_or(CKR_FUNCTION_FAILED);
    options.done()?;
    SETTINGS.lock().one_at_a_time = Some(code);
    Ok(())
}

pub(crate) fn reset() {
    *SETTINGS.lock() = Settings::NONE;
}
