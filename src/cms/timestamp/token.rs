//! A time stamp token: SignedData around a TSTInfo (RFC 3161 section 2.4.2).

use std::fmt;
use std::time::{Duration, SystemTime};

use der::asn1::{Any, Int, ObjectIdentifier, OctetString};
use der::{DateTime, Decode, Sequence, Tag, Tagged};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extensions;

use super::TimestampError;
use crate::DigestAlgorithm;
use crate::cms::{SIGNED_DATA, tlv};

/// id-ct-TSTInfo (RFC 3161 section 2.4.2).
pub(in crate::cms) const TST_INFO: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// A time stamp: an authority's word that something existed at a time (RFC 3161).
///
/// It is read, not trusted: that its signature is right, and whose it is, are questions of their own.
#[derive(Clone, PartialEq, Eq)]
pub struct Timestamp {
    der: Vec<u8>,
    info: TstInfo,
    time: SystemTime,
    has_certificate: bool,
}

impl Timestamp {
    /// Reads a token: a DER ContentInfo.
    ///
    /// # Errors
    /// [`TimestampError::Malformed`].
    ///
    /// # Example
    /// ```
    /// use keyfob::cms::{Timestamp, TimestampError};
    ///
    /// let none = Timestamp::from_der(b"0\x00");
    /// assert!(matches!(none, Err(TimestampError::Malformed(_))));
    /// ```
    pub fn from_der(token: &[u8]) -> Result<Self, TimestampError> {
        let broken = |_| TimestampError::Malformed("its token is no SignedData with a time stamp");
        let parts = Parts::of(token).map_err(broken)?;
        Self::from_info(token.to_vec(), &parts.info, parts.has_certificate)
    }

    /// Of a token whose SignedData has been read already, and this TSTInfo found in it.
    pub(in crate::cms) fn from_info(
        token: Vec<u8>,
        info: &[u8],
        has_certificate: bool,
    ) -> Result<Self, TimestampError> {
        let info = TstInfo::from_der(info)
            .map_err(|_| TimestampError::Malformed("its TSTInfo is broken"))?;
        if info.version != 1 {
            return Err(TimestampError::Malformed("it has an unknown version"));
        }
        let extensions = info.extensions.as_deref().unwrap_or_default();
        if extensions.iter().any(|extension| extension.critical) {
            return Err(TimestampError::Malformed(
                "it has a critical extension, and none is known",
            ));
        }
        let time = generalized_time(&info.time)
            .ok_or(TimestampError::Malformed("its time is no GeneralizedTime"))?;
        Ok(Self {
            der: token,
            info,
            time,
            has_certificate,
        })
    }

    /// The token, in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The token, as [`der`](Self::der).
    pub fn into_der(self) -> Vec<u8> {
        self.der
    }

    /// When the authority made it.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// By how much the time may be wrong, to either side; `None` where the authority does not say.
    pub fn accuracy(&self) -> Option<Duration> {
        let accuracy = self.info.accuracy.as_ref()?;
        let seconds = Duration::from_secs(accuracy.seconds.unwrap_or(0).into());
        let millis = Duration::from_millis(accuracy.millis.unwrap_or(0).into());
        let micros = Duration::from_micros(accuracy.micros.unwrap_or(0).into());
        Some(seconds + millis + micros)
    }

    /// The authority's policy that it was made under.
    pub fn policy(&self) -> ObjectIdentifier {
        self.info.policy
    }

    /// Its number among all that the authority makes, big-endian.
    pub fn serial(&self) -> &[u8] {
        self.info.serial.as_bytes()
    }

    /// Whether it is a stamp of what has this digest.
    pub fn stamps(&self, algorithm: DigestAlgorithm, digest: &[u8]) -> bool {
        let imprint = &self.info.imprint;
        imprint.algorithm.oid == algorithm.oid() && imprint.digest.as_bytes() == digest
    }

    /// The digest algorithm of what was stamped, whether or not it is known here.
    pub(crate) fn digest_algorithm(&self) -> ObjectIdentifier {
        self.info.imprint.algorithm.oid
    }

    pub(super) fn nonce(&self) -> Option<&Int> {
        self.info.nonce.as_ref()
    }

    pub(super) fn has_certificate(&self) -> bool {
        self.has_certificate
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timestamp")
            .field("time", &self.time)
            .field("policy", &self.info.policy)
            .finish_non_exhaustive()
    }
}

/// What is read of the SignedData.
struct Parts {
    info: Vec<u8>,
    has_certificate: bool,
}

impl Parts {
    fn of(token: &[u8]) -> der::Result<Self> {
        let failed = || der::Error::from(der::ErrorKind::Failed);
        let only = |explicit| match tlv::elements(explicit, tlv::context(0))?.as_slice() {
            [only] => Ok(*only),
            _ => Err(failed()),
        };
        let content_info = tlv::elements(token, tlv::SEQUENCE)?;
        let [oid, explicit] = content_info.as_slice() else {
            return Err(failed());
        };
        let signed_data = tlv::elements(only(explicit)?, tlv::SEQUENCE)?;
        let [_version, _digests, content, rest @ .., _signers] = signed_data.as_slice() else {
            return Err(failed());
        };
        let content = tlv::elements(content, tlv::SEQUENCE)?;
        let [content_type, explicit] = content.as_slice() else {
            return Err(failed());
        };
        if *oid != tlv::oid(SIGNED_DATA) || *content_type != tlv::oid(TST_INFO) {
            return Err(failed());
        }
        let info = OctetString::from_der(only(explicit)?)?;
        let certificates = rest.iter().filter_map(|field| {
            let certificates = tlv::elements(field, tlv::context(0));
            certificates
                .ok()
                .filter(|certificates| !certificates.is_empty())
        });
        Ok(Self {
            info: info.into_bytes().into(),
            has_certificate: certificates.count() > 0,
        })
    }
}

/// RFC 3161 section 2.4.2.
#[derive(Clone, PartialEq, Eq, Sequence)]
struct TstInfo {
    version: u8,
    policy: ObjectIdentifier,
    imprint: MessageImprint,
    serial: Int,
    /// A GeneralizedTime that may have fractions of a second, which X.509's may not.
    time: Any,
    accuracy: Option<Accuracy>,
    /// Absent is false.
    ordering: Option<bool>,
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    authority: Option<Any>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    extensions: Option<Extensions>,
}

#[derive(Clone, PartialEq, Eq, Sequence)]
struct MessageImprint {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

#[derive(Clone, PartialEq, Eq, Sequence)]
struct Accuracy {
    seconds: Option<u32>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    micros: Option<u16>,
}

/// `YYYYMMDDhhmmss[.s…]Z`.
fn generalized_time(time: &Any) -> Option<SystemTime> {
    let text = std::str::from_utf8(time.value()).ok()?.strip_suffix('Z')?;
    let (text, fraction) = text
        .split_once('.')
        .map_or((text, None), |(text, fraction)| (text, Some(fraction)));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let well_formed = time.tag() == Tag::GeneralizedTime
        && text.len() == 14
        && all_digits(text)
        && fraction.is_none_or(all_digits);
    if !well_formed {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse().ok();
    let two = |from| number(from, from + 2).and_then(|number: u16| u8::try_from(number).ok());
    let time = DateTime::new(number(0, 4)?, two(4)?, two(6)?, two(8)?, two(10)?, two(12)?).ok()?;
    // Nine digits are nanoseconds; what is finer is cut.
    let digits = fraction
        .unwrap_or_default()
        .chars()
        .chain("000000000".chars());
    let nanoseconds: u64 = digits.take(9).collect::<String>().parse().ok()?;
    Some(time.to_system_time() + Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn times_with_and_without_fractions() {
        let read = |text: &str| {
            let time = Any::new(Tag::GeneralizedTime, text.as_bytes()).unwrap();
            let since = generalized_time(&time)?.duration_since(UNIX_EPOCH).unwrap();
            Some((since.as_secs(), since.subsec_nanos()))
        };
        assert_eq!(read("19990609001326Z"), Some((928_887_206, 0)));
        assert_eq!(
            read("19990609001326.34352Z"),
            Some((928_887_206, 343_520_000))
        );
        assert_eq!(
            read("19990609001326.1234567899Z"),
            Some((928_887_206, 123_456_789))
        );
        for broken in [
            "",
            "Z",
            "19990609001326",
            "19990609001326.Z",
            "19990609001326.3.4Z",
            "19990609001326,5Z",
            "19991309001326Z",
            "1999060900132Z",
            "+9990609001326Z",
            "1999060900132\u{416}Z",
            "19990609001326+0100",
        ] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }
}
