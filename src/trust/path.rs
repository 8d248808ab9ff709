//! Whether a way from a signer to a trust anchor is a chain (RFC 5280 section 6.1).

use std::sync::Arc;
use std::time::SystemTime;

use der::asn1::ObjectIdentifier;

use super::error::{ChainError, ChainReason};
use super::node::Node;
use super::policies::{self, Wanted};
use super::search::Budget;
use super::weakness::Weakness;
use super::{Purpose, constraints};

/// What a chain has to hold to.
pub(super) struct Rules<'a> {
    pub(super) purpose: Purpose,
    pub(super) at: SystemTime,
    pub(super) allowed: &'a [Weakness],
    pub(super) policies: &'a Wanted,
}

/// Checks all but signatures and revocation; `path` goes from the signer to the anchor, and each
/// name in it is the one that it should be. The answer is the policies that it is valid under.
///
/// The trust anchor is held to what its certificate says of itself (as RFC 5937 has it), but need
/// not say that it is an authority: being an anchor, it is one.
pub(super) fn check(
    path: &[Arc<Node>],
    rules: &Rules<'_>,
    budget: &mut Budget,
) -> Result<Vec<ObjectIdentifier>, ChainError> {
    for node in path {
        check_alone(node, rules).map_err(|reason| error(node, reason))?;
    }
    let Some((signer, authorities)) = path.split_first() else {
        return Ok(Vec::new());
    };
    let purpose = rules.purpose;
    let not_for = |node, why| error(node, ChainReason::WrongPurpose { purpose, why });
    if let Some(why) = purpose.refusal(signer) {
        return Err(not_for(signer, why));
    }
    for (above, authority) in authorities.iter().enumerate() {
        let is_anchor = above + 1 == authorities.len();
        if let Some(why) = authority.no_authority()
            && !(is_anchor && authority.basic_constraints().is_none())
        {
            return Err(error(authority, ChainReason::NotAnAuthority { why }));
        }
        if let Some(why) = purpose.refusal_of_authority(authority) {
            return Err(not_for(authority, why));
        }
        let below = authorities.iter().take(above);
        check_length(authority, below).map_err(|reason| error(authority, reason))?;
    }
    check_names(path, budget)?;
    let below_anchor: Vec<_> = path.iter().rev().skip(1).collect();
    policies::check(&below_anchor, rules.policies)
}

fn error(node: &Node, reason: ChainReason) -> ChainError {
    let certificate = node.certificate.clone();
    ChainError {
        certificate,
        reason,
    }
}

/// What can be said of a certificate without the others.
fn check_alone(node: &Node, rules: &Rules<'_>) -> Result<(), ChainReason> {
    let certificate = &node.certificate;
    if certificate.not_after() < rules.at {
        let until = certificate.not_after();
        return Err(ChainReason::Expired { until });
    }
    if rules.at < certificate.not_before() {
        let from = certificate.not_before();
        return Err(ChainReason::NotYetValid { from });
    }
    if let Some(fault) = node.fault() {
        return Err(fault.clone());
    }
    match Weakness::of_key(&node.public_key()?.key_type()) {
        Some(weakness) if !rules.allowed.contains(&weakness) => Err(ChainReason::Weak(weakness)),
        _ => Ok(()),
    }
}

/// RFC 5280 section 4.2.1.9: how many authorities there may be below one. Those that have issued
/// themselves (a new key for an old name) do not count.
fn check_length<'a>(
    authority: &Node,
    below: impl Iterator<Item = &'a Arc<Node>>,
) -> Result<(), ChainReason> {
    let constraints = authority.basic_constraints();
    let Some(limit) = constraints.and_then(|constraints| constraints.path_len_constraint) else {
        return Ok(());
    };
    let limit = u32::from(limit);
    let counted = below.filter(|node| !node.is_self_issued()).count();
    match counted > limit as usize {
        true => Err(ChainReason::PathTooLong { limit }),
        false => Ok(()),
    }
}

/// Every name against the constraints of every authority above it, but for the names of authorities
/// that have issued themselves (RFC 5280 section 6.1.3 (b) and (c)).
fn check_names(path: &[Arc<Node>], budget: &mut Budget) -> Result<(), ChainError> {
    for (position, node) in path.iter().enumerate() {
        if position > 0 && node.is_self_issued() {
            continue;
        }
        for authority in path.iter().skip(position + 1) {
            constraints::check(node, authority, budget).map_err(|reason| error(node, reason))?;
        }
    }
    Ok(())
}
