//! The card's random numbers, which are the kernel's.

use std::convert::Infallible;
use std::fs::File;
use std::io::Read;

use rsa::rand_core::{TryCryptoRng, TryRng};

pub fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let Ok(()) = Random.try_fill_bytes(&mut bytes);
    bytes
}

pub struct Random;

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let source = File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes));
        source.expect("the kernel has random numbers");
        Ok(())
    }
}

impl TryCryptoRng for Random {}
