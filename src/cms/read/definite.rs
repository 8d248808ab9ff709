//! BER of small elements made DER: what is signed is DER, whatever form it travels in (RFC 5652
//! section 5.4).

use super::ReadError;
use super::ber::{BerReader, CONSTRUCTED, OCTET_STRING};
use crate::cms::tlv;

/// The same elements with definite lengths in as few bytes as they need, and OCTET STRINGs in one
/// piece. The order of sets is kept, so that certificates, which are DER, stay as they are.
pub(super) fn to_der(ber: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut reader = BerReader::new(ber);
    let mut der = Vec::with_capacity(ber.len());
    write_next(&mut reader, &mut der)?;
    reader.finish()?;
    Ok(der)
}

/// The reader's limit of depth is that of the recursion.
fn write_next(reader: &mut BerReader<&[u8]>, der: &mut Vec<u8>) -> Result<(), ReadError> {
    const WHAT: &str = "an element that cannot be read";
    let header = reader.peek()?.ok_or_else(|| reader.malformed(WHAT))?;
    let mut content = Vec::new();
    if header.tag == OCTET_STRING | CONSTRUCTED {
        reader.octets(WHAT, &mut |piece| {
            content.extend_from_slice(piece);
            Ok(())
        })?;
        write(&[OCTET_STRING], &content, der);
        return Ok(());
    }
    if header.is_constructed() {
        reader.enter(header.tag, WHAT)?;
        while reader.peek()?.is_some() {
            write_next(reader, &mut content)?;
        }
        reader.leave(WHAT)?;
    } else {
        content = reader.primitive(header.tag, WHAT)?;
    }
    write(header.tag_bytes(), &content, der);
    Ok(())
}

fn write(tag: &[u8], content: &[u8], der: &mut Vec<u8>) {
    let header = tlv::header(0, content.len() as u64);
    der.extend_from_slice(tag);
    der.extend(header.iter().skip(1));
    der.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_strings_are_made_der() {
        for (ber, der) in [
            (&[0x30, 0x80, 0x05, 0, 0, 0][..], &[0x30, 2, 5, 0][..]),
            (&[0x30, 0x81, 0x02, 0x05, 0], &[0x30, 2, 5, 0]),
            (&[0x04, 0x84, 0, 0, 0, 1, 7], &[4, 1, 7]),
            (
                &[0x24, 0x80, 4, 1, 1, 0x24, 0x80, 4, 1, 2, 0, 0, 4, 0, 0, 0],
                &[4, 2, 1, 2],
            ),
            // The order of a set is kept, and tags of several bytes are.
            (
                &[0x31, 0x80, 2, 1, 9, 2, 1, 1, 0, 0],
                &[0x31, 6, 2, 1, 9, 2, 1, 1],
            ),
            (
                &[0xbf, 0x81, 0x01, 0x80, 5, 0, 0, 0],
                &[0xbf, 0x81, 0x01, 2, 5, 0],
            ),
        ] {
            assert_eq!(to_der(ber).unwrap(), der);
            assert_eq!(to_der(der).unwrap(), der);
        }
        let long = [&[0x24, 0x80, 4, 0x81, 200][..], &[7; 200], &[0, 0]].concat();
        let der = [&[4, 0x81, 200][..], &[7; 200]].concat();
        assert_eq!(to_der(&long).unwrap(), der);
    }

    #[test]
    fn what_is_no_element_is_an_error() {
        for ber in [
            &[][..],
            &[0x30],
            &[0x30, 0x80, 5, 0],
            &[0x30, 1, 5, 0],
            &[0x30, 2, 5, 1],
            &[5, 0, 0],
            &[0, 0],
            &[4, 0x80, 0, 0],
            &[0x24, 0x80, 2, 1, 1, 0, 0],
            &[4, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[4, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x9f, 0x81, 0x81, 0x81, 0x81, 1, 0],
        ] {
            assert!(to_der(ber).is_err(), "{ber:?}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        for levels in [63, 64, 65, 100, 10_000] {
            let definite = (0..levels).fold(vec![5, 0], |inner, _| tlv::encode(0x30, &inner));
            assert_eq!(to_der(&definite).is_ok(), levels <= 64, "{levels}");
            let indefinite = [[0x30, 0x80].repeat(levels), [0, 0].repeat(levels)].concat();
            assert_eq!(to_der(&indefinite).is_ok(), levels <= 64, "{levels}");
        }
    }
}
