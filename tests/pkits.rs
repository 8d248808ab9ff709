//! NIST's Public Key Interoperability Test Suite, version 1.0.1 (2011): all of its signers, with all
//! of its authorities and CRLs at hand, so that the way has to be found, too.
//!
//! `pkits/` has its certificates and CRLs, which are in the public domain. Whether a signer is to be
//! accepted is told by its name, or by the test's description where that depends on settings.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use keyfob::Certificate;
use keyfob::trust::{ChainError, Purpose, Revocation, Trust};

/// The suite, with the trust anchor and all CRLs.
struct Suite {
    certificates: BTreeMap<String, Certificate>,
    trust: Trust,
}

fn folder() -> String {
    format!("{}/tests/pkits", env!("CARGO_MANIFEST_DIR"))
}

impl Suite {
    fn read() -> Self {
        let text = fs::read_to_string(folder() + "/certificates.pem").expect("in the repository");
        let mut certificates = BTreeMap::new();
        for block in text.split_inclusive("-----END CERTIFICATE-----\n") {
            let (name, pem) = block.split_once('\n').expect("a name before each");
            // Some are malformed on purpose, or have a serial number longer than RFC 5280 allows.
            if let Ok(certificate) = Certificate::from_pem(pem) {
                certificates.insert(name.to_owned(), certificate);
            }
        }
        assert!(certificates.len() >= 403, "{}", certificates.len());
        let mut trust = Trust::new();
        trust.anchor(&certificates["TrustAnchorRootCertificate"]);
        for certificate in certificates.values() {
            trust.intermediate(certificate);
        }
        assert_eq!(trust.crls_from(folder() + "/crls.pem").expect("CRLs"), 172);
        for p in trust.problems() {
            eprintln!("PROBLEM {p}");
        }
        trust.revocation(Revocation::Required);
        Self {
            certificates,
            trust,
        }
    }

    fn check(&self, trust: &Trust, signer: &str) -> Result<(), ChainError> {
        let at = UNIX_EPOCH + Duration::from_secs(1_590_969_600); // June 2020
        let signer = &self.certificates[signer];
        trust.check(signer, &[], Purpose::Any, at).map(|_| ())
    }
}

/// What is not done here, and so refused although the suite has it valid.
fn is_left_out(name: &str, reason: &str) -> bool {
    // DSA, which FIPS 186-5 has withdrawn.
    (name.contains("DSA") && (reason.starts_with("Unsupported") || reason.starts_with("Weak(Sha1)")))
        // Indirect CRLs, which are refused in words.
        || ((name.contains("cRLIssuer") || name.contains("indirectCRL"))
            && reason.starts_with("RevocationUnknown"))
}

/// Why a signer whose name has this part is refused; of several parts the first counts.
const REASONS: &[(&str, &[&str])] = &[
    ("CRLSigningKeyTest8", &["NotAnAuthority"]),
    ("BasicSelfIssued", &["Revoked"]),
    ("BadCRL", &["RevocationUnknown(Missing"]),
    ("MissingCRL", &["RevocationUnknown(Missing"]),
    ("WrongCRL", &["RevocationUnknown(Missing"]),
    ("CRLnextUpdate", &["RevocationUnknown(Stale"]),
    ("UnknownCRL", &["RevocationUnknown(CriticalExtension"]),
    ("cRLSignFalse", &["RevocationUnknown(NotForCrls"]),
    ("onlyContains", &["RevocationUnknown(OutOfScope"]),
    ("onlySomeReasonsTest17", &["RevocationUnknown(SomeReasons"]),
    ("onlySomeReasons", &["Revoked"]),
    (
        "distributionPoint",
        &["Revoked", "RevocationUnknown(OutOfScope"],
    ),
    ("NoBase", &["RevocationUnknown(DeltaWithoutBase"]),
    ("deltaCRLTest10", &["RevocationUnknown(Stale"]),
    ("deltaCRL", &["Revoked"]),
    ("SeparateCertificateandCRLKeysTest20", &["Revoked"]),
    (
        "SeparateCertificateandCRLKeys",
        &["RevocationUnknown(BrokenSignature"],
    ),
    (
        "indirectCRL",
        &["RevocationUnknown(Indirect", "RevocationUnknown(Missing"],
    ),
    (
        "cRLIssuer",
        &["RevocationUnknown(Indirect", "RevocationUnknown(Missing"],
    ),
    ("Revoked", &["Revoked"]),
    ("SerialNumber", &["Revoked"]),
    ("Signature", &["BrokenSignature"]),
    ("notAfter", &["Expired"]),
    ("notBefore", &["NotYetValid"]),
    ("nameConstraints", &["NameNotAllowed"]),
    ("NameChaining", &["NoIssuer"]),
    ("anyPolicyTest7", &["Malformed"]),
    ("anyPolicyTest8EE", &["Malformed", "Policy"]),
    ("Policy", &["Policy"]),
    ("pathLenConstraint", &["PathTooLong"]),
    ("basicConstraints", &["NotAnAuthority"]),
    ("cAFalse", &["NotAnAuthority"]),
    ("keyCertSignFalse", &["NotAnAuthority"]),
    (
        "UnknownCriticalCertificateExtension",
        &["CriticalExtension"],
    ),
];

#[test]
fn each_signer_by_its_name() {
    let suite = Suite::read();
    let mut left_out = Vec::new();
    let (mut valid, mut invalid) = (0, 0);
    for name in suite
        .certificates
        .keys()
        .filter(|name| name.ends_with("EE"))
    {
        let outcome = suite.check(&suite.trust, name);
        if name.starts_with("Invalid") {
            let error = outcome.expect_err(name);
            let reason = format!("{:?}", error.reason);
            let (_, expected) = REASONS
                .iter()
                .find(|(part, _)| name.contains(part))
                .expect(name);
            let right = expected.iter().any(|expected| reason.starts_with(expected));
            assert!(right, "{name}: {error} ({reason})");
            invalid += 1;
        } else if name.starts_with("Valid") {
            match outcome {
                Ok(()) => valid += 1,
                Err(error) => {
                    let reason = format!("{:?}", error.reason);
                    assert!(is_left_out(name, &reason), "{name}: {error}");
                    left_out.push(name.clone());
                }
            }
        }
    }
    assert_eq!(
        (valid, invalid, left_out.len()),
        (78, 115, 9),
        "{left_out:?}"
    );
}

/// What is demanded of policies: which ones, whether one at all, no mapping, no anyPolicy.
#[derive(Default)]
struct Demand {
    policies: &'static [u8],
    explicit: bool,
    no_mapping: bool,
    no_any: bool,
}

const NOTHING: Demand = Demand {
    policies: &[],
    explicit: false,
    no_mapping: false,
    no_any: false,
};
const EXPLICIT: Demand = Demand {
    explicit: true,
    ..NOTHING
};
const NO_MAPPING: Demand = Demand {
    no_mapping: true,
    ..NOTHING
};
const NO_ANY: Demand = Demand {
    no_any: true,
    ..NOTHING
};

const fn one_of(policies: &'static [u8]) -> Demand {
    Demand {
        policies,
        ..NOTHING
    }
}

/// Sections 4.8, 4.10 and 4.12, where the answer depends on what is demanded.
const POLICIES: &[(&str, Demand, bool)] = &[
    ("ValidCertificatePathTest1EE", EXPLICIT, true),
    ("ValidCertificatePathTest1EE", one_of(&[1]), true),
    ("ValidCertificatePathTest1EE", one_of(&[2]), false),
    ("ValidCertificatePathTest1EE", one_of(&[1, 2]), true),
    ("AllCertificatesNoPoliciesTest2EE", NOTHING, true),
    ("AllCertificatesNoPoliciesTest2EE", EXPLICIT, false),
    ("DifferentPoliciesTest3EE", NOTHING, true),
    ("DifferentPoliciesTest3EE", EXPLICIT, false),
    ("DifferentPoliciesTest3EE", one_of(&[1, 2]), false),
    ("DifferentPoliciesTest4EE", NOTHING, false),
    ("DifferentPoliciesTest5EE", NOTHING, false),
    ("OverlappingPoliciesTest6EE", NOTHING, true),
    ("OverlappingPoliciesTest6EE", one_of(&[1]), true),
    ("OverlappingPoliciesTest6EE", one_of(&[2]), false),
    ("DifferentPoliciesTest7EE", NOTHING, false),
    ("DifferentPoliciesTest8EE", NOTHING, false),
    ("DifferentPoliciesTest9EE", NOTHING, false),
    ("AllCertificatesSamePoliciesTest10EE", NOTHING, true),
    ("AllCertificatesSamePoliciesTest10EE", one_of(&[1]), true),
    ("AllCertificatesSamePoliciesTest10EE", one_of(&[2]), true),
    ("AllCertificatesanyPolicyTest11EE", NOTHING, true),
    ("AllCertificatesanyPolicyTest11EE", one_of(&[1]), true),
    ("DifferentPoliciesTest12EE", NOTHING, false),
    ("AllCertificatesSamePoliciesTest13EE", one_of(&[1]), true),
    ("AllCertificatesSamePoliciesTest13EE", one_of(&[2]), true),
    ("AllCertificatesSamePoliciesTest13EE", one_of(&[3]), true),
    ("AnyPolicyTest14EE", one_of(&[1]), true),
    ("AnyPolicyTest14EE", one_of(&[2]), false),
    ("UserNoticeQualifierTest15EE", NOTHING, true),
    ("UserNoticeQualifierTest16EE", NOTHING, true),
    ("UserNoticeQualifierTest17EE", NOTHING, true),
    ("UserNoticeQualifierTest18EE", one_of(&[1]), true),
    ("UserNoticeQualifierTest18EE", one_of(&[2]), true),
    ("UserNoticeQualifierTest19EE", NOTHING, true),
    ("CPSPointerQualifierTest20EE", NOTHING, true),
    ("ValidPolicyMappingTest1EE", one_of(&[1]), true),
    ("ValidPolicyMappingTest1EE", one_of(&[2]), false),
    ("ValidPolicyMappingTest1EE", NO_MAPPING, false),
    ("InvalidPolicyMappingTest2EE", NOTHING, false),
    ("InvalidPolicyMappingTest2EE", NO_MAPPING, false),
    ("ValidPolicyMappingTest3EE", one_of(&[1]), false),
    ("ValidPolicyMappingTest3EE", one_of(&[2]), true),
    ("ValidPolicyMappingTest5EE", one_of(&[1]), true),
    ("ValidPolicyMappingTest5EE", one_of(&[6]), false),
    ("ValidPolicyMappingTest6EE", one_of(&[1]), true),
    ("ValidPolicyMappingTest6EE", one_of(&[6]), false),
    ("ValidPolicyMappingTest12EE", one_of(&[1]), true),
    ("ValidPolicyMappingTest12EE", one_of(&[2]), true),
    ("inhibitAnyPolicyTest3EE", NOTHING, true),
    ("inhibitAnyPolicyTest3EE", NO_ANY, false),
];

#[test]
fn policies_by_what_is_demanded() {
    let suite = Suite::read();
    for (name, demand, valid) in POLICIES {
        let mut trust = suite.trust.clone();
        if !demand.policies.is_empty() {
            let number = |number| format!("2.16.840.1.101.3.2.1.48.{number}").parse();
            let policies = demand
                .policies
                .iter()
                .map(|policy| number(policy).expect("an identifier"));
            trust.policies(policies);
        }
        if demand.explicit {
            trust.explicit_policy(true);
        }
        trust
            .no_policy_mapping(demand.no_mapping)
            .no_any_policy(demand.no_any);
        let outcome = suite.check(&trust, name);
        let policies = demand.policies;
        assert_eq!(outcome.is_ok(), *valid, "{name} {policies:?}: {outcome:?}");
    }
}
