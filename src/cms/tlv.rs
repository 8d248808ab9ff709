//! DER, put together from encodings that are ready, and taken apart to such (X.690).
//!
//! What others have signed has to stay as they spelled it, so nothing is decoded here that need not be.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, ErrorKind, Reader, SliceReader};

pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const CONSTRUCTED_OCTET_STRING: u8 = 0x24;

/// The tag of a constructed field `[number]`. Numbers above 30 are not written so, and not used.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Tag, length and contents.
pub(crate) fn encode(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut encoded = header(tag, contents.len() as u64);
    encoded.extend_from_slice(contents);
    encoded
}

/// A SEQUENCE of encodings, in their order.
pub(crate) fn sequence(fields: &[&[u8]]) -> Vec<u8> {
    encode(SEQUENCE, &fields.concat())
}

/// The SET OF these encodings, in DER's order: that of their bytes (X.690 section 11.6). The shorter
/// would be filled up with zeros, but no encoding begins with another whole one.
pub(crate) fn set_of(tag: u8, mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort();
    encode(tag, &elements.concat())
}

pub(crate) fn oid(oid: ObjectIdentifier) -> Vec<u8> {
    encode(OBJECT_IDENTIFIER, oid.as_bytes())
}

/// An INTEGER from 0 to 127.
pub(crate) fn small_integer(number: u8) -> Vec<u8> {
    vec![0x02, 0x01, number & 0x7f]
}

/// An INTEGER that is not negative.
pub(crate) fn integer(number: u64) -> Vec<u8> {
    // A zero byte in front where the first bit would be taken for a sign.
    let bytes = [&[0], number.to_be_bytes().as_slice()].concat();
    let redundant = bytes
        .windows(2)
        .take_while(|pair| matches!(pair, [0, next] if *next < 0x80));
    encode(0x02, bytes.get(redundant.count()..).unwrap_or_default())
}

/// Tag and length, of contents that may be longer than memory (X.690 section 8.1.3).
pub(crate) fn header(tag: u8, length: u64) -> Vec<u8> {
    let bytes = length.to_be_bytes();
    let used = bytes.len() - length.leading_zeros() as usize / 8;
    let digits = bytes.iter().skip(bytes.len() - used);
    let mut encoded = vec![tag];
    match length {
        0..=0x7f => encoded.push(length as u8),
        _ => {
            encoded.push(0x80 | used as u8);
            encoded.extend(digits);
        }
    }
    encoded
}

/// The encodings that a constructed one with this tag consists of, in their order.
pub(crate) fn elements(encoded: &[u8], tag: u8) -> der::Result<Vec<&[u8]>> {
    if encoded.first() != Some(&tag) {
        return Err(ErrorKind::Failed.into());
    }
    let mut reader = SliceReader::new(AnyRef::from_der(encoded)?.value())?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(reader.tlv_bytes()?);
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_can_be() {
        for (length, expected) in [
            (0, vec![0x30, 0]),
            (0x7f, vec![0x30, 0x7f]),
            (0x80, vec![0x30, 0x81, 0x80]),
            (0xff, vec![0x30, 0x81, 0xff]),
            (0x100, vec![0x30, 0x82, 1, 0]),
            (0x1_0000_0000, vec![0x30, 0x85, 1, 0, 0, 0, 0]),
            (u64::MAX, [vec![0x30, 0x88], vec![0xff; 8]].concat()),
        ] {
            assert_eq!(header(SEQUENCE, length), expected, "{length}");
        }
    }

    #[test]
    fn integers_are_as_short_as_can_be() {
        use der::Encode;
        for number in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, u64::MAX] {
            assert_eq!(integer(number), number.to_der().unwrap(), "{number}");
        }
    }

    #[test]
    fn taken_apart_as_put_together() {
        let parts = [
            small_integer(5),
            encode(OCTET_STRING, &[7; 300]),
            sequence(&[]),
        ];
        let whole = sequence(&[&parts[0], &parts[1], &parts[2]]);
        assert_eq!(elements(&whole, SEQUENCE).unwrap(), parts);
        for broken in [
            elements(&whole, SET),
            elements(&whole[..whole.len() - 1], SEQUENCE),
            elements(&[], SEQUENCE),
            elements(&[0x30, 3, 4, 2, 0], SEQUENCE),
        ] {
            assert!(broken.is_err());
        }
    }

    #[test]
    fn sets_are_in_the_order_of_their_bytes() {
        let elements = vec![
            vec![4, 1, 9],
            vec![2, 1, 5],
            vec![4, 2, 0, 0],
            vec![2, 1, 4],
        ];
        let expected = [
            &[0x31, 13][..],
            &[2, 1, 4],
            &[2, 1, 5],
            &[4, 1, 9],
            &[4, 2, 0, 0],
        ];
        assert_eq!(set_of(SET, elements), expected.concat());
    }
}
