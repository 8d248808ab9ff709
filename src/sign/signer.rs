use std::fmt;

use signature::{Keypair, Signer};
use spki::{AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier};

use super::SignError;
use crate::Error;
use crate::key::PrivateKey;
use crate::public_key::PublicKey;
use crate::scheme::{Scheme, Signature};

/// A key on a token with one scheme, as the `signature` crate's traits want it.
///
/// # Example
/// A certificate request, signed by the token through `x509-cert`'s builder:
/// ```no_run
/// use std::str::FromStr;
/// use keyfob::{Pin, Scheme, Signature};
/// use x509_cert::builder::{Builder, RequestBuilder};
/// use x509_cert::name::Name;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
/// let me = fob.identities()?.label("p256").only()?;
/// let signer = me.signer(Scheme::EcdsaP256Sha256)?;
/// let request = RequestBuilder::new(Name::from_str("CN=Ann")?)?;
/// let request = request.build::<_, Signature>(&signer)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TokenSigner {
    key: PrivateKey,
    scheme: Scheme,
    public_key: PublicKey,
}

impl TokenSigner {
    pub(super) fn new(
        key: PrivateKey,
        scheme: Scheme,
        public_key: Option<PublicKey>,
    ) -> Result<Self, Error> {
        key.check(scheme)?;
        match public_key {
            Some(public_key) => Ok(Self {
                key,
                scheme,
                public_key,
            }),
            None => Err(Error::Sign {
                key: key.name(),
                reason: SignError::NoPublicKey,
            }),
        }
    }

    /// The scheme that it signs with.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl Signer<Signature> for TokenSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Signature, signature::Error> {
        self.key
            .sign(self.scheme, message)
            .map_err(signature::Error::from_source)
    }
}

impl Keypair for TokenSigner {
    type VerifyingKey = PublicKey;

    fn verifying_key(&self) -> PublicKey {
        self.public_key.clone()
    }
}

impl DynSignatureAlgorithmIdentifier for TokenSigner {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(self.scheme.algorithm_identifier())
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner")
            .field("key", &self.key)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}
