//! What keyfob signs with GOST keys of every parameter set, judged by OpenSSL with the engine that knows
//! them. The fault module has the keys.
//!
//! It is left to be named, since it needs that engine: see CONTRIBUTING.md.

#[path = "gost_module/bench.rs"]
mod bench;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/fault.rs"]
mod fault;
#[path = "support/function_list.rs"]
mod function_list;
#[path = "support/gost.rs"]
mod gost;
#[path = "support/key_pair.rs"]
mod key_pair;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::fs;
use std::str::FromStr;

use bench::{bench, both, identity, key, label, scheme, unlocked};
use cryptoki_sys::{CKA_GOSTR3410_PARAMS, CKF_GENERATE_KEY_PAIR, CKM_GOSTR3410_KEY_PAIR_GEN};
use der::Encode;
use engine::Engine;
use gost::SETS;
use key_pair::{GOSTR3410_512_KEY_PAIR_GEN, KeyPair};
use keyfob::{Certificate, Signature, cms};
use softhsm::{Leaf, ca};
use x509_cert::builder::{Builder, RequestBuilder};
use x509_cert::name::Name;

const CONTENT: &[u8] = b"I owe the bearer seven roubles.\n";
const OTHER: &[u8] = b"I owe the bearer seventy roubles.\n";

/// OpenSSL, with the tests' authority and two contents.
fn judge(name: &str) -> Engine {
    let engine = Engine::new(name);
    engine.file("ca.der", &ca());
    engine.run(&["x509", "-inform", "DER", "-in", "ca.der", "-out", "ca.pem"]);
    engine.file("content", CONTENT);
    engine.file("other", OTHER);
    engine
}

/// Whether OpenSSL accepts a document, by the rules of CAdES.
fn accepts(engine: &Engine, document: &[u8], options: &[&str]) -> bool {
    engine.file("document", document);
    let verify = ["cms", "-verify", "-cades", "-binary", "-inform", "DER"];
    let named = ["-in", "document", "-out", "read"];
    let trusting = ["-CAfile", "ca.pem", "-purpose", "any"];
    let output = engine.output(&[&verify[..], &named, &trusting, options].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    let is_refused = said.contains("Verification failure");
    assert!(output.status.success() || is_refused, "{said}");
    output.status.success()
}

#[test]
fn signatures() {
    let (_bench, _fault) = bench();
    let engine = judge("judged-signatures");
    let fob = unlocked();
    for set in SETS {
        let signature = identity(&fob, set).sign(scheme(set), CONTENT).unwrap();
        engine.file("signature", signature.as_bytes());
        engine.file("public.der", &key(set).spki());
        let convert = ["pkey", "-pubin", "-inform", "DER", "-in", "public.der"];
        engine.run(&[&convert[..], &["-out", "public.pem"]].concat());
        let digest = format!("-md_gost12_{}", set.bits);
        let accepts = |file| {
            let by = ["dgst", &digest, "-verify", "public.pem"];
            engine.accepts(&[&by[..], &["-signature", "signature", file]].concat())
        };
        assert!(accepts("content"), "{}", label(set));
        assert!(!accepts("other"), "{}", label(set));
    }
}

#[test]
fn documents() {
    let (_bench, _fault) = bench();
    let engine = judge("judged-documents");
    let fob = unlocked();
    for set in SETS {
        let me = identity(&fob, set);
        let signing = || cms::sign(&me);
        let detached = signing().detached().bytes(CONTENT).unwrap();
        let accepts_with = |content| accepts(&engine, &detached, &["-content", content]);
        assert!(accepts_with("content"), "{}", label(set));
        assert!(!accepts_with("other"), "{}", label(set));

        let mut streamed = Vec::new();
        signing().attached().reader(CONTENT, &mut streamed).unwrap();
        let mut attached = signing().attached().bytes(CONTENT).unwrap();
        for document in [&streamed, &attached] {
            assert!(accepts(&engine, document, &[]), "{}", label(set));
            assert_eq!(fs::read(engine.path("read")).unwrap(), CONTENT);
        }
        *attached.last_mut().unwrap() ^= 1;
        assert!(!accepts(&engine, &attached, &[]), "{}", label(set));
    }
}

/// The keys are made on the token, and signed with as vendors differ.
#[test]
fn documents_by_keys_that_the_token_has_made() {
    let (_bench, fault) = bench();
    let engine = judge("judged-made");
    let mechanisms = [CKM_GOSTR3410_KEY_PAIR_GEN, GOSTR3410_512_KEY_PAIR_GEN];
    for mechanism in mechanisms {
        fault
            .tokens()
            .add_mechanism(mechanism, CKF_GENERATE_KEY_PAIR);
    }
    let fob = unlocked();
    let functions = function_list::of(fault.file());
    let session = key_pair::writing_session(functions, fault.slot_of("gost"));
    for ((set, mechanism), id) in both().into_iter().zip(mechanisms).zip(0x70..) {
        let made = format!("made-{}", set.bits);
        let pair = KeyPair {
            mechanism,
            params: Some((CKA_GOSTR3410_PARAMS, &set.params())),
            label: &made,
            id,
        };
        pair.make(functions, session).unwrap();
        for manners in ["", "wrapped", "swapped", "wrapped swapped"] {
            fault.gost(manners);
            let me = fob.identities().unwrap().label(&made).only().unwrap();
            let public = me.public_key().expect("the token shows it").spki_der();
            let certificate = Leaf::new(&format!("CN={made}")).issue(public);
            let certificate = Certificate::from_der(&certificate).unwrap();
            let me = me.with_certificate(certificate).unwrap();

            let detached = cms::sign(&me).detached().bytes(CONTENT).unwrap();
            let accepts_with = |content| accepts(&engine, &detached, &["-content", content]);
            assert!(accepts_with("content"), "{made} {manners}");
            assert!(!accepts_with("other"), "{made} {manners}");
            let attached = cms::sign(&me).attached().bytes(CONTENT).unwrap();
            assert!(accepts(&engine, &attached, &[]), "{made} {manners}");
            assert_eq!(fs::read(engine.path("read")).unwrap(), CONTENT);
        }
    }
}

#[test]
fn documents_of_two_signers() {
    let (_bench, _fault) = bench();
    let engine = judge("judged-two-signers");
    let fob = unlocked();
    let [ann, bob] = both().map(|set| identity(&fob, set));
    let together = cms::sign(&ann).and(&bob).attached().bytes(CONTENT).unwrap();
    assert!(accepts(&engine, &together, &[]));
    let first = cms::sign(&ann).detached().bytes(CONTENT).unwrap();
    let both = cms::sign(&bob)
        .cosign(&first)
        .unwrap()
        .bytes(CONTENT)
        .unwrap();
    assert!(accepts(&engine, &both, &["-content", "content"]));
    assert!(!accepts(&engine, &both, &["-content", "other"]));
}

#[test]
fn certificate_requests() {
    let (_bench, _fault) = bench();
    let engine = judge("judged-requests");
    let fob = unlocked();
    for set in SETS {
        let me = identity(&fob, set);
        let signer = me.signer(scheme(set)).unwrap();
        let request = RequestBuilder::new(Name::from_str("CN=Ann").unwrap()).unwrap();
        let request = request.build::<_, Signature>(&signer).unwrap();
        let mut request = request.to_der().unwrap();
        let verify = [
            "req", "-inform", "DER", "-verify", "-noout", "-in", "request",
        ];
        let accepts = |request: &[u8]| {
            engine.file("request", request);
            let output = engine.output(&verify);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            said.contains("verify OK")
        };
        assert!(accepts(&request), "{}", label(set));
        *request.last_mut().unwrap() ^= 1;
        assert!(!accepts(&request), "{}", label(set));
    }
}
