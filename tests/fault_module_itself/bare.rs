//! A caller of bare PKCS#11, on the demo token.

use std::env;
use std::ptr;

use cryptoki_sys::*;

use crate::fault::Fault;
use crate::function_list;

/// `p11!(bare.C_Login(session, …))`
macro_rules! p11 {
    ($bare:ident.$name:ident($($arg:expr),* $(,)?)) => {
        // SAFETY: pointers in these tests are NULL or to locals as large as they say.
        unsafe { $bare.functions.$name.expect("a full function list")($($arg),*) }
    };
}

pub struct Bare {
    pub functions: &'static CK_FUNCTION_LIST,
    pub slot: CK_SLOT_ID,
    pub fault: Fault,
}

/// As keyfob does, with OS locking.
pub fn initialize(functions: &CK_FUNCTION_LIST) -> CK_RV {
    let mut args = CK_C_INITIALIZE_ARGS {
        flags: CKF_OS_LOCKING_OK,
        ..Default::default()
    };
    let initialize = functions.C_Initialize.expect("a full function list");
    // SAFETY: the arguments live through the call.
    unsafe { initialize((&raw mut args).cast()) }
}

pub fn pin() -> String {
    env::var("KEYFOB_PIN").expect("KEYFOB_PIN is not set: run ./softhsm-setup.sh cargo test")
}

impl Bare {
    pub fn new(fault: Fault) -> Self {
        let functions = function_list::of(fault.file());
        assert_eq!(initialize(functions), CKR_OK);
        let slot = fault.slot_of("keyfob");
        Self {
            functions,
            slot,
            fault,
        }
    }

    pub fn slots(&self) -> Result<Vec<CK_SLOT_ID>, CK_RV> {
        let mut count = 0;
        let size = p11!(self.C_GetSlotList(CK_TRUE, ptr::null_mut(), &mut count));
        let mut list = vec![0; count as usize];
        let filled = p11!(self.C_GetSlotList(CK_TRUE, list.as_mut_ptr(), &mut count));
        list.truncate(count as usize);
        match (size, filled) {
            (CKR_OK, CKR_OK) => Ok(list),
            (CKR_OK, code) | (code, _) => Err(code),
        }
    }

    pub fn token_info(&self, slot: CK_SLOT_ID) -> Result<CK_TOKEN_INFO, CK_RV> {
        let mut info = CK_TOKEN_INFO::default();
        match p11!(self.C_GetTokenInfo(slot, &mut info)) {
            CKR_OK => Ok(info),
            code => Err(code),
        }
    }

    /// The flags that tell of the user PIN's tries.
    pub fn pin_state(&self) -> CK_FLAGS {
        let all = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
        self.token_info(self.slot).expect("a token").flags & all
    }

    pub fn open_in(&self, slot: CK_SLOT_ID) -> Result<CK_SESSION_HANDLE, CK_RV> {
        let mut session = 0;
        match p11!(self.C_OpenSession(
            slot,
            CKF_SERIAL_SESSION,
            ptr::null_mut(),
            None,
            &mut session
        )) {
            CKR_OK => Ok(session),
            code => Err(code),
        }
    }

    pub fn open(&self) -> CK_SESSION_HANDLE {
        self.open_in(self.slot).expect("a session")
    }

    /// One that is logged in.
    pub fn session(&self) -> CK_SESSION_HANDLE {
        let session = self.open();
        assert_eq!(self.login(session, Some(&pin())), CKR_OK);
        session
    }

    pub fn login(&self, session: CK_SESSION_HANDLE, pin: Option<&str>) -> CK_RV {
        let mut pin = pin.map(|pin| pin.as_bytes().to_vec());
        let (start, length) = pin.as_mut().map_or((ptr::null_mut(), 0), |pin| {
            (pin.as_mut_ptr(), pin.len() as CK_ULONG)
        });
        p11!(self.C_Login(session, CKU_USER, start, length))
    }

    pub fn logout(&self, session: CK_SESSION_HANDLE) {
        assert_eq!(p11!(self.C_Logout(session)), CKR_OK);
    }

    pub fn session_info(&self, session: CK_SESSION_HANDLE) -> (CK_RV, CK_SESSION_INFO) {
        let mut info = CK_SESSION_INFO::default();
        (p11!(self.C_GetSessionInfo(session, &mut info)), info)
    }

    /// Starts a search for private keys.
    pub fn find_init(&self, session: CK_SESSION_HANDLE) {
        assert_eq!(self.find_class(session), CKR_OK);
    }

    /// Starts one, or does not.
    pub fn find_class(&self, session: CK_SESSION_HANDLE) -> CK_RV {
        let mut class = CKO_PRIVATE_KEY;
        let mut template = CK_ATTRIBUTE {
            type_: CKA_CLASS,
            pValue: (&raw mut class).cast(),
            ulValueLen: size_of_val(&class) as CK_ULONG,
        };
        p11!(self.C_FindObjectsInit(session, &mut template, 1))
    }

    /// The result, and the count that the module claims.
    pub fn find(&self, session: CK_SESSION_HANDLE) -> (CK_RV, CK_ULONG) {
        let (mut found, mut count) = ([0; 10], 0);
        (
            p11!(self.C_FindObjects(session, found.as_mut_ptr(), 10, &mut count)),
            count,
        )
    }

    pub fn find_final(&self, session: CK_SESSION_HANDLE) {
        assert_eq!(p11!(self.C_FindObjectsFinal(session)), CKR_OK);
    }

    pub fn keys(&self, session: CK_SESSION_HANDLE) -> Vec<CK_OBJECT_HANDLE> {
        self.find_init(session);
        let mut keys = Vec::new();
        loop {
            let (mut found, mut count) = ([0; 100], 0);
            let result = p11!(self.C_FindObjects(session, found.as_mut_ptr(), 100, &mut count));
            assert_eq!(result, CKR_OK);
            if count == 0 {
                break;
            }
            keys.extend_from_slice(&found[..count as usize]);
        }
        self.find_final(session);
        keys
    }

    /// The private key with this label.
    pub fn key(&self, session: CK_SESSION_HANDLE, label: &str) -> CK_OBJECT_HANDLE {
        let labelled = |key: &CK_OBJECT_HANDLE| {
            let (_, values) = self.attributes(session, *key, &[CKA_LABEL]);
            values[0].as_deref() == Some(label.as_bytes())
        };
        self.keys(session)
            .into_iter()
            .find(labelled)
            .expect("the demo token has this key")
    }

    /// The attributes, up to 200 bytes each, in one call; None where there is none to be had.
    pub fn attributes(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        types: &[CK_ATTRIBUTE_TYPE],
    ) -> (CK_RV, Vec<Option<Vec<u8>>>) {
        let mut buffers = vec![[0u8; 200]; types.len()];
        let attribute = |(type_, buffer): (&CK_ATTRIBUTE_TYPE, &mut [u8; 200])| CK_ATTRIBUTE {
            type_: *type_,
            pValue: buffer.as_mut_ptr().cast(),
            ulValueLen: 200,
        };
        let mut template: Vec<_> = types.iter().zip(&mut buffers).map(attribute).collect();
        let count = types.len() as CK_ULONG;
        let result = p11!(self.C_GetAttributeValue(session, object, template.as_mut_ptr(), count));
        let value = |(attribute, buffer): (&CK_ATTRIBUTE, &[u8; 200])| {
            buffer.get(..attribute.ulValueLen as usize).map(Into::into)
        };
        (result, template.iter().zip(&buffers).map(value).collect())
    }

    pub fn sign_init(&self, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> CK_RV {
        let mut mechanism = CK_MECHANISM {
            mechanism: CKM_ECDSA,
            ..Default::default()
        };
        p11!(self.C_SignInit(session, &mut mechanism, key))
    }

    /// Of 32 bytes, into a buffer of 64.
    pub fn sign(&self, session: CK_SESSION_HANDLE) -> (CK_RV, Signature) {
        let (mut digest, mut bytes, mut length) = ([7; 32], [0; 64], 64);
        let result = p11!(self.C_Sign(
            session,
            digest.as_mut_ptr(),
            32,
            bytes.as_mut_ptr(),
            &mut length
        ));
        (result, Signature { bytes, length })
    }

    /// The objects of this class with this label.
    pub fn labelled(
        &self,
        session: CK_SESSION_HANDLE,
        mut class: CK_OBJECT_CLASS,
        label: &str,
    ) -> Vec<CK_OBJECT_HANDLE> {
        let mut label = label.as_bytes().to_vec();
        let attribute = |type_, value: *mut u8, length| CK_ATTRIBUTE {
            type_,
            pValue: value.cast(),
            ulValueLen: length as CK_ULONG,
        };
        let mut template = [
            attribute(CKA_CLASS, (&raw mut class).cast(), size_of_val(&class)),
            attribute(CKA_LABEL, label.as_mut_ptr(), label.len()),
        ];
        assert_eq!(
            p11!(self.C_FindObjectsInit(session, template.as_mut_ptr(), 2)),
            CKR_OK
        );
        let (mut found, mut count) = ([0; 10], 0);
        assert_eq!(
            p11!(self.C_FindObjects(session, found.as_mut_ptr(), 10, &mut count)),
            CKR_OK
        );
        self.find_final(session);
        found[..count as usize].into()
    }

    /// Whether the key with this label made the signature over what `sign` signs.
    pub fn verifies(&self, session: CK_SESSION_HANDLE, label: &str, signature: &Signature) -> bool {
        let key = self.labelled(session, CKO_PUBLIC_KEY, label)[0];
        let (mut digest, mut bytes) = ([7; 32], signature.bytes);
        let mut mechanism = CK_MECHANISM {
            mechanism: CKM_ECDSA,
            ..Default::default()
        };
        assert_eq!(
            p11!(self.C_VerifyInit(session, &mut mechanism, key)),
            CKR_OK
        );
        let (digest, bytes) = (digest.as_mut_ptr(), bytes.as_mut_ptr());
        p11!(self.C_Verify(session, digest, 32, bytes, 64)) == CKR_OK
    }
}

pub struct Signature {
    pub bytes: [u8; 64],
    /// What the module claims.
    pub length: CK_ULONG,
}

impl Drop for Bare {
    fn drop(&mut self) {
        // With a rule in the way the next test would find the module initialised.
        self.fault.reset();
        p11!(self.C_Finalize(ptr::null_mut()));
    }
}
