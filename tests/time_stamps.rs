//! Time stamps, with `openssl ts` as the authority and as the judge; and answers that are none.

#[path = "support/stamper.rs"]
mod authority;
#[path = "support/cms_types.rs"]
mod cms_types;
#[path = "support/documents.rs"]
mod documents;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use authority::{Authority, POLICY};
use cms::{SignDocumentError, Timestamp, TimestampError, TimestampRequest};
use documents::{CONTENT, Desk};
use keyfob::{DigestAlgorithm, Error, cms};

const SHA256: DigestAlgorithm = DigestAlgorithm::Sha256;

fn authority(name: &str) -> Authority {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("authority")
        .join(name);
    Authority::new(&folder, "sha256, sha384, sha512")
}

fn request() -> TimestampRequest {
    TimestampRequest::new(SHA256, &SHA256.digest(b"data")).unwrap()
}

#[test]
fn a_document_is_stamped_and_openssl_accepts_both() {
    let desk = Desk::new("stamped");
    let authority = authority("document");
    for label in ["rsa-1", "p384-1", "p521-1", "ed25519-1"] {
        let tokens = RefCell::new(Vec::new());
        let identity = desk.identity(label);
        let signer = cms::Signer::new(&identity).timestamp(|request| {
            let answer = authority.answer(request)?;
            tokens.borrow_mut().push(answer.clone());
            Ok(answer)
        });
        let p7s = cms::sign(signer).detached().bytes(CONTENT).unwrap();
        assert_eq!(tokens.borrow().len(), 1);

        // The token stands in the document as the authority gave it, and is of the signature.
        let document = cms_types::signed_data(&p7s);
        let signer = document.signer_infos.0.get(0).unwrap();
        let token = cms_types::unsigned(signer, "1.2.840.113549.1.9.16.2.14");
        assert!(
            authority.accepts(&token, signer.signature.as_bytes()),
            "{label}"
        );
        assert!(!authority.accepts(&token, CONTENT), "{label}");
        let answer = &tokens.borrow()[0];
        assert!(answer.ends_with(&token), "{label}");

        if label == "ed25519-1" {
            continue; // which OpenSSL does not verify in CMS
        }
        let document = desk.file("stamped.p7s", &p7s);
        let content = desk.file("content", CONTENT);
        let mut openssl = Command::new("openssl");
        openssl.args([
            "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in",
        ]);
        openssl.arg(document).arg("-content").arg(content);
        openssl.args(["-purpose", "any", "-CAfile"]).arg(&desk.ca);
        let verified = openssl.output().unwrap();
        assert!(verified.status.success(), "{label}: {verified:?}");
    }
}

#[test]
fn what_a_stamp_says() {
    let authority = authority("says");
    let request = request();
    let before = SystemTime::now();
    let stamp = request.check(&authority.answer(&request.to_der()).unwrap());
    let stamp = stamp.unwrap();
    assert!(stamp.stamps(SHA256, &SHA256.digest(b"data")));
    assert!(!stamp.stamps(SHA256, &SHA256.digest(b"date")));
    assert!(!stamp.stamps(DigestAlgorithm::Sha512, &SHA256.digest(b"data")));
    assert!(stamp.time() + Duration::from_secs(1) > before);
    assert!(stamp.time() < SystemTime::now() + Duration::from_secs(1));
    assert_eq!(stamp.accuracy(), Some(Duration::from_millis(1500)));
    assert_eq!(stamp.policy().to_string(), POLICY);
    assert_eq!(stamp.serial(), [0x10, 0x02]);
    assert!(authority.accepts(stamp.der(), b"data"));
    assert_eq!(Timestamp::from_der(stamp.der()).unwrap(), stamp);
}

#[test]
fn a_policy_can_be_asked_for() {
    let authority = authority("policy");
    let other = "1.2.3.4.5".parse().unwrap();
    let asked = request().policy(other);
    let answer = authority.answer(&asked.to_der()).unwrap();
    assert_eq!(asked.check(&answer).unwrap().policy(), other);
    let unknown = request().policy("1.2.3.4.9".parse().unwrap());
    let answer = authority.answer(&unknown.to_der()).unwrap();
    let refused = unknown.check(&answer).unwrap_err();
    assert!(matches!(refused, TimestampError::Refused(_)));
    assert!(refused.to_string().contains("policy"), "{refused}");
    // An authority that does not heed what it was asked: the same request but for the policy.
    let wanted = request();
    let answer = authority.answer(&wanted.to_der()).unwrap();
    let found = wanted.policy(other).check(&answer).unwrap_err();
    assert!(matches!(found, TimestampError::OtherPolicy { .. }));
}

#[test]
fn answers_to_something_else_are_refused() {
    let authority = authority("else");
    let asked = request();

    let digest = SHA256.digest(b"date");
    let other_digest = TimestampRequest::new(SHA256, &digest).unwrap();
    let answer = authority.answer(&other_digest.to_der()).unwrap();
    let refused = asked.check(&answer).unwrap_err();
    assert!(matches!(refused, TimestampError::OtherDigest), "{refused}");

    let answer = authority.answer(&request().to_der()).unwrap();
    let refused = asked.check(&answer).unwrap_err();
    assert!(matches!(refused, TimestampError::OtherRequest), "{refused}");

    let without_nonce = authority.request(b"data", &["-no_nonce", "-sha256", "-cert"]);
    let answer = authority.answer(&without_nonce).unwrap();
    let refused = asked.check(&answer).unwrap_err();
    assert!(matches!(refused, TimestampError::OtherRequest), "{refused}");
}

#[test]
fn a_stamp_without_its_certificate_is_refused() {
    let authority = authority("bare");
    let asked = request();
    // certReq is the last of the request's fields: without it the SEQUENCE is three bytes shorter.
    let mut bare = asked.to_der();
    assert_eq!(bare[bare.len() - 3..], [1, 1, 0xff]);
    bare.truncate(bare.len() - 3);
    bare[1] -= 3;
    let answer = authority.answer(&bare).unwrap();
    let refused = asked.check(&answer).unwrap_err();
    assert!(
        matches!(refused, TimestampError::NoCertificate),
        "{refused}"
    );
}

#[test]
fn a_refusal_is_told_with_its_reasons() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authority/refuses");
    let authority = Authority::new(&folder, "sha512");
    let asked = request();
    let answer = authority.answer(&asked.to_der()).unwrap();
    let refused = asked.check(&answer).unwrap_err().to_string();
    for part in ["status 2", "digest algorithm", "not supported"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[test]
fn no_cut_or_changed_answer_is_taken_for_another() {
    let authority = authority("cut");
    let asked = request();
    let answer = authority.answer(&asked.to_der()).unwrap();
    let stamp = asked.check(&answer).unwrap();
    for length in 0..answer.len() {
        assert!(asked.check(&answer[..length]).is_err(), "{length}");
    }
    for at in 0..answer.len() {
        let mut changed = answer.clone();
        changed[at] ^= 0x55;
        if let Ok(other) = asked.check(&changed) {
            // Then the change is where neither digest nor signature reaches: it says the same.
            assert_eq!(
                (other.time(), other.serial()),
                (stamp.time(), stamp.serial()),
                "{at}"
            );
        }
    }
    // The token ends with its signature.
    let mut forged = answer.clone();
    *forged.last_mut().unwrap() ^= 1;
    let refused = asked.check(&forged).unwrap_err();
    assert!(matches!(refused, TimestampError::BadSignature), "{refused}");
    for garbage in [&b""[..], b"\x30\x80", b"<html>", &[0x30; 100], stamp.der()] {
        assert!(asked.check(garbage).is_err());
    }
}

#[test]
fn no_document_is_made_without_its_stamp() {
    let desk = Desk::new("unstamped");
    let identity = desk.identity("p256-1");
    let failing = cms::Signer::new(&identity).timestamp(|_| Err("no route to host".into()));
    let error = cms::sign(failing).detached().bytes(CONTENT).unwrap_err();
    assert!(error.to_string().contains("no route to host"), "{error}");
    let lying = cms::Signer::new(&identity).timestamp(|_| Ok(b"<html>".to_vec()));
    let error = cms::sign(lying).detached().bytes(CONTENT).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::SignDocument(SignDocumentError::Timestamp(TimestampError::Malformed(_)))
        ),
        "{error}"
    );
}
