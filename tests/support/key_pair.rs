//! A GOST key pair that the fault module makes, as a program makes one that personalises tokens: by bare
//! PKCS#11. keyfob makes no keys.

use std::ptr;

use cryptoki_sys::*;

pub const GOSTR3410_512_KEY_PAIR_GEN: CK_MECHANISM_TYPE = 0xD432_1005;

/// What is made, and by what.
pub struct KeyPair<'a> {
    pub mechanism: CK_MECHANISM_TYPE,
    /// The attribute that holds the parameter set, and what is in it, if it is said.
    pub params: Option<(CK_ATTRIBUTE_TYPE, &'a [u8])>,
    pub label: &'a str,
    pub id: u8,
}

impl KeyPair<'_> {
    /// The handles of the private and the public key.
    pub fn make(
        &self,
        functions: &CK_FUNCTION_LIST,
        session: CK_SESSION_HANDLE,
    ) -> Result<[CK_OBJECT_HANDLE; 2], CK_RV> {
        let mut mechanism = CK_MECHANISM {
            mechanism: self.mechanism,
            ..Default::default()
        };
        let id = [self.id];
        let named = [(CKA_LABEL, self.label.as_bytes()), (CKA_ID, &id)];
        let params = self.params.into_iter();
        let mut private = named.map(attribute);
        let mut public: Vec<_> = named.into_iter().chain(params).map(attribute).collect();
        let [mut private_key, mut public_key] = [0; 2];
        let generate = functions.C_GenerateKeyPair.expect("a full function list");
        // SAFETY: all pointers are to locals as large as is said.
        let code = unsafe {
            generate(
                session,
                &mut mechanism,
                public.as_mut_ptr(),
                public.len() as CK_ULONG,
                private.as_mut_ptr(),
                private.len() as CK_ULONG,
                &mut public_key,
                &mut private_key,
            )
        };
        match code {
            CKR_OK => Ok([private_key, public_key]),
            code => Err(code),
        }
    }
}

/// A session of a process that is logged in, in which objects can be made.
pub fn writing_session(functions: &CK_FUNCTION_LIST, slot: CK_SLOT_ID) -> CK_SESSION_HANDLE {
    let open = functions.C_OpenSession.expect("a full function list");
    let (mut session, flags) = (0, CKF_SERIAL_SESSION | CKF_RW_SESSION);
    // SAFETY: likewise.
    let code = unsafe { open(slot, flags, ptr::null_mut(), None, &mut session) };
    assert_eq!(code, CKR_OK);
    session
}

/// In a template that is only read.
pub fn attribute((type_, value): (CK_ATTRIBUTE_TYPE, &[u8])) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE {
        type_,
        pValue: value.as_ptr().cast_mut().cast(),
        ulValueLen: value.len() as CK_ULONG,
    }
}
