//! Key pairs: RSA, and GOST R 34.10 of 256 bits.

use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BoxedUint, RsaPrivateKey, hazmat};

use super::apdu::{Answer, Status};
use super::gost::{self, Set};
use super::random::{self, Random};

/// What a key file was created for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rsa { bits: usize },
    Gost(Set),
}

/// Which key of a pair a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    Private,
    Public,
}

impl Kind {
    /// Told by a file's properties, and for RSA by its size: five numbers of half the modulus's
    /// length and eight bytes, or three of them.
    pub fn of(properties: &[u8], size: u16) -> Option<(Half, Self)> {
        let rsa = |half: u16| Self::Rsa {
            bits: usize::from(half) * 16,
        };
        match properties {
            [0x03, curve, ..] => Some((Half::Private, Self::gost(*curve)?)),
            [0x13, curve, ..] => Some((Half::Public, Self::gost(*curve)?)),
            [0x23, ..] => Some((Half::Private, rsa(size.checked_sub(8)? / 5))),
            [0x33, ..] => Some((Half::Public, rsa(size / 3))),
            _ => None,
        }
    }

    fn gost(curve: u8) -> Option<Self> {
        let name = match curve {
            0x20 => "A",
            0x30 => "B",
            0x40 => "C",
            _ => return None,
        };
        Some(Self::Gost(Set::named(256, name)))
    }

    pub fn generate(self) -> Result<Key, Status> {
        match self {
            Self::Rsa { bits } => RsaPrivateKey::new(&mut Random, bits)
                .map(|key| Key::Rsa(Box::new(key)))
                .map_err(|_| Status::WRONG_DATA),
            Self::Gost(set) => Ok(Key::Gost(gost::Key::from_seed(set, &random::bytes(32)))),
        }
    }
}

#[derive(Clone)]
pub enum Key {
    Rsa(Box<RsaPrivateKey>),
    Gost(gost::Key),
}

impl Key {
    /// The public key, as the card writes numbers: the least byte first.
    pub fn public(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => little_endian(key.n(), key.size()),
            Self::Gost(key) => key.public(),
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
            Self::Gost(key) => vec![key.secret()],
        }
    }

    /// Signs what the driver has prepared: for RSA a padded block, which is but raised to a power,
    /// for GOST a digest as it was hashed.
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
            Self::Gost(_) if data.len() != 32 => Err(Status::WRONG_LENGTH),
            // r and s, each with its least byte first.
            Self::Gost(key) => Ok(key.sign(data).into_iter().rev().collect()),
        }
    }
}

fn little_endian(number: &BoxedUint, length: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().into_vec();
    bytes.resize(length, 0);
    bytes
}
