//! Basic constraints and the length of a path (RFC 5280 section 4.2.1.9).

use keyfob::trust::Purpose;

use crate::authority::Order;
use crate::authority_case::case;

#[test]
fn only_authorities_issue() {
    case("ca-false")
        .change("inter", "basicConstraints=critical,CA:FALSE")
        .bad("NotAnAuthority", "inter");
    case("no-basic-constraints")
        .change("inter", "basicConstraints=")
        .bad("NotAnAuthority", "inter");
    case("neither-basic-constraints-nor-usage")
        .change("inter", "basicConstraints=\nkeyUsage=")
        .bad("NotAnAuthority", "inter");
    case("not-critical")
        .change("inter", "basicConstraints=CA:TRUE")
        .good();
    case("version-1-authority")
        .edit("inter", |mut order| {
            order.extensions.clear();
            order
        })
        .change("leaf", "authorityKeyIdentifier=none")
        .bad("NotAnAuthority", "inter");
    case("signer-issues")
        .order(Order::signer("second", "leaf", ""))
        .given(&["inter", "leaf"])
        .signer("second")
        .bad("NotAnAuthority", "leaf");
    case("no-cert-sign")
        .change("inter", "keyUsage=critical,cRLSign")
        .bad("NotAnAuthority", "inter");
    case("authority-without-usage")
        .change("inter", "keyUsage=")
        .good();
    case("authority-as-signer")
        .signer("inter")
        .purpose(Purpose::Any)
        .given(&[])
        .good();
    case("authority-signs-documents")
        .signer("inter")
        .given(&[])
        .bad("WrongPurpose", "inter");
}

#[test]
fn anchors_are_authorities_by_being_anchors() {
    case("version-1-root")
        .edit("root", |mut order| {
            order.extensions.clear();
            order
        })
        .change("inter", "authorityKeyIdentifier=none")
        .good();
    case("root-without-constraints")
        .change("root", "basicConstraints=")
        .good();
    case("root-ca-false")
        .change("root", "basicConstraints=critical,CA:FALSE")
        .bad("NotAnAuthority", "root");
    case("root-no-cert-sign")
        .change("root", "keyUsage=critical,digitalSignature")
        .bad("NotAnAuthority", "root");
}

#[test]
fn the_length_of_a_path() {
    let long = |name| {
        case(name)
            .order(Order::authority("two", "inter", ""))
            .order(Order::signer("leaf", "two", ""))
            .given(&["inter", "two"])
    };
    let length = |count: u32| format!("basicConstraints=critical,CA:TRUE,pathlen:{count}");
    case("length-0").change("inter", &length(0)).good();
    case("length-0-of-root")
        .change("root", &length(0))
        .bad("PathTooLong", "root");
    long("length-0-and-one-more")
        .change("inter", &length(0))
        .bad("PathTooLong", "inter");
    long("length-1-of-root")
        .change("root", &length(1))
        .bad("PathTooLong", "root");
    long("length-2-of-root").change("root", &length(2)).good();
    long("length-grows")
        .change("inter", &length(0))
        .change("root", &length(5))
        .bad("PathTooLong", "inter");
    long("length-255").change("root", &length(255)).good();
    // The last certificate does not count, even where it is an authority's.
    case("length-0-and-an-authority-as-signer")
        .change("inter", &length(0))
        .order(Order::authority("leaf", "inter", ""))
        .purpose(Purpose::Any)
        .good();
    // One that issued itself does not count.
    case("length-0-and-self-issued")
        .change("inter", &length(0))
        .order(Order::authority("new", "inter", "").subject("/CN=inter"))
        .order(Order::signer("leaf", "new", ""))
        .given(&["inter", "new"])
        .good();
}
