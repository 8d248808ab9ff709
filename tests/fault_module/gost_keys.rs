//! GOST R 34.10-2012, which SoftHSM has not: key pairs of our own beside its objects, with the numbers
//! that vendors have agreed on, and in the ways in which they differ.
//!
//! They are on all tokens. A mechanism signs where `mechanism add` offers it.

use std::collections::BTreeMap;

use cryptoki_sys::*;

use crate::attributes::wrapped;
use crate::forward::real;
use crate::gost::{Key, Set};
use crate::options::Options;
use crate::shared::Shared;
use crate::{arguments, gost_digests, mechanisms, sessions};

const CKK_GOSTR3410_512: CK_KEY_TYPE = 0xD432_1003;
const CKM_GOSTR3410_512: CK_MECHANISM_TYPE = 0xD432_1006;
const CKM_GOSTR3410_WITH_GOSTR3411_12_256: CK_MECHANISM_TYPE = 0xD432_1008;
const CKM_GOSTR3410_WITH_GOSTR3411_12_512: CK_MECHANISM_TYPE = 0xD432_1009;

/// Far from what SoftHSM numbers its objects with.
const FIRST: CK_OBJECT_HANDLE = 0x474F_5354;

static KEYS: Shared<Vec<Pair>> = Shared::new(Vec::new());
static MANNERS: Shared<Manners> = Shared::new(Manners::USUAL);
/// What C_SignInit has begun, by session.
static OPERATIONS: Shared<BTreeMap<CK_SESSION_HANDLE, Operation>> = Shared::new(BTreeMap::new());

#[derive(Clone)]
struct Pair {
    key: Key,
    public: Vec<u8>,
    id: Vec<u8>,
    label: Vec<u8>,
}

impl Pair {
    fn new(key: Key, id: Vec<u8>, label: Vec<u8>) -> Self {
        Self {
            public: key.public(),
            key,
            id,
            label,
        }
    }
}

#[derive(Clone, Copy)]
struct Manners {
    /// Signatures are r ‖ s.
    swapped: bool,
    /// Then all their bytes are in reverse.
    reversed: bool,
    wrapped: bool,
    /// A mechanism that hashes wants the digest's name.
    names_digest: bool,
    /// Where keys of 512 bits have their set.
    params: CK_ATTRIBUTE_TYPE,
}

impl Manners {
    const USUAL: Self = Self {
        swapped: false,
        reversed: false,
        wrapped: false,
        names_digest: false,
        params: CKA_GOSTR3410_PARAMS,
    };
}

/// One of our objects.
pub(crate) struct Object {
    is_private: bool,
    pair: Pair,
}

impl Object {
    pub(crate) fn attribute(&self, type_: CK_ATTRIBUTE_TYPE) -> Option<Vec<u8>> {
        let (set, manners) = (self.pair.key.set, *MANNERS.lock());
        let params = params_of(set.bits);
        match (type_, self.is_private) {
            (CKA_CLASS, true) => Some(CKO_PRIVATE_KEY.to_ne_bytes().into()),
            (CKA_CLASS, false) => Some(CKO_PUBLIC_KEY.to_ne_bytes().into()),
            (CKA_KEY_TYPE, _) => Some(match set.bits {
                256 => CKK_GOSTR3410.to_ne_bytes().into(),
                _ => CKK_GOSTR3410_512.to_ne_bytes().into(),
            }),
            (CKA_ID, _) => Some(self.pair.id.clone()),
            (CKA_LABEL, _) => Some(self.pair.label.clone()),
            (CKA_TOKEN, _) => Some(vec![CK_TRUE]),
            (CKA_PRIVATE, is_private) => Some(vec![is_private.into()]),
            (type_, _) if type_ == params => Some(set.params()),
            (CKA_VALUE, false) if manners.wrapped => Some(wrapped(&self.pair.public)),
            (CKA_VALUE, false) => Some(self.pair.public.clone()),
            (CKA_VERIFY, false)
            | (CKA_SIGN | CKA_DERIVE | CKA_SENSITIVE | CKA_ALWAYS_SENSITIVE, true)
            | (CKA_NEVER_EXTRACTABLE | CKA_LOCAL, true) => Some(vec![CK_TRUE]),
            (CKA_EXTRACTABLE | CKA_ALWAYS_AUTHENTICATE, true) => Some(vec![CK_FALSE]),
            _ => None,
        }
    }
}

/// If it is one of ours: the object, or why it is not to be had in this session.
pub(crate) fn object(
    session: CK_SESSION_HANDLE,
    handle: CK_OBJECT_HANDLE,
) -> Option<Result<Object, CK_RV>> {
    let number = handle.checked_sub(FIRST)? as usize;
    let object = Object {
        is_private: number.is_multiple_of(2),
        pair: KEYS.lock().get(number / 2)?.clone(),
    };
    Some(match is_logged_in(session) {
        Ok(false) if object.is_private => Err(CKR_OBJECT_HANDLE_INVALID),
        Ok(_) => Ok(object),
        Err(code) => Err(code),
    })
}

fn is_logged_in(session: CK_SESSION_HANDLE) -> Result<bool, CK_RV> {
    Ok([CKS_RO_USER_FUNCTIONS, CKS_RW_USER_FUNCTIONS].contains(&state(session)?))
}

pub(crate) fn state(session: CK_SESSION_HANDLE) -> Result<CK_STATE, CK_RV> {
    let mut info = CK_SESSION_INFO::default();
    match real!(C_GetSessionInfo(session, &mut info)) {
        CKR_OK => Ok(info.state),
        code => Err(code),
    }
}

/// Where keys of this size have their parameter set.
pub(crate) fn params_of(bits: usize) -> CK_ATTRIBUTE_TYPE {
    match bits {
        256 => CKA_GOSTR3410_PARAMS,
        _ => MANNERS.lock().params,
    }
}

/// A key, of an object of ours, to use.
pub(crate) fn private(object: Result<Object, CK_RV>) -> Result<Key, CK_RV> {
    match object {
        Ok(object) if object.is_private => Ok(object.pair.key),
        Ok(_) => Err(CKR_KEY_FUNCTION_NOT_PERMITTED),
        Err(CKR_OBJECT_HANDLE_INVALID) => Err(CKR_KEY_HANDLE_INVALID),
        Err(code) => Err(code),
    }
}

/// Keeps a new key: the handles of its private and its public object.
pub(crate) fn keep(key: Key, id: Vec<u8>, label: Vec<u8>) -> [CK_OBJECT_HANDLE; 2] {
    let mut keys = KEYS.lock();
    let private = FIRST + 2 * keys.len() as CK_OBJECT_HANDLE;
    keys.push(Pair::new(key, id, label));
    [private, private + 1]
}

/// Those of ours that fit the template of a search.
pub(crate) unsafe fn search(
    session: CK_SESSION_HANDLE,
    template: *const CK_ATTRIBUTE,
    count: CK_ULONG,
) -> Vec<CK_OBJECT_HANDLE> {
    let ours = FIRST..FIRST + 2 * KEYS.lock().len() as CK_OBJECT_HANDLE;
    // SAFETY: as promised by the caller of PKCS#11.
    let wanted = unsafe { arguments::template(template, count) };
    let fits = |handle: &CK_OBJECT_HANDLE| {
        let Some(Ok(object)) = object(session, *handle) else {
            return false;
        };
        let mut wanted = wanted.iter();
        wanted.all(|(type_, value)| object.attribute(*type_).as_deref() == Some(*value))
    };
    ours.filter(fits).collect()
}

struct Operation {
    key: Key,
    hashes: bool,
}

/// None where the key is not ours, and nothing was done.
pub(crate) unsafe fn sign_init(
    session: CK_SESSION_HANDLE,
    mechanism: *const CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> Option<CK_RV> {
    let object = object(session, key)?;
    // SAFETY: as promised by the caller of PKCS#11.
    let (mechanism, parameter) = unsafe { arguments::mechanism(mechanism) };
    Some(match begin(session, mechanism, parameter, object) {
        Ok(operation) => {
            OPERATIONS.lock().insert(session, operation);
            CKR_OK
        }
        Err(code) => code,
    })
}

fn begin(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_TYPE,
    parameter: &[u8],
    object: Result<Object, CK_RV>,
) -> Result<Operation, CK_RV> {
    let key = private(object)?;
    let (bits, hashes) = match mechanism {
        CKM_GOSTR3410 => (256, false),
        CKM_GOSTR3410_512 => (512, false),
        CKM_GOSTR3410_WITH_GOSTR3411_12_256 => (256, true),
        CKM_GOSTR3410_WITH_GOSTR3411_12_512 => (512, true),
        _ => return Err(CKR_MECHANISM_INVALID),
    };
    if OPERATIONS.lock().contains_key(&session) {
        return Err(CKR_OPERATION_ACTIVE);
    }
    mechanisms::added(session, mechanism)?;
    let digest: &[u8] = match (hashes && MANNERS.lock().names_digest, bits) {
        (false, _) => &[],
        (true, 256) => b"\x06\x08\x2a\x85\x03\x07\x01\x01\x02\x02",
        (true, _) => b"\x06\x08\x2a\x85\x03\x07\x01\x01\x02\x03",
    };
    if parameter != digest {
        return Err(CKR_MECHANISM_PARAM_INVALID);
    }
    match bits == key.set.bits {
        true => Ok(Operation { key, hashes }),
        false => Err(CKR_KEY_TYPE_INCONSISTENT),
    }
}

/// None where the operation is not ours.
pub(crate) unsafe fn sign(
    session: CK_SESSION_HANDLE,
    data: *const CK_BYTE,
    length: CK_ULONG,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Option<CK_RV> {
    sessions::slot_of(session)?;
    let operation = OPERATIONS.lock().remove(&session)?;
    // SAFETY: as promised by the caller of PKCS#11.
    let (data, capacity) = unsafe { (arguments::bytes(data, length), *out_length) };
    let size = operation.key.set.bits / 4;
    let signature = if out.is_null() || (capacity as usize) < size {
        // Only the length is told, and nothing ends.
        OPERATIONS.lock().insert(session, operation);
        vec![0; size]
    } else {
        match operation.sign(data) {
            Some(signature) => signature,
            None => return Some(CKR_DATA_LEN_RANGE),
        }
    };
    // SAFETY: likewise.
    Some(unsafe { arguments::answer(&signature, out, out_length) })
}

impl Operation {
    /// None if it is no digest where there has to be one.
    fn sign(&self, data: &[u8]) -> Option<Vec<u8>> {
        let bits = self.key.set.bits;
        let digest = match self.hashes {
            false => data.to_vec(),
            true => gost_digests::digest(bits, data),
        };
        if digest.len() != bits / 8 {
            return None;
        }
        let mut signature = self.key.sign(&digest);
        let manners = *MANNERS.lock();
        if manners.swapped {
            signature.rotate_left(bits / 8);
        }
        if manners.reversed {
            signature.reverse();
        }
        Some(signature)
    }
}

/// The command `gost-key params=BYTES label=BYTES id=BYTES [seed=BYTES]`.
pub(crate) fn add(mut options: Options) -> Result<(), String> {
    let mut needed = |name| {
        let value = options.bytes(name)?;
        value.ok_or_else(|| format!("{name}= is missing"))
    };
    let (params, label, id) = (needed("params")?, needed("label")?, needed("id")?);
    let seed = options.bytes("seed")?.unwrap_or_else(|| label.clone());
    options.done()?;
    let set = Set::of(&params).ok_or("no such parameter set is known")?;
    let pair = Pair::new(Key::from_seed(set, &seed), id, label);
    let mut keys = KEYS.lock();
    match keys.iter_mut().find(|one| one.label == pair.label) {
        Some(one) => *one = pair,
        None => keys.push(pair),
    }
    Ok(())
}

/// The command `gost [swapped] [reversed] [wrapped] [names-digest] [params=TYPE]`.
pub(crate) fn command(mut options: Options) -> Result<(), String> {
    let manners = Manners {
        swapped: options.flag("swapped"),
        reversed: options.flag("reversed"),
        wrapped: options.flag("wrapped"),
        names_digest: options.flag("names-digest"),
        params: options.number("params")?.unwrap_or(CKA_GOSTR3410_PARAMS),
    };
    options.done()?;
    *MANNERS.lock() = manners;
    Ok(())
}

pub(crate) fn forget_operations() {
    OPERATIONS.lock().clear();
}

pub(crate) fn reset() {
    KEYS.lock().clear();
    *MANNERS.lock() = Manners::USUAL;
    forget_operations();
}
