//! Documents as text: PEM and base64.

use std::io::{self, Write};

use base64ct::{Base64, Encoding as _};

/// In what form a document is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// As bytes.
    #[default]
    Binary,
    /// As PEM, with the label `CMS` (RFC 7468 section 9).
    Pem,
    /// As base64 alone, in lines of 64 characters with `\n` at their ends (RFC 4648 section 4).
    Base64,
}

/// What a line of 64 characters holds, in bytes.
const LINE: usize = 48;

/// Writes in this form what is written to it.
pub(super) struct Armor<W: Write> {
    encoding: Encoding,
    writer: W,
    /// Of a line that is not full yet.
    pending: Vec<u8>,
}

impl<W: Write> Armor<W> {
    pub(super) fn new(encoding: Encoding, mut writer: W) -> io::Result<Self> {
        if encoding == Encoding::Pem {
            writer.write_all(b"-----BEGIN CMS-----\n")?;
        }
        Ok(Self {
            encoding,
            writer,
            pending: Vec::with_capacity(LINE),
        })
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            write_line(&mut self.writer, &self.pending)?;
        }
        if self.encoding == Encoding::Pem {
            self.writer.write_all(b"-----END CMS-----\n")?;
        }
        self.writer.flush()
    }
}

impl<W: Write> Write for Armor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.encoding == Encoding::Binary {
            return self.writer.write(bytes);
        }
        let mut rest = bytes;
        if !self.pending.is_empty() {
            let missing = LINE.saturating_sub(self.pending.len()).min(rest.len());
            let (head, tail) = rest.split_at(missing);
            self.pending.extend_from_slice(head);
            rest = tail;
            if self.pending.len() == LINE {
                write_line(&mut self.writer, &self.pending)?;
                self.pending.clear();
            }
        }
        let mut lines = rest.chunks_exact(LINE);
        for line in &mut lines {
            write_line(&mut self.writer, line)?;
        }
        self.pending.extend_from_slice(lines.remainder());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn write_line(writer: &mut impl Write, line: &[u8]) -> io::Result<()> {
    let mut text = [b'\n'; LINE / 3 * 4 + 1];
    // Four characters for each three bytes that have begun: the room is enough for a line.
    let length = Base64::encode(line, &mut text)
        .map_err(io::Error::other)?
        .len();
    let with_end = text.get(..=length).unwrap_or_default();
    writer.write_all(with_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pem;

    #[test]
    fn text_in_lines_whatever_the_pieces() {
        let data: Vec<u8> = (0..300u16).map(|i| i as u8).collect();
        for length in [0, 1, 47, 48, 49, 96, 300] {
            for piece in [1, 5, 48, 100, 301] {
                let write = |encoding| {
                    let mut text = Vec::new();
                    let mut armor = Armor::new(encoding, &mut text).unwrap();
                    for piece in data[..length].chunks(piece) {
                        armor.write_all(piece).unwrap();
                    }
                    armor.finish().unwrap();
                    text
                };
                assert_eq!(write(Encoding::Binary), data[..length]);
                let text = String::from_utf8(write(Encoding::Pem)).unwrap();
                if length > 0 {
                    assert_eq!(text, pem::encode(&data[..length], "CMS"));
                }
                let base64 = String::from_utf8(write(Encoding::Base64)).unwrap();
                let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('-')).collect();
                assert_eq!(base64.lines().collect::<Vec<_>>(), lines);
            }
        }
    }
}
