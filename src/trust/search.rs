//! The way from a signer to a trust anchor: depth first, the likeliest first, and bounded.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::chain::Chain;
use super::error::{ChainError, ChainReason};
use super::names::NameKey;
use super::node::Node;
use super::path::{self, Rules};
use super::policies::Wanted;
use super::pool::Pool;
use super::{Purpose, Trust, revocation};
use crate::PublicKey;

/// The most certificates of a chain, the signer's and the anchor's among them. Real ones have up
/// to six or so.
const LONGEST: usize = 16;

/// What may be spent on one question. Whoever wrote a document chooses what is in it, and so how
/// many ways there are to try.
pub(super) struct Budget {
    signatures: usize,
    steps: usize,
    names: usize,
}

/// The most searches within each other: a CRL that is signed with a key of its own, whose certificate
/// may be in such a CRL again.
const DEEPEST: usize = 3;

const SIGNATURES: usize = 100;
const STEPS: usize = 20_000;
const NAMES: usize = 100_000;

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            signatures: SIGNATURES,
            steps: STEPS,
            names: NAMES,
        }
    }

    /// Before a signature is verified.
    pub(super) fn spend_signature(&mut self) -> Result<(), ChainReason> {
        spend(&mut self.signatures, 1, SIGNATURES, "signatures")
    }

    /// Before names are compared.
    pub(super) fn spend_names(&mut self, count: usize) -> Result<(), ChainReason> {
        spend(&mut self.names, count, NAMES, "comparisons of names")
    }

    fn spend_steps(&mut self, count: usize) -> Result<(), ChainReason> {
        spend(
            &mut self.steps,
            count,
            STEPS,
            "certificates of possible issuers",
        )
    }
}

fn spend(
    left: &mut usize,
    count: usize,
    limit: usize,
    what: &'static str,
) -> Result<(), ChainReason> {
    *left = left
        .checked_sub(count)
        .ok_or(ChainReason::TooComplex { what, limit })?;
    Ok(())
}

/// A search for the chain of one signer.
pub(super) struct Search<'a> {
    pub(super) trust: &'a Trust,
    /// Certificates that came with the document.
    pub(super) given: &'a Pool,
    pub(super) rules: Rules<'a>,
    pub(super) budget: Budget,
    /// What was verified already: who was signed, and by which key.
    links: HashMap<(*const Node, PublicKey), Result<(), ChainReason>>,
    best: Option<Failure>,
    /// How many searches for the signer of a CRL this one is within.
    depth: usize,
}

/// What is wrong with a way, and how far it led.
struct Failure {
    reached_anchor: bool,
    length: usize,
    error: ChainError,
}

impl<'a> Search<'a> {
    pub(super) fn new(trust: &'a Trust, given: &'a Pool, rules: Rules<'a>) -> Self {
        let (budget, links) = (Budget::new(), HashMap::new());
        Self {
            trust,
            given,
            rules,
            budget,
            links,
            best: None,
            depth: 0,
        }
    }

    pub(super) fn run(mut self, signer: &Arc<Node>) -> Result<Chain, ChainError> {
        match self.find(signer) {
            Ok(Some(chain)) => Ok(chain),
            Ok(None) => Err(match self.best {
                Some(failure) => failure.error,
                None => failed(signer, no_issuer(signer)),
            }),
            Err(spent) => Err(failed(signer, spent)),
        }
    }

    fn find(&mut self, signer: &Arc<Node>) -> Result<Option<Chain>, ChainReason> {
        self.extend(&mut vec![Arc::clone(signer)])
    }

    /// Goes on from the last of `path`. `Err` ends the search: the budget is spent.
    fn extend(&mut self, path: &mut Vec<Arc<Node>>) -> Result<Option<Chain>, ChainReason> {
        let Some(last) = path.last().cloned() else {
            return Ok(None);
        };
        if self.trust.anchors.contains(&last.certificate) {
            return self.judge(path);
        }
        let mut found = false;
        for (issuer, is_anchor) in self.candidates(&last, path)? {
            found = true;
            if let Err(reason) = self.link(&last, &issuer)? {
                self.note(false, path.len(), failed(&last, reason));
                continue;
            }
            path.push(issuer);
            let chain = match is_anchor {
                true => self.judge(path)?,
                false if path.len() < LONGEST => self.extend(path)?,
                false => {
                    let (what, limit) = ("certificates in a chain", LONGEST);
                    self.note(
                        false,
                        path.len(),
                        failed(&last, ChainReason::TooComplex { what, limit }),
                    );
                    None
                }
            };
            path.pop();
            if chain.is_some() {
                return Ok(chain);
            }
        }
        if !found {
            self.note(false, path.len(), failed(&last, no_issuer(&last)));
        }
        Ok(None)
    }

    /// Who may have issued `last`, and whether they are trust anchors; the likeliest first.
    fn candidates(
        &mut self,
        last: &Node,
        path: &[Arc<Node>],
    ) -> Result<Vec<(Arc<Node>, bool)>, ChainReason> {
        let at = self.rules.at;
        let mut all = Vec::new();
        for (pool, is_anchor) in [
            (&*self.trust.anchors, true),
            (&*self.trust.intermediates, false),
            (self.given, false),
        ] {
            let mut here: Vec<_> = pool
                .named(&last.issuer)
                .iter()
                .filter(|node| last.names_as_issuer(node) && !is_in(node, path))
                .cloned()
                .collect();
            self.budget.spend_steps(here.len())?;
            here.sort_by_cached_key(|node| {
                let certificate = &node.certificate;
                let named = last.authority_key_id().is_some() && node.subject_key_id().is_some();
                (
                    !named,
                    !certificate.is_valid_at(at),
                    Reverse(certificate.not_before()),
                )
            });
            all.extend(here.into_iter().map(|node| (node, is_anchor)));
        }
        Ok(all)
    }

    /// Whether `issuer` has signed `node`. The outer error ends the search.
    fn link(
        &mut self,
        node: &Arc<Node>,
        issuer: &Arc<Node>,
    ) -> Result<Result<(), ChainReason>, ChainReason> {
        let key = match issuer.public_key() {
            Ok(key) => key,
            Err(reason) => return Ok(Err(reason)),
        };
        let ends = (Arc::as_ptr(node), key);
        if let Some(known) = self.links.get(&ends) {
            return Ok(known.clone());
        }
        self.budget.spend_signature()?;
        let verdict = node.verify_by(&ends.1, self.rules.allowed);
        self.links.insert(ends, verdict.clone());
        Ok(verdict)
    }

    /// Whether a way that has reached a trust anchor is a chain.
    fn judge(&mut self, path: &[Arc<Node>]) -> Result<Option<Chain>, ChainReason> {
        let outcome = path::check(path, &self.rules, &mut self.budget).and_then(|policies| {
            let revocation = revocation::check(path, self)?;
            Ok((policies, revocation))
        });
        match (outcome, path.last()) {
            (Ok((policies, revocation)), Some(anchor)) => Ok(Some(Chain {
                certificates: path.iter().map(|node| node.certificate.clone()).collect(),
                anchor: anchor.certificate.clone(),
                revocation,
                policies,
            })),
            (
                Err(ChainError {
                    reason: spent @ ChainReason::TooComplex { .. },
                    ..
                }),
                _,
            ) => Err(spent),
            (Err(error), _) => {
                self.note(true, path.len(), error);
                Ok(None)
            }
            (Ok(_), None) => Ok(None),
        }
    }

    /// All certificates with this subject.
    pub(super) fn named(&self, subject: &NameKey) -> Vec<Arc<Node>> {
        let pools = [&*self.trust.anchors, &*self.trust.intermediates, self.given];
        pools
            .into_iter()
            .flat_map(|pool| pool.named(subject))
            .cloned()
            .collect()
    }

    /// Whether this anchor vouches for a key that has signed a CRL. The error ends the search.
    pub(super) fn vouches(
        &mut self,
        signer: &Arc<Node>,
        anchor: &Node,
    ) -> Result<bool, ChainReason> {
        if self.depth >= DEEPEST {
            return Ok(false);
        }
        let policies = Wanted::default();
        let rules = Rules {
            purpose: Purpose::Any,
            policies: &policies,
            ..self.rules
        };
        let mut inner = Search::new(self.trust, self.given, rules);
        inner.depth = self.depth + 1;
        std::mem::swap(&mut inner.budget, &mut self.budget);
        let found = inner.find(signer);
        std::mem::swap(&mut inner.budget, &mut self.budget);
        Ok(found?.is_some_and(|chain| chain.anchor == anchor.certificate))
    }

    /// Keeps the failure of the way that led furthest.
    fn note(&mut self, reached_anchor: bool, length: usize, error: ChainError) {
        let rank = (reached_anchor, length);
        let best = self
            .best
            .as_ref()
            .map(|best| (best.reached_anchor, best.length));
        // Of two that have reached an anchor, the first was the likelier.
        if best.is_none_or(|best| best < rank && !best.0) {
            self.best = Some(Failure {
                reached_anchor,
                length,
                error,
            });
        }
    }
}

fn failed(node: &Node, reason: ChainReason) -> ChainError {
    let certificate = node.certificate.clone();
    ChainError {
        certificate,
        reason,
    }
}

fn no_issuer(node: &Node) -> ChainReason {
    match node.names_as_issuer(node) {
        true => ChainReason::SelfSigned,
        false => ChainReason::NoIssuer {
            issuer: node.certificate.issuer(),
            key_id: node.authority_key_id().map(<[u8]>::to_vec),
        },
    }
}

/// Whether the same key under the same name is in the path already: a loop.
fn is_in(node: &Node, path: &[Arc<Node>]) -> bool {
    let tbs = node.certificate.as_x509().tbs_certificate();
    path.iter().any(|other| {
        let known = other.certificate.as_x509().tbs_certificate();
        other.subject == node.subject
            && known.subject_public_key_info() == tbs.subject_public_key_info()
    })
}
