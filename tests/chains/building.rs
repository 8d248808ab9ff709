//! Which way leads to an anchor, and when it is valid.

use keyfob::trust::ChainReason;

use crate::authority::Order;
use crate::authority_case::case;

#[test]
fn ways_to_an_anchor() {
    let judged = case("plain").good();
    let chain = judged.outcome.expect("accepted");
    assert_eq!(chain.certificates().len(), 3);
    assert_eq!(chain.anchor().common_name().as_deref(), Some("root"));

    let missing = case("no-inter").given(&[]).bad("NoIssuer", "leaf");
    let error = missing.outcome.expect_err("refused");
    let ChainReason::NoIssuer { issuer, key_id } = &error.reason else {
        panic!("{error}")
    };
    assert_eq!(issuer, "CN=inter");
    assert_eq!(key_id.as_ref().map(Vec::len), Some(20));

    case("direct")
        .order(Order::signer("leaf", "root", ""))
        .good();
    case("root-given-not-trusted")
        .order(Order::authority("other", "", ""))
        .anchors(&["other"])
        .given(&["inter", "root"])
        .bad("SelfSigned", "root");
    case("self-signed-signer")
        .order(Order::signer("leaf", "", ""))
        .bad("SelfSigned", "leaf");
    case("self-signed-signer-as-anchor")
        .order(Order::signer("leaf", "", ""))
        .anchors(&["leaf"])
        .good();
    case("inter-as-anchor")
        .anchors(&["inter"])
        .given(&[])
        .differs("OpenSSL wants a root, unless it is given -partial_chain")
        .good();
    case("inter-as-anchor-partial")
        .anchors(&["inter"])
        .given(&[])
        .openssl(&["-partial_chain"])
        .good();
    case("signer-as-anchor-partial")
        .anchors(&["leaf"])
        .openssl(&["-partial_chain"])
        .good();
    // Five authorities between.
    case("long")
        .order(Order::authority("two", "inter", ""))
        .order(Order::authority("three", "two", ""))
        .order(Order::authority("four", "three", ""))
        .order(Order::authority("five", "four", ""))
        .order(Order::signer("end", "five", ""))
        .given(&["five", "two", "inter", "four", "three"])
        .signer("end")
        .good();
}

#[test]
fn names_and_keys_decide_who_the_issuer_is() {
    let mark = "authorityKeyIdentifier=none";
    // Another authority with the same name and another key, in the way.
    case("namesake")
        .order(Order::authority("namesake", "root", "").subject("/CN=inter"))
        .given(&["namesake", "inter"])
        .good();
    case("namesake-without-key-ids")
        .change("leaf", mark)
        .order(Order::authority("namesake", "root", "").subject("/CN=inter"))
        .given(&["namesake", "inter"])
        .unasked("which of two namesakes OpenSSL tries hangs on the second that they were made in")
        .good();
    case("namesake-alone")
        .order(Order::authority("namesake", "root", "").subject("/CN=inter"))
        .given(&["namesake"])
        .bad("NoIssuer", "leaf");
    case("namesake-alone-without-key-ids")
        .change("leaf", mark)
        .order(Order::authority("namesake", "root", "").subject("/CN=inter"))
        .given(&["namesake"])
        .bad("BrokenSignature", "leaf");
    case("other-case-and-spaces")
        .edit("inter", |order| order.subject("/CN=Big  AUTHORITY"))
        .order(
            Order::authority("renamed", "root", "")
                .subject("/CN=big authority")
                .key("inter"),
        )
        .given(&["renamed"])
        .good();
    // The issuer's name in the signer is taken from a certificate in other strings.
    let renamed = |strings, name| {
        move |mut order: Order<'static>| {
            order.strings = strings;
            order.subject(name)
        }
    };
    case("other-strings")
        .edit("inter", renamed("utf8only", "/CN=Удостоверяющий центр"))
        .order(renamed("MASK:0x800", "/CN=Удостоверяющий  центр")(
            Order::authority("bmp", "root", "").key("inter"),
        ))
        .given(&["bmp"])
        .good();
    case("other-case-of-cyrillic")
        .edit("inter", renamed("utf8only", "/CN=Удостоверяющий центр"))
        .order(renamed("utf8only", "/CN=удостоверяющий ЦЕНТР")(
            Order::authority("lower", "root", "").key("inter"),
        ))
        .given(&["lower"])
        .differs("OpenSSL knows upper and lower case of ASCII letters only")
        .good();
}

#[test]
fn cross_certificates_and_loops() {
    // Two roots, one of which is trusted, each vouching for inter.
    case("cross")
        .order(Order::authority("foreign", "", ""))
        .order(
            Order::authority("cross", "foreign", "")
                .subject("/CN=inter")
                .key("inter"),
        )
        .given(&["inter", "cross"])
        .anchors(&["foreign"])
        .differs("OpenSSL follows one of the two, and does not come back")
        .good();
    // root and foreign vouch for each other, and neither is trusted.
    case("loop")
        .order(Order::authority("foreign", "", ""))
        .order(
            Order::authority("there", "root", "")
                .subject("/CN=foreign")
                .key("foreign"),
        )
        .order(
            Order::authority("back", "foreign", "")
                .subject("/CN=root")
                .key("root"),
        )
        .order(Order::authority("other", "", ""))
        .given(&["inter", "there", "back"])
        .anchors(&["other"])
        .bad("NoIssuer", "there");
    // The expired one of two with the same name and key does not stand in the way.
    case("renewed")
        .edit("inter", |mut order| {
            order.days = 10;
            order
        })
        .order(
            Order::authority("renewed", "root", "")
                .subject("/CN=inter")
                .key("inter"),
        )
        .given(&["inter", "renewed"])
        .at_days(100)
        .good();
    // A new key for an old name.
    case("rolled-over")
        .order(Order::authority("new", "root", "").subject("/CN=root"))
        .order(Order::authority("inter", "new", ""))
        .order(Order::signer("leaf", "inter", ""))
        .given(&["inter", "new"])
        .good();
}

#[test]
fn validity() {
    let short = |days| {
        move |mut order: Order<'static>| {
            order.days = days;
            order
        }
    };
    case("too-early").at_days(-1).bad("NotYetValid", "leaf");
    case("too-late").at_days(2000).bad("Expired", "leaf");
    case("last-days").at_days(999).good();
    case("leaf-expired")
        .edit("leaf", short(5))
        .at_days(6)
        .bad("Expired", "leaf");
    case("inter-expired")
        .edit("inter", short(5))
        .at_days(6)
        .bad("Expired", "inter");
    case("root-expired")
        .edit("root", short(5))
        .at_days(6)
        .bad("Expired", "root");
    case("beyond-2050")
        .edit("leaf", short(20_000))
        .at_days(900)
        .good();
}
