//! By what a signature names its signer's certificate (RFC 5652 section 5.3).

use x509_cert::ext::pkix::SubjectKeyIdentifier;

use crate::Certificate;
use crate::cms::tlv;

/// The issuer and the serial number, each as the certificate spells it (RFC 5652 section 10.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IssuerAndSerial {
    /// A Name in DER.
    pub(crate) issuer: Vec<u8>,
    /// An INTEGER in DER.
    pub(crate) serial: Vec<u8>,
}

impl IssuerAndSerial {
    /// Those of a certificate. They are not encoded anew: verifiers compare bytes, and not every
    /// issuer keeps to DER.
    pub(crate) fn of(certificate: &Certificate) -> der::Result<Self> {
        let certificate = tlv::elements(certificate.der(), tlv::SEQUENCE)?;
        let to_be_signed = certificate.first().copied().unwrap_or_default();
        let fields = tlv::elements(to_be_signed, tlv::SEQUENCE)?;
        // RFC 5280 section 4.1: the version may be left out.
        let fields = match fields.as_slice() {
            [version, rest @ ..] if version.first() == Some(&tlv::context(0)) => rest,
            all => all,
        };
        match fields {
            [serial, _algorithm, issuer, ..] => Ok(Self {
                issuer: issuer.to_vec(),
                serial: serial.to_vec(),
            }),
            _ => Err(der::ErrorKind::Failed.into()),
        }
    }

    pub(crate) fn to_der(&self) -> Vec<u8> {
        tlv::sequence(&[&self.issuer, &self.serial])
    }
}

/// The subject key identifier of a certificate (RFC 5280 section 4.2.1.2); `None` where it has none
/// that can be read.
pub(crate) fn key_id(certificate: &Certificate) -> Option<Vec<u8>> {
    let extension = certificate.as_x509().tbs_certificate().get_extension();
    let (_critical, id): (bool, SubjectKeyIdentifier) = extension.ok()??;
    Some(id.0.into_bytes().into())
}
