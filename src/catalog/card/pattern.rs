use std::str::FromStr;

use crate::reader::AtrError;

/// An answer to reset in which some digits may be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Option<u8>>);

impl Pattern {
    pub(super) fn fits(&self, atr: &[u8]) -> bool {
        let digits = atr.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
        self.0.len() == atr.len() * 2
            && self
                .0
                .iter()
                .zip(digits)
                .all(|(wanted, digit)| wanted.is_none_or(|wanted| wanted == digit))
    }

    /// Whether nothing is open.
    pub(super) fn is_exact(&self) -> bool {
        self.fixed() == self.0.len()
    }

    /// How many digits are given.
    pub(super) fn fixed(&self) -> usize {
        self.0.iter().flatten().count()
    }
}

impl FromStr for Pattern {
    type Err = AtrError;

    fn from_str(text: &str) -> Result<Self, AtrError> {
        let digit = |char: char| match char {
            '.' => Ok(None),
            // A digit is below 16, so that nothing is cut off.
            _ => match char.to_digit(16) {
                Some(digit) => Ok(Some(digit as u8)),
                None => Err(AtrError::NotHex { found: char }),
            },
        };
        let separates = |char: &char| char.is_whitespace() || matches!(char, ':' | '-');
        let digits = text.chars().filter(|char| !separates(char)).map(digit);
        let digits: Vec<_> = digits.collect::<Result<_, _>>()?;
        match digits.len() {
            odd if odd % 2 == 1 => Err(AtrError::HalfByte),
            long if long > 2 * 33 => Err(AtrError::TooLong { length: long / 2 }),
            _ => Ok(Self(digits)),
        }
    }
}
