//! Certificate policies (RFC 5280 section 6.1, in the form that RFC 9618 gives it).
//!
//! RFC 5280's tree of policies grows without bound where certificates say so. RFC 9618's graph gives
//! the same answers and has one node for a policy at each depth.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use der::asn1::ObjectIdentifier;
use der::oid::db::rfc5280::ANY_POLICY;

use super::error::{ChainError, ChainReason};
use super::node::{Node, malformed};

/// Which policies are wanted (RFC 5280 section 6.1.1).
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Empty: any.
    pub(super) policies: BTreeSet<ObjectIdentifier>,
    pub(super) explicit: bool,
    pub(super) no_mapping: bool,
    pub(super) no_any_policy: bool,
}

/// A policy at one depth.
struct Policy {
    /// What it is called in the next certificate.
    expected: BTreeSet<ObjectIdentifier>,
    /// The policies at the depth above that it follows from.
    parents: BTreeSet<ObjectIdentifier>,
}

/// The policies of one certificate.
type Level = BTreeMap<ObjectIdentifier, Policy>;

/// The policies, of those wanted, that the certificates are valid under: from the one below the
/// trust anchor to the signer's.
pub(super) fn check(
    certificates: &[&Arc<Node>],
    wanted: &Wanted,
) -> Result<Vec<ObjectIdentifier>, ChainError> {
    let count = u32::try_from(certificates.len()).unwrap_or(u32::MAX);
    let first = |now| if now { 0 } else { count.saturating_add(1) };
    let mut explicit = first(wanted.explicit);
    let mut mapping = first(wanted.no_mapping);
    let mut any_policy = first(wanted.no_any_policy);
    let any = Policy {
        expected: BTreeSet::from([ANY_POLICY]),
        parents: BTreeSet::new(),
    };
    // An empty level is RFC 5280's NULL: nothing comes after it.
    let mut levels = vec![Level::from([(ANY_POLICY, any)])];

    for (position, node) in certificates.iter().enumerate() {
        let fail = |reason| ChainError {
            certificate: node.certificate.clone(),
            reason,
        };
        let is_last = position + 1 == certificates.len();
        let through = any_policy > 0 || (!is_last && node.is_self_issued());
        let above = levels.last();
        let mut level = above.map_or_else(Level::new, |above| next(node, above, through));
        if explicit == 0 && level.is_empty() {
            return Err(fail(ChainReason::Policy));
        }
        if !is_last {
            map(node, &mut level, mapping > 0).map_err(fail)?;
            if !node.is_self_issued() {
                explicit = explicit.saturating_sub(1);
                mapping = mapping.saturating_sub(1);
                any_policy = any_policy.saturating_sub(1);
            }
            if let Some(constraints) = node.policy_constraints() {
                let at_most = |now: u32, limit: Option<u32>| now.min(limit.unwrap_or(now));
                explicit = at_most(explicit, constraints.require_explicit_policy);
                mapping = at_most(mapping, constraints.inhibit_policy_mapping);
            }
            any_policy = any_policy.min(node.inhibit_any_policy().unwrap_or(any_policy));
        } else {
            explicit = explicit.saturating_sub(1);
            let constraints = node.policy_constraints();
            if constraints.is_some_and(|constraints| constraints.require_explicit_policy == Some(0))
            {
                explicit = 0;
            }
        }
        levels.push(level);
        if is_last {
            let valid = of_user(&levels, &wanted.policies);
            return match explicit == 0 && valid.is_empty() {
                true => Err(fail(ChainReason::Policy)),
                false => Ok(valid.into_iter().collect()),
            };
        }
    }
    Ok(vec![ANY_POLICY])
}

/// The policies of the next certificate (RFC 5280 section 6.1.3 (d) and (e)).
fn next(node: &Node, above: &Level, any_policy_counts: bool) -> Level {
    let mut level = Level::new();
    let Some(policies) = node.policies() else {
        return level;
    };
    let mut expected: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>> = BTreeMap::new();
    for (policy, entry) in above {
        for name in &entry.expected {
            expected.entry(*name).or_default().insert(*policy);
        }
    }
    let mut add = |policy, parents| {
        let expected = BTreeSet::from([policy]);
        level.entry(policy).or_insert(Policy { expected, parents });
    };
    let named = || policies.0.iter().map(|policy| policy.policy_identifier);
    let once: BTreeSet<_> = named().filter(|policy| *policy != ANY_POLICY).collect();
    for policy in once {
        match expected.get(&policy) {
            Some(parents) => add(policy, parents.clone()),
            None if above.contains_key(&ANY_POLICY) => add(policy, BTreeSet::from([ANY_POLICY])),
            None => {}
        }
    }
    if any_policy_counts && named().any(|policy| policy == ANY_POLICY) {
        for (policy, parents) in expected {
            add(policy, parents);
        }
    }
    level
}

/// What the policies are called by the authority below (RFC 5280 section 6.1.4 (a) and (b)).
fn map(node: &Node, level: &mut Level, allowed: bool) -> Result<(), ChainReason> {
    let Some(mappings) = node.policy_mappings() else {
        return Ok(());
    };
    let mut mapped: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>> = BTreeMap::new();
    for mapping in &mappings.0 {
        let (from, to) = (mapping.issuer_domain_policy, mapping.subject_domain_policy);
        if from == ANY_POLICY || to == ANY_POLICY {
            return Err(malformed("it maps anyPolicy to another policy"));
        }
        mapped.entry(from).or_default().insert(to);
    }
    let has_any = level.contains_key(&ANY_POLICY);
    for (from, to) in mapped {
        match level.get_mut(&from) {
            _ if !allowed => {
                level.remove(&from);
            }
            Some(policy) => policy.expected = to,
            None if has_any => {
                let parents = BTreeSet::from([ANY_POLICY]);
                level.insert(
                    from,
                    Policy {
                        expected: to,
                        parents,
                    },
                );
            }
            None => {}
        }
    }
    Ok(())
}

/// The policies that hold from the anchor to the signer, as the user calls them (RFC 9618 section
/// 5.6, (g)).
fn of_user(levels: &[Level], wanted: &BTreeSet<ObjectIdentifier>) -> BTreeSet<ObjectIdentifier> {
    let mut valid = BTreeSet::new();
    let Some(last) = levels.last() else {
        return valid;
    };
    // Of each level, from the last up, what leads down to the signer.
    let mut alive: BTreeSet<ObjectIdentifier> = last.keys().copied().collect();
    for level in levels.iter().skip(1).rev() {
        let mut parents = BTreeSet::new();
        for policy in &alive {
            if let Some(entry) = level.get(policy) {
                // Below anyPolicy it is still called as the user calls it.
                if *policy != ANY_POLICY && entry.parents.contains(&ANY_POLICY) {
                    valid.insert(*policy);
                }
                parents.extend(&entry.parents);
            }
        }
        alive = parents;
    }
    let any_of_authority = last.contains_key(&ANY_POLICY);
    let any_of_user = wanted.is_empty() || wanted.contains(&ANY_POLICY);
    match (any_of_authority, any_of_user) {
        (true, true) => BTreeSet::from([ANY_POLICY]),
        (true, false) => wanted.clone(),
        (false, true) => valid,
        (false, false) => valid.intersection(wanted).copied().collect(),
    }
}
