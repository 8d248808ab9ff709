//! Extensions that are critical and unknown, malformed, or there twice.

use crate::authority_case::case;

#[test]
fn unknown_ones() {
    case("unknown").change("leaf", "1.2.3.4=ASN1:NULL").good();
    case("unknown-critical")
        .change("leaf", "1.2.3.4=critical,ASN1:NULL")
        .bad("CriticalExtension", "leaf");
    case("unknown-critical-in-authority")
        .change("inter", "1.2.3.4=critical,ASN1:NULL")
        .bad("CriticalExtension", "inter");
    case("unknown-critical-in-root")
        .change("root", "1.2.3.4=critical,ASN1:NULL")
        .bad("CriticalExtension", "root");
    let statements = "OpenSSL does not read qcStatements";
    case("qualified")
        .change(
            "leaf",
            "1.3.6.1.5.5.7.1.3=DER:30:0A:30:08:06:06:04:00:8E:46:01:01",
        )
        .good();
    case("qualified-critical")
        .change(
            "leaf",
            "1.3.6.1.5.5.7.1.3=critical,DER:30:0A:30:08:06:06:04:00:8E:46:01:01",
        )
        .differs(statements)
        .good();
}

#[test]
fn malformed_ones() {
    case("usage-malformed")
        .change("leaf", "keyUsage=critical,DER:05:00")
        .bad("Malformed", "leaf");
    case("names-malformed")
        .change("leaf", "subjectAltName=DER:30:01")
        .bad("Malformed", "leaf");
    case("constraints-malformed")
        .change("inter", "basicConstraints=critical,DER:04:00")
        .bad("Malformed", "inter");
    case("boolean-of-two")
        .change("inter", "basicConstraints=critical,DER:30:03:01:01:02")
        .differs("OpenSSL reads a TRUE that DER does not have")
        .bad("Malformed", "inter");
    case("policies-malformed")
        .change("inter", "certificatePolicies=DER:30:02:30:00")
        .openssl(&["-policy_check"])
        .bad("Malformed", "inter");
}
