//! GOST key pairs made on the token, and keys that two of them agree on.

use cryptoki_sys::*;

use crate::forward::real;
use crate::gost::{Key, Set};
use crate::{arguments, find, gost_digests, gost_keys, mechanisms};

const CKM_GOSTR3410_512_KEY_PAIR_GEN: CK_MECHANISM_TYPE = 0xD432_1005;
const CKM_GOSTR3410_12_DERIVE: CK_MECHANISM_TYPE = 0xD432_1007;

type Template<'a> = Vec<(CK_ATTRIBUTE_TYPE, &'a [u8])>;

#[allow(clippy::too_many_arguments, reason = "PKCS#11's own")]
pub(crate) unsafe fn generate(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    public: *mut CK_ATTRIBUTE,
    public_count: CK_ULONG,
    private: *mut CK_ATTRIBUTE,
    private_count: CK_ULONG,
    public_key: *mut CK_OBJECT_HANDLE,
    private_key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: as promised by the caller of PKCS#11.
    let (code, parameter) = unsafe { arguments::mechanism(mechanism) };
    let bits = match code {
        CKM_GOSTR3410_KEY_PAIR_GEN => 256,
        CKM_GOSTR3410_512_KEY_PAIR_GEN => 512,
        _ => {
            return real!(C_GenerateKeyPair(
                session,
                mechanism,
                public,
                public_count,
                private,
                private_count,
                public_key,
                private_key
            ));
        }
    };
    // SAFETY: as promised by the caller of PKCS#11.
    let templates = unsafe {
        [
            arguments::template(private, private_count),
            arguments::template(public, public_count),
        ]
    };
    let made = mechanisms::added(session, code)
        .and_then(|()| match parameter {
            [] => writable(session),
            _ => Err(CKR_MECHANISM_PARAM_INVALID),
        })
        .and_then(|()| make(session, bits, &templates));
    match made {
        Ok([private, public]) => {
            // SAFETY: as promised by the caller of PKCS#11.
            unsafe {
                *private_key = private;
                *public_key = public;
            }
            CKR_OK
        }
        Err(code) => code,
    }
}

fn writable(session: CK_SESSION_HANDLE) -> Result<(), CK_RV> {
    match gost_keys::state(session)? {
        CKS_RW_USER_FUNCTIONS => Ok(()),
        CKS_RO_PUBLIC_SESSION | CKS_RO_USER_FUNCTIONS => Err(CKR_SESSION_READ_ONLY),
        _ => Err(CKR_USER_NOT_LOGGED_IN),
    }
}

/// The handles of the private and the public key.
fn make(
    session: CK_SESSION_HANDLE,
    bits: usize,
    templates: &[Template<'_>; 2],
) -> Result<[CK_OBJECT_HANDLE; 2], CK_RV> {
    let given = |type_| {
        let mut all = templates.iter().flatten();
        let found = all.find(|(given, _)| *given == type_);
        found.map(|(_, value)| *value)
    };
    let params = given(gost_keys::params_of(bits)).ok_or(CKR_TEMPLATE_INCOMPLETE)?;
    let set = Set::of(params).filter(|set| set.bits == bits);
    let set = set.ok_or(CKR_ATTRIBUTE_VALUE_INVALID)?;
    let mut seed = [0; 64];
    match real!(C_GenerateRandom(session, seed.as_mut_ptr(), 64)) {
        CKR_OK => {}
        code => return Err(code),
    }
    let [id, label] = [CKA_ID, CKA_LABEL].map(|type_| given(type_).unwrap_or_default().to_vec());
    Ok(gost_keys::keep(Key::from_seed(set, &seed), id, label))
}

pub(crate) unsafe fn derive(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    base: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    derived: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    let base = find::object(base);
    // SAFETY: as promised by the caller of PKCS#11.
    let (code, parameter) = unsafe { arguments::mechanism(mechanism) };
    if code != CKM_GOSTR3410_12_DERIVE {
        return real!(C_DeriveKey(
            session, mechanism, base, template, count, derived
        ));
    }
    let agreed = mechanisms::added(session, code).and_then(|()| agree(session, base, parameter));
    let mut agreed = match agreed {
        Ok(agreed) => agreed,
        Err(code) => return code,
    };
    // SAFETY: as promised by the caller of PKCS#11.
    let given = unsafe { arguments::template(template, count) };
    let length = agreed.len() as CK_ULONG;
    let mut wanted = Vec::new();
    for (type_, value) in given {
        match type_ {
            CKA_VALUE_LEN if *value != length.to_ne_bytes() => return CKR_KEY_SIZE_RANGE,
            CKA_VALUE_LEN => {}
            _ => wanted.push(CK_ATTRIBUTE {
                type_,
                pValue: value.as_ptr().cast_mut().cast(), // only read
                ulValueLen: value.len() as CK_ULONG,
            }),
        }
    }
    wanted.push(CK_ATTRIBUTE {
        type_: CKA_VALUE,
        pValue: agreed.as_mut_ptr().cast(),
        ulValueLen: length,
    });
    // The real module keeps it, as a secret key of the kind that the template asks for.
    let count = wanted.len() as CK_ULONG;
    real!(C_CreateObject(session, wanted.as_mut_ptr(), count, derived))
}

/// `VKO_GOSTR3410_2012_256` of RFC 7836 section 4.3: a key of 256 bits, whatever the size of the two.
fn agree(
    session: CK_SESSION_HANDLE,
    base: CK_OBJECT_HANDLE,
    parameter: &[u8],
) -> Result<Vec<u8>, CK_RV> {
    let base = gost_keys::object(session, base).ok_or(CKR_KEY_TYPE_INCONSISTENT)?;
    let key = gost_keys::private(base)?;
    let parameter = Parameter::read(parameter).ok_or(CKR_MECHANISM_PARAM_INVALID)?;
    let agreed = key.agree(parameter.public, parameter.ukm);
    let agreed = agreed.ok_or(CKR_MECHANISM_PARAM_INVALID)?;
    Ok(gost_digests::digest(256, &agreed))
}

/// `CK_GOSTR3410_12_DERIVE_PARAMS`: how the result is diversified, the length of the other's public
/// key and room for one of 512 bits, or in its smaller sister of 256; the length of the UKM, and 8 bytes
/// for it.
struct Parameter<'a> {
    public: &'a [u8],
    ukm: &'a [u8],
}

impl<'a> Parameter<'a> {
    /// Nothing is diversified: only CKD_NULL is known, with which the result is used as it is.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        const UKM: usize = 8;
        let (kdf, bytes) = number(bytes)?;
        let (public_len, bytes) = number(bytes)?;
        let room = bytes.len().checked_sub(size_of::<CK_ULONG>() + UKM)?;
        let (public, bytes) = bytes.split_at_checked(room)?;
        let (ukm_len, ukm) = number(bytes)?;
        let public = public.get(..public_len as usize)?;
        let is_sound = kdf == CKD_NULL && ukm_len as usize == UKM && [64, 128].contains(&room);
        is_sound.then_some(Self { public, ukm })
    }
}

fn number(bytes: &[u8]) -> Option<(CK_ULONG, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((CK_ULONG::from_ne_bytes(*number), rest))
}
