//! Who signs a document, and how: from an identity to a SignerInfo (RFC 5652 section 5.3).

use std::fmt;
use std::time::SystemTime;

use der::Encode;
use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;

use crate::cms::attributes::{self, Attribute};
use crate::cms::signer_id::{self, IssuerAndSerial};
use crate::cms::timestamp::{self, Authority};
use crate::cms::{SignDocumentError, tlv};
use crate::{Certificate, DigestAlgorithm, Error, Identity, Scheme};

/// Who signs a document, and how.
///
/// An [`Identity`] alone is a signer with the usual choices: the scheme that most readers
/// understand, the time of signing, and its certificate in the document. Whatever is chosen, the
/// signature is a CAdES one (ETSI EN 319 122-1, level B-B): it is bound to the certificate
/// (signing-certificate-v2, RFC 5035).
///
/// # Example
/// ```no_run
/// use keyfob::{Pin, Scheme, cms};
///
/// let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
/// let me = fob.identities()?.for_signing().valid_now().only()?;
/// let signer = cms::Signer::new(&me).scheme(Scheme::RsaPssSha256).without_signing_time();
/// let p7s = cms::sign(signer).detached().path("contract.pdf")?;
/// # Ok::<(), keyfob::Error>(())
/// ```
pub struct Signer<'a> {
    identity: Identity,
    scheme: Option<Scheme>,
    time: Time,
    /// What goes into the document beside the signer's own certificate; `None`: not even that.
    chain: Option<Vec<Certificate>>,
    by_key_id: bool,
    signed: Vec<Attribute>,
    unsigned: Vec<Attribute>,
    authority: Option<Box<Authority<'a>>>,
}

enum Time {
    Now,
    At(SystemTime),
    Untold,
}

impl<'a> Signer<'a> {
    /// A signer with the usual choices.
    pub fn new(identity: &Identity) -> Self {
        Self {
            identity: identity.clone(),
            scheme: None,
            time: Time::Now,
            chain: Some(Vec::new()),
            by_key_id: false,
            signed: Vec::new(),
            unsigned: Vec::new(),
            authority: None,
        }
    }

    /// Signs with this scheme, and digests the content with its
    /// [`content_digest`](Scheme::content_digest). Otherwise it is the key's
    /// [usual one](Scheme::default_for), or another where the certificate forbids that.
    #[must_use]
    pub fn scheme(self, scheme: Scheme) -> Self {
        let scheme = Some(scheme);
        Self { scheme, ..self }
    }

    /// Says that the document was signed at this time, and not when it was. Nobody vouches for
    /// either: see [`timestamp`](Self::timestamp).
    #[must_use]
    pub fn signing_time(self, time: SystemTime) -> Self {
        let time = Time::At(time);
        Self { time, ..self }
    }

    /// Does not say when the document was signed.
    #[must_use]
    pub fn without_signing_time(self) -> Self {
        let time = Time::Untold;
        Self { time, ..self }
    }

    /// Puts these certificates into the document beside the signer's own: those of the authorities
    /// that issued it, so that a reader finds the way to one that it trusts.
    #[must_use]
    pub fn chain(self, certificates: &[Certificate]) -> Self {
        let chain = Some(certificates.to_vec());
        Self { chain, ..self }
    }

    /// Puts no certificate into the document: readers have to know the signer's already.
    #[must_use]
    pub fn without_certificate(self) -> Self {
        Self {
            chain: None,
            ..self
        }
    }

    /// Names the certificate by its subject key identifier, and not by its issuer and serial number.
    #[must_use]
    pub fn by_key_id(self) -> Self {
        let by_key_id = true;
        Self { by_key_id, ..self }
    }

    /// Signs one more attribute: `values` are the DER encodings of its values.
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::{Pin, cms};
    /// # let me = keyfob::discover()?.only()?.identities()?.only()?;
    /// use der::asn1::ObjectIdentifier;
    ///
    /// // A content-hint (RFC 2634 section 2.9): SEQUENCE { UTF8String, OBJECT IDENTIFIER id-data }
    /// let hint = b"\x30\x14\x0c\x07invoice\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    /// let oid = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.4");
    /// let signer = cms::Signer::new(&me).attribute(oid, &[hint]);
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    #[must_use]
    pub fn attribute(mut self, oid: ObjectIdentifier, values: &[&[u8]]) -> Self {
        self.signed.push(Attribute::new(oid, values));
        self
    }

    /// Adds one more attribute beside the signature, which it does not protect.
    #[must_use]
    pub fn unsigned_attribute(mut self, oid: ObjectIdentifier, values: &[&[u8]]) -> Self {
        self.unsigned.push(Attribute::new(oid, values));
        self
    }

    /// Has the signature stamped by an authority (RFC 3161; CAdES level B-T).
    ///
    /// `authority` gets the DER of a TimeStampReq and returns that of a TimeStampResp. How it does
    /// so is its own affair: over HTTP the one is sent as `application/timestamp-query` and the other
    /// comes as `application/timestamp-reply` (RFC 3161 section 3.4). The answer is checked before it
    /// goes into the document; see [`TimestampRequest::check`](crate::cms::TimestampRequest::check).
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::cms;
    /// # fn post(url: &str, body: &[u8]) -> std::io::Result<Vec<u8>> { unimplemented!() }
    /// # let me = keyfob::discover()?.only()?.identities()?.only()?;
    /// let signer = cms::Signer::new(&me)
    ///     .timestamp(|request| Ok(post("http://tsa.example/", request)?));
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    #[must_use]
    pub fn timestamp(
        self,
        authority: impl Fn(&[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> + 'a,
    ) -> Self {
        Self {
            authority: Some(Box::new(authority)),
            ..self
        }
    }

    /// What can be told before anything is read: whether this signer can sign, and with what.
    pub(super) fn ready(&self) -> Result<Ready<'_, 'a>, Error> {
        let key = self.identity.signing_key()?;
        let identity = || self.identity.uri().to_string();
        let Some(certificate) = self.identity.certificate() else {
            let identity = identity();
            return Err(SignDocumentError::NoCertificate { identity }.into());
        };
        let certified = certificate.public_key()?;
        let scheme = match self.scheme {
            Some(scheme) if certified.permits(scheme) => scheme,
            Some(scheme) => {
                let identity = identity();
                return Err(SignDocumentError::SchemeForbidden { identity, scheme }.into());
            }
            None => {
                let key_type = certified.key_type();
                let usual = Scheme::default_for(&key_type).into_iter();
                let others = Scheme::ALL.iter().copied();
                let mut fitting = usual.chain(others.filter(|scheme| scheme.fits(&key_type)));
                fitting
                    .find(|scheme| certified.permits(*scheme))
                    .ok_or(SignDocumentError::NoScheme { key_type })?
            }
        };
        key.check(scheme)?;
        let id = match self.by_key_id {
            false => Id::IssuerAndSerial(IssuerAndSerial::of(certificate).map_err(encoding)?),
            true => match signer_id::key_id(certificate) {
                Some(id) => Id::KeyId(id),
                None => {
                    let identity = identity();
                    return Err(SignDocumentError::NoKeyId { identity }.into());
                }
            },
        };
        self.check_attributes()?;
        Ok(Ready {
            signer: self,
            certificate,
            scheme,
            id,
        })
    }

    /// Whether the caller's attributes can stand beside those that are made here.
    fn check_attributes(&self) -> Result<(), SignDocumentError> {
        const SIGNED: &[ObjectIdentifier] = &[
            attributes::CONTENT_TYPE,
            attributes::MESSAGE_DIGEST,
            attributes::SIGNING_TIME,
            attributes::SIGNING_CERTIFICATE_V2,
        ];
        const UNSIGNED: &[ObjectIdentifier] = &[attributes::SIGNATURE_TIME_STAMP];
        for (taken, attributes) in [(SIGNED, &self.signed), (UNSIGNED, &self.unsigned)] {
            for (position, attribute) in attributes.iter().enumerate() {
                let oid = attribute.oid;
                let refused = |reason| Err(SignDocumentError::Attribute { oid, reason });
                let before = attributes.iter().take(position);
                if taken.contains(&oid) {
                    return refused("it is made here");
                }
                if before.into_iter().any(|other| other.oid == oid) {
                    return refused("it was given twice; give all its values at once");
                }
                if attribute.values.is_empty() {
                    return refused("it has no value");
                }
                if Attribute::from_der(&attribute.to_der()).as_ref() != Ok(&attribute.sorted()) {
                    return refused("a value is not one DER encoding");
                }
            }
        }
        Ok(())
    }
}

impl From<&Identity> for Signer<'_> {
    fn from(identity: &Identity) -> Self {
        Self::new(identity)
    }
}

impl fmt::Debug for Signer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("identity", &self.identity)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

/// A signer that can sign.
pub(super) struct Ready<'s, 'a> {
    signer: &'s Signer<'a>,
    certificate: &'s Certificate,
    scheme: Scheme,
    id: Id,
}

enum Id {
    IssuerAndSerial(IssuerAndSerial),
    KeyId(Vec<u8>),
}

impl Ready<'_, '_> {
    /// What the content is hashed with.
    pub(super) fn digest_algorithm(&self) -> DigestAlgorithm {
        self.scheme.content_digest()
    }

    /// What names that in the document.
    pub(super) fn digest_identifier(&self) -> AlgorithmIdentifierOwned {
        self.scheme.digest_identifier()
    }

    /// Of the SignerInfo (RFC 5652 section 5.3).
    pub(super) fn version(&self) -> u8 {
        match self.id {
            Id::IssuerAndSerial(_) => 1,
            Id::KeyId(_) => 3,
        }
    }

    /// What goes into the document.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        let chain = self.signer.chain.as_ref();
        let own = chain.map(|_| self.certificate);
        own.into_iter().chain(chain.into_iter().flatten())
    }

    /// Signs, and returns the SignerInfo.
    ///
    /// `content_type` is `None` for a counter-signature, which must not have one (RFC 5652 section
    /// 11.4).
    pub(super) fn sign(
        &self,
        content_type: Option<ObjectIdentifier>,
        digest: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let attributes = self.signed_attributes(content_type, digest)?;
        // What is signed has the tag of a SET, and what is sent that of a field [0] (section 5.4).
        let set = tlv::set_of(tlv::SET, attributes.clone());
        let signature = self.signer.identity.sign(self.scheme, &set)?;
        let signature = signature.as_bytes();

        let id = match &self.id {
            Id::IssuerAndSerial(id) => id.to_der(),
            Id::KeyId(id) => tlv::encode(0x80, id),
        };
        let digest_algorithm = self.digest_identifier().to_der().map_err(encoding)?;
        let algorithm = self.scheme.document_identifier().to_der();
        Ok(tlv::sequence(&[
            &tlv::small_integer(self.version()),
            &id,
            &digest_algorithm,
            &tlv::set_of(tlv::context(0), attributes),
            &algorithm.map_err(encoding)?,
            &tlv::encode(tlv::OCTET_STRING, signature),
            &self.unsigned_attributes(signature)?,
        ]))
    }

    fn signed_attributes(
        &self,
        content_type: Option<ObjectIdentifier>,
        digest: &[u8],
    ) -> Result<Vec<Vec<u8>>, SignDocumentError> {
        let time = match self.signer.time {
            Time::Now => Some(SystemTime::now()),
            Time::At(time) => Some(time),
            Time::Untold => None,
        };
        let time = time.map(Attribute::signing_time).transpose();
        let algorithm = self.digest_algorithm();
        let certificate = Attribute::signing_certificate(self.certificate, algorithm);
        let own = [
            content_type.map(Attribute::content_type),
            time.map_err(|_| SignDocumentError::SigningTime)?,
            Some(Attribute::message_digest(digest)),
            Some(certificate.map_err(encoding)?),
        ];
        let all = own.iter().flatten().chain(&self.signer.signed);
        Ok(all.map(Attribute::to_der).collect())
    }

    /// The field, or nothing where there are none.
    fn unsigned_attributes(&self, signature: &[u8]) -> Result<Vec<u8>, SignDocumentError> {
        let mut all: Vec<_> = self.signer.unsigned.iter().map(Attribute::to_der).collect();
        if let Some(authority) = &self.signer.authority {
            let token = timestamp::stamp(authority, self.digest_algorithm(), signature)
                .map_err(SignDocumentError::Timestamp)?;
            all.push(Attribute::signature_time_stamp(token).to_der());
        }
        Ok(match all.is_empty() {
            true => Vec::new(),
            false => tlv::set_of(tlv::context(1), all),
        })
    }
}

fn encoding(error: der::Error) -> SignDocumentError {
    SignDocumentError::Encoding(error)
}
