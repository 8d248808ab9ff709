//! Certificate chains (RFC 5280): from the signer to an authority that one trusts.
