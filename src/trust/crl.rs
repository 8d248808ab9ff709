//! Certificate revocation lists (RFC 5280 section 5), read without copying their entries.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use der::asn1::{AnyRef, ContextSpecific, GeneralizedTime, ObjectIdentifier, OctetStringRef};
use der::oid::db::rfc5280;
use der::{Decode, Header, Reader, SliceReader, Tag, TagNumber, Tagged};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::{CrlReason, IssuingDistributionPoint};
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::names::NameKey;
use super::node::{self, signed_part};
use super::revocation::{RevocationProblem, RevocationReason};
use super::weakness::Weakness;
use crate::PublicKey;

const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");

/// A list of revoked certificates.
pub(super) struct Crl {
    /// What is signed.
    signed: Vec<u8>,
    pub(super) issuer: Name,
    pub(super) issuer_key: NameKey,
    pub(super) this_update: SystemTime,
    pub(super) next_update: Option<SystemTime>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    /// Where the entries are, by serial number.
    entries: Vec<Range<u32>>,
    pub(super) number: Option<Number>,
    /// Of a delta CRL, the number of the oldest CRL that it adds to.
    pub(super) delta_of: Option<Number>,
    pub(super) scope: Option<IssuingDistributionPoint>,
    /// When it lists expired certificates too, since when.
    pub(super) keeps_expired_since: Option<SystemTime>,
    /// What keeps it from being used at all.
    fault: Option<RevocationProblem>,
    /// The key that its signature was found to be by.
    signer: Mutex<Option<PublicKey>>,
}

/// An entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Since when the certificate is not to be relied on: the invalidity date, if that is earlier.
    pub(super) since: SystemTime,
    pub(super) reason: RevocationReason,
}

/// A CRL number: up to twenty bytes, without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number(Vec<u8>);

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}

impl Crl {
    pub(super) fn from_der(der: &[u8]) -> der::Result<Self> {
        let (algorithm, signature) = outer(der)?;
        let signed = signed_part(der)?;
        let mut crl = Self {
            signed: Vec::new(),
            issuer: Name::default(),
            issuer_key: NameKey::new(&Name::default()),
            this_update: SystemTime::UNIX_EPOCH,
            next_update: None,
            algorithm,
            signature,
            entries: Vec::new(),
            number: None,
            delta_of: None,
            scope: None,
            keeps_expired_since: None,
            fault: None,
            signer: Mutex::new(None),
        };
        nested(&mut SliceReader::new(signed)?, |reader| crl.read(reader))?;
        crl.issuer_key = NameKey::new(&crl.issuer);
        crl.signed = signed.to_vec();
        // Stable: of two with one serial number the later counts, being looked for from the end.
        let mut entries = std::mem::take(&mut crl.entries);
        entries.sort_by(|one, other| crl.serial_at(one).cmp(&crl.serial_at(other)));
        crl.entries = entries;
        Ok(crl)
    }

    /// TBSCertList (RFC 5280 section 5.1.2).
    fn read(&mut self, reader: &mut SliceReader<'_>) -> der::Result<()> {
        if next_is(reader, &[Tag::Integer])? {
            reader.decode::<u8>()?;
        }
        let inner: AlgorithmIdentifierOwned = reader.decode()?;
        if inner != self.algorithm {
            let what = "its two signature algorithms are not the same".to_owned();
            self.fault
                .get_or_insert(RevocationProblem::Malformed { what });
        }
        self.issuer = reader.decode()?;
        self.this_update = reader.decode::<Time>()?.to_system_time();
        if next_is(reader, &[Tag::UtcTime, Tag::GeneralizedTime])? {
            self.next_update = Some(reader.decode::<Time>()?.to_system_time());
        }
        if next_is(reader, &[Tag::Sequence])? {
            nested(reader, |reader| self.read_entries(reader))?;
        }
        let extensions = ContextSpecific::<Extensions>::decode_explicit(reader, TagNumber(0))?;
        for extension in extensions.map(|all| all.value).unwrap_or_default() {
            self.read_extension(&extension)?;
        }
        Ok(())
    }

    /// RFC 5280 section 5.2.
    fn read_extension(&mut self, extension: &x509_cert::ext::Extension) -> der::Result<()> {
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            rfc5280::ID_CE_CRL_NUMBER => self.number = Some(number(value)?),
            rfc5280::ID_CE_DELTA_CRL_INDICATOR => self.delta_of = Some(number(value)?),
            ISSUING_DISTRIBUTION_POINT => {
                self.scope = Some(IssuingDistributionPoint::from_der(value)?);
            }
            // expiredCertsOnCRL (X.509 section 9.5.2.8).
            oid if oid == ObjectIdentifier::new_unwrap("2.5.29.60") => {
                self.keeps_expired_since = Some(GeneralizedTime::from_der(value)?.to_system_time());
            }
            rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER
            | rfc5280::ID_CE_ISSUER_ALT_NAME
            | rfc5280::ID_CE_FRESHEST_CRL
            | rfc5280::ID_PE_AUTHORITY_INFO_ACCESS => {}
            oid if extension.critical => {
                self.fault
                    .get_or_insert(RevocationProblem::CriticalExtension(oid));
            }
            _ => {}
        }
        Ok(())
    }

    fn read_entries(&mut self, reader: &mut SliceReader<'_>) -> der::Result<()> {
        while !reader.is_finished() {
            let start = u32::from(reader.position());
            if let Some(problem) = spoiling(reader.tlv_bytes()?)? {
                self.fault.get_or_insert(problem);
            }
            self.entries.push(start..u32::from(reader.position()));
        }
        Ok(())
    }

    /// What keeps it from being used at all.
    pub(super) fn unusable(&self) -> Option<&RevocationProblem> {
        self.fault.as_ref()
    }

    /// The entry of the certificate with this serial number, in DER's bytes.
    pub(super) fn entry(&self, serial: &[u8]) -> der::Result<Option<Entry>> {
        let end = self
            .entries
            .partition_point(|range| self.serial_at(range) <= Some(serial));
        let last = end.checked_sub(1).and_then(|last| self.entries.get(last));
        match last.filter(|range| self.serial_at(range) == Some(serial)) {
            Some(range) => read_entry(self.slice(range).unwrap_or_default()).map(Some),
            None => Ok(None),
        }
    }

    fn slice(&self, range: &Range<u32>) -> Option<&[u8]> {
        self.signed.get(range.start as usize..range.end as usize)
    }

    /// The serial number of an entry, in DER's bytes.
    fn serial_at(&self, range: &Range<u32>) -> Option<&[u8]> {
        let mut reader = SliceReader::new(self.slice(range)?).ok()?;
        Header::decode(&mut reader).ok()?;
        reader.decode::<AnyRef<'_>>().ok().map(AnyRef::value)
    }

    /// Whether it was verified to be signed by this key.
    pub(super) fn is_known_to_be_by(&self, key: &PublicKey) -> bool {
        let signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        signer.as_ref() == Some(key)
    }

    /// Verifies that it is signed by this key.
    pub(super) fn verify(
        &self,
        key: &PublicKey,
        allowed: &[Weakness],
    ) -> Result<(), super::ChainReason> {
        node::verify(key, &self.algorithm, &self.signed, &self.signature, allowed)?;
        let mut signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        *signer = Some(key.clone());
        Ok(())
    }

    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.signed == other.signed && self.signature == other.signature
    }
}

/// Reads what is within the next value; positions stay those of the whole.
fn nested<'a>(
    reader: &mut SliceReader<'a>,
    read: impl FnOnce(&mut SliceReader<'a>) -> der::Result<()>,
) -> der::Result<()> {
    let header = Header::decode(reader)?;
    header.tag().assert_eq(Tag::Sequence)?;
    reader.read_nested(header.length(), read)
}

fn next_is(reader: &SliceReader<'_>, tags: &[Tag]) -> der::Result<bool> {
    Ok(!reader.is_finished() && tags.contains(&Tag::peek(reader)?))
}

/// The algorithm and the signature around what is signed.
fn outer(der: &[u8]) -> der::Result<(AlgorithmIdentifierOwned, Vec<u8>)> {
    AnyRef::from_der(der)?.sequence(|reader| {
        reader.tlv_bytes()?;
        let algorithm = reader.decode()?;
        let bits = reader.decode::<der::asn1::BitStringRef<'_>>()?;
        let bytes = bits
            .as_bytes()
            .ok_or_else(|| Tag::BitString.value_error())?;
        Ok((algorithm, bytes.to_vec()))
    })
}

fn number(value: &[u8]) -> der::Result<Number> {
    let number = der::asn1::UintRef::from_der(value)?;
    Ok(Number(number.as_bytes().to_vec()))
}

/// One extension of an entry: its identifier, whether it is critical, its value.
type EntryExtension<'a> = (ObjectIdentifier, bool, &'a [u8]);

/// The parts of an entry; nothing is copied.
fn entry_parts<'a, T>(
    entry: &'a [u8],
    mut each: impl FnMut(EntryExtension<'a>) -> der::Result<()>,
    done: impl FnOnce(SystemTime) -> T,
) -> der::Result<T> {
    AnyRef::from_der(entry)?.sequence(|reader| {
        let serial: AnyRef<'_> = reader.decode()?;
        if serial.tag() != Tag::Integer {
            return Err(Tag::Integer.value_error().into());
        }
        let revoked = reader.decode::<Time>()?.to_system_time();
        if !reader.is_finished() {
            let list: AnyRef<'a> = reader.decode()?;
            let mut list = SliceReader::new(list.value())?;
            while !list.is_finished() {
                let one: AnyRef<'a> = list.decode()?;
                each(one.sequence(|reader| {
                    let oid = reader.decode()?;
                    let critical = reader.decode::<Option<bool>>()?.unwrap_or(false);
                    let value = reader.decode::<&OctetStringRef>()?;
                    Ok::<_, der::Error>((oid, critical, value.as_bytes()))
                })?)?;
            }
        }
        Ok(done(revoked))
    })
}

/// RFC 5280 section 5.3: an entry with a critical extension that is not understood spoils the list.
fn spoiling(entry: &[u8]) -> der::Result<Option<RevocationProblem>> {
    let mut problem = None;
    let known = [rfc5280::ID_CE_CRL_REASONS, INVALIDITY_DATE];
    let each = |(oid, critical, _): EntryExtension<'_>| {
        if oid == rfc5280::ID_CE_CERTIFICATE_ISSUER {
            problem.get_or_insert(RevocationProblem::Indirect);
        } else if critical && !known.contains(&oid) {
            problem.get_or_insert(RevocationProblem::CriticalExtension(oid));
        }
        Ok(())
    };
    entry_parts(entry, each, |_| ())?;
    Ok(problem)
}

fn read_entry(entry: &[u8]) -> der::Result<Entry> {
    let mut reason = RevocationReason::Unspecified;
    let mut invalid = None;
    let each = |(oid, _, value): EntryExtension<'_>| {
        match oid {
            rfc5280::ID_CE_CRL_REASONS => reason = CrlReason::from_der(value)?.into(),
            INVALIDITY_DATE => invalid = Some(GeneralizedTime::from_der(value)?.to_system_time()),
            _ => {}
        }
        Ok(())
    };
    let revoked = entry_parts(entry, each, |revoked| revoked)?;
    let since = invalid.map_or(revoked, |invalid| revoked.min(invalid));
    Ok(Entry { since, reason })
}
