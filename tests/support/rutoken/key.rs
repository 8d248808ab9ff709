//! Key pairs. A second kind is one more variant of `Kind` and of `Key`.

use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BoxedUint, RsaPrivateKey, hazmat};

use super::apdu::{Answer, Status};
use super::random::Random;

/// What a key file was created for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rsa { bits: usize },
}

/// Which key of a pair a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    Private,
    Public,
}

impl Kind {
    /// Told by a file's properties and, for RSA, by its size: five numbers of half the modulus's
    /// length and eight bytes, or three of them.
    pub fn of(properties: &[u8], size: u16) -> Option<(Half, Self)> {
        let rsa = |half: u16| Self::Rsa {
            bits: usize::from(half) * 16,
        };
        match properties.first()? {
            0x23 => Some((Half::Private, rsa(size.checked_sub(8)? / 5))),
            0x33 => Some((Half::Public, rsa(size / 3))),
            _ => None,
        }
    }

    pub fn generate(self) -> Result<Key, Status> {
        match self {
            Self::Rsa { bits } => RsaPrivateKey::new(&mut Random, bits)
                .map(|key| Key::Rsa(Box::new(key)))
                .map_err(|_| Status::WRONG_DATA),
        }
    }
}

#[derive(Clone)]
pub enum Key {
    Rsa(Box<RsaPrivateKey>),
}

impl Key {
    /// The public key, as the card writes numbers: the least byte first.
    pub fn public(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => little_endian(key.n(), key.size()),
        }
    }

    /// The numbers that nobody may see.
    pub fn secrets(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Rsa(key) => {
                let primes = key.primes().iter().map(|prime| prime.as_ref());
                let exponents = [Some(key.d()), key.dp(), key.dq()];
                primes
                    .chain(exponents.into_iter().flatten())
                    .map(|number| number.to_be_bytes().into_vec())
                    .collect()
            }
        }
    }

    /// Signs what the driver has prepared: for RSA a padded block, which is but raised to a power.
    pub fn sign(&self, data: &[u8]) -> Answer {
        match self {
            Self::Rsa(key) => {
                if data.len() != key.size() {
                    return Err(Status::WRONG_LENGTH);
                }
                let block = BoxedUint::from_le_slice(data, key.n_bits_precision())
                    .map_err(|_| Status::WRONG_DATA)?;
                let signature = hazmat::rsa_decrypt_and_check(&**key, Some(&mut Random), &block);
                let signature = signature.map_err(|_| Status::WRONG_DATA)?;
                Ok(little_endian(&signature, key.size()))
            }
        }
    }
}

fn little_endian(number: &BoxedUint, length: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().into_vec();
    bytes.resize(length, 0);
    bytes
}
