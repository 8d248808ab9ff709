//! Chains of certificates, made with OpenSSL and judged by it and by keyfob side by side.

#[path = "support/authorities.rs"]
mod authorities;

use std::time::SystemTime;

use authorities::{Authorities, Order};
use keyfob::trust::{ChainReason, Purpose, Trust};

#[test]
fn a_chain_from_a_signer_to_a_root() {
    let made = Authorities::new("smoke");
    let root = made.issue(&Order::authority("root", "", ""));
    let inter = made.issue(&Order::authority("inter", "root", ""));
    let leaf = made.issue(&Order::signer("leaf", "inter", ""));
    let mut trust = Trust::new();
    trust.anchor(&root);
    let now = SystemTime::now();
    let chain = trust
        .check(&leaf, std::slice::from_ref(&inter), Purpose::Signing, now)
        .expect("a chain");
    assert_eq!(chain.certificates(), [leaf.clone(), inter, root]);
    let error = trust.check(&leaf, &[], Purpose::Signing, now).unwrap_err();
    assert!(
        matches!(error.reason, ChainReason::NoIssuer { .. }),
        "{error}"
    );
}
