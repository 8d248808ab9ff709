//! A document taken apart with the `cms` crate, which keyfob does not make its documents with.
#![allow(dead_code, reason = "no test binary needs all of it")]

use ::cms::content_info::ContentInfo;
use ::cms::signed_data::{SignedData, SignerInfo};
use der::{Decode, Encode};

/// What is in a document, which has to be DER.
pub fn signed_data(document: &[u8]) -> SignedData {
    let outer = ContentInfo::from_der(document).expect("a ContentInfo in DER");
    assert_eq!(outer.to_der().unwrap(), document, "it is not DER");
    outer.content.decode_as().expect("SignedData")
}

/// The one value of an unsigned attribute, in DER.
pub fn unsigned(signer: &SignerInfo, oid: &str) -> Vec<u8> {
    let attributes = signer.unsigned_attrs.as_ref().expect("unsigned attributes");
    value(attributes, oid)
}

/// The one value of a signed attribute, in DER.
pub fn signed(signer: &SignerInfo, oid: &str) -> Vec<u8> {
    let attributes = signer.signed_attrs.as_ref().expect("signed attributes");
    value(attributes, oid)
}

fn value(attributes: &x509_cert::attr::Attributes, oid: &str) -> Vec<u8> {
    let found: Vec<_> = attributes
        .iter()
        .filter(|attribute| attribute.oid.to_string() == oid)
        .collect();
    assert_eq!(found.len(), 1, "{oid}");
    assert_eq!(found[0].values.len(), 1, "{oid}");
    found[0].values.get(0).unwrap().to_der().unwrap()
}
