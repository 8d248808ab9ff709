//! Certificates by the name of their subject.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::names::NameKey;
use super::node::Node;
use crate::Certificate;

/// Certificates, each once, found by their subject's name.
#[derive(Clone, Default)]
pub(super) struct Pool {
    by_subject: HashMap<NameKey, Vec<Arc<Node>>>,
    known: HashSet<Certificate>,
}

impl Pool {
    pub(super) fn new(certificates: &[Certificate]) -> Self {
        let mut pool = Self::default();
        for certificate in certificates {
            pool.add(certificate);
        }
        pool
    }

    /// Whether it is new.
    pub(super) fn add(&mut self, certificate: &Certificate) -> bool {
        if !self.known.insert(certificate.clone()) {
            return false;
        }
        let node = Node::new(certificate);
        self.by_subject
            .entry(node.subject.clone())
            .or_default()
            .push(node);
        true
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn contains(&self, certificate: &Certificate) -> bool {
        self.known.contains(certificate)
    }

    /// All with this subject.
    pub(super) fn named(&self, subject: &NameKey) -> &[Arc<Node>] {
        self.by_subject.get(subject).map_or(&[], Vec::as_slice)
    }
}
