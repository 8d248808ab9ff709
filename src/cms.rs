//! Signed documents: CMS SignedData (RFC 5652) and CAdES (ETSI EN 319 122), made and checked.

#[allow(dead_code, reason = "for making and checking documents, which follows")]
mod attributes;
#[allow(dead_code, reason = "for making and checking documents, which follows")]
mod signer_id;
#[allow(dead_code, reason = "for making and checking documents, which follows")]
mod tlv;
