//! Commands and answers as bytes.

/// What the card answers, before the status.
pub type Answer = Result<Vec<u8>, Status>;

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    pub const DONE: Self = Self(0x9000);
    pub const WRONG_PIN: Self = Self(0x6300);
    pub const WRONG_LENGTH: Self = Self(0x6700);
    pub const NOT_A_DATA_FILE: Self = Self(0x6981);
    pub const NOT_ALLOWED: Self = Self(0x6982);
    pub const PIN_LOCKED: Self = Self(0x6983);
    pub const NO_KEY_CHOSEN: Self = Self(0x6985);
    pub const WRONG_DATA: Self = Self(0x6A80);
    pub const NOT_SUPPORTED: Self = Self(0x6A81);
    pub const FILE_NOT_FOUND: Self = Self(0x6A82);
    pub const NO_SUCH_PIN: Self = Self(0x6A88);
    pub const FILE_EXISTS: Self = Self(0x6A89);
    pub const BEYOND_THE_FILE: Self = Self(0x6B00);
    pub const NO_SUCH_INSTRUCTION: Self = Self(0x6D00);
    pub const NO_SUCH_CLASS: Self = Self(0x6E00);
    pub const LOGGED_IN: Self = Self(0x6F86);

    /// So many tries are left.
    pub fn tries(left: u8) -> Self {
        Self(0x63C0 | u16::from(left & 0x0F))
    }
}

pub fn encode(answer: Answer) -> Vec<u8> {
    let (mut bytes, status) = match answer {
        Ok(bytes) => (bytes, Status::DONE),
        Err(status) => (vec![], status),
    };
    bytes.extend(status.0.to_be_bytes());
    bytes
}

/// A short command APDU.
pub struct Command<'a> {
    pub class: u8,
    pub instruction: u8,
    pub p1: u8,
    pub p2: u8,
    pub data: &'a [u8],
    /// How much may be answered.
    pub expected: usize,
}

impl<'a> Command<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Status> {
        let [class, instruction, p1, p2, body @ ..] = bytes else {
            return Err(Status::WRONG_LENGTH);
        };
        let (data, expected) = match body {
            [] => (body, None),
            [expected] => (&body[..0], Some(*expected)),
            [length, rest @ ..] if rest.len() == usize::from(*length) => (rest, None),
            [length, data @ .., expected] if data.len() == usize::from(*length) => {
                (data, Some(*expected))
            }
            _ => return Err(Status::WRONG_LENGTH),
        };
        Ok(Self {
            class: *class,
            instruction: *instruction,
            p1: *p1,
            p2: *p2,
            data,
            expected: match expected {
                None => 0,
                Some(0) => 256,
                Some(number) => number.into(),
            },
        })
    }

    /// Where in a file to read or write.
    pub fn offset(&self) -> usize {
        u16::from_be_bytes([self.p1, self.p2]).into()
    }
}

/// The value of the first object with this tag. Lengths have one byte, whatever it is: the card
/// does not follow BER there.
pub fn tlv(mut bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [tag, length, rest @ ..] = bytes {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *tag == wanted {
            return Some(value);
        }
        bytes = rest;
    }
    None
}
