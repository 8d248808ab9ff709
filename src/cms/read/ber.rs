//! A pull parser of BER (X.690) over a stream: it holds no more than what it is asked for.

use std::io::{self, BufRead};

use super::armor::filled;
use super::{Budget, ReadError};

/// How deep elements may stand in each other.
pub(super) const DEPTH: usize = 64;

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const CONSTRUCTED: u8 = 0x20;

/// The beginning of an element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// The first byte: class, constructed or not, and the number where it is below 31.
    pub(super) tag: u8,
    /// Of the content; `None` is indefinite, up to an end-of-contents (X.690 section 8.1.3.6).
    pub(super) length: Option<u64>,
    /// As it stands in the document.
    bytes: [u8; 16],
    count: usize,
}

impl Header {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or_default()
    }

    /// The tag alone, which has several bytes where its number is 31 or more.
    pub(super) fn tag_bytes(&self) -> &[u8] {
        let more = match self.tag & 0x1f {
            0x1f => {
                let rest = self.bytes().get(1..).unwrap_or_default();
                1 + rest.iter().take_while(|byte| **byte & 0x80 != 0).count()
            }
            _ => 0,
        };
        self.bytes().get(..=more).unwrap_or_default()
    }

    fn is_end_of_contents(&self) -> bool {
        self.bytes() == [0, 0]
    }

    pub(super) fn is_constructed(&self) -> bool {
        self.tag & CONSTRUCTED != 0
    }
}

/// An element that has been entered and not yet left.
struct Open {
    indefinite: bool,
    /// Where it ends, or the one around it does.
    end: u64,
}

/// Goes through the elements of a stream in their order.
pub(super) struct BerReader<R> {
    source: R,
    /// Bytes so far, for messages and ends.
    position: u64,
    open: Vec<Open>,
    /// A header that has been read, and what begins there not yet.
    next: Option<Header>,
}

impl<R: BufRead> BerReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            position: 0,
            open: Vec::new(),
            next: None,
        }
    }

    /// The header of the next element; `None` at the end of the element that has been entered.
    pub(super) fn peek(&mut self) -> Result<Option<Header>, ReadError> {
        if let Some(header) = self.next {
            return Ok(Some(header).filter(|header| !header.is_end_of_contents()));
        }
        let indefinite = match self.open.last() {
            Some(open) if !open.indefinite && open.end == self.position => return Ok(None),
            Some(open) => open.indefinite,
            None => false,
        };
        let header = self.header()?;
        if header.is_end_of_contents() && !indefinite {
            return Err(self.malformed("an end-of-contents where none belongs"));
        }
        self.next = Some(header);
        Ok(Some(header).filter(|header| !header.is_end_of_contents()))
    }

    /// Whether the next element has this tag.
    pub(super) fn next_is(&mut self, tag: u8) -> Result<bool, ReadError> {
        Ok(self.peek()?.is_some_and(|header| header.tag == tag))
    }

    /// Goes into the next element, which must be constructed and have this tag.
    pub(super) fn enter(&mut self, tag: u8, what: &'static str) -> Result<(), ReadError> {
        if !self.next_is(tag)? {
            return Err(self.malformed(what));
        }
        let header = self.next.take();
        if self.open.len() == DEPTH {
            return Err(ReadError::Nesting { at: self.position });
        }
        let length = header.and_then(|header| header.length);
        let end = match length {
            Some(length) => self.end_of(length)?,
            None => self.end(),
        };
        self.open.push(Open {
            indefinite: length.is_none(),
            end,
        });
        Ok(())
    }

    /// Goes out of the element entered last, which must have been read to its end.
    pub(super) fn leave(&mut self, what: &'static str) -> Result<(), ReadError> {
        if self.peek()?.is_some() {
            return Err(self.malformed(what));
        }
        self.next = None;
        self.open.pop();
        Ok(())
    }

    /// The next element whole, as it stands in the document.
    pub(super) fn element(&mut self, budget: &mut Budget) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        self.pass(&mut |piece| {
            budget.take(piece.len())?;
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// The content of the next element, which must be primitive and have this tag.
    pub(super) fn primitive(&mut self, tag: u8, what: &'static str) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        match self.peek()? {
            Some(header) if header.tag == tag && !header.is_constructed() => {
                self.next = None;
                self.content(header, &mut |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(())
                })?;
                Ok(bytes)
            }
            _ => Err(self.malformed(what)),
        }
    }

    /// Passes over the next element.
    pub(super) fn skip(&mut self) -> Result<(), ReadError> {
        self.pass(&mut |_| Ok(()))
    }

    /// The content of the next element, which is an OCTET STRING: primitive, or constructed of
    /// others, in any depth (X.690 section 8.7).
    pub(super) fn octets(
        &mut self,
        what: &'static str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        const CONSTRUCTED_STRING: u8 = OCTET_STRING | CONSTRUCTED;
        let outside = self.open.len();
        loop {
            match self.peek()? {
                Some(header) if header.tag == OCTET_STRING => {
                    self.next = None;
                    self.content(header, take)?;
                }
                Some(header) if header.tag == CONSTRUCTED_STRING => {
                    self.enter(CONSTRUCTED_STRING, what)?;
                }
                None if self.open.len() > outside => self.leave(what)?,
                _ => return Err(self.malformed(what)),
            }
            if self.open.len() == outside {
                return Ok(());
            }
        }
    }

    /// How many bytes have been read, where all elements before the next have been.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Sees that nothing follows.
    pub(super) fn finish(mut self) -> Result<(), ReadError> {
        match filled(&mut self.source).map_err(ReadError::Read)? {
            [] => Ok(()),
            _ => Err(self.malformed("something after the end of the document")),
        }
    }

    pub(super) fn malformed(&self, what: &'static str) -> ReadError {
        ReadError::Malformed {
            at: self.position,
            what,
        }
    }

    /// Gives all bytes of the next element.
    fn pass(
        &mut self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let Some(header) = self.peek()? else {
            return Err(self.malformed("an element is missing"));
        };
        self.next = None;
        take(header.bytes())?;
        let Some(length) = header.length else {
            return self.pass_indefinite(take);
        };
        let end = self.end_of(length)?;
        self.copy(end - self.position, take)
    }

    /// Gives what is left of an element of indefinite length, after its header.
    fn pass_indefinite(
        &mut self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut open = 1;
        while open > 0 {
            let header = self.header()?;
            take(header.bytes())?;
            match header.length {
                _ if header.is_end_of_contents() => open -= 1,
                Some(_) => self.content(header, take)?,
                None => open += 1,
            }
            if self.open.len() + open > DEPTH {
                return Err(ReadError::Nesting { at: self.position });
            }
        }
        Ok(())
    }

    /// Gives the content of an element of definite length, whose header has been read.
    fn content(
        &mut self,
        header: Header,
        take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let Some(length) = header.length else {
            return Err(self.malformed("a primitive element of indefinite length"));
        };
        let end = self.end_of(length)?;
        self.copy(end - self.position, take)
    }

    fn copy(
        &mut self,
        mut left: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        while left > 0 {
            let buffer = filled(&mut self.source).map_err(ReadError::Read)?;
            if buffer.is_empty() {
                return Err(ReadError::Truncated { at: self.position });
            }
            let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            take(buffer.get(..count).unwrap_or_default())?;
            self.source.consume(count);
            self.position += count as u64;
            left -= count as u64;
        }
        Ok(())
    }

    /// Tag and length (X.690 sections 8.1.2 and 8.1.3).
    fn header(&mut self) -> Result<Header, ReadError> {
        let mut header = Header {
            tag: 0,
            length: None,
            bytes: [0; 16],
            count: 0,
        };
        header.tag = self.header_byte(&mut header)?;
        if header.tag & 0x1f == 0x1f {
            // A number of 31 and more, in groups of seven bits.
            for group in 1.. {
                if self.header_byte(&mut header)? & 0x80 == 0 {
                    break;
                }
                if group == 4 {
                    return Err(self.malformed("a tag number of more than 28 bits"));
                }
            }
        }
        header.length = match self.header_byte(&mut header)? {
            0x80 if header.is_constructed() => None,
            0x80 => return Err(self.malformed("a primitive element of indefinite length")),
            short @ 0..0x80 => Some(u64::from(short)),
            long => {
                let mut length = 0_u64;
                for _ in 0..long & 0x7f {
                    if length >> 56 != 0 {
                        return Err(self.malformed("a length of more than 64 bits"));
                    }
                    length = length << 8 | u64::from(self.header_byte(&mut header)?);
                }
                Some(length)
            }
        };
        Ok(header)
    }

    fn header_byte(&mut self, header: &mut Header) -> Result<u8, ReadError> {
        if self.position >= self.end() {
            return Err(self.malformed("an element that is longer than the one around it"));
        }
        let buffer = filled(&mut self.source).map_err(ReadError::Read)?;
        let Some(&byte) = buffer.first() else {
            return Err(ReadError::Truncated { at: self.position });
        };
        let Some(place) = header.bytes.get_mut(header.count) else {
            return Err(self.malformed("a length with too many leading zeros"));
        };
        *place = byte;
        header.count += 1;
        self.source.consume(1);
        self.position += 1;
        Ok(byte)
    }

    /// Where nothing more of the element entered last can stand.
    fn end(&self) -> u64 {
        self.open.last().map_or(u64::MAX, |open| open.end)
    }

    /// Where a content of this length that begins here ends, which is within what is around it.
    fn end_of(&self, length: u64) -> Result<u64, ReadError> {
        let end = self.position.checked_add(length);
        end.filter(|end| *end <= self.end())
            .ok_or_else(|| self.malformed("an element that is longer than the one around it"))
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}
