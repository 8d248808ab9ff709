//! What tells the schemes of GOST R 34.10 apart.

use der::asn1::ObjectIdentifier;

/// A scheme of GOST R 34.10, but for its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gost {
    /// Of a number: 32 or 64 bytes.
    pub(crate) len: usize,
    pub(crate) standard: GostStandard,
}

/// By which standard names and bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GostStandard {
    /// GOST R 34.10-2012, RFC 9215.
    Russia2012,
    /// GOST R 34.10-2001, RFC 4491.
    Russia2001,
    /// ST RK GOST R 34.10-2015.
    Kazakhstan,
}

impl Gost {
    /// Of a key's AlgorithmIdentifier (RFC 9215 section 4, RFC 4491 section 2.3.2).
    pub(crate) const fn key_oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match (self.standard, self.len) {
            (GostStandard::Russia2012, 32) => "1.2.643.7.1.1.1.1",
            (GostStandard::Russia2012, _) => "1.2.643.7.1.1.1.2",
            (GostStandard::Russia2001, _) => "1.2.643.2.2.19",
            (GostStandard::Kazakhstan, 32) => "1.2.398.3.10.1.1.2.1",
            (GostStandard::Kazakhstan, _) => "1.2.398.3.10.1.1.2.2",
        })
    }
}

/// How Kazakhstan has the bytes of a signature, and some tokens.
pub(crate) fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}
