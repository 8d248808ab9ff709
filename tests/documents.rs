//! Documents that keyfob signs, judged by OpenSSL.

#[path = "support/documents.rs"]
mod documents;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::process::{Command, Output};

use documents::{CONTENT, Case, Desk, Form};
use keyfob::Scheme;

#[test]
fn openssl_accepts_every_document_and_refuses_a_changed_byte() {
    let desk = Desk::new("all");
    for case in desk.all() {
        let name = case.name();
        if case.scheme == Scheme::Ed25519 {
            continue;
        }
        for options in [&[][..], &["-cades"]] {
            let verified = verify(&desk, &case, options);
            assert!(
                verified.status.success(),
                "{name} {options:?}: {verified:?}"
            );
            assert!(verified.stdout == CONTENT, "{name}");
        }
        for (changed, by_content) in [
            (case.with_changed_content(), true),
            (case.with_changed_signature(), false),
        ] {
            let refused = verify(&desk, &changed, &[]);
            let said = String::from_utf8_lossy(&refused.stderr);
            assert!(!refused.status.success(), "{name}");
            // The one reason or the other, and not that it could not be read.
            assert!(said.contains("CMS Verification failure"), "{name}: {said}");
            let content = said.contains("content verify error");
            assert_eq!(content, by_content, "{name}: {said}");
        }
    }
}

fn verify(desk: &Desk, case: &Case, options: &[&str]) -> Output {
    let content = match case.form {
        Form::Detached => vec!["-content".as_ref(), case.content.as_os_str()],
        _ => vec![],
    };
    let mut command = openssl(["cms", "-verify", "-binary", "-inform", "DER"]);
    command
        .args(options)
        .arg("-in")
        .arg(&case.document)
        .args(content);
    command.args(["-purpose", "any", "-CAfile"]).arg(&desk.ca);
    command
        .output()
        .expect("openssl runs; ./softhsm-setup.sh installs it")
}

fn openssl<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments);
    command
}
