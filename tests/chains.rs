//! Chains of certificates, made with OpenSSL and judged by it and by keyfob side by side.
//!
//! `good` and `bad` fail where OpenSSL gives another answer, but for the cases that say why it does.

#[path = "support/authority.rs"]
mod authority;
#[path = "support/authority_case.rs"]
mod authority_case;

#[path = "chains/algorithms.rs"]
mod algorithms;
#[path = "chains/building.rs"]
mod building;
#[path = "chains/certval.rs"]
mod certval;
#[path = "chains/constraints.rs"]
mod constraints;
#[path = "chains/extensions.rs"]
mod extensions;
#[path = "chains/names.rs"]
mod names;
#[path = "chains/policies.rs"]
mod policies;
#[path = "chains/revocation.rs"]
mod revocation;
#[path = "chains/usage.rs"]
mod usage;
