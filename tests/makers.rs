//! Documents that GnuTLS, BouncyCastle and pyHanko sign, Ed25519 among them: each is valid, and with
//! its content changed it is not.
//!
//! It is left to be named, since it needs a Java compiler, GnuTLS and a Python with pyHanko, which
//! `KEYFOB_PYHANKO` names: see CONTRIBUTING.md.

#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/signers.rs"]
mod signers;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use issuer::{Bench, text};
use keyfob::cms::{self, Report, Verdict};
use keyfob::trust::Trust;
use keyfob::{Certificate, Curve, KeyType, Scheme};
use signers::{Authority, Wanted};

const CONTENT: &[u8] = b"I owe you a hundred roubles, and shall pay them back some day.\n";

/// As Java calls them.
const ALGORITHMS: [(&str, &str, KeyType, Scheme); 6] = [
    (
        "RSA",
        "SHA256withRSA",
        KeyType::Rsa { bits: 2048 },
        Scheme::RsaPkcs1Sha256,
    ),
    (
        "RSA",
        "SHA256withRSAandMGF1",
        KeyType::Rsa { bits: 2048 },
        Scheme::RsaPssSha256,
    ),
    (
        "EC",
        "SHA256withECDSA",
        KeyType::Ec(Curve::P256),
        Scheme::EcdsaP256Sha256,
    ),
    (
        "EC",
        "SHA384withECDSA",
        KeyType::Ec(Curve::P384),
        Scheme::EcdsaP384Sha384,
    ),
    (
        "EC",
        "SHA512withECDSA",
        KeyType::Ec(Curve::P521),
        Scheme::EcdsaP521Sha512,
    ),
    ("Ed25519", "Ed25519", KeyType::Ed25519, Scheme::Ed25519),
];

struct Made {
    scheme: Scheme,
    form: &'static str,
    document: Vec<u8>,
}

/// What a maker makes of each algorithm in each form.
fn make(
    bench: &Bench,
    authority: &Authority<'_>,
    maker: &mut Command,
    forms: &[&'static str],
) -> Vec<Made> {
    let file = |name: &str| bench.folder.join(name);
    fs::write(file("content"), CONTENT).expect("written");
    let mut manifest = String::new();
    let mut planned: Vec<(Scheme, &str, PathBuf)> = Vec::new();
    for (key_type, algorithm, kind, scheme) in ALGORITHMS {
        let issued = authority.issue(scheme.name(), &bench.key(kind), &Wanted::default());
        let key = file(&format!("{scheme}.key.der"));
        bench.run(&[
            "pkcs8",
            "-topk8",
            "-nocrypt",
            "-in",
            text(&issued.key),
            "-outform",
            "DER",
            "-out",
            text(&key),
        ]);
        let certificate = file(&format!("{scheme}.crt.der"));
        let read = Certificate::read(&issued.certificate).expect("a certificate");
        fs::write(&certificate, read.der()).expect("written");
        for form in forms {
            let output = file(&format!("{scheme}.{form}"));
            let fields = [key_type, algorithm, text(&key), text(&certificate)];
            let content = file("content");
            let fields = [&fields[..], &[text(&content), form, text(&output)]].concat();
            manifest += &(fields.join("\t") + "\n");
            planned.push((scheme, form, output));
        }
    }
    let list = file("manifest");
    fs::write(&list, manifest).expect("written");
    let output = maker.arg(&list).output();
    let output = output.unwrap_or_else(|error| panic!("{maker:?}: {error}"));
    assert!(output.status.success(), "{maker:?}: {output:?}");
    let made = planned.into_iter().map(|(scheme, form, path)| Made {
        scheme,
        form,
        document: fs::read(path).expect("a document"),
    });
    made.collect()
}

fn check(made: &Made, document: &[u8], content: &[u8], trust: &Trust) -> Report {
    let mut check = cms::verify(document).trust(trust);
    if made.form == "detached" {
        check = check.content(content);
    }
    check.check().expect("a document that can be read")
}

fn judge(made: &[Made], cades: bool, trust: &Trust) {
    for one in made {
        let report = check(one, &one.document, CONTENT, trust);
        let what = format!("{} {}: {report}", one.scheme, one.form);
        assert_eq!(report.verdict(), Verdict::Valid, "{what}");
        let [signer] = report.signers() else {
            panic!("{what}");
        };
        assert_eq!(signer.scheme(), Some(one.scheme), "{what}");
        assert_eq!(signer.is_cades(), cades, "{what}");
        let counter = usize::from(one.form == "counter-signed");
        assert_eq!(signer.counter_signatures().len(), counter, "{what}");

        let mut changed = one.document.clone();
        if let Some(at) = changed.windows(4).position(|bytes| bytes == b"I ow") {
            changed[at] ^= 1;
        }
        let report = check(one, &changed, b"something else", trust);
        assert_eq!(
            report.verdict(),
            Verdict::Invalid,
            "{} {}: {report}",
            one.scheme,
            one.form
        );
    }
}

#[test]
fn bouncy_castle() {
    let bench = Bench::new("bouncy-castle");
    let authority = Authority::new(&bench, "The CA");
    let jars = ["bcpkix", "bcprov", "bcutil"].map(|name| format!("/usr/share/java/{name}.jar"));
    let mut java = Command::new("java");
    java.arg("-cp")
        .arg(jars.join(":"))
        .arg(source("BouncyCastleMaker.java"));
    let forms = ["detached", "attached", "streamed", "bare", "counter-signed"];
    let made = make(&bench, &authority, &mut java, &forms);
    assert_eq!(made.len(), ALGORITHMS.len() * forms.len());
    judge(&made, false, &authority.trust());
}

#[test]
fn pyhanko() {
    let bench = Bench::new("pyhanko");
    let authority = Authority::new(&bench, "The CA");
    let python = env::var_os("KEYFOB_PYHANKO")
        .expect("KEYFOB_PYHANKO names a Python that has pyHanko; .ci/run says how to have one");
    let mut python = Command::new(python);
    python.arg(source("pyhanko_maker.py"));
    let forms = ["detached", "attached", "cades"];
    let made = make(&bench, &authority, &mut python, &forms);
    assert_eq!(made.len(), ALGORITHMS.len() * forms.len());
    // It names its certificate whatever it is asked for.
    judge(&made, true, &authority.trust());
}

#[test]
fn gnutls() {
    let bench = Bench::new("gnutls");
    let authority = Authority::new(&bench, "The CA");
    let trust = authority.trust();
    let file = |name: &str| bench.folder.join(name);
    fs::write(file("content"), CONTENT).expect("written");
    let mut all = Vec::new();
    for (_, _, kind, scheme) in ALGORITHMS {
        let issued = authority.issue(scheme.name(), &bench.key(kind), &Wanted::default());
        // certtool 3.7 names a plain RSA key's signature rsaEncryption, whatever it is asked for.
        if scheme.name().starts_with("rsa-pss") {
            continue;
        }
        for (how, form) in [
            ("--p7-sign", "attached"),
            ("--p7-detached-sign", "detached"),
        ] {
            let hash = match scheme {
                Scheme::Ed25519 => "sha512",
                _ => scheme.name().rsplit('-').next().expect("a digest"),
            };
            let output = file("output");
            let made = Command::new("certtool")
                .args([
                    how,
                    "--p7-time",
                    "--p7-include-cert",
                    "--outder",
                    "--hash",
                    hash,
                ])
                .args(["--load-certificate", text(&issued.certificate)])
                .args(["--load-privkey", text(&issued.key)])
                .args([
                    "--infile",
                    text(&file("content")),
                    "--outfile",
                    text(&output),
                ])
                .output()
                .expect("certtool runs; .ci/run says what to install");
            assert!(made.status.success(), "{made:?}");
            let document = fs::read(&output).expect("a document");
            all.push(Made {
                scheme,
                form,
                document,
            });
        }
    }
    assert_eq!(all.len(), 10);
    judge(&all, false, &trust);
}

fn source(name: &str) -> String {
    format!("{}/tests/judges/{name}", env!("CARGO_MANIFEST_DIR"))
}
