//! Who signed: names, national identifiers and statements, in certificates that OpenSSL made.

#[path = "support/issuer.rs"]
mod issuer;

use std::fs;
use std::time::{Duration, SystemTime};

use issuer::{Bench, text};
use keyfob::{
    Certificate, CertificateError, Curve, IdentificationKind, KazakhRole, KeyType, QcLimit, QcType,
    Scheme, SecurityClass,
};

/// A certificate with this subject, in this kind of strings, and these extensions.
fn issue(bench: &Bench, mask: &str, subject: &str, extensions: &str) -> Certificate {
    let config = bench.folder.join("req.cnf");
    fs::write(
        &config,
        format!(
            "[req]\nstring_mask={mask}\ndistinguished_name=d\nx509_extensions=x\nprompt=no\nutf8=yes\n\
             [d]\n{subject}\n[x]\n{extensions}\n"
        ),
    )
    .expect("written");
    let key = bench.key(KeyType::Ec(Curve::P256));
    bench.certificate(&key, Scheme::EcdsaP256Sha256, &["-config", text(&config)])
}

fn identifiers(certificate: &Certificate) -> Vec<(String, Option<bool>)> {
    let all = certificate.owner().identifiers();
    all.iter()
        .map(|one| (one.to_string(), one.check_digit()))
        .collect()
}

#[test]
fn a_russian_company_and_who_acts_for_it() {
    let bench = Bench::new("owners-ru");
    let subject = "C=RU\nST=77 г. Москва\nL=Москва\nstreet=ул. Неглинная, д. 23\n\
        O=ООО «Рога и копыта»\nOU=Бухгалтерия\ntitle=Главный бухгалтер\nCN=ООО «Рога и копыта»\n\
        SN=Петров\nGN=Иван Сергеевич\nemailAddress=petrov@example.ru\n\
        INN=500100732259\n0.1.2.643.100.4=7707329152\nOGRN=1047707030513\nSNILS=11223344595";
    let tool = "1.2.643.100.111=ASN1:FORMAT:UTF8,UTF8:СКЗИ «Пример» 5.0\n\
        1.2.643.100.112=ASN1:SEQUENCE:tool\n1.2.643.100.114=ASN1:INTEGER:0\n\
        certificatePolicies=1.2.643.100.113.1,1.2.643.100.113.2,1.2.3\n\
        [tool]\na=FORMAT:UTF8,UTF8:СКЗИ «Пример»\nb=FORMAT:UTF8,UTF8:УЦ «Пример»\nc=FORMAT:UTF8,UTF8:СФ/1\nd=FORMAT:UTF8,UTF8:СФ/2";
    // UTF8String all over, and PrintableString where the letters allow it.
    for mask in ["utf8only", "default", "MASK:0x2802"] {
        let certificate = issue(&bench, mask, subject, tool);
        let owner = certificate.owner();
        assert_eq!(
            owner.person().as_deref(),
            Some("Петров Иван Сергеевич"),
            "{mask}"
        );
        assert_eq!(owner.organization(), Some("ООО «Рога и копыта»"));
        assert_eq!(owner.common_name(), owner.organization());
        assert_eq!(owner.units().collect::<Vec<_>>(), ["Бухгалтерия"]);
        assert_eq!(owner.title(), Some("Главный бухгалтер"));
        assert_eq!(owner.country(), Some("RU"));
        assert_eq!(owner.region(), Some("77 г. Москва"));
        assert_eq!(owner.locality(), Some("Москва"));
        assert_eq!(owner.street(), Some("ул. Неглинная, д. 23"));
        assert_eq!(owner.emails().collect::<Vec<_>>(), ["petrov@example.ru"]);
        assert_eq!(owner.serial_number(), None);
        assert_eq!(owner.parts().len(), 15);
        assert_eq!(certificate.issued_by(), owner);
        assert_eq!(
            identifiers(&certificate),
            [
                ("INN 500100732259".to_owned(), Some(true)),
                ("INNLE 7707329152".to_owned(), Some(true)),
                ("OGRN 1047707030513".to_owned(), Some(true)),
                ("SNILS 11223344595".to_owned(), Some(true)),
            ]
        );
        assert_eq!(
            certificate
                .subject_sign_tool()
                .expect("readable")
                .as_deref(),
            Some("СКЗИ «Пример» 5.0")
        );
        let tool = certificate
            .issuer_sign_tool()
            .expect("readable")
            .expect("there");
        assert_eq!(tool.sign_tool, "СКЗИ «Пример»");
        assert_eq!(tool.ca_tool, "УЦ «Пример»");
        assert_eq!(tool.sign_tool_certificate, "СФ/1");
        assert_eq!(tool.ca_tool_certificate, "СФ/2");
        let kind = certificate.identification_kind().expect("readable");
        assert_eq!(kind, Some(IdentificationKind::Personal));
        let classes = certificate.security_classes().expect("readable");
        assert_eq!(classes, [SecurityClass::Kc1, SecurityClass::Kc2]);
        assert_eq!(certificate.policies().expect("readable").len(), 3);
    }
}

#[test]
fn what_is_wrong_is_reported_as_it_is() {
    let bench = Bench::new("owners-wrong");
    let subject = "C=RU\nCN=Иван\nINN=007710474376\n0.1.2.643.100.5=304500116000157\nSNILS=11223344596\nOGRN=1047707030514";
    let certificate = issue(&bench, "utf8only", subject, "basicConstraints=CA:FALSE");
    assert_eq!(
        identifiers(&certificate),
        [
            ("INN 007710474376".to_owned(), Some(false)),
            ("OGRNIP 304500116000157".to_owned(), Some(true)),
            ("SNILS 11223344596".to_owned(), Some(false)),
            ("OGRN 1047707030514".to_owned(), Some(false)),
        ]
    );
    assert_eq!(certificate.owner().person().as_deref(), Some("Иван"));
    assert_eq!(certificate.subject_sign_tool().expect("none"), None);
    assert_eq!(certificate.identification_kind().expect("none"), None);
    assert_eq!(certificate.security_classes().expect("none"), []);

    let broken = "1.2.643.100.111=DER:0C:02:FF:FF\n1.2.643.100.112=DER:30:00\n\
        1.2.643.100.114=DER:02:02:01:00\n1.3.6.1.5.5.7.1.3=DER:30:03:30:01:00\n\
        extendedKeyUsage=DER:05:00\ncertificatePolicies=DER:04:00";
    let certificate = issue(&bench, "utf8only", "CN=Иван", broken);
    let refused = |error: Option<CertificateError>| {
        let error = error.expect("an error");
        assert!(
            matches!(error, CertificateError::Extension { .. }),
            "{error}"
        );
    };
    refused(certificate.subject_sign_tool().err());
    refused(certificate.issuer_sign_tool().err());
    refused(certificate.identification_kind().err());
    refused(certificate.qc_statements().err());
    refused(certificate.extended_key_usage().err());
    refused(certificate.kazakh_roles().err());
    refused(certificate.policies().err());
    refused(certificate.security_classes().err());
    assert!(
        !certificate.is_for_documents(),
        "what cannot be read grants nothing"
    );
}

#[test]
fn a_kazakh_company_and_a_kazakh_person() {
    let bench = Bench::new("owners-kz");
    let subject = "CN=ТЕСТОВ ТЕСТ\nSN=ТЕСТОВ\nserialNumber=IIN900101300017\nC=KZ\nL=АЛМАТЫ\n\
        O=ТОО ПРИМЕР\nOU=BIN940140000385\nGN=ТЕСТОВИЧ";
    let signing = "keyUsage=digitalSignature,nonRepudiation\n\
        extendedKeyUsage=emailProtection,1.2.398.3.3.4.1.2,1.2.398.3.3.4.1.2.1,1.2.398.3.3.4.3.2.1,1.2.398.3.3.4.9";
    let certificate = issue(&bench, "utf8only", subject, signing);
    let owner = certificate.owner();
    assert_eq!(owner.person().as_deref(), Some("ТЕСТОВ ТЕСТ ТЕСТОВИЧ"));
    assert_eq!(owner.organization(), Some("ТОО ПРИМЕР"));
    assert_eq!(
        identifiers(&certificate),
        [
            ("IIN 900101300017".to_owned(), Some(true)),
            ("BIN 940140000385".to_owned(), Some(true)),
        ]
    );
    assert_eq!(
        certificate.kazakh_roles().expect("readable"),
        [
            KazakhRole::Organization,
            KazakhRole::Head,
            KazakhRole::DigitalId,
            KazakhRole::Other("1.2.398.3.3.4.9".parse().expect("an identifier")),
        ]
    );
    assert!(certificate.is_for_documents());

    // The other of the pair: for logging in.
    let login =
        "keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=clientAuth,1.2.398.3.3.4.1.1";
    let certificate = issue(&bench, "utf8only", subject, login);
    assert!(certificate.allows_signing());
    assert!(!certificate.is_for_documents());
    assert_eq!(
        certificate.kazakh_roles().expect("readable"),
        [KazakhRole::Individual]
    );
}

#[test]
fn a_qualified_certificate_of_the_union() {
    let bench = Bench::new("owners-eu");
    let subject = "C=EE\nO=Näidis OÜ\norganizationIdentifier=NTREE-12345678\nCN=MÄNNIK\\, MARI\n\
        SN=MÄNNIK\nGN=MARI\nserialNumber=PNOEE-38001085718";
    let statements = "1.3.6.1.5.5.7.1.3=ASN1:SEQUENCE:all\n\
        [all]\n1=SEQUENCE:compliance\n2=SEQUENCE:limit\n3=SEQUENCE:retention\n4=SEQUENCE:device\n\
        5=SEQUENCE:pds\n6=SEQUENCE:type\n7=SEQUENCE:law\n8=SEQUENCE:other\n\
        [compliance]\n1=OID:0.4.0.1862.1.1\n\
        [limit]\n1=OID:0.4.0.1862.1.2\n2=SEQUENCE:money\n[money]\n1=PRINTABLESTRING:EUR\n2=INTEGER:5\n3=INTEGER:3\n\
        [retention]\n1=OID:0.4.0.1862.1.3\n2=INTEGER:10\n\
        [device]\n1=OID:0.4.0.1862.1.4\n\
        [pds]\n1=OID:0.4.0.1862.1.5\n2=SEQUENCE:places\n[places]\n1=SEQUENCE:place\n\
        [place]\n1=IA5STRING:https\\://example.ee/pds\n2=PRINTABLESTRING:en\n\
        [type]\n1=OID:0.4.0.1862.1.6\n2=SEQUENCE:types\n\
        [types]\n1=OID:0.4.0.1862.1.6.1\n2=OID:0.4.0.1862.1.6.2\n3=OID:0.4.0.1862.1.6.3\n4=OID:1.2.3\n\
        [law]\n1=OID:0.4.0.1862.1.7\n2=SEQUENCE:countries\n[countries]\n1=PRINTABLESTRING:CH\n\
        [other]\n1=OID:1.3.6.1.5.5.7.11.2\n2=SEQUENCE:semantics\n[semantics]\n1=OID:0.4.0.194121.1.1";
    let certificate = issue(&bench, "utf8only", subject, statements);
    let owner = certificate.owner();
    assert_eq!(owner.person().as_deref(), Some("MARI MÄNNIK"));
    assert_eq!(owner.serial_number(), Some("PNOEE-38001085718"));
    assert_eq!(
        identifiers(&certificate),
        [
            ("trade register EE 12345678".to_owned(), None),
            ("personal number EE 38001085718".to_owned(), None),
        ]
    );
    let said = certificate
        .qc_statements()
        .expect("readable")
        .expect("there");
    assert!(said.compliance && said.secure_device);
    let currency = "EUR".to_owned();
    assert_eq!(
        said.limit,
        Some(QcLimit {
            currency,
            amount: 5,
            exponent: 3
        })
    );
    assert_eq!(said.retention_years, Some(10));
    assert_eq!(
        said.disclosures,
        [("https://example.ee/pds".to_owned(), "en".to_owned())]
    );
    let other = QcType::Other("1.2.3".parse().expect("an identifier"));
    assert_eq!(
        said.types,
        [QcType::Signature, QcType::Seal, QcType::WebSite, other]
    );
    assert_eq!(said.legislation, ["CH"]);
    assert_eq!(said.others.len(), 1);
    let plain = issue(&bench, "utf8only", "CN=Mari", "basicConstraints=CA:FALSE");
    assert_eq!(plain.qc_statements().expect("none"), None);
    assert_eq!(plain.extended_key_usage().expect("none"), None);
    assert!(plain.is_for_documents());
}

#[test]
fn days_to_the_end() {
    let bench = Bench::new("owners-days");
    let certificate = issue(&bench, "utf8only", "CN=Ivan", "basicConstraints=CA:FALSE");
    let end = certificate.not_after();
    let hour = Duration::from_secs(60 * 60);
    for (time, days) in [
        (end, 0),
        (end - 23 * hour, 0),
        (end - 24 * hour, 1),
        (end - 30 * 24 * hour, 30),
        (end + Duration::from_secs(1), -1),
        (end + 24 * hour, -2),
        (
            SystemTime::UNIX_EPOCH,
            end.duration_since(SystemTime::UNIX_EPOCH)
                .expect("later")
                .as_secs() as i64
                / 86_400,
        ),
    ] {
        assert_eq!(certificate.days_left(time), days, "{time:?}");
    }
}

/// RFC 9215 appendix D.
#[test]
fn the_examples_of_the_standard() {
    for name in ["D1", "D2", "D3"] {
        let path = format!(
            "{}/tests/rfc9215/{name}_cert.pem",
            env!("CARGO_MANIFEST_DIR")
        );
        let certificate = Certificate::read(path).expect("readable");
        let owner = certificate.owner();
        assert_eq!(owner.common_name(), Some("Example"), "{name}");
        assert_eq!(owner.person().as_deref(), Some("Example"));
        assert_eq!(owner.identifiers(), []);
        assert!(matches!(
            certificate.public_key().expect("readable").key_type(),
            KeyType::Gost256(_) | KeyType::Gost512(_)
        ));
    }
}
