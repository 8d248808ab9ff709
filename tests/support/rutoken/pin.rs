//! PINs with their counters, and who is logged in.

use super::apdu::Status;
use super::files::NEVER;

#[derive(Clone)]
pub struct Pin {
    value: Option<Vec<u8>>,
    min_length: usize,
    pub max_tries: u8,
    pub left: u8,
}

impl Pin {
    /// From the properties after the first, which says that it is a PIN.
    pub fn new(properties: &[u8]) -> Result<Self, Status> {
        let [min_length, _, tries, ..] = properties else {
            return Err(Status::WRONG_DATA);
        };
        Ok(Self {
            value: None,
            min_length: usize::from(*min_length),
            max_tries: tries >> 4,
            left: tries & 0x0F,
        })
    }

    /// A wrong value is answered alike, whether it was the last try or not.
    pub fn verify(&mut self, value: &[u8]) -> Result<(), Status> {
        if self.left == 0 {
            return Err(Status::PIN_LOCKED);
        }
        // Before the comparison, as a card does that may lose its power at any moment.
        self.left -= 1;
        if self.value.as_deref() != Some(value) {
            return Err(Status::WRONG_PIN);
        }
        self.left = self.max_tries;
        Ok(())
    }

    /// What VERIFY without a PIN answers.
    pub fn state(&self) -> Status {
        match self.left {
            0 => Status::PIN_LOCKED,
            left => Status::tries(left),
        }
    }

    pub fn set(&mut self, value: &[u8]) -> Result<(), Status> {
        if value.len() < self.min_length {
            return Err(Status::WRONG_DATA);
        }
        self.value = Some(value.into());
        Ok(())
    }

    pub fn unblock(&mut self) {
        self.left = self.max_tries;
    }
}

/// Whose PINs have been verified: a bit for each reference.
#[derive(Clone, Copy, Default)]
pub struct Login(u8);

impl Login {
    pub const SO: u8 = 1;
    pub const USER: u8 = 2;

    pub fn add(&mut self, reference: u8) {
        self.0 |= reference;
    }

    pub fn has(self, reference: u8) -> bool {
        self.0 & reference != 0
    }

    pub fn is_anybody(self) -> bool {
        self.0 != 0
    }

    /// A condition is a set of those of whom one is enough.
    pub fn satisfies(self, condition: u8) -> bool {
        match condition {
            0 => true,
            NEVER => false,
            either => self.has(either),
        }
    }
}
