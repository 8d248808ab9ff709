//! What a token shows of a key of GOST R 34.10 beside what it shows of other keys.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU8;

use cryptoki_sys::*;

use crate::public_key::{KeyType, PublicKey};
use crate::token::Pooled;
use crate::{Error, PublicKeyError};

/// Keys of 512 bits (Technical Committee 26).
const CKK_GOSTR3410_512: CK_KEY_TYPE = 0xD432_1003;
/// JaCarta has the parameter set of these in an attribute of its own.
const CKA_GOSTR3410_512_PARAMS: CK_ATTRIBUTE_TYPE = 0xD432_1004;

/// What is read of such a key, with the usual length of each. Other keys are not asked for it.
const WANTED: &[(CK_ATTRIBUTE_TYPE, usize)] = &[
    (CKA_GOSTR3410_PARAMS, 32),
    (CKA_GOSTR3410_512_PARAMS, 32),
    (CKA_VALUE, 256),
];

/// What signing has shown of a key.
#[derive(Default)]
pub(crate) struct Learned {
    /// What its signatures are verified with, where the token had to be asked.
    pub(crate) judge: OnceLock<PublicKey>,
    /// In which order their bytes come.
    pub(crate) order: AtomicU8,
}

/// The parameter set, and the point of a public key.
#[derive(Default)]
pub(crate) struct Shown {
    parameters: Option<Vec<u8>>,
    point: Option<Vec<u8>>,
}

impl Shown {
    /// Nothing of a key of another kind, at no cost.
    pub(crate) fn of(
        session: &Pooled<'_>,
        handle: CK_OBJECT_HANDLE,
        kind: Option<CK_KEY_TYPE>,
        is_public: bool,
    ) -> Result<Self, Error> {
        if !matches!(kind, Some(CKK_GOSTR3410 | CKK_GOSTR3410_512)) {
            return Ok(Self::default());
        }
        // The value of a private key is not for us.
        let wanted = match is_public {
            true => WANTED,
            false => WANTED.get(..2).unwrap_or_default(),
        };
        let mut values = session.attributes(handle, wanted)?.into_iter();
        let mut next = || values.next().flatten().filter(|value| !value.is_empty());
        let (usual, of_jacarta) = (next(), next());
        Ok(Self {
            parameters: usual.or(of_jacarta),
            point: next(),
        })
    }

    pub(super) fn key_type(&self) -> Option<KeyType> {
        KeyType::from_gost_params(self.parameters.as_ref()?).ok()
    }

    pub(crate) fn public_key(&self) -> Option<Result<PublicKey, PublicKeyError>> {
        let (parameters, point) = self.parameters.as_ref().zip(self.point.as_ref())?;
        Some(PublicKey::from_gost(parameters, point))
    }
}
