//! OpenSSL issues certificates, keyfob reads them.

#[path = "support/issuer.rs"]
mod issuer;

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use issuer::{Bench, text};
use keyfob::{Certificate, Curve, KeyType, Scheme};

/// Names, serial and validity are what OpenSSL reads.
#[test]
fn certificates_read_as_openssl_reads_them() {
    let bench = Bench::new("names");
    let key = bench.key(KeyType::Ec(Curve::P256));
    for (mask, name, common_name) in [
        (
            "utf8only",
            "/C=RU/O=Рога, и Копыта/CN=Иван \"И\" Петров",
            "Иван \"И\" Петров",
        ),
        // PrintableString, or BMPString where that is not enough.
        ("pkix", "/C=DE/O=Plain/CN=Петров", "Петров"),
        // Latin-1 in a TeletexString.
        ("default", "/C=FR/O=Café+OU=x/CN=René", "René"),
        (
            "utf8only",
            "/CN=\\ #a;b<c>/SN=Smith/GN=Jo/emailAddress=a@b.example",
            " #a;b<c>",
        ),
        ("utf8only", "/O=first\\+second+OU=third/CN=a\\\\b", "a\\b"),
        (
            "utf8only",
            "/DC=example/DC=net/UID=7/title=Dr/street=Way 1/CN=last ",
            "last ",
        ),
        (
            "utf8only",
            "/INN=123456789012/SNILS=12345678901/OGRN=1234567890123/CN=Фирма",
            "Фирма",
        ),
    ] {
        let config = bench.folder.join("req.cnf");
        let text_of = format!("[req]\nstring_mask={mask}\ndistinguished_name=dn\n[dn]\n");
        fs::write(&config, text_of).expect("written");
        let options = [
            "-config",
            text(&config),
            "-utf8",
            "-multivalue-rdn",
            "-subj",
            name,
        ];
        let certificate = bench.certificate(&key, Scheme::EcdsaP256Sha256, &options);
        assert_eq!(certificate.common_name().as_deref(), Some(common_name));

        let file = bench.folder.join("read.pem");
        fs::write(&file, certificate.to_pem()).expect("written");
        let said = bench.run(&[
            "x509",
            "-in",
            text(&file),
            "-noout",
            "-nameopt",
            "RFC2253,-esc_msb",
            "-subject",
            "-issuer",
            "-serial",
        ]);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let field = |label: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(label));
            line.unwrap_or_else(|| panic!("{label} in {said}"))
                .to_owned()
        };
        assert_eq!(certificate.subject(), field("subject="));
        assert_eq!(certificate.issuer(), field("issuer="));
        assert_eq!(certificate.serial_hex().to_uppercase(), field("serial="));
    }
}

#[test]
fn serials_are_minimal() {
    let bench = Bench::new("serials");
    let key = bench.key(KeyType::Ed25519);
    for (given, bytes, hex) in [
        ("0", &[0][..], "00"),
        ("127", &[0x7f], "7f"),
        // DER puts a zero before it.
        ("128", &[0x80], "80"),
        ("0xff00", &[0xff, 0], "ff00"),
        ("-2", &[0xfe], "fe"),
    ] {
        let options = ["-subj", "/CN=Signer", "-set_serial", given];
        let certificate = bench.certificate(&key, Scheme::Ed25519, &options);
        assert_eq!(certificate.serial(), bytes, "{given}");
        assert_eq!(certificate.serial_hex(), hex);
    }
}

#[test]
fn validity_is_to_the_second_and_inclusive() {
    let bench = Bench::new("validity");
    let key = bench.key(KeyType::Ec(Curve::P256));
    bench.run(&[
        "req",
        "-new",
        "-key",
        text(&key),
        "-subj",
        "/CN=Short",
        "-out",
        text(&bench.folder.join("short.csr")),
    ]);
    let made = bench.folder.join("short.pem");
    fs::write(bench.folder.join("index.txt"), "").expect("written");
    let folder = text(&bench.folder);
    let config = bench.folder.join("ca.cnf");
    fs::write(
        &config,
        format!(
            "[ca]\ndefault_ca=c\n[c]\ndatabase={folder}/index.txt\nserial={folder}/serial\n\
             new_certs_dir={folder}\ndefault_md=sha256\npolicy=p\nrand_serial=yes\n\
             [p]\ncommonName=supplied\n"
        ),
    )
    .expect("written");
    bench.run(&[
        "ca",
        "-batch",
        "-selfsign",
        "-config",
        text(&config),
        "-keyfile",
        text(&key),
        "-in",
        text(&bench.folder.join("short.csr")),
        "-startdate",
        "20240229120000Z",
        "-enddate",
        "20520101000000Z",
        "-out",
        text(&made),
    ]);
    let certificate = Certificate::read(&made).expect("text before the block is passed over");
    let from = UNIX_EPOCH + Duration::from_secs(1_709_208_000);
    // Beyond 2049 it is a GeneralizedTime.
    let until = UNIX_EPOCH + Duration::from_secs(2_587_680_000);
    assert_eq!(certificate.not_before(), from);
    assert_eq!(certificate.not_after(), until);
    let second = Duration::from_secs(1);
    for (time, valid) in [
        (from - second, false),
        (from, true),
        (until, true),
        (until + second, false),
        (UNIX_EPOCH - second, false),
    ] {
        assert_eq!(certificate.is_valid_at(time), valid, "{time:?}");
    }
}

#[test]
fn key_usage_decides_about_signing() {
    let bench = Bench::new("usage");
    let key = bench.key(KeyType::Ec(Curve::P256));
    for (usage, allows) in [
        ("", true),
        ("keyUsage=digitalSignature", true),
        ("keyUsage=critical,nonRepudiation", true),
        ("keyUsage=digitalSignature,keyEncipherment", true),
        ("keyUsage=keyEncipherment", false),
        ("keyUsage=critical,keyCertSign,cRLSign", false),
        ("keyUsage=keyAgreement,decipherOnly", false),
        // An empty BIT STRING with nine unused bits: nothing that can be read, so nothing granted.
        ("keyUsage=DER:03:02:09:80", false),
        // Not minimal, as DER wants it, but clear.
        ("keyUsage=DER:03:02:00:80", true),
    ] {
        let mut options = vec!["-subj", "/CN=Signer"];
        if !usage.is_empty() {
            options.extend(["-addext", usage]);
        }
        let certificate = bench.certificate(&key, Scheme::EcdsaP256Sha256, &options);
        assert_eq!(
            certificate.key_usage().is_some(),
            !usage.is_empty(),
            "{usage}"
        );
        assert_eq!(certificate.allows_signing(), allows, "{usage}");
    }
}

#[test]
fn certificates_with_padding_and_in_any_wrapping() {
    let bench = Bench::new("wrapping");
    let key = bench.key(KeyType::Ed25519);
    let certificate = bench.certificate(&key, Scheme::Ed25519, &["-subj", "/CN=Signer"]);
    let der = certificate.der();
    let padded = [der, &[0; 500]].concat();
    let read = Certificate::from_der(&padded).expect("zeros are dropped");
    assert_eq!((&read, read.der()), (&certificate, der));

    let followed = [der, &[0, 0, 1]].concat();
    assert!(Certificate::from_der(&followed).is_err());
    assert!(Certificate::from_der(&[der, der].concat()).is_err());
    assert!(Certificate::from_der(&der[..der.len() - 1]).is_err());
    assert!(Certificate::from_der(&[]).is_err());

    let pem = certificate.to_pem();
    for bytes in [
        der.to_vec(),
        padded,
        pem.clone().into_bytes(),
        format!("\u{feff}{pem}").into_bytes(),
        [b"Bag Attributes: \xc8\xe2\xe0\xed\n", pem.as_bytes()].concat(),
        pem.replace('\n', "\r\n").into_bytes(),
    ] {
        assert_eq!(
            Certificate::from_bytes(&bytes).expect("readable"),
            certificate
        );
    }
}
