//! The answer to reset: what a card says of itself before anyone has asked (ISO/IEC 7816-3).

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A card's answer to reset (ATR), taken apart.
///
/// It tells how the card wants to be spoken to, and mostly, in its historical bytes, what it is.
/// Display writes it as hexadecimal with blanks.
///
/// # Example
/// ```
/// use keyfob::{Atr, Checksum};
///
/// let atr: Atr = "3B 8B 01 52 75 74 6F 6B 65 6E 20 44 53 20 C1".parse()?;
/// assert_eq!(atr.historical_bytes(), b"Rutoken DS ");
/// assert_eq!(atr.protocols(), [1]);
/// assert_eq!(atr.checksum(), Checksum::Right);
/// # Ok::<(), keyfob::AtrError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Atr {
    bytes: Vec<u8>,
    interface: Vec<InterfaceBytes>,
    historical: Range<usize>,
}

/// Bytes in an answer to reset, at most: TS and 32 more.
const LONGEST: usize = 33;

impl Atr {
    /// All of it, as the card sent it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How bits stand on the wire, which the first byte (TS) tells.
    pub fn convention(&self) -> Convention {
        match self.bytes.first() {
            Some(&INVERSE) => Convention::Inverse,
            _ => Convention::Direct,
        }
    }

    /// The interface bytes: TA1, TB1, TC1 and TD1, then TA2 and so on.
    pub fn interface_bytes(&self) -> &[InterfaceBytes] {
        &self.interface
    }

    /// The protocols that the card offers, the preferred first: 0 for T=0, 1 for T=1 … A card that
    /// names none speaks T=0. 15 is no protocol: it says that global interface bytes follow.
    pub fn protocols(&self) -> Vec<u8> {
        let mut protocols = Vec::new();
        for td in self.interface.iter().filter_map(|group| group.td) {
            let protocol = td & 0x0f;
            if !protocols.contains(&protocol) {
                protocols.push(protocol);
            }
        }
        if protocols.is_empty() {
            protocols.push(0);
        }
        protocols
    }

    /// What the maker had to say of the card: often its name.
    pub fn historical_bytes(&self) -> &[u8] {
        self.bytes.get(self.historical.clone()).unwrap_or_default()
    }

    /// Whether the last byte (TCK) says that the others arrived as they were sent.
    ///
    /// Some cards that are sold have a wrong one, so that this is not an error.
    pub fn checksum(&self) -> Checksum {
        if self.historical.end == self.bytes.len() {
            return Checksum::Absent;
        }
        match self.bytes.iter().skip(1).fold(0, |sum, byte| sum ^ byte) {
            0 => Checksum::Right,
            _ => Checksum::Wrong,
        }
    }
}

/// What follows one of the bytes T0, TD1, TD2 … that say what follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct InterfaceBytes {
    /// TA: in the first group, the speeds that the card can do.
    pub ta: Option<u8>,
    /// TB.
    pub tb: Option<u8>,
    /// TC: in the first group, the extra time between bytes.
    pub tc: Option<u8>,
    /// TD: a protocol, and which bytes the next group has.
    pub td: Option<u8>,
}

/// How bits stand on the wire. Readers turn them round, so that it matters to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Convention {
    /// The least significant bit first (TS is 3B).
    Direct,
    /// The most significant bit first, and inverted (TS is 3F).
    Inverse,
}

/// What the check byte (TCK) of an answer to reset is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checksum {
    /// There is none: a card that speaks T=0 alone needs none.
    Absent,
    /// It fits.
    Right,
    /// It does not fit: the answer was spoilt on the way, or its maker made a mistake.
    Wrong,
}

const DIRECT: u8 = 0x3b;
const INVERSE: u8 = 0x3f;

impl TryFrom<&[u8]> for Atr {
    type Error = AtrError;

    fn try_from(bytes: &[u8]) -> Result<Self, AtrError> {
        if bytes.len() > LONGEST {
            return Err(AtrError::TooLong {
                length: bytes.len(),
            });
        }
        let mut rest = Rest { bytes, at: 0 };
        match rest.byte("TS")? {
            DIRECT | INVERSE => {}
            first => return Err(AtrError::FirstByte { first }),
        }
        let t0 = rest.byte("T0")?;
        let mut interface = Vec::new();
        let mut format = Some(t0);
        // TS and 32 bytes hold no more than 32 groups, so that this ends.
        while let Some(byte) = format {
            let mut part = |bit: u8| {
                (byte & bit != 0)
                    .then(|| rest.byte("interface byte"))
                    .transpose()
            };
            let group = InterfaceBytes {
                ta: part(0x10)?,
                tb: part(0x20)?,
                tc: part(0x40)?,
                td: part(0x80)?,
            };
            format = group.td;
            if group != InterfaceBytes::default() {
                interface.push(group);
            }
        }
        let start = rest.at;
        for _ in 0..t0 & 0x0f {
            rest.byte("historical byte")?;
        }
        let historical = start..rest.at;
        let only_t0 = interface
            .iter()
            .filter_map(|group| group.td)
            .all(|td| td & 0x0f == 0);
        match bytes.len() - rest.at {
            0 if only_t0 => {}
            0 => return Err(AtrError::CutShort { missing: "TCK" }),
            // A card that speaks T=0 alone shall have no TCK, and some have one.
            1 => {}
            surplus => return Err(AtrError::Surplus { surplus }),
        }
        Ok(Self {
            bytes: bytes.to_vec(),
            interface,
            historical,
        })
    }
}

/// What has not been read yet.
struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    fn byte(&mut self, missing: &'static str) -> Result<u8, AtrError> {
        let byte = self.bytes.get(self.at);
        let byte = byte.ok_or(AtrError::CutShort { missing })?;
        self.at += 1;
        Ok(*byte)
    }
}

impl FromStr for Atr {
    type Err = AtrError;

    /// Reads hexadecimal, with or without blanks, colons or hyphens between the bytes.
    fn from_str(text: &str) -> Result<Self, AtrError> {
        let digits = text
            .chars()
            .filter(|char| !char.is_whitespace() && !matches!(char, ':' | '-'))
            .map(|char| char.to_digit(16).ok_or(AtrError::NotHex { found: char }))
            .collect::<Result<Vec<_>, _>>()?;
        let bytes = digits.chunks(2).map(|pair| match pair {
            // Digits are below 16, so that nothing is cut off.
            [high, low] => Ok((high << 4 | low) as u8),
            _ => Err(AtrError::HalfByte),
        });
        Self::try_from(bytes.collect::<Result<Vec<_>, _>>()?.as_slice())
    }
}

impl fmt::Display for Atr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.bytes))
    }
}

impl fmt::Debug for Atr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Atr({self})")
    }
}

/// Bytes in hexadecimal with blanks between.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(" ")
}

/// Why bytes are no answer to reset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AtrError {
    /// It does not begin as one.
    #[error("an ATR begins with 3B or 3F, not with {first:02X}")]
    FirstByte {
        /// What it begins with.
        first: u8,
    },
    /// It ends before what it says of itself.
    #[error("the ATR is cut short: its {missing} is missing; read the card again")]
    CutShort {
        /// What is missing.
        missing: &'static str,
    },
    /// It goes on after what it says of itself.
    #[error("the ATR has {surplus} bytes more than it says; check that it was copied right")]
    Surplus {
        /// How many bytes.
        surplus: usize,
    },
    /// It is longer than any can be.
    #[error("an ATR has 33 bytes at most, not {length}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// So few historical bytes would give other cards the same name.
    #[error("a card is known by four historical bytes at least, not {length}")]
    TooFew {
        /// How many there are.
        length: usize,
    },
    /// Its text is not hexadecimal.
    #[error("an ATR is written in hexadecimal, where '{found}' has no place")]
    NotHex {
        /// What stands there.
        found: char,
    },
    /// Its text has an odd number of digits.
    #[error("an ATR is written with two hexadecimal digits for each byte, and one is missing")]
    HalfByte,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Atr, AtrError> {
        text.parse()
    }

    #[test]
    fn an_atr_is_taken_apart() {
        let atr = parse("3b:fd:13:00:00:81:31:fe:15:80:73:c0:21:c0:57:59:75:62:69:4b:65:79:40");
        let atr = atr.unwrap();
        let group = |ta, tb, tc, td| InterfaceBytes { ta, tb, tc, td };
        assert_eq!(
            atr.interface_bytes(),
            [
                group(Some(0x13), Some(0), Some(0), Some(0x81)),
                group(None, None, None, Some(0x31)),
                group(Some(0xfe), Some(0x15), None, None),
            ]
        );
        assert_eq!(atr.protocols(), [1]);
        assert_eq!(atr.convention(), Convention::Direct);
        assert_eq!(atr.historical_bytes(), b"\x80\x73\xc0\x21\xc0\x57YubiKey");
        assert_eq!(atr.checksum(), Checksum::Right);
        assert!(atr.to_string().starts_with("3B FD 13 00 00 81 31 FE"));
        assert_eq!(parse(&atr.to_string()), Ok(atr));
    }

    #[test]
    fn a_check_byte_is_wanted_where_a_protocol_wants_it() {
        let of = |text| parse(text).map(|atr| atr.checksum());
        assert_eq!(of("3B 02 14 50"), Ok(Checksum::Absent));
        assert_eq!(of("3B 80 01 81"), Ok(Checksum::Right));
        assert_eq!(of("3B 80 01 80"), Ok(Checksum::Wrong));
        assert_eq!(of("3B 80 01"), Err(AtrError::CutShort { missing: "TCK" }));
        // T=0 alone, and a TCK nevertheless, which is wrong: a Rutoken Lite SD.
        let odd = "3B 8B 00 52 75 74 6F 6B 65 6E 6C 74 53 44 E3";
        assert_eq!(of(odd), Ok(Checksum::Wrong));
        assert_eq!(parse("3F 02 14 50").unwrap().protocols(), [0]);
    }

    #[test]
    fn what_is_no_atr_says_why() {
        let cut = |missing| Err(AtrError::CutShort { missing });
        assert_eq!(parse(""), cut("TS"));
        assert_eq!(parse("3B"), cut("T0"));
        assert_eq!(parse("3B 10"), cut("interface byte"));
        assert_eq!(parse("3B 02 14"), cut("historical byte"));
        assert_eq!(parse("3C 00"), Err(AtrError::FirstByte { first: 0x3c }));
        assert_eq!(parse("3B 00 00 00"), Err(AtrError::Surplus { surplus: 2 }));
        assert_eq!(parse("3B 0"), Err(AtrError::HalfByte));
        assert_eq!(parse("3B .."), Err(AtrError::NotHex { found: '.' }));
        let long = "3B".repeat(34);
        assert_eq!(parse(&long), Err(AtrError::TooLong { length: 34 }));
        // TD after TD, for ever.
        let endless = [[0x3b, 0x80].as_slice(), &[0x80; 31]].concat();
        assert_eq!(Atr::try_from(endless.as_slice()), cut("interface byte"));
    }
}
