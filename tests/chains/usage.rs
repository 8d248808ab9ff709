//! Key usage and extended key usage.

use keyfob::trust::Purpose;

use crate::authority_case::case;

#[test]
fn for_signing() {
    for (name, usage) in [
        ("digital-signature", "keyUsage=critical,digitalSignature"),
        ("non-repudiation", "keyUsage=nonRepudiation"),
        ("no-usage", "keyUsage="),
    ] {
        case(name).change("leaf", usage).good();
    }
    for (name, usage) in [
        ("encipherment", "keyUsage=critical,keyEncipherment"),
        ("agreement", "keyUsage=keyAgreement"),
        ("cert-sign", "keyUsage=keyCertSign"),
    ] {
        case(name).change("leaf", usage).bad("WrongPurpose", "leaf");
    }
    case("encipherment-for-any")
        .change("leaf", "keyUsage=critical,keyEncipherment")
        .purpose(Purpose::Any)
        .good();
}

#[test]
fn extended_for_signing() {
    case("email")
        .change("leaf", "extendedKeyUsage=emailProtection")
        .good();
    case("email-critical")
        .change(
            "leaf",
            "extendedKeyUsage=critical,emailProtection,clientAuth",
        )
        .good();
    case("client-only")
        .change("leaf", "extendedKeyUsage=clientAuth")
        .bad("WrongPurpose", "leaf");
    case("server-only")
        .change("leaf", "extendedKeyUsage=critical,serverAuth")
        .bad("WrongPurpose", "leaf");
    case("stamping-only")
        .change("leaf", "extendedKeyUsage=critical,timeStamping")
        .bad("WrongPurpose", "leaf");
    let newer = "OpenSSL asks for e-mail, and knows no usage for documents";
    case("documents")
        .change("leaf", "extendedKeyUsage=1.3.6.1.5.5.7.3.36")
        .differs(newer)
        .good();
    case("documents-microsoft")
        .change(
            "leaf",
            "extendedKeyUsage=1.3.6.1.4.1.311.10.3.12,clientAuth",
        )
        .differs(newer)
        .good();
    case("documents-adobe")
        .change("leaf", "extendedKeyUsage=1.2.840.113583.1.1.5")
        .differs(newer)
        .good();
    case("any-extended")
        .change("leaf", "extendedKeyUsage=anyExtendedKeyUsage")
        .differs("OpenSSL does not take anyExtendedKeyUsage for e-mail")
        .good();
    case("own")
        .change("leaf", "extendedKeyUsage=1.2.3.4.5")
        .purpose(Purpose::Extended(
            "1.2.3.4.5".parse().expect("an identifier"),
        ))
        .good();
    case("not-own")
        .change("leaf", "extendedKeyUsage=1.2.3.4.6")
        .purpose(Purpose::Extended(
            "1.2.3.4.5".parse().expect("an identifier"),
        ))
        .differs("OpenSSL was asked for any purpose")
        .bad("WrongPurpose", "leaf");
    case("authority-for-email")
        .change("inter", "extendedKeyUsage=emailProtection")
        .good();
    case("authority-for-servers")
        .change("inter", "extendedKeyUsage=serverAuth")
        .bad("WrongPurpose", "inter");
}

/// RFC 3161 section 2.3.
#[test]
fn for_time_stamps() {
    let stamping = |name, extensions| {
        case(name)
            .change("leaf", extensions)
            .purpose(Purpose::TimeStamping)
    };
    stamping("stamping", "extendedKeyUsage=critical,timeStamping").good();
    stamping("stamping-not-critical", "extendedKeyUsage=timeStamping").bad("WrongPurpose", "leaf");
    stamping(
        "stamping-and-more",
        "extendedKeyUsage=critical,timeStamping,emailProtection",
    )
    .bad("WrongPurpose", "leaf");
    stamping("stamping-absent", "").bad("WrongPurpose", "leaf");
    stamping(
        "stamping-and-encipherment",
        "extendedKeyUsage=critical,timeStamping\nkeyUsage=digitalSignature,keyEncipherment",
    )
    .bad("WrongPurpose", "leaf");
    stamping(
        "stamping-without-usage",
        "extendedKeyUsage=critical,timeStamping\nkeyUsage=",
    )
    .good();
    stamping(
        "stamping-by-encipherment",
        "extendedKeyUsage=critical,timeStamping\nkeyUsage=keyEncipherment",
    )
    .bad("WrongPurpose", "leaf");
}
