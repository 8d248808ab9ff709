//! Documents of every scheme, form and number of signers, judged by whoever there is: OpenSSL, GnuTLS,
//! BouncyCastle and pyHanko. Each that can read one has to accept it, and to refuse it with a byte of
//! its content or of a signature changed; and each scheme has to have two judges at least.
//!
//! It is left to be named, since it needs a Java compiler, GnuTLS and a Python with pyHanko, which
//! `KEYFOB_PYHANKO` names: see CONTRIBUTING.md. The table that it prints is in docs/documents.md.

#[path = "support/documents.rs"]
mod documents;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use documents::{CONTENT, Case, Desk, FORMS, Form};
use keyfob::{Scheme, cms};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Judge {
    OpenSsl,
    OpenSslCades,
    GnuTls,
    BouncyCastle,
    PyHanko,
}

const JUDGES: [Judge; 5] = [
    Judge::OpenSsl,
    Judge::OpenSslCades,
    Judge::GnuTls,
    Judge::BouncyCastle,
    Judge::PyHanko,
];

/// Why a judge cannot read a document, where that is known. A newer one may.
fn known_gap(judge: Judge, case: &Case) -> Option<&'static str> {
    match judge {
        Judge::OpenSsl | Judge::OpenSslCades if case.scheme == Scheme::Ed25519 => {
            Some("OpenSSL before 3.2 has no Ed25519 in CMS")
        }
        Judge::GnuTls if matches!(case.scheme, Scheme::RsaPssSha384 | Scheme::RsaPssSha512) => {
            Some("GnuTLS 3.7 verifies PSS in CMS with SHA-256 alone")
        }
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Accepted,
    Refused,
    Cannot(String),
}

#[test]
fn every_judge_that_can_accepts_and_refuses_a_changed_byte() {
    let desk = Desk::new("judged");
    let good = desk.all();
    let changed: Vec<_> = good.iter().map(Case::with_changed_content).collect();
    let forged: Vec<_> = good.iter().map(Case::with_changed_signature).collect();

    let mut table: BTreeMap<(&str, Form), BTreeMap<Judge, usize>> = BTreeMap::new();
    let mut wrong = String::new();
    for judge in JUDGES {
        let [good_answers, changed, forged] =
            [&good, &changed, &forged].map(|cases| judge.judge(&desk, cases));
        for (number, case) in good.iter().enumerate() {
            let accepted = good_answers[number] == Answer::Accepted;
            if accepted {
                let row = table.entry((case.scheme.name(), case.form)).or_default();
                *row.entry(judge).or_default() += 1;
            } else if known_gap(judge, case).is_some() {
                continue;
            }
            let refused = changed[number] == Answer::Refused && forged[number] == Answer::Refused;
            if !accepted || !refused {
                let answers = [&good_answers, &changed, &forged].map(|answers| &answers[number]);
                writeln!(wrong, "{judge:?} {}: {answers:?}", case.name()).unwrap();
            }
        }
    }
    println!("{}", markdown(&table));
    assert!(wrong.is_empty(), "{wrong}");
    for scheme in softhsm::schemes() {
        for form in FORMS {
            let judges = &table[&(scheme.name(), form)];
            let independent = judges.keys().filter(|one| **one != Judge::OpenSslCades);
            assert!(independent.count() >= 2, "{scheme} {form:?}: {judges:?}");
        }
    }
}

/// BouncyCastle alone looks at counter-signatures.
#[test]
fn counter_signatures_are_judged_too() {
    let desk = Desk::new("countersigned");
    let made = cms::sign(&desk.identity("p256-1"))
        .detached()
        .bytes(CONTENT)
        .unwrap();
    let witnessed = cms::countersign(&desk.identity("rsa-1"))
        .bytes(&made)
        .unwrap();
    // The counter-signature stands last, and its signature at its end.
    let mut forged = witnessed.clone();
    *forged.last_mut().unwrap() ^= 1;
    let content = desk.file("content", CONTENT);
    let case = |name: &str, document: &[u8]| Case {
        scheme: Scheme::EcdsaP256Sha256,
        form: Form::Detached,
        signers: 1,
        document: desk.file(name, document),
        content: content.clone(),
    };
    let cases = [
        case("witnessed.p7s", &witnessed),
        case("forged.p7s", &forged),
    ];
    let answers = Judge::BouncyCastle.judge(&desk, &cases);
    assert_eq!(answers, [Answer::Accepted, Answer::Refused]);
}

/// Which judge accepted how many of the documents with one, two and three signers.
fn markdown(table: &BTreeMap<(&str, Form), BTreeMap<Judge, usize>>) -> String {
    let mut text = String::from("| scheme | form |");
    for judge in JUDGES {
        write!(text, " {judge:?} |").unwrap();
    }
    text.push_str("\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for ((scheme, form), judges) in table {
        write!(text, "| {scheme} | {form:?} |").unwrap();
        for judge in JUDGES {
            let accepted = judges.get(&judge).copied().unwrap_or(0);
            write!(text, " {accepted} of 3 |").unwrap();
        }
        text.push('\n');
    }
    text
}

impl Judge {
    fn judge(self, desk: &Desk, cases: &[Case]) -> Vec<Answer> {
        let one_by_one = |judge: fn(&Desk, &Case) -> Answer| {
            cases.iter().map(|case| judge(desk, case)).collect()
        };
        match self {
            Self::OpenSsl => one_by_one(|desk, case| openssl(desk, case, &[])),
            Self::OpenSslCades => one_by_one(|desk, case| openssl(desk, case, &["-cades"])),
            Self::GnuTls => one_by_one(certtool),
            Self::BouncyCastle => {
                let jars = ["bcpkix", "bcprov", "bcutil"]
                    .map(|name| format!("/usr/share/java/{name}.jar"));
                let mut java = Command::new("java");
                java.arg("-cp").arg(jars.join(":"));
                java.arg(source("BouncyCastleJudge.java")).arg(&desk.ca);
                all_at_once(desk, cases, java)
            }
            Self::PyHanko => {
                let python = env::var_os("KEYFOB_PYHANKO").expect(
                    "KEYFOB_PYHANKO names a Python that has pyHanko; .ci/run says how to have one",
                );
                let mut python = Command::new(python);
                python.arg(source("pyhanko_judge.py"));
                all_at_once(desk, cases, python)
            }
        }
    }
}

fn source(name: &str) -> String {
    format!("{}/tests/judges/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A judge that takes a list of documents, since it takes long to start.
fn all_at_once(desk: &Desk, cases: &[Case], mut judge: Command) -> Vec<Answer> {
    let lines = cases.iter().map(|case| {
        let content = match case.form {
            Form::Detached => case.content.as_path(),
            _ => Path::new("-"),
        };
        format!("{}\t{}\n", case.document.display(), content.display())
    });
    let manifest = desk.file("manifest", lines.collect::<String>().as_bytes());
    let output = run(judge.arg(manifest));
    assert!(output.status.success(), "{judge:?}: {output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = said
        .lines()
        .map(|line| match line {
            "accepted" => Answer::Accepted,
            "refused" => Answer::Refused,
            other => Answer::Cannot(other.into()),
        })
        .collect();
    assert_eq!(answers.len(), cases.len(), "{said}");
    answers
}

fn openssl(desk: &Desk, case: &Case, options: &[&str]) -> Answer {
    let mut command = Command::new("openssl");
    command.args(["cms", "-verify", "-binary", "-inform", "DER", "-in"]);
    command.arg(&case.document).args(options);
    if case.form == Form::Detached {
        command.arg("-content").arg(&case.content);
    }
    command.args(["-purpose", "any", "-CAfile"]).arg(&desk.ca);
    let output = run(&mut command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true if output.stdout == fs::read(&case.content).unwrap() => Answer::Accepted,
        true => Answer::Cannot("another content".into()),
        false if said.contains("Verification failure") => Answer::Refused,
        false => Answer::Cannot(said),
    }
}

fn certtool(desk: &Desk, case: &Case) -> Answer {
    let mut command = Command::new("certtool");
    command
        .args(["--p7-verify", "--inder", "--infile"])
        .arg(&case.document);
    command.arg("--load-ca-certificate").arg(&desk.ca);
    if case.form == Form::Detached {
        command.arg("--load-data").arg(&case.content);
    }
    let output = run(&mut command);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let good = said.matches("Signature status: ok").count();
    match output.status.success() {
        true if good == case.signers => Answer::Accepted,
        false if said.contains("verification failed") => Answer::Refused,
        _ => Answer::Cannot(said),
    }
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; .ci/run says what to install"))
}
