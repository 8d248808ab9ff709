//! What the CRLs say of a certificate of a chain (RFC 5280 section 6.3).

use std::sync::Arc;
use std::time::SystemTime;

use x509_cert::ext::pkix::crl::dp::{DistributionPoint, ReasonFlags, Reasons};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::name::{Name, RdnSequence};

use super::{Revocation, RevocationProblem, RevocationReason, RevocationStatus};
use crate::trust::crl::{Crl, Entry};
use crate::trust::error::{ChainError, ChainReason};
use crate::trust::names::NameKey;
use crate::trust::node::Node;
use crate::trust::search::Search;

/// All reasons that a list may be limited to (RFC 5280 section 4.2.1.13).
fn all_reasons() -> ReasonFlags {
    ReasonFlags::full() - Reasons::Unused
}

/// What is known of each certificate of a path but the anchor.
pub(in crate::trust) fn check(
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
    if let Some(problem) = crl.unusable() {
        return Ok(Err(problem.clone()));
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
    let at = search.rules.at;
    let entry = match look(crl) {
        Ok(entry) => entry,
        Err(problem) => return Ok(Err(problem)),
    };
    if let Err(problem) = fresh(node, crl, at)
        && !is_final(&entry, at)
    {
        return Ok(Err(problem));
    }
    let (this_update, next_update) = (crl.this_update, crl.next_update);
    let mut reply = Reply {
        entry,
        reasons,
        this_update,
        next_update,
    };
    for delta in others.iter().filter(|delta| is_delta_of(delta, crl)) {
        if delta.unusable().is_some()
            || delta.this_update < reply.this_update
            || signer(delta, issuer, path, search)?.is_err()
        {
            continue;
        }
        let entry = match look(delta) {
            Ok(entry) => entry,
            Err(problem) => return Ok(Err(problem)),
        };
        if fresh(node, delta, at).is_err() && !is_final(&entry, at) {
            continue;
        }
        if let Some(entry) = entry {
            let removed = entry.reason == RevocationReason::RemoveFromCrl;
            reply.entry = (!removed).then_some(entry);
        }
        (reply.this_update, reply.next_update) = (delta.this_update, delta.next_update);
    }
    Ok(Ok(reply))
}

/// Who was revoked stays so, but for what is on hold: an old list is good enough to tell.
fn is_final(entry: &Option<Entry>, at: SystemTime) -> bool {
    let passing = [
        RevocationReason::CertificateHold,
        RevocationReason::RemoveFromCrl,
    ];
    entry
        .as_ref()
        .is_some_and(|entry| entry.since <= at && !passing.contains(&entry.reason))
}

/// Whether the list is of a time when it speaks for the certificate, and not outdated.
fn fresh(node: &Node, crl: &Crl, at: SystemTime) -> Result<(), RevocationProblem> {
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
    base <= complete && complete < number && delta.scope == crl.scope
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
