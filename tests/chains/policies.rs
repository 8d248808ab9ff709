//! Certificate policies.

use crate::authority::Order;
use crate::authority_case::{Case, case};

const ONE: &str = "certificatePolicies=1.2.3.1";
const TWO: &str = "certificatePolicies=1.2.3.2";
const BOTH: &str = "certificatePolicies=1.2.3.1,1.2.3.2";
const ANY: &str = "certificatePolicies=2.5.29.32.0";
const NONE: &str = "certificatePolicies=";

fn policies<'a>(name: &'a str, inter: &str, leaf: &str) -> Case<'a> {
    case(name).change("inter", inter).change("leaf", leaf)
}

/// Demanded: 1.2.3.1.
fn wanted(case: Case<'_>) -> Case<'_> {
    case.trust(|trust| {
        trust.policies(["1.2.3.1".parse().expect("an identifier")]);
    })
    .openssl(&["-policy", "1.2.3.1", "-explicit_policy"])
}

/// Demanded: any.
fn explicit(case: Case<'_>) -> Case<'_> {
    case.trust(|trust| {
        trust.explicit_policy(true);
    })
    .openssl(&["-policy", "2.5.29.32.0", "-explicit_policy"])
}

fn found(case: Case<'_>, expected: &[&str]) {
    let chain = case.good().outcome.expect("accepted");
    let found: Vec<_> = chain.policies().iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn demanded_ones() {
    found(wanted(policies("same", ONE, ONE)), &["1.2.3.1"]);
    wanted(policies("other", TWO, TWO)).bad("Policy", "leaf");
    wanted(policies("crossed", ONE, TWO)).bad("Policy", "leaf");
    wanted(policies("none-in-leaf", ONE, NONE)).bad("Policy", "leaf");
    wanted(policies("none-in-inter", NONE, ONE)).bad("Policy", "inter");
    found(wanted(policies("one-of-two", BOTH, BOTH)), &["1.2.3.1"]);
    found(wanted(policies("any-in-inter", ANY, ONE)), &["1.2.3.1"]);
    found(wanted(policies("any-in-leaf", ONE, ANY)), &["1.2.3.1"]);
    found(wanted(policies("any-in-both", ANY, ANY)), &["1.2.3.1"]);
    found(
        explicit(policies("explicit", BOTH, BOTH)),
        &["1.2.3.1", "1.2.3.2"],
    );
    found(
        explicit(policies("explicit-any", ANY, ANY)),
        &["2.5.29.32.0"],
    );
    explicit(policies("explicit-crossed", ONE, TWO)).bad("Policy", "leaf");
    found(policies("not-demanded", ONE, TWO), &[]);
}

#[test]
fn demanded_by_an_authority() {
    let demand = |when: u32| format!("policyConstraints=critical,requireExplicitPolicy:{when}");
    policies("at-once", ONE, TWO)
        .change("inter", &demand(0))
        .openssl(&["-policy_check", "-policy", "2.5.29.32.0"])
        .bad("Policy", "leaf");
    policies("at-once-good", ONE, ONE)
        .change("inter", &demand(0))
        .openssl(&["-policy_check", "-policy", "2.5.29.32.0"])
        .good();
    policies("later", ONE, TWO)
        .change("inter", &demand(5))
        .openssl(&["-policy_check", "-policy", "2.5.29.32.0"])
        .good();
    policies("by-the-signer", ONE, TWO)
        .change("leaf", &demand(0))
        .openssl(&["-policy_check", "-policy", "2.5.29.32.0"])
        .bad("Policy", "leaf");
    policies("unasked", ONE, TWO)
        .change("inter", &demand(0))
        .differs("OpenSSL looks at policies only with -policy_check, and RFC 5280 always")
        .bad("Policy", "leaf");
}

#[test]
fn any_policy_may_be_worth_nothing() {
    let stopped = "inhibitAnyPolicy=critical,0";
    wanted(policies("stopped", ONE, ANY).change("inter", stopped)).bad("Policy", "leaf");
    wanted(policies("stopped-later", ONE, ANY).change("inter", "inhibitAnyPolicy=critical,1"))
        .good();
    policies("not-taken", ANY, ONE)
        .trust(|trust| {
            trust
                .policies(["1.2.3.1".parse().expect("an identifier")])
                .no_any_policy(true);
        })
        .openssl(&["-policy", "1.2.3.1", "-explicit_policy", "-inhibit_any"])
        .bad("Policy", "inter");
}

#[test]
fn policies_that_are_called_otherwise_below() {
    let maps = "policyMappings=critical,1.2.3.1:1.2.3.2";
    let map = |name, leaf| wanted(policies(name, ONE, leaf).change("inter", maps));
    found(map("mapped", TWO), &["1.2.3.1"]);
    map("mapped-but-old-name", ONE).bad("Policy", "leaf");
    found(
        wanted(policies("mapped-from-any", ANY, TWO).change("inter", maps)),
        &["1.2.3.1"],
    );
    wanted(
        policies("mapped-any", ANY, TWO)
            .change("inter", "policyMappings=critical,2.5.29.32.0:1.2.3.2"),
    )
    .bad("Malformed", "inter");
    policies("mapping-not-taken", ONE, TWO)
        .change("inter", maps)
        .trust(|trust| {
            trust
                .policies(["1.2.3.1".parse().expect("an identifier")])
                .no_policy_mapping(true);
        })
        .openssl(&["-policy", "1.2.3.1", "-explicit_policy", "-inhibit_map"])
        .bad("Policy", "leaf");
    // Neither RFC 5280 nor OpenSSL holds an anchor to its policy constraints.
    wanted(
        policies("mapping-stopped-by-the-anchor", ONE, TWO)
            .change("root", "policyConstraints=critical,inhibitPolicyMapping:0")
            .change("inter", maps),
    )
    .good();
    wanted(
        policies(
            "mapping-stopped-between",
            ONE,
            "certificatePolicies=1.2.3.2",
        )
        .change("inter", "policyConstraints=critical,inhibitPolicyMapping:0")
        .order(Order::authority(
            "two",
            "inter",
            &format!("{ONE}\n{maps}\n"),
        ))
        .order(Order::signer(
            "leaf",
            "two",
            "certificatePolicies=1.2.3.2\n",
        ))
        .given(&["inter", "two"]),
    )
    .bad("Policy", "leaf");
}
