//! Documents that OpenSSL signed in each of its forms, and time stamps of `openssl ts`. Each is valid, and with one byte changed it is not.

#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/signers.rs"]
mod signers;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::SystemTime;

use issuer::{Bench, text};
use keyfob::cms::{self, Problem, Report, TimestampRequest, Verdict, Warning};
use keyfob::trust::{ChainReason, Trust};
use keyfob::{Certificate, Curve, DigestAlgorithm, KeyType, Scheme};
use signers::{Authority, Issued, SIGNER, TIME_STAMPS, Wanted, openssl_cms};

const CONTENT: &[u8] = b"I owe you a hundred roubles.\r\nSigned at home.\n";

struct Desk {
    bench: Bench,
    trust: Trust,
    rsa: Issued,
    p256: Issued,
    p384: Issued,
    p521: Issued,
}

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let bench = Bench::new("others");
    let authority = Authority::new(&bench, "The CA");
    let issue =
        |name: &str, key_type| authority.issue(name, &bench.key(key_type), &Wanted::default());
    let rsa = issue("rsa", KeyType::Rsa { bits: 2048 });
    let p256 = issue("p256", KeyType::Ec(Curve::P256));
    let p384 = issue("p384", KeyType::Ec(Curve::P384));
    let p521 = issue("p521", KeyType::Ec(Curve::P521));
    let trust = authority.trust();
    Desk {
        bench,
        trust,
        rsa,
        p256,
        p384,
        p521,
    }
});

fn check(document: &[u8], content: Option<&[u8]>, given: &[&Issued]) -> Report {
    let given = given
        .iter()
        .map(|one| Certificate::read(&one.certificate).expect("a certificate"));
    let mut check = cms::verify(document).trust(&DESK.trust).certificates(given);
    if let Some(content) = content {
        check = check.content(content);
    }
    check.check().expect("a document that can be read")
}

#[track_caller]
fn valid(report: &Report, signers: usize, scheme: Scheme) {
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    assert_eq!(report.signers().len(), signers, "{report}");
    assert!(
        report
            .signers()
            .iter()
            .all(|one| one.scheme() == Some(scheme)),
        "{report}"
    );
}

/// Of every signature, the digest or the signature itself is found wrong.
#[track_caller]
fn tampered(report: &Report) {
    assert_eq!(report.verdict(), Verdict::Invalid, "{report}");
    for signer in report.signers() {
        assert!(
            signer.digest_is_right() == Some(false) || signer.signature_is_right() == Some(false),
            "{report}"
        );
    }
}

/// The same document with one byte of its content changed.
fn changed(document: &[u8]) -> Vec<u8> {
    let at = document.windows(7).position(|bytes| bytes == b"roubles");
    let mut changed = document.to_vec();
    changed[at.expect("the content is in it")] ^= 1;
    changed
}

fn signer_of(scheme: Scheme) -> &'static Issued {
    match scheme.name().split('-').nth(1) {
        Some("p256") => &DESK.p256,
        Some("p384") => &DESK.p384,
        Some("p521") => &DESK.p521,
        _ => &DESK.rsa,
    }
}

/// OpenSSL 3.0 signs no CMS with Ed25519: the judges' tests have that.
fn openssl_schemes() -> impl Iterator<Item = Scheme> {
    issuer::schemes().filter(|scheme| *scheme != Scheme::Ed25519)
}

fn options(scheme: Scheme) -> Vec<&'static str> {
    let mut options = vec!["-md", scheme.name().rsplit('-').next().expect("a digest")];
    if scheme.name().starts_with("rsa-pss") {
        options.extend([
            "-keyopt",
            "rsa_padding_mode:pss",
            "-keyopt",
            "rsa_pss_saltlen:digest",
        ]);
    }
    options
}

#[test]
fn every_scheme_detached_attached_and_streamed() {
    for scheme in openssl_schemes() {
        let signer = signer_of(scheme);
        for form in [&[][..], &["-cades"], &["-noattr"], &["-keyid", "-nocerts"]] {
            let sign = |more: &[&str]| {
                openssl_cms(
                    &DESK.bench,
                    CONTENT,
                    &[signer],
                    &[&options(scheme), form, more].concat(),
                )
            };
            let detached = sign(&[]);
            valid(&check(&detached, Some(CONTENT), &[signer]), 1, scheme);
            tampered(&check(&detached, Some(b"I owe you nothing"), &[signer]));
            // OpenSSL 3.0 streams no PSS: "illegal zero content".
            let streams = !scheme.name().starts_with("rsa-pss");
            let streamed = streams.then(|| sign(&["-nodetach", "-stream"]));
            for attached in [Some(sign(&["-nodetach"])), streamed].into_iter().flatten() {
                let report = check(&attached, None, &[signer]);
                valid(&report, 1, scheme);
                let is_cades = form.contains(&"-cades");
                assert_eq!(report.signers()[0].is_cades(), is_cades);
                tampered(&check(&changed(&attached), None, &[signer]));

                let mut content = Vec::new();
                report
                    .extract(attached.as_slice(), &mut content)
                    .expect("a valid document");
                assert_eq!(content, CONTENT);
            }
        }
    }
}

#[test]
fn several_signers() {
    let all = [&DESK.rsa, &DESK.p256, &DESK.p384];
    for count in 1..=3 {
        for form in [
            &["-cades"][..],
            &["-cades", "-nodetach"],
            &["-nodetach", "-stream"],
        ] {
            let document = openssl_cms(&DESK.bench, CONTENT, &all[..count], form);
            let content = Some(CONTENT).filter(|_| !form.contains(&"-nodetach"));
            let report = check(&document, content, &[]);
            assert_eq!(report.verdict(), Verdict::Valid, "{report}");
            assert_eq!(report.signers().len(), count);
        }
    }
}

/// A salt of another length than the digest's, which OpenSSL makes where it is told nothing.
#[test]
fn pss_with_any_salt() {
    for salt in ["auto", "max", "0", "20", "64"] {
        let salt_len = format!("rsa_pss_saltlen:{salt}");
        let options = [
            "-keyopt",
            "rsa_padding_mode:pss",
            "-keyopt",
            &salt_len,
            "-nodetach",
        ];
        for form in [&[][..], &["-noattr"]] {
            let all = [&options, form].concat();
            let document = openssl_cms(&DESK.bench, CONTENT, &[&DESK.rsa], &all);
            valid(&check(&document, None, &[]), 1, Scheme::RsaPssSha256);
            tampered(&check(&changed(&document), None, &[]));
        }
    }
}

#[test]
fn pem_and_base64() {
    let pem = openssl_cms(
        &DESK.bench,
        CONTENT,
        &[&DESK.p256],
        &["-nodetach", "-outform", "PEM"],
    );
    valid(&check(&pem, None, &[]), 1, Scheme::EcdsaP256Sha256);
    let text = String::from_utf8(pem).expect("PEM is ASCII");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('-')).collect();
    for base64 in [lines.join("\r\n"), lines.join("")] {
        valid(
            &check(base64.as_bytes(), None, &[]),
            1,
            Scheme::EcdsaP256Sha256,
        );
    }
    let labelled = text.replace("CMS-----", "PKCS7-----");
    let with_text = format!("Dear Ivan,\n\n{labelled}\nYours\n");
    valid(
        &check(with_text.as_bytes(), None, &[]),
        1,
        Scheme::EcdsaP256Sha256,
    );
}

/// `openssl ts`, with a certificate of its authority.
struct Stamper {
    folder: PathBuf,
    issued: Issued,
}

impl Stamper {
    fn new(name: &str, authority: &Authority<'_>, wanted: &Wanted<'_>) -> Self {
        let folder = DESK.bench.folder.join(name);
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let key = DESK.bench.genpkey(
            name,
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        );
        let issued = authority.issue(name, &key, wanted);
        Self { folder, issued }
    }

    /// The token for this signature.
    fn stamp(&self, signature: &[u8], certificate_id: &str) -> Vec<u8> {
        let file = |name: &str| self.folder.join(name);
        let (request, answer) = (file("request"), file("answer"));
        let sha256 = DigestAlgorithm::Sha256;
        let asked = TimestampRequest::new(sha256, &sha256.digest(signature)).expect("a request");
        fs::write(&request, asked.to_der()).expect("written");
        fs::write(file("serial"), "01\n").expect("written");
        fs::write(
            file("ts.cnf"),
            format!(
                "[tsa]\ndefault_tsa=here\n[here]\nserial={}\nsigner_digest=sha256\n\
                 default_policy=1.2.3\ndigests=sha256\naccuracy=secs:1\ness_cert_id_alg={certificate_id}\n",
                text(&file("serial"))
            ),
        )
        .expect("written");
        DESK.bench.run(&[
            "ts",
            "-reply",
            "-config",
            text(&file("ts.cnf")),
            "-section",
            "here",
            "-queryfile",
            text(&request),
            "-signer",
            text(&self.issued.certificate),
            "-inkey",
            text(&self.issued.key),
            "-out",
            text(&answer),
        ]);
        let answer = fs::read(&answer).expect("an answer");
        asked.check(&answer).expect("a token").into_der()
    }

    /// The same stamp, signed by this one: who is no authority by its certificate, as OpenSSL would not.
    fn sign(&self, token: &[u8]) -> Vec<u8> {
        let file = |name: &str| self.folder.join(name);
        let (given, stamp, made) = (file("given"), file("stamp"), file("made"));
        fs::write(&given, token).expect("written");
        let (given, stamp, made) = (text(&given), text(&stamp), text(&made));
        let read = [
            "cms",
            "-verify",
            "-noverify",
            "-inform",
            "DER",
            "-in",
            given,
        ];
        DESK.bench.run(&[&read[..], &["-out", stamp]].concat());
        let sign = [
            "cms",
            "-sign",
            "-binary",
            "-nodetach",
            "-cades",
            "-md",
            "sha256",
        ];
        let signer = ["-signer", text(&self.issued.certificate)];
        let key = ["-inkey", text(&self.issued.key), "-in", stamp];
        let kind = ["-econtent_type", "1.2.840.113549.1.9.16.1.4"];
        let output = ["-outform", "DER", "-out", made];
        DESK.bench
            .run(&[&sign[..], &signer, &key, &kind, &output].concat());
        fs::read(made).expect("a token")
    }
}

/// A document by this signer, with the token that `stamp` makes of its signature put into it.
fn stamped(signer: &Issued, stamp: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    use ::cms::content_info::ContentInfo;
    use ::cms::signed_data::{SignedData, SignerInfos};
    use der::Decode;
    use der::Encode;
    use der::asn1::{Any, SetOfVec};
    use x509_cert::attr::Attribute;

    let document = openssl_cms(&DESK.bench, CONTENT, &[signer], &["-cades", "-nodetach"]);
    let outer = ContentInfo::from_der(&document).expect("a document");
    let mut signed: SignedData = outer.content.decode_as().expect("SignedData");
    let mut info = signed.signer_infos.0.get(0).expect("a signer").clone();
    let token = Any::from_der(&stamp(info.signature.as_bytes())).expect("a token");
    let attribute = Attribute {
        oid: "1.2.840.113549.1.9.16.2.14"
            .parse()
            .expect("an object identifier"),
        values: SetOfVec::from_iter([token]).expect("a set"),
    };
    info.unsigned_attrs = Some(SetOfVec::from_iter([attribute]).expect("a set"));
    signed.signer_infos = SignerInfos(SetOfVec::from_iter([info]).expect("a set"));
    let content = Any::encode_from(&signed).expect("DER");
    ContentInfo { content, ..outer }.to_der().expect("DER")
}

fn stamp_problem(report: &Report) -> &Problem {
    assert_eq!(report.verdict(), Verdict::Invalid, "{report}");
    let [signer] = report.signers() else {
        panic!("{report}");
    };
    assert!(
        matches!(signer.problems(), [Problem::Timestamp(Verdict::Invalid)]),
        "{report}"
    );
    assert_eq!(signer.stamped_time(), None);
    let stamp = &signer.timestamps()[0];
    let authority = stamp.authority().map_or(&[][..], |one| one.problems());
    match [stamp.problems(), authority].concat().as_slice() {
        [_] => stamp
            .problems()
            .first()
            .or(authority.first())
            .expect("one of them"),
        _ => panic!("{report}"),
    }
}

#[test]
fn time_stamps_of_openssl() {
    let desk = &*DESK;
    let authority = Authority::new(&desk.bench, "Stamps");
    let issue = |name, extensions, until| {
        let wanted = Wanted {
            extensions,
            until,
            ..Wanted::default()
        };
        Stamper::new(name, &authority, &wanted)
    };
    let good = issue("tsa", TIME_STAMPS, "20491231235959Z");
    let mut trust = desk.trust.clone();
    trust
        .anchors_from(&authority.certificate)
        .expect("a certificate");
    let check = |document: &[u8], at| {
        let check = cms::verify(document).trust(&trust).at(at);
        check.check().expect("a document that can be read")
    };
    let now = SystemTime::now();

    for (hash, warned) in [("sha256", false), ("sha1", true)] {
        let document = stamped(&desk.rsa, |signature| good.stamp(signature, hash));
        let report = check(&document, now);
        assert_eq!(report.verdict(), Verdict::Valid, "{report}");
        let signer = &report.signers()[0];
        let stamp = &signer.timestamps()[0];
        assert_eq!(signer.stamped_time(), stamp.time());
        let made = signer.stamped_time().expect("a time");
        assert!(
            now.duration_since(made)
                .is_ok_and(|ago| ago.as_secs() < 600)
                || made > now
        );
        let tsa = stamp.authority().expect("an authority");
        assert_eq!(tsa.name(), "CN=tsa,O=keyfob tests");
        let sha1 = tsa
            .warnings()
            .iter()
            .any(|one| matches!(one, Warning::SigningCertificateBySha1));
        assert_eq!(sha1, warned, "{report}");

        // Nobody trusts the authority of the time stamp.
        let unknown = cms::verify(document.as_slice()).trust(&desk.trust).check();
        let unknown = unknown.expect("a document that can be read");
        assert!(matches!(stamp_problem(&unknown), Problem::Chain(_)));
        let policy = cms::Policy::new().judge_signers_alone();
        let alone = cms::verify(document.as_slice())
            .trust(&desk.trust)
            .policy(policy)
            .check();
        assert_eq!(alone.expect("it can be read").verdict(), Verdict::Valid);
    }

    let other = stamped(&desk.rsa, |_| good.stamp(b"another signature", "sha256"));
    assert!(matches!(
        stamp_problem(&check(&other, now)),
        Problem::OtherStamped
    ));

    let broken = stamped(&desk.rsa, |signature| {
        let mut token = good.stamp(signature, "sha256");
        let last = token.len() - 1;
        token[last] ^= 1; // the end of the authority's signature
        token
    });
    assert!(matches!(
        stamp_problem(&check(&broken, now)),
        Problem::BadSignature { .. }
    ));

    let later = stamped(&desk.rsa, |signature| {
        let mut token = good.stamp(signature, "sha256");
        let year = token.windows(2).position(|bytes| bytes == [0x18, 15]);
        token[year.expect("a GeneralizedTime") + 5] -= 1; // ten years earlier, or a year
        token
    });
    assert!(matches!(
        stamp_problem(&check(&later, now)),
        Problem::DigestMismatch { .. }
    ));

    let none = stamped(&desk.rsa, |_| vec![0x30, 0]);
    assert!(matches!(
        stamp_problem(&check(&none, now)),
        Problem::MalformedStamp { .. }
    ));

    let chain_reason = |report: &Report| match stamp_problem(report) {
        Problem::Chain(error) => error.reason.clone(),
        _ => panic!("{report}"),
    };
    let resigned = |by: &Stamper| {
        let stamp = |signature: &[u8]| by.sign(&good.stamp(signature, "sha256"));
        check(&stamped(&desk.rsa, stamp), now)
    };
    assert_eq!(resigned(&good).verdict(), Verdict::Valid);
    let signer = issue("no-tsa", SIGNER, "20491231235959Z");
    assert!(matches!(
        chain_reason(&resigned(&signer)),
        ChainReason::WrongPurpose { .. }
    ));

    // Time stamps that OpenSSL makes with such a certificate only because it is told to.
    let soon = now + std::time::Duration::from_secs(10 * 365 * 24 * 60 * 60);
    let short = issue("short-tsa", TIME_STAMPS, "20350101000000Z");
    let document = stamped(&desk.rsa, |signature| short.stamp(signature, "sha256"));
    assert_eq!(check(&document, now).verdict(), Verdict::Valid);
    assert!(matches!(
        chain_reason(&check(&document, soon)),
        ChainReason::Expired { .. }
    ));

    let policy = cms::Policy::new().require_timestamp();
    let bare = openssl_cms(&desk.bench, CONTENT, &[&desk.rsa], &["-nodetach"]);
    let report = cms::verify(bare.as_slice())
        .trust(&trust)
        .policy(policy)
        .check();
    let report = report.expect("it can be read");
    assert!(
        matches!(report.signers()[0].problems(), [Problem::NoTimestamp]),
        "{report}"
    );
}

/// A certificate that has expired since, and the stamp is from before.
#[test]
fn the_stamped_time_is_that_of_the_chain() {
    let desk = &*DESK;
    let authority = Authority::new(&desk.bench, "Brief");
    let stamper = Stamper::new(
        "brief-tsa",
        &authority,
        &Wanted {
            extensions: TIME_STAMPS,
            ..Wanted::default()
        },
    );
    let wanted = Wanted {
        until: "20350101000000Z",
        extensions: SIGNER,
        ..Wanted::default()
    };
    let brief = authority.issue("brief", &desk.p256.key, &wanted);
    let trust = authority.trust();
    let later = SystemTime::now() + std::time::Duration::from_secs(10 * 365 * 24 * 60 * 60);
    let stamped = stamped(&brief, |signature| stamper.stamp(signature, "sha256"));
    let plain = openssl_cms(&desk.bench, CONTENT, &[&brief], &["-cades", "-nodetach"]);
    let verdict = |document: &[u8]| {
        let report = cms::verify(document).trust(&trust).at(later).check();
        report.expect("it can be read").verdict()
    };
    assert_eq!(verdict(&stamped), Verdict::Valid);
    assert_eq!(verdict(&plain), Verdict::Invalid);
}
