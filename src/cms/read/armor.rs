//! The bytes of a document that may be DER or BER, PEM, or base64 with line breaks.

use std::io::{self, BufRead, BufReader, Read};

/// What PEM blocks with a SignedData are called: RFC 7468 sections 9 and 8, and OpenSSL's old name.
const LABELS: [&str; 3] = ["CMS", "PKCS7", "PKCS #7 SIGNED DATA"];
/// A line of text around a block is no longer, in bytes.
const LONGEST_LINE: u64 = 64 * 1024;
const CHUNK: usize = 64 * 1024;

/// The bytes of a document, whichever form it has. What follows a PEM block is not read.
pub(super) enum Unarmored<R> {
    Binary(BufReader<R>),
    Base64(Base64<R>),
}

impl<R: Read> Unarmored<R> {
    /// Looks at the first byte: a SEQUENCE is binary, everything else is text. Base64 of a SEQUENCE
    /// begins with `M`.
    ///
    /// # Errors
    /// Those of the source; `InvalidData` where the text is neither PEM nor base64.
    pub(super) fn new(source: R) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(CHUNK, source);
        match filled(&mut source)?.first() {
            Some(0x30) | None => return Ok(Self::Binary(source)),
            // A byte order mark, which Windows' editors put before text.
            Some(0xef) => source.consume(3.min(source.buffer().len())),
            Some(_) => {}
        }
        skip_white_space(&mut source)?;
        let pem = match filled(&mut source)?.first() {
            Some(byte) => !is_base64(*byte) || is_text(source.buffer()),
            None => false,
        };
        if pem {
            skip_to_block(&mut source)?;
        }
        Ok(Self::Base64(Base64 {
            source,
            decoded: Vec::new(),
            given: 0,
            bits: 0,
            count: 0,
            padding: 0,
            position: 0,
            ended: false,
        }))
    }
}

impl<R: Read> Read for Unarmored<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Binary(source) => source.read(buffer),
            Self::Base64(source) => source.read(buffer),
        }
    }
}

impl<R: Read> BufRead for Unarmored<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Binary(source) => source.fill_buf(),
            Self::Base64(source) => source.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Binary(source) => source.consume(count),
            Self::Base64(source) => source.consume(count),
        }
    }
}

/// Base64 (RFC 4648 section 4), with white space anywhere, up to a `-` or the end.
pub(super) struct Base64<R> {
    source: BufReader<R>,
    decoded: Vec<u8>,
    given: usize,
    /// The bits of an unfinished group of four characters.
    bits: u32,
    /// The characters of that group.
    count: u8,
    padding: u8,
    /// Characters of the text so far, for messages.
    position: u64,
    ended: bool,
}

impl<R: Read> Base64<R> {
    /// Decodes what the source has in its buffer.
    fn decode(&mut self) -> io::Result<()> {
        self.decoded.clear();
        self.given = 0;
        let text = filled(&mut self.source)?;
        let length = text.len();
        self.ended = length == 0;
        for byte in text {
            self.position += 1;
            let value = match byte {
                b'-' => {
                    self.ended = true;
                    break;
                }
                b'=' if self.count >= 2 && self.count + self.padding < 4 => {
                    self.padding += 1;
                    continue;
                }
                byte if byte.is_ascii_whitespace() => continue,
                byte => value(*byte).filter(|_| self.padding == 0),
            };
            let Some(value) = value else {
                return Err(invalid(format!(
                    "character {} of the base64 is not one of base64",
                    self.position
                )));
            };
            self.bits = self.bits << 6 | u32::from(value);
            self.count += 1;
            if self.count == 4 {
                let [_, bytes @ ..] = self.bits.to_be_bytes();
                self.decoded.extend(bytes);
                (self.bits, self.count) = (0, 0);
            }
        }
        self.source.consume(length);
        if self.ended {
            self.finish()?;
        }
        Ok(())
    }

    /// The last group, which may be of two or three characters and padding.
    fn finish(&mut self) -> io::Result<()> {
        let [_, first, second, _] = (self.bits << (6 * (4 - u32::from(self.count)))).to_be_bytes();
        match (self.count, self.padding) {
            (0, 0) => {}
            (2, 0 | 2) => self.decoded.push(first),
            (3, 0 | 1) => self.decoded.extend([first, second]),
            _ => return Err(invalid("the base64 ends in the middle of a group".into())),
        }
        (self.bits, self.count, self.padding) = (0, 0, 0);
        Ok(())
    }
}

impl<R: Read> BufRead for Base64<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.given == self.decoded.len() && !self.ended {
            self.decode()?;
        }
        Ok(self.decoded.get(self.given..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.given = self.decoded.len().min(self.given + count);
    }
}

impl<R: Read> Read for Base64<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

/// Passes over text, up to the line after one that begins a block of ours.
fn skip_to_block(source: &mut impl BufRead) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let count = source.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if count == 0 {
            return Err(invalid(format!(
                "it is neither DER nor base64, and has no PEM block `{}`",
                LABELS.join("` or `")
            )));
        }
        let label = line
            .trim_ascii()
            .strip_prefix(b"-----BEGIN ")
            .and_then(|rest| rest.strip_suffix(b"-----"));
        if label.is_some_and(|label| LABELS.iter().any(|known| known.as_bytes() == label)) {
            return Ok(());
        }
    }
}

/// Whether what begins like base64 is text before a PEM block.
fn is_text(buffer: &[u8]) -> bool {
    let line = buffer.split(|byte| *byte == b'\n').next();
    let mut line = line.unwrap_or_default().trim_ascii().iter();
    line.any(|byte| !is_base64(*byte) && *byte != b'=' && !byte.is_ascii_whitespace())
        || buffer.windows(11).any(|bytes| bytes == b"-----BEGIN ")
}

fn skip_white_space(source: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = filled(source)?;
        let spaces = buffer
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let more = spaces > 0;
        source.consume(spaces);
        if !more {
            return Ok(());
        }
    }
}

/// What is in the buffer, or can be had, and nothing at the end; a read that was interrupted is tried
/// again.
pub(super) fn filled(source: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match source.fill_buf() {
            // Asked again at its end, a source may find something else to say.
            Ok([]) => return Ok(&[]),
            Ok(_) => return source.fill_buf(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_base64(byte: u8) -> bool {
    value(byte).is_some()
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 7] = [0x30, 5, 1, 2, 3, 4, 5];

    fn read(text: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Unarmored::new(text)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn every_form_gives_the_same_bytes() {
        for text in [
            &BYTES[..],
            b"MAUBAgMEBQ==",
            b"MAUBAgMEBQ",
            b" MAUB\r\nAgME\r\nBQ=\n=\n",
            b"-----BEGIN CMS-----\nMAUBAgMEBQ==\n-----END CMS-----\n",
            b"\xef\xbb\xbfhello\n-----BEGIN CMS-----\r\nMAUB\r\nAgMEBQ==\r\n-----END CMS-----\r\nmore",
            b"-----BEGIN PKCS7-----\nMAUBAgMEBQ==\n-----END PKCS7-----",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN CMS-----\nMAUBAgMEBQ==\n-----END CMS-----",
        ] {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(read(text).unwrap(), BYTES, "{shown}");
        }
    }

    #[test]
    fn broken_text_is_an_error() {
        for text in [
            &b"no base64: really"[..],
            b"-----BEGIN CERTIFICATE-----\nMAUB\n-----END CERTIFICATE-----\n",
            b"MAUBA",
            b"MAUBAgMEBQ=",
            b"MAUB=AgM",
            b"MAUBAgMEBQ==AAAA",
            b"=MAU",
        ] {
            let shown = String::from_utf8_lossy(text);
            assert!(read(text).is_err(), "{shown}");
        }
    }
}
