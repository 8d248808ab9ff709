//! CRLs: fresh, stale, missing, and those that say nothing of a certificate.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyfob::trust::{
    ChainReason, ChainWarning, Revocation, RevocationProblem, RevocationReason, RevocationStatus,
    Trust,
};

use crate::authority::{CrlOrder, Order};
use crate::authority_case::{Case, case};

fn root_crl(case: Case<'_>) -> Case<'_> {
    case.crl(CrlOrder::new("root-crl", "root"))
}

fn inter_crl<'a>(name: &'a str, change: impl FnOnce(CrlOrder<'a>) -> CrlOrder<'a>) -> Case<'a> {
    root_crl(case(name)).crl(change(CrlOrder::new("inter-crl", "inter")))
}

const REVOKED: &str = "Revoked";

#[test]
fn fresh_ones() {
    let chain = case("fresh").crls().good().outcome.expect("accepted");
    assert!(chain.is_known_unrevoked());
    let [leaf, _] = chain.revocation() else {
        panic!("{:?}", chain.revocation())
    };
    let since = UNIX_EPOCH + Duration::from_secs(1_577_836_800);
    assert!(matches!(leaf, RevocationStatus::Good { this_update, .. } if *this_update == since));

    let judged = inter_crl("revoked", |crl| CrlOrder {
        revoked: &["leaf 250101000000Z keyCompromise"],
        ..crl
    })
    .bad(REVOKED, "leaf");
    let at = UNIX_EPOCH + Duration::from_secs(1_735_689_600);
    let reason = RevocationReason::KeyCompromise;
    assert_eq!(
        judged.outcome.expect_err("refused").reason,
        ChainReason::Revoked { at, reason }
    );

    inter_crl("on-hold", |crl| CrlOrder {
        revoked: &["leaf 250101000000Z certificateHold"],
        ..crl
    })
    .bad(
        "Revoked { at: SystemTime { tv_sec: 1735689600, tv_nsec: 0 }, reason: CertificateHold",
        "leaf",
    );
    inter_crl("another-revoked", |crl| CrlOrder {
        revoked: &["inter", "root"],
        ..crl
    })
    .good();
    case("authority-revoked")
        .crl(CrlOrder {
            revoked: &["inter"],
            ..CrlOrder::new("root-crl", "root")
        })
        .crl(CrlOrder::new("inter-crl", "inter"))
        .bad(REVOKED, "inter");
    let later = "OpenSSL looks at no date of revocation";
    inter_crl("revoked-later", |crl| CrlOrder {
        revoked: &["leaf 400101000000Z"],
        ..crl
    })
    .differs(later)
    .good();
}

#[test]
fn stale_ones_and_missing_ones() {
    let stale = |crl| CrlOrder {
        next_update: "20210101000000Z",
        ..crl
    };
    let judged = inter_crl("stale", stale).bad("RevocationUnknown(Stale", "leaf");
    let until = UNIX_EPOCH + Duration::from_secs(1_609_459_200);
    let problem = RevocationProblem::Stale { next_update: until };
    assert_eq!(
        judged.outcome.expect_err("refused").reason,
        ChainReason::RevocationUnknown(problem)
    );
    root_crl(case("missing")).bad("RevocationUnknown(Missing", "leaf");
    // Who was revoked stays so, which a stale list can tell; but for those on hold.
    inter_crl("stale-and-revoked", |crl| CrlOrder {
        revoked: &["leaf 200601000000Z superseded"],
        ..stale(crl)
    })
    .bad(REVOKED, "leaf");
    inter_crl("stale-and-on-hold", |crl| CrlOrder {
        revoked: &["leaf 200601000000Z certificateHold"],
        ..stale(crl)
    })
    .bad("RevocationUnknown(Stale", "leaf");
    // A fresh one beside the stale one.
    inter_crl("stale-and-fresh", stale)
        .crl(CrlOrder::new("fresh-crl", "inter"))
        .good();
    // Expired certificates are listed no more.
    inter_crl("after-expiry", |crl| CrlOrder {
        this_update: "20400101000000Z",
        ..crl
    })
    .bad("RevocationUnknown(IssuedAfterExpiry", "leaf");
}

#[test]
fn what_is_demanded() {
    let warned = root_crl(case("where-known"))
        .trust(|trust| {
            trust.revocation(Revocation::WhereKnown);
        })
        .differs("OpenSSL was asked to demand CRLs")
        .good();
    let chain = warned.outcome.expect("accepted");
    assert!(!chain.is_known_unrevoked());
    let warnings = chain.warnings();
    let [
        ChainWarning::RevocationUnknown {
            certificate,
            problem,
        },
    ] = warnings.as_slice()
    else {
        panic!("{warnings:?}")
    };
    assert_eq!(certificate.common_name().as_deref(), Some("leaf"));
    assert!(matches!(problem, RevocationProblem::Missing { issuer } if issuer == "CN=inter"));
    assert!(warnings[0].to_string().contains("may be revoked"));

    let where_known = |trust: &mut Trust| {
        trust.revocation(Revocation::WhereKnown);
    };
    inter_crl("where-known-revoked", |crl| CrlOrder {
        revoked: &["leaf"],
        ..crl
    })
    .trust(where_known)
    .bad(REVOKED, "leaf");
    inter_crl("off", |crl| CrlOrder {
        revoked: &["leaf"],
        ..crl
    })
    .trust(|trust| {
        trust.revocation(Revocation::Off);
    })
    .differs("OpenSSL was asked to look at CRLs")
    .good();
}

#[test]
fn who_signs_them() {
    root_crl(case("forged"))
        .order(Order::authority("forger", "", "").subject("/CN=inter"))
        .crl(CrlOrder::new("forged-crl", "forger"))
        .bad("RevocationUnknown(BrokenSignature", "leaf");
    case("no-crl-sign")
        .change("inter", "keyUsage=critical,keyCertSign")
        .crls()
        .bad("RevocationUnknown(NotForCrls", "leaf");
    case("authority-without-usage-signs")
        .change("inter", "keyUsage=")
        .crls()
        .good();
    case("of-another")
        .order(Order::authority("other", "root", ""))
        .crl(CrlOrder::new("root-crl", "root"))
        .crl(CrlOrder::new("other-crl", "other"))
        .bad("RevocationUnknown(Missing", "leaf");
    inter_crl("weak", |crl| CrlOrder {
        options: vec!["-md", "sha1"],
        ..crl
    })
    .differs("OpenSSL has no security level for CRLs")
    .bad("RevocationUnknown(Weak(Sha1)", "leaf");
    // A key of the authority's own for CRLs.
    let separate = |name, revoked: &'static [&'static str]| {
        case(name)
            .change("inter", "keyUsage=critical,keyCertSign")
            .order(
                Order::authority("lister", "root", "keyUsage=critical,cRLSign\n")
                    .subject("/CN=inter"),
            )
            .crl(CrlOrder {
                revoked,
                ..CrlOrder::new("root-crl", "root")
            })
            .crl(CrlOrder {
                revoked: &[],
                ..CrlOrder::new("inter-crl", "lister")
            })
            .given(&["inter", "lister"])
            .openssl(&["-extended_crl"])
    };
    separate("separate-key", &[]).good();
    separate("separate-key-revoked", &["lister"]).bad("RevocationUnknown(BrokenSignature", "leaf");
}

const HERE: &str = "crlDistributionPoints=URI:http://a.example/1.crl,URI:http://a.example/2.crl\n";

#[test]
fn what_they_are_for() {
    let scoped = |name, point: &'static str, more: &'static str| {
        inter_crl(name, |crl| CrlOrder {
            extensions: point,
            ..crl
        })
        .change("leaf", more)
        .openssl(&["-extended_crl"])
    };
    let users = "issuingDistributionPoint=critical,@p\n[p]\nonlyuser=TRUE\n";
    let authorities = "issuingDistributionPoint=critical,@p\n[p]\nonlyCA=TRUE\n";
    let attributes = "issuingDistributionPoint=critical,@p\n[p]\nonlyAA=TRUE\n";
    scoped("users", users, "").good();
    scoped("authorities", authorities, "").bad("RevocationUnknown(OutOfScope", "leaf");
    scoped("attributes", attributes, "").bad("RevocationUnknown(OutOfScope", "leaf");
    let point = "issuingDistributionPoint=critical,@p\n[p]\nfullname=URI:http://a.example/2.crl\n";
    scoped("point", point, HERE).good();
    scoped(
        "other-point",
        point,
        "crlDistributionPoints=URI:http://a.example/3.crl",
    )
    .bad("RevocationUnknown(OutOfScope", "leaf");
    scoped("no-point", point, "").bad("RevocationUnknown(OutOfScope", "leaf");
    let indirect = "issuingDistributionPoint=critical,@p\n[p]\nindirectCRL=TRUE\n";
    scoped("indirect", indirect, "")
        .differs("OpenSSL reads indirect CRLs with -extended_crl; keyfob says that it does not")
        .bad("RevocationUnknown(Indirect", "leaf");
    let some =
        "issuingDistributionPoint=critical,@p\n[p]\nonlysomereasons=keyCompromise,CACompromise\n";
    scoped("some-reasons", some, "").bad("RevocationUnknown(SomeReasons", "leaf");
    let others = "issuingDistributionPoint=critical,@p\n[p]\nonlysomereasons=affiliationChanged,\
                  superseded,cessationOfOperation,certificateHold,privilegeWithdrawn,AACompromise\n";
    scoped("all-reasons", some, "")
        .crl(CrlOrder {
            extensions: others,
            ..CrlOrder::new("others-crl", "inter")
        })
        .good();
    scoped("all-reasons-revoked", some, "")
        .crl(CrlOrder {
            extensions: others,
            revoked: &["leaf"],
            ..CrlOrder::new("others-crl", "inter")
        })
        .bad(REVOKED, "leaf");
    inter_crl("unknown-critical", |crl| CrlOrder {
        extensions: "1.2.3.4=critical,ASN1:NULL\n",
        ..crl
    })
    .bad("RevocationUnknown(CriticalExtension", "leaf");
    inter_crl("unknown", |crl| CrlOrder {
        extensions: "1.2.3.4=ASN1:NULL\n",
        ..crl
    })
    .good();
}

#[test]
fn newer_than_the_time_that_is_asked_for() {
    inter_crl("newer", |crl| CrlOrder {
        this_update: "20280101000000Z",
        ..crl
    })
    .differs("OpenSSL takes it for not yet valid; here it is the better witness")
    .good();
}

/// RFC 5280 section 5.2.4: a delta CRL adds to a complete one.
#[test]
fn deltas() {
    let delta = |name, of, number, revoked: &'static [&'static str]| {
        root_crl(case(name))
            .crl(CrlOrder {
                number: 5,
                revoked: of,
                ..CrlOrder::new("inter-crl", "inter")
            })
            .crl(CrlOrder {
                number,
                revoked,
                this_update: "20210101000000Z",
                extensions: "2.5.29.27=critical,ASN1:INTEGER:5\n",
                ..CrlOrder::new("delta-crl", "inter")
            })
            .change("leaf", "freshestCRL=URI:http://a.example/d.crl")
            .openssl(&["-use_deltas", "-extended_crl"])
    };
    delta("delta", &[], 6, &[]).good();
    delta("delta-revokes", &[], 6, &["leaf"]).bad(REVOKED, "leaf");
    delta(
        "delta-takes-back",
        &["leaf 210101000000Z certificateHold"],
        6,
        &["leaf 210601000000Z removeFromCRL"],
    )
    .good();
    delta("delta-of-before", &[], 4, &["leaf"]).good();
    root_crl(case("delta-alone"))
        .crl(CrlOrder {
            extensions: "2.5.29.27=critical,ASN1:INTEGER:5\n",
            number: 6,
            ..CrlOrder::new("inter-crl", "inter")
        })
        .openssl(&["-extended_crl"])
        .bad("RevocationUnknown(DeltaWithoutBase", "leaf");
}

/// What a signature with a time stamp needs: the state of then, told by a CRL of today.
#[test]
fn revoked_after_the_signature() {
    let judged = inter_crl("then-and-now", |crl| CrlOrder {
        revoked: &["leaf 270101000000Z"],
        ..crl
    });
    let made = judged
        .differs("OpenSSL looks at no date of revocation")
        .good()
        .made;
    let read = |name: &str| keyfob::Certificate::read(made.path(name)).expect("sound");
    let mut trust = Trust::new();
    trust.anchor(&read("root.pem"));
    trust.crls_from(made.path("inter-crl.crl")).expect("a CRL");
    let leaf = read("leaf.pem");
    let check = |at| {
        trust.check(
            &leaf,
            &[read("inter.pem")],
            keyfob::trust::Purpose::Signing,
            at,
        )
    };
    check(SystemTime::now()).expect("not revoked yet");
    let later = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let error = check(later).expect_err("revoked by then");
    assert!(
        matches!(error.reason, ChainReason::Revoked { .. }),
        "{error}"
    );
}
