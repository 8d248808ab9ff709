//! Documents and chains of GOST R 34.10-2012, beside OpenSSL with the engine that knows it: what that
//! makes is checked by keyfob, for every parameter set.
//!
//! It is left to be named, since it needs that engine: see CONTRIBUTING.md.

#[path = "support/engine.rs"]
mod engine;

use std::fs;

use engine::{Engine, SETS, digest};
use keyfob::cms::{self, Policy, Report, Verdict};
use keyfob::trust::{Trust, Weakness};
use keyfob::{Certificate, Scheme};

const CONTENT: &[u8] = b"I owe the bearer seven roubles.\n";

impl Engine {
    fn read(&self, name: &str) -> Certificate {
        Certificate::read(self.path(name)).expect("a certificate")
    }

    fn trust(&self, anchor: &str) -> Trust {
        let mut trust = Trust::new();
        trust.anchor(&self.read(anchor));
        trust
    }

    /// A document by OpenSSL. `options`: `-nodetach`, and what else there is.
    fn sign(&self, signer: &str, key: &str, digest: &str, options: &[&str]) -> Vec<u8> {
        self.file("content", CONTENT);
        let mut arguments = vec!["cms", "-sign", "-binary", "-in", "content"];
        arguments.extend(["-signer", signer, "-inkey", key, "-md", digest]);
        arguments.extend(["-cades", "-outform", "DER", "-out", "document"]);
        arguments.extend(options);
        self.run(&arguments);
        fs::read(self.path("document")).expect("it was written")
    }
}

fn check(document: &[u8], content: Option<&[u8]>, trust: &Trust) -> Report {
    let mut check = cms::verify(document).trust(trust);
    if let Some(content) = content {
        check = check.content(content);
    }
    check.check().expect("a document that can be read")
}

/// The same with one bit of what is signed, or of the last signature, changed.
fn changed(bytes: &[u8], from_end: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let at = bytes.len() - from_end;
    changed[at] ^= 1;
    changed
}

#[test]
fn documents_of_every_parameter_set() {
    let engine = Engine::new("documents");
    for (set, algorithm, name) in SETS {
        engine.key("ca.key", algorithm, name);
        engine.key("leaf.key", algorithm, name);
        engine.certificate("ca.pem", "ca.key", "/CN=Root", None, "ca");
        let issuer = Some(("ca.key", "ca.pem"));
        engine.certificate("leaf.pem", "leaf.key", "/CN=Leaf", issuer, "leaf");
        let trust = engine.trust("ca.pem");
        let public_key = engine.read("leaf.pem").public_key().expect("it is known");
        assert_eq!(
            public_key.key_type().to_string(),
            format!("GOST-{} ({set})", 8 * set.field_len())
        );
        let scheme = match set.field_len() {
            32 => Scheme::Gost256,
            _ => Scheme::Gost512,
        };

        let detached = engine.sign("leaf.pem", "leaf.key", digest(algorithm), &[]);
        let report = check(&detached, Some(CONTENT), &trust);
        assert_eq!(report.verdict(), Verdict::Valid, "{set}: {report}");
        assert_eq!(report.signers()[0].scheme(), Some(scheme));
        assert!(report.signers()[0].is_cades());
        let other = check(&detached, Some(&changed(CONTENT, 9)), &trust);
        assert_eq!(other.verdict(), Verdict::Invalid, "{set}: {other}");
        let forged = check(&changed(&detached, 1), Some(CONTENT), &trust);
        assert_eq!(
            forged.signers()[0].signature_is_right(),
            Some(false),
            "{set}"
        );

        for options in [&["-nodetach"][..], &["-nodetach", "-stream"]] {
            let attached = engine.sign("leaf.pem", "leaf.key", digest(algorithm), options);
            let report = check(&attached, None, &trust);
            assert_eq!(report.verdict(), Verdict::Valid, "{set}: {report}");
        }
    }
}

#[test]
fn chains_of_gost_and_below_other_roots() {
    let engine = Engine::new("chains");
    let others: [(&str, &[&str]); 3] = [
        (
            "rsa",
            &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        ),
        (
            "ec",
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        ),
        (
            "gost",
            &["-algorithm", "gost2012_512", "-pkeyopt", "paramset:C"],
        ),
    ];
    for (name, options) in others {
        let mut arguments = vec!["genpkey"];
        arguments.extend(options);
        arguments.extend(["-out", "root.key"]);
        engine.run(&arguments);
        let subject = format!("/CN=Root {name}");
        engine.certificate("root.pem", "root.key", &subject, None, "ca");
        engine.key("middle.key", "gost2012_512", "A");
        let root = Some(("root.key", "root.pem"));
        engine.certificate("middle.pem", "middle.key", "/CN=Middle", root, "ca");
        engine.key("leaf.key", "gost2012_256", "TCA");
        let middle = Some(("middle.key", "middle.pem"));
        engine.certificate("leaf.pem", "leaf.key", "/CN=Leaf", middle, "leaf");
        let options = ["-certfile", "middle.pem"];
        let document = engine.sign("leaf.pem", "leaf.key", "md_gost12_256", &options);
        let report = check(&document, Some(CONTENT), &engine.trust("root.pem"));
        assert_eq!(report.verdict(), Verdict::Valid, "{name}: {report}");
        let chain = report.signers()[0].chain().expect("it is valid");
        assert_eq!(chain.certificates().len(), 3);

        // Of the same name, and another key.
        engine.run(&arguments);
        engine.certificate("other.pem", "root.key", &subject, None, "ca");
        let report = check(&document, Some(CONTENT), &engine.trust("other.pem"));
        assert_ne!(report.verdict(), Verdict::Valid, "{name}: {report}");
    }
}

/// GOST R 34.10-2001 with GOST R 34.11-94: refused as too weak, and right where that is allowed.
#[test]
fn documents_of_2001() {
    let engine = Engine::new("of-2001");
    for set in ["A", "B", "C", "XA", "XB"] {
        engine.key("ca.key", "gost2001", set);
        engine.certificate("ca.pem", "ca.key", "/CN=Of 2001", None, "leaf");
        let mut trust = engine.trust("ca.pem");
        let document = engine.sign("ca.pem", "ca.key", "md_gost94", &[]);
        let report = check(&document, Some(CONTENT), &trust);
        assert_eq!(report.verdict(), Verdict::Invalid, "{set}: {report}");
        assert!(report.to_string().contains("GOST R 34.11-94"), "{report}");

        trust.allow(Weakness::Gost94);
        let allowing = |document: &[u8], content: &[u8]| {
            let policy = Policy::new().allow(Weakness::Gost94);
            let check = cms::verify(document).content(content).trust(&trust);
            check.policy(policy).check().expect("it can be read")
        };
        let report = allowing(&document, CONTENT);
        assert_eq!(report.verdict(), Verdict::Valid, "{set}: {report}");
        assert_eq!(report.signers()[0].scheme(), Some(Scheme::Gost2001));
        let report = allowing(&document, b"something else");
        assert_eq!(report.verdict(), Verdict::Invalid, "{set}");
        let report = allowing(&changed(&document, 1), CONTENT);
        assert_eq!(report.verdict(), Verdict::Invalid, "{set}");
    }
}
