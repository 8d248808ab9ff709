//! Attributes of a signature: what CAdES has a signer say beside the content (RFC 5652 section 11,
//! RFC 5035, RFC 3161 appendix A, ETSI EN 319 122-1 section 5).

mod signing_certificate;

use std::time::SystemTime;

use der::asn1::{ObjectIdentifier, OctetString};
use der::{Decode, Encode, ErrorKind, Reader, SliceReader};
use x509_cert::time::Time;

pub(crate) use signing_certificate::SigningCertificate;

use crate::cms::tlv;
use crate::{Certificate, DigestAlgorithm};

/// The type of the content (RFC 5652 section 11.1).
pub(crate) const CONTENT_TYPE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
/// The digest of the content (RFC 5652 section 11.2).
pub(crate) const MESSAGE_DIGEST: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// When the signer says that it signed (RFC 5652 section 11.3).
pub(crate) const SIGNING_TIME: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
/// A signature over the signature (RFC 5652 section 11.4). Unsigned.
pub(crate) const COUNTER_SIGNATURE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.6");
/// The signer's certificate, by a SHA-1 digest (RFC 2634 section 5.4). Read, and never made.
pub(crate) const SIGNING_CERTIFICATE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
/// A time stamp of the signature (RFC 3161 appendix A). Unsigned.
pub(crate) const SIGNATURE_TIME_STAMP: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");
/// The signer's certificate, by a digest (RFC 5035 section 3).
pub(crate) const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// An attribute (RFC 5652 section 5.3): its type, and the encoding of each of its values, in the
/// order that they came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) oid: ObjectIdentifier,
    pub(crate) values: Vec<Vec<u8>>,
}

impl Attribute {
    pub(crate) fn new(oid: ObjectIdentifier, values: &[&[u8]]) -> Self {
        let values = values.iter().map(|value| value.to_vec()).collect();
        Self { oid, values }
    }

    pub(crate) fn content_type(content_type: ObjectIdentifier) -> Self {
        Self::with_value(CONTENT_TYPE, tlv::oid(content_type))
    }

    pub(crate) fn message_digest(digest: &[u8]) -> Self {
        Self::with_value(MESSAGE_DIGEST, tlv::encode(tlv::OCTET_STRING, digest))
    }

    /// To the second. UTCTime through 2049 and GeneralizedTime from 2050, as RFC 5652 section 11.3
    /// demands.
    pub(crate) fn signing_time(time: SystemTime) -> der::Result<Self> {
        let time = der::DateTime::from_system_time(time)?;
        Ok(Self::with_value(SIGNING_TIME, Time::from(time).to_der()?))
    }

    pub(crate) fn signing_certificate(
        certificate: &Certificate,
        digest: DigestAlgorithm,
    ) -> der::Result<Self> {
        let value = SigningCertificate::of(certificate, digest)?.to_der_v2()?;
        Ok(Self::with_value(SIGNING_CERTIFICATE_V2, value))
    }

    /// `token` is a ContentInfo with the time stamp in it.
    pub(crate) fn signature_time_stamp(token: Vec<u8>) -> Self {
        Self::with_value(SIGNATURE_TIME_STAMP, token)
    }

    /// `signer` is a SignerInfo.
    pub(crate) fn counter_signature(signer: Vec<u8>) -> Self {
        Self::with_value(COUNTER_SIGNATURE, signer)
    }

    fn with_value(oid: ObjectIdentifier, value: Vec<u8>) -> Self {
        let values = vec![value];
        Self { oid, values }
    }

    /// The attribute in DER, if its values are.
    pub(crate) fn to_der(&self) -> Vec<u8> {
        let values = tlv::set_of(tlv::SET, self.values.clone());
        tlv::sequence(&[&tlv::oid(self.oid), &values])
    }

    /// The same with its values in DER's order.
    pub(crate) fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        sorted.values.sort();
        sorted
    }

    /// Reads one attribute.
    pub(crate) fn from_der(attribute: &[u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(attribute)?;
        let attribute = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(attribute)
    }

    fn decode<'a>(reader: &mut SliceReader<'a>) -> der::Result<Self> {
        reader.sequence(|fields| {
            let oid = ObjectIdentifier::decode(fields)?;
            let values = tlv::elements(fields.tlv_bytes()?, tlv::SET)?;
            let values = values.into_iter().map(<[u8]>::to_vec).collect();
            Ok(Self { oid, values })
        })
    }

    /// The value, where there is one and no other.
    pub(crate) fn only_value(&self) -> der::Result<&[u8]> {
        match self.values.as_slice() {
            [value] => Ok(value),
            _ => Err(ErrorKind::Failed.into()),
        }
    }

    /// The value of a content-type attribute.
    pub(crate) fn as_content_type(&self) -> der::Result<ObjectIdentifier> {
        ObjectIdentifier::from_der(self.only_value()?)
    }

    /// The value of a message-digest attribute.
    pub(crate) fn as_message_digest(&self) -> der::Result<Vec<u8>> {
        Ok(OctetString::from_der(self.only_value()?)?
            .into_bytes()
            .into())
    }

    /// The value of a signing-time attribute.
    pub(crate) fn as_signing_time(&self) -> der::Result<SystemTime> {
        Ok(Time::from_der(self.only_value()?)?.to_system_time())
    }

    /// The value of a signing-certificate attribute, of either version.
    pub(crate) fn as_signing_certificate(&self) -> der::Result<SigningCertificate> {
        match self.oid {
            SIGNING_CERTIFICATE => SigningCertificate::from_der_v1(self.only_value()?),
            _ => SigningCertificate::from_der_v2(self.only_value()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn what_is_made_can_be_read() {
        let data = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
        let read = |attribute: &Attribute| Attribute::from_der(&attribute.to_der()).unwrap();

        let attribute = Attribute::content_type(data);
        assert_eq!(read(&attribute).as_content_type().unwrap(), data);
        let attribute = Attribute::message_digest(&[7; 32]);
        assert_eq!(read(&attribute).as_message_digest().unwrap(), [7; 32]);
        // 2049-12-31T23:59:59Z is the last second of UTCTime.
        for (seconds, tag) in [(0, 0x17), (2_524_607_999, 0x17), (2_524_608_000, 0x18)] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            let attribute = Attribute::signing_time(time + Duration::from_millis(1)).unwrap();
            assert_eq!(attribute.values[0][0], tag);
            assert_eq!(read(&attribute).as_signing_time().unwrap(), time);
        }
    }

    #[test]
    fn one_value_is_wanted() {
        let mut attribute = Attribute::message_digest(&[7; 32]);
        attribute.values.push(attribute.values[0].clone());
        assert!(attribute.as_message_digest().is_err());
        attribute.values.clear();
        assert!(attribute.as_message_digest().is_err());
    }
}
