//! Whether a certificate of a chain is revoked (RFC 5280 section 6.3).

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::crl::dp::{DistributionPoint, ReasonFlags, Reasons};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{CrlReason, IssuingDistributionPoint};
use x509_cert::name::{Name, RdnSequence};

use super::crl::{Crl, Entry};
use super::error::{ChainError, ChainReason, Moment};
use super::names::NameKey;
use super::node::Node;
use super::search::Search;
use super::weakness::Weakness;

/// What is demanded of revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revocation {
    /// CRLs are not looked at.
    Off,
    /// A certificate that a CRL says is revoked is refused. Where nothing can be told, the chain
    /// says so, and stands.
    #[default]
    WhereKnown,
    /// A certificate that no fresh CRL speaks for is refused too.
    Required,
}

/// What is known of the revocation of one certificate that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationStatus {
    /// It was not asked.
    NotChecked,
    /// A CRL of its issuer says that it is not revoked.
    Good {
        /// When the CRL was issued; the newest where there are several.
        this_update: SystemTime,
        /// Until when the next one is due, if the CRL says so.
        next_update: Option<SystemTime>,
    },
    /// Nothing can be told.
    Unknown(RevocationProblem),
}

/// Why it cannot be told whether a certificate is revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationProblem {
    /// There is no CRL of its issuer.
    #[error("there is no CRL of its issuer, {issuer}; get the newest one, and give it")]
    Missing {
        /// The issuer's name.
        issuer: String,
    },
    /// The CRL is for other certificates of the issuer.
    #[error(
        "the CRL of its issuer is for other certificates (those of authorities, or of another \
         distribution point); get the one that the certificate names"
    )]
    OutOfScope,
    /// The CRL says no more than what has changed since another, which is not there.
    #[error("there is a delta CRL of its issuer alone; get the complete one, too")]
    DeltaWithoutBase,
    /// The CRL speaks for certificates of several issuers (RFC 5280 section 5.2.5).
    #[error(
        "the CRL is an indirect one, which speaks for several issuers; these are not understood \
         here, get one of the issuer itself"
    )]
    Indirect,
    /// The CRLs are for some reasons alone (RFC 5280 section 5.2.5).
    #[error(
        "the CRLs of its issuer leave out some reasons of revocation; get those for the others, too"
    )]
    SomeReasons,
    /// It cannot be told who signed the CRL: neither the issuer's key, nor another key that the same
    /// anchor vouches for.
    #[error(
        "the CRL with the name of its issuer was not signed by it, or was changed; get it anew"
    )]
    BrokenSignature,
    /// Whoever signed the CRL may not sign any.
    #[error(
        "the CRL of its issuer is signed with a key that may sign none: its key usage has no cRLSign"
    )]
    NotForCrls,
    /// The signature of the CRL is too weak.
    #[error(
        "the CRL of its issuer relies on {0}, which is too weak; allow it by name only where there is no other way"
    )]
    Weak(Weakness),
    /// The signature of the CRL is of an algorithm that is not known here.
    #[error("the CRL of its issuer cannot be verified: {0}")]
    Unsupported(String),
    /// The CRL has a critical extension that is unknown here.
    #[error("the CRL of its issuer has a critical extension that is unknown here, {0}")]
    CriticalExtension(ObjectIdentifier),
    /// The CRL cannot be read.
    #[error("the CRL of its issuer is malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// The CRL was issued when the certificate had expired, and lists expired ones no more.
    #[error(
        "the CRL of its issuer is from {}, when the certificate had expired and was no longer \
         listed; get one from before",
        Moment(*this_update)
    )]
    IssuedAfterExpiry {
        /// When the CRL was issued.
        this_update: SystemTime,
    },
    /// A newer CRL was due before the time that was asked for.
    #[error("the CRL of its issuer is stale: a newer one was due on {}; get that", Moment(*next_update))]
    Stale {
        /// When the newer one was due.
        next_update: SystemTime,
    },
}

impl RevocationProblem {
    /// How near it is to an answer: of several problems the nearest is told.
    fn nearness(&self) -> u8 {
        match self {
            Self::Missing { .. } => 0,
            Self::OutOfScope => 1,
            Self::DeltaWithoutBase => 2,
            Self::Indirect => 3,
            Self::Malformed { .. } | Self::CriticalExtension(_) => 4,
            Self::BrokenSignature | Self::NotForCrls | Self::Weak(_) | Self::Unsupported(_) => 5,
            Self::SomeReasons => 6,
            Self::IssuedAfterExpiry { .. } => 7,
            Self::Stale { .. } => 8,
        }
    }
}

/// Why a certificate was revoked (RFC 5280 section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum RevocationReason {
    Unspecified,
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    /// For the time being: a later CRL may take it back.
    CertificateHold,
    /// In a delta CRL: no longer on hold, or expired.
    RemoveFromCrl,
    PrivilegeWithdrawn,
    AaCompromise,
}

impl From<CrlReason> for RevocationReason {
    fn from(reason: CrlReason) -> Self {
        match reason {
            CrlReason::Unspecified => Self::Unspecified,
            CrlReason::KeyCompromise => Self::KeyCompromise,
            CrlReason::CaCompromise => Self::CaCompromise,
            CrlReason::AffiliationChanged => Self::AffiliationChanged,
            CrlReason::Superseded => Self::Superseded,
            CrlReason::CessationOfOperation => Self::CessationOfOperation,
            CrlReason::CertificateHold => Self::CertificateHold,
            CrlReason::RemoveFromCRL => Self::RemoveFromCrl,
            CrlReason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
            CrlReason::AaCompromise => Self::AaCompromise,
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "no reason given",
            Self::KeyCompromise => "the key was compromised",
            Self::CaCompromise => "the authority was compromised",
            Self::AffiliationChanged => "the owner's affiliation has changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "no longer needed",
            Self::CertificateHold => "on hold",
            Self::RemoveFromCrl => "no longer on hold",
            Self::PrivilegeWithdrawn => "a privilege was withdrawn",
            Self::AaCompromise => "the attribute authority was compromised",
        })
    }
}

/// All reasons that a list may be limited to (RFC 5280 section 4.2.1.13).
fn all_reasons() -> ReasonFlags {
    ReasonFlags::full() - Reasons::Unused
}

/// What is known of each certificate of a path but the anchor.
pub(super) fn check(
    path: &[Arc<Node>],
    search: &mut Search<'_>,
) -> Result<Vec<RevocationStatus>, ChainError> {
    let mut all = Vec::new();
    for pair in path.windows(2) {
        let [node, issuer] = pair else { continue };
        let fail = |reason| ChainError {
            certificate: node.certificate.clone(),
            reason,
        };
        let mode = search.trust.revocation;
        let status = match mode {
            Revocation::Off => RevocationStatus::NotChecked,
            _ => of_one(node, issuer, path, search).map_err(fail)?,
        };
        match status {
            RevocationStatus::Unknown(problem) if mode == Revocation::Required => {
                return Err(fail(ChainReason::RevocationUnknown(problem)));
            }
            status => all.push(status),
        }
    }
    Ok(all)
}

/// What the CRLs of one issuer say so far.
struct Answer {
    /// The reasons that no list was found for.
    missing_reasons: ReasonFlags,
    newest: Option<(SystemTime, Option<SystemTime>)>,
    problem: RevocationProblem,
}

fn of_one(
    node: &Node,
    issuer: &Arc<Node>,
    path: &[Arc<Node>],
    search: &mut Search<'_>,
) -> Result<RevocationStatus, ChainReason> {
    let trust = search.trust;
    let crls = trust.crls.get(&node.issuer).map_or(&[][..], Vec::as_slice);
    let mut answer = Answer {
        missing_reasons: all_reasons(),
        newest: None,
        problem: RevocationProblem::Missing {
            issuer: node.certificate.issuer(),
        },
    };
    for crl in crls {
        match ask(node, issuer, path, crl, crls, search)? {
            Ok(Reply {
                entry: Some(entry), ..
            }) if entry.since <= search.rules.at => {
                return Err(ChainReason::Revoked {
                    at: entry.since,
                    reason: entry.reason,
                });
            }
            Ok(reply) => {
                answer.missing_reasons -= reply.reasons;
                let newest = Some((reply.this_update, reply.next_update));
                answer.newest = answer.newest.max(newest);
            }
            Err(problem) if problem.nearness() > answer.problem.nearness() => {
                answer.problem = problem;
            }
            Err(_) => {}
        }
    }
    Ok(match answer.newest {
        Some((this_update, next_update)) if answer.missing_reasons.is_empty() => {
            RevocationStatus::Good {
                this_update,
                next_update,
            }
        }
        Some(_) if answer.problem.nearness() < RevocationProblem::SomeReasons.nearness() => {
            RevocationStatus::Unknown(RevocationProblem::SomeReasons)
        }
        _ => RevocationStatus::Unknown(answer.problem),
    })
}

/// What one CRL says of a certificate.
struct Reply {
    entry: Option<Entry>,
    /// The reasons that it speaks for.
    reasons: ReasonFlags,
    this_update: SystemTime,
    next_update: Option<SystemTime>,
}

/// Asks one complete CRL, and the delta that goes with it. The outer error ends the search.
fn ask(
    node: &Node,
    issuer: &Arc<Node>,
    path: &[Arc<Node>],
    crl: &Crl,
    others: &[Arc<Crl>],
    search: &mut Search<'_>,
) -> Result<Result<Reply, RevocationProblem>, ChainReason> {
    if crl.delta_of.is_some() {
        return Ok(Err(RevocationProblem::DeltaWithoutBase));
    }
    let reasons = match scope(node, crl) {
        Ok(reasons) => reasons,
        Err(problem) => return Ok(Err(problem)),
    };
    if let Err(problem) = usable(node, crl, search.rules.at) {
        return Ok(Err(problem));
    }
    if let Err(problem) = signer(crl, issuer, path, search)? {
        return Ok(Err(problem));
    }
    let serial = node
        .certificate
        .as_x509()
        .tbs_certificate()
        .serial_number()
        .as_bytes();
    let look = |crl: &Crl| {
        crl.entry(serial)
            .map_err(|error| RevocationProblem::Malformed {
                what: error.to_string(),
            })
    };
    let mut reply = match look(crl) {
        Ok(entry) => {
            let (this_update, next_update) = (crl.this_update, crl.next_update);
            Reply {
                entry,
                reasons,
                this_update,
                next_update,
            }
        }
        Err(problem) => return Ok(Err(problem)),
    };
    for delta in others.iter().filter(|delta| is_delta_of(delta, crl)) {
        if usable(node, delta, search.rules.at).is_err()
            || signer(delta, issuer, path, search)?.is_err()
            || delta.this_update < reply.this_update
        {
            continue;
        }
        match look(delta) {
            Ok(Some(entry)) => {
                let removed = entry.reason == RevocationReason::RemoveFromCrl;
                reply.entry = (!removed).then_some(entry);
            }
            Ok(None) => {}
            Err(problem) => return Ok(Err(problem)),
        }
        (reply.this_update, reply.next_update) = (delta.this_update, delta.next_update);
    }
    Ok(Ok(reply))
}

/// Whether the list can be read, and is fresh.
fn usable(node: &Node, crl: &Crl, at: SystemTime) -> Result<(), RevocationProblem> {
    if let Some(problem) = crl.unusable() {
        return Err(problem.clone());
    }
    let this_update = crl.this_update;
    let expiry = node.certificate.not_after();
    if this_update > expiry && crl.keeps_expired_since.is_none_or(|since| since > expiry) {
        return Err(RevocationProblem::IssuedAfterExpiry { this_update });
    }
    match crl.next_update {
        Some(next_update) if next_update < at => Err(RevocationProblem::Stale { next_update }),
        _ => Ok(()),
    }
}

/// Which reasons a list speaks for, if it speaks for this certificate (RFC 5280 section 6.3.3 (b)).
fn scope(node: &Node, crl: &Crl) -> Result<ReasonFlags, RevocationProblem> {
    let Some(scope) = &crl.scope else {
        return Ok(all_reasons());
    };
    if scope.indirect_crl {
        return Err(RevocationProblem::Indirect);
    }
    let is_authority = node
        .basic_constraints()
        .is_some_and(|constraints| constraints.ca);
    let left_out = match is_authority {
        true => scope.only_contains_user_certs,
        false => scope.only_contains_ca_certs,
    };
    if left_out || scope.only_contains_attribute_certs {
        return Err(RevocationProblem::OutOfScope);
    }
    let mut reasons = scope.only_some_reasons.unwrap_or_else(all_reasons);
    if let Some(here) = &scope.distribution_point {
        let named = node
            .distribution_points()
            .iter()
            .filter(|point| point.crl_issuer.is_none());
        let mut covered = ReasonFlags::default();
        for point in named.filter(|point| is_at(point, here, crl)) {
            covered |= point.reasons.unwrap_or_else(all_reasons);
        }
        reasons &= covered;
    }
    match (reasons & all_reasons()).is_empty() {
        true => Err(RevocationProblem::OutOfScope),
        false => Ok(reasons),
    }
}

/// Whether a certificate's distribution point is the CRL's: one name of it is enough.
fn is_at(point: &DistributionPoint, here: &DistributionPointName, crl: &Crl) -> bool {
    let Some(there) = &point.distribution_point else {
        return false;
    };
    let (here, there) = (
        full_names(here, &crl.issuer),
        full_names(there, &crl.issuer),
    );
    here.iter()
        .any(|one| there.iter().any(|other| same(one, other)))
}

fn same(one: &GeneralName, other: &GeneralName) -> bool {
    match (one, other) {
        (GeneralName::DirectoryName(one), GeneralName::DirectoryName(other)) => {
            NameKey::new(one) == NameKey::new(other)
        }
        _ => one == other,
    }
}

/// The names of a distribution point; one that is relative to the issuer is made whole.
fn full_names(point: &DistributionPointName, issuer: &Name) -> Vec<GeneralName> {
    match point {
        DistributionPointName::FullName(names) => names.clone(),
        DistributionPointName::NameRelativeToCRLIssuer(rdn) => {
            let mut name = RdnSequence::from(issuer.clone());
            name.push(rdn.clone());
            let der = der::Encode::to_der(&name);
            let name = der.and_then(|der| <Name as der::Decode>::from_der(&der));
            name.map_or_else(
                |_| Vec::new(),
                |name| vec![GeneralName::DirectoryName(name)],
            )
        }
    }
}

/// Whether the delta CRL adds to this one (RFC 5280 section 5.2.4).
fn is_delta_of(delta: &Crl, crl: &Crl) -> bool {
    let (Some(base), Some(number), Some(complete)) = (&delta.delta_of, &delta.number, &crl.number)
    else {
        return false;
    };
    base <= complete && complete < number && is_same_scope(&delta.scope, &crl.scope)
}

fn is_same_scope(
    one: &Option<IssuingDistributionPoint>,
    other: &Option<IssuingDistributionPoint>,
) -> bool {
    one == other
}

/// Whether the issuer has signed the list, or another key of the same name that the same anchor
/// vouches for (RFC 5280 section 6.3.3 (f)). The outer error ends the search.
fn signer(
    crl: &Crl,
    issuer: &Arc<Node>,
    path: &[Arc<Node>],
    search: &mut Search<'_>,
) -> Result<Result<(), RevocationProblem>, ChainReason> {
    let first = signed_by(crl, issuer, search)?;
    if first.is_ok() {
        return Ok(first);
    }
    for other in search.named(&crl.issuer_key) {
        if other.certificate == issuer.certificate || signed_by(crl, &other, search)?.is_err() {
            continue;
        }
        if let Some(anchor) = path.last()
            && search.vouches(&other, anchor)?
        {
            return Ok(Ok(()));
        }
    }
    Ok(first)
}

fn signed_by(
    crl: &Crl,
    node: &Node,
    search: &mut Search<'_>,
) -> Result<Result<(), RevocationProblem>, ChainReason> {
    let key = match node.public_key() {
        Ok(key) => key,
        Err(reason) => return Ok(Err(RevocationProblem::Unsupported(reason.to_string()))),
    };
    let allowed = search.rules.allowed;
    if !crl.is_known_to_be_by(&key) {
        search.budget.spend_signature()?;
        if let Err(reason) = crl.verify(&key, allowed) {
            return Ok(Err(match reason {
                ChainReason::Weak(weakness) => RevocationProblem::Weak(weakness),
                ChainReason::Unsupported(why) => RevocationProblem::Unsupported(why),
                _ => RevocationProblem::BrokenSignature,
            }));
        }
    }
    Ok(match node.key_usage() {
        Some(usage) if !usage.crl_sign() => Err(RevocationProblem::NotForCrls),
        _ => Ok(()),
    })
}
