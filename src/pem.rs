//! PEM as it is found in the field: text before the block, any line width, any line ending.

use der::pem::{self, LineEnding};

/// The bytes of the first block with this label (RFC 7468 section 3, "laxtextual" parsing).
///
/// Text before and after the block is passed over, since `openssl x509 -text` and PKCS#12 exports
/// write some; `None` where there is no such block or its base64 is broken.
pub(crate) fn decode(text: &str, label: &str) -> Option<Vec<u8>> {
    block(text, label)?.0
}

/// The bytes of every block with this label, in their order; broken ones are empty.
#[cfg(feature = "cms")]
pub(crate) fn decode_all(mut text: &str, label: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some((bytes, rest)) = block(text, label) {
        all.push(bytes.unwrap_or_default());
        text = rest;
    }
    all
}

/// The first block with this label, `None` where it is broken, and the text after it.
fn block<'a>(text: &'a str, label: &str) -> Option<(Option<Vec<u8>>, &'a str)> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, rest) = rest.split_once(&format!("-----END {label}-----"))?;
    Some((decode_body(body, label), rest))
}

fn decode_body(body: &str, label: &str) -> Option<Vec<u8>> {
    let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();

    // The decoder underneath takes only lines of 64 characters.
    let mut strict = format!("-----BEGIN {label}-----\n");
    for (position, character) in base64.chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            strict.push('\n');
        }
        strict.push(character);
    }
    strict.push_str(&format!("\n-----END {label}-----\n"));
    let (_, bytes) = pem::decode_vec(strict.as_bytes()).ok()?;
    Some(bytes)
}

/// `bytes` as a PEM block with lines of 64 characters and `\n`.
pub(crate) fn encode(bytes: &[u8], label: &str) -> String {
    // The encoder fails only on a label with a control character or a length beyond usize.
    pem::encode_string(label, LineEnding::LF, bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for length in [1, 47, 48, 49, 96, 1000] {
            let bytes = vec![0xa5; length];
            let text = encode(&bytes, "CERTIFICATE");
            assert_eq!(decode(&text, "CERTIFICATE"), Some(bytes));
            assert_eq!(decode(&text, "PUBLIC KEY"), None);
        }
    }

    #[test]
    fn surroundings_widths_and_line_ends_are_tolerated() {
        let text = encode(&[7; 100], "CERTIFICATE");
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let one_line = format!(
            "subject=CN = Иван\r\n-----BEGIN CERTIFICATE-----\r\n{body}\r\n-----END CERTIFICATE-----\r\nmore"
        );
        assert_eq!(decode(&one_line, "CERTIFICATE"), Some(vec![7; 100]));
        assert_eq!(
            decode(&text.replace('\n', "\r\n"), "CERTIFICATE"),
            Some(vec![7; 100])
        );
    }

    #[test]
    fn broken_blocks_are_none() {
        for text in [
            "",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----",
            "-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nAA\u{416}A\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(decode(text, "CERTIFICATE"), None, "{text}");
        }
    }
}
