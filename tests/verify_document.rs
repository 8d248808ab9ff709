//! The example `verify_document`: what it prints, and how it ends.

#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/signers.rs"]
mod signers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use issuer::{Bench, text};
use serde_json::Value;
use signers::{Authority, Wanted, openssl_cms};

const CONTENT: &[u8] = b"I owe you a hundred roubles.\n";

fn run(arguments: &[&str]) -> Output {
    let output = Command::new(example()).args(arguments).output();
    output.expect("plain `cargo test` builds the examples; so does `cargo build --examples`")
}

fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("it is in target/PROFILE/deps");
    profile.join("examples/verify_document")
}

fn file(bench: &Bench, name: &str, bytes: &[u8]) -> PathBuf {
    let path = bench.folder.join(name);
    fs::write(&path, bytes).expect("the target folder can be written to");
    path
}

#[test]
fn three_ways_to_end() {
    let bench = Bench::new("verify-document");
    let authority = Authority::new(&bench, "The CA");
    let key = bench.genpkey(
        "signer",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    );
    let signer = authority.issue("Ivan Petrov", &key, &Wanted::default());
    let detached = file(
        &bench,
        "detached.p7s",
        &openssl_cms(&bench, CONTENT, &[&signer], &["-cades"]),
    );
    let attached = openssl_cms(&bench, CONTENT, &[&signer], &["-nodetach"]);
    let attached = file(&bench, "attached.p7m", &attached);
    let content = file(&bench, "content", CONTENT);
    let other = file(&bench, "other", b"I owe you nothing.\n");
    let cut = file(
        &bench,
        "cut.p7s",
        &fs::read(&detached).expect("it is there")[..100],
    );
    let (detached, attached, ca) = (
        text(&detached),
        text(&attached),
        text(&authority.certificate),
    );
    let (content, other, cut) = (text(&content), text(&other), text(&cut));
    let crl = authority.crl();
    let crl = text(&crl);

    for (arguments, ending, says) in [
        (
            &[detached, "--content", content, "--ca", ca][..],
            0,
            "the document is valid",
        ),
        (&[attached, "--ca", ca], 0, "the document is valid"),
        (
            &[attached, "--ca", ca, "--crl", crl, "--require-crl"],
            0,
            "the document is valid",
        ),
        (
            &[detached, "--content", other, "--ca", ca],
            1,
            "not what was signed",
        ),
        (
            &[attached, "--ca", ca, "--cades"],
            1,
            "the attribute signing-certificate is missing",
        ),
        (
            &[attached, "--ca", ca, "--at", "2055-01-01T00:00:00Z"],
            1,
            "expired",
        ),
        (&[detached, "--ca", ca], 2, "give the file that was signed"),
        (&[attached], 2, "it is not known whom to trust"),
        (&[attached, "--ca", ca, "--require-crl"], 2, "revoked"),
        (&[cut, "--ca", ca], 2, "ends at byte 100"),
        (&["/no/such/file", "--ca", ca], 2, "/no/such/file"),
        (&[attached, "--ca", content], 2, "content"),
    ] {
        let output = run(arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).expect("UTF-8");
        assert_eq!(output.status.code(), Some(ending), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

#[test]
fn json_and_content() {
    let bench = Bench::new("verify-document-json");
    let authority = Authority::new(&bench, "The CA");
    let key = bench.genpkey(
        "signer",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    );
    let signer = authority.issue("signer", &key, &Wanted::default());
    let attached = openssl_cms(&bench, CONTENT, &[&signer], &["-nodetach", "-cades"]);
    let attached = file(&bench, "attached.p7m", &attached);
    let out = bench.folder.join("out");
    let ca = text(&authority.certificate);
    let output = run(&[
        text(&attached),
        "--ca",
        ca,
        "--json",
        "--extract",
        text(&out),
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["verdict"], "valid");
    assert_eq!(report["content_length"], CONTENT.len());
    let signer = &report["signers"][0];
    assert_eq!(signer["name"], "CN=signer,O=keyfob tests");
    assert_eq!(signer["scheme"], "ecdsa-p256-sha256");
    assert_eq!(signer["cades"], true);
    assert_eq!(signer["chain"][1], "CN=The CA,O=keyfob tests");
    assert_eq!(fs::read(&out).expect("it was written"), CONTENT);

    // Nothing is written of what nobody vouches for.
    let untrusted = Path::new(&out).with_extension("untrusted");
    let output = run(&[text(&attached), "--json", "--extract", text(&untrusted)]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["verdict"], "could-not-tell");
    assert!(!untrusted.exists());
}
