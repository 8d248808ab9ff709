//! OpenSSL signs and issues, keyfob reads and verifies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, UNIX_EPOCH};

use der::{Decode, Reader, SliceReader};
use keyfob::{Certificate, Curve, Error, KeyType, PublicKey, Scheme, Signature, VerifyError};

const MESSAGE: &[u8] = b"The quick brown fox jumps over the lazy dog";

#[test]
fn every_scheme_through_key_and_certificate() {
    let bench = Bench::new("schemes");
    for &scheme in Scheme::ALL {
        let key = bench.key(key_for(scheme));
        let signature = bench.sign(scheme, &key, MESSAGE);
        assert!(bench.openssl_accepts(scheme, &key, MESSAGE, &signature));

        let public = PublicKey::from_pem(&bench.public_pem(&key)).expect("a sound key");
        assert!(scheme.fits(&public.key_type()), "{scheme}");
        assert_eq!(public.to_pem(), bench.public_pem(&key), "{scheme}");
        let certificate = bench.certificate(&key, scheme, &["-subj", "/CN=Signer"]);
        assert_eq!(certificate.public_key().expect("a sound key"), public);

        public.verify(scheme, MESSAGE, &signature).expect("signed");
        public
            .verify_reader(scheme, MESSAGE, &signature)
            .expect("signed");
        certificate
            .verify(scheme, MESSAGE, &signature)
            .expect("signed");
        certificate
            .verify_reader(scheme, MESSAGE, &signature)
            .expect("signed");
        if let Some(algorithm) = scheme.digest_algorithm() {
            let digest = algorithm.digest(MESSAGE);
            public
                .verify_digest(scheme, &digest, &signature)
                .expect("signed");
            certificate
                .verify_digest(scheme, &digest, &signature)
                .expect("signed");
        }

        // Raw and back is the same signature.
        let parsed = Signature::from_bytes(scheme, signature.clone()).expect("well formed");
        let again = Signature::from_raw(scheme, &parsed.to_raw()).expect("well formed");
        assert_eq!(again.as_bytes(), signature);
    }
}

#[test]
fn one_changed_byte_is_refused_by_both() {
    let bench = Bench::new("changed");
    for &scheme in Scheme::ALL {
        let key = bench.key(key_for(scheme));
        let signature = bench.sign(scheme, &key, MESSAGE);
        let public = PublicKey::from_pem(&bench.public_pem(&key)).expect("a sound key");

        for position in [0, MESSAGE.len() / 2, MESSAGE.len() - 1] {
            let changed = flipped(MESSAGE, position);
            refused(public.verify(scheme, &changed, &signature));
            refused(public.verify_reader(scheme, changed.as_slice(), &signature));
        }
        for position in 0..signature.len() {
            refused(public.verify(scheme, MESSAGE, flipped(&signature, position)));
        }
        refused(public.verify(scheme, MESSAGE, &signature[..signature.len() - 1]));
        refused(public.verify(scheme, MESSAGE, [&signature[..], &[0]].concat()));
        refused(public.verify(scheme, MESSAGE, b""));

        // OpenSSL is slow to start: once for each is enough.
        let last = signature.len() - 1;
        assert!(!bench.openssl_accepts(scheme, &key, &flipped(MESSAGE, 0), &signature));
        assert!(!bench.openssl_accepts(scheme, &key, MESSAGE, &flipped(&signature, last)));

        // Another scheme for the same key is refused too.
        for other in Scheme::ALL.iter().filter(|other| **other != scheme) {
            if other.fits(&public.key_type()) {
                refused(public.verify(*other, MESSAGE, &signature));
            } else {
                let mismatch = public.verify(*other, MESSAGE, &signature);
                let Err(Error::Verify(VerifyError::SchemeMismatch { .. })) = mismatch else {
                    panic!("{scheme} as {other}: {mismatch:?}");
                };
            }
        }
    }
}

/// What certificates say of their signature is byte for byte what we would say, and true.
#[test]
fn algorithm_identifiers_are_as_openssl_writes_them() {
    let bench = Bench::new("identifiers");
    for &scheme in Scheme::ALL {
        let key = bench.key(key_for(scheme));
        let certificate = bench.certificate(&key, scheme, &["-subj", "/CN=Signer"]);
        let x509 = certificate.as_x509();
        assert_eq!(*x509.signature_algorithm(), scheme.algorithm_identifier());
        let public = certificate.public_key().expect("a sound key");
        let read =
            Scheme::from_algorithm_identifier(x509.signature_algorithm(), &public.key_type());
        assert_eq!(read, Ok(scheme));
        let signature = x509.signature().raw_bytes();
        public
            .verify(scheme, &tbs(&certificate), signature)
            .expect("self-signed");
    }
}

/// A key marked for RSA-PSS verifies PSS alone, and with the digest it names (RFC 4055).
#[test]
fn keys_for_rsa_pss_alone() {
    let bench = Bench::new("pss");
    let plain = bench.genpkey("pss", &["-algorithm", "RSA-PSS"]);
    let sha384 = bench.genpkey(
        "pss-sha384",
        &[
            "-algorithm",
            "RSA-PSS",
            "-pkeyopt",
            "rsa_pss_keygen_md:sha384",
            "-pkeyopt",
            "rsa_pss_keygen_mgf1_md:sha384",
            "-pkeyopt",
            "rsa_pss_keygen_saltlen:48",
        ],
    );
    for (key, schemes) in [
        (
            plain,
            &[
                Scheme::RsaPssSha256,
                Scheme::RsaPssSha384,
                Scheme::RsaPssSha512,
            ][..],
        ),
        (sha384, &[Scheme::RsaPssSha384]),
    ] {
        let public = PublicKey::from_pem(&bench.public_pem(&key)).expect("a sound key");
        assert_eq!(public.key_type(), KeyType::Rsa { bits: 2048 });
        assert_eq!(public.to_pem(), bench.public_pem(&key));
        for &scheme in Scheme::ALL {
            if !scheme.fits(&public.key_type()) {
                continue;
            }
            if schemes.contains(&scheme) {
                let signature = bench.sign(scheme, &key, MESSAGE);
                public.verify(scheme, MESSAGE, &signature).expect("signed");
                refused(public.verify(scheme, b"", &signature));
            } else {
                let forbidden = public.verify(scheme, MESSAGE, [1; 256]);
                assert!(
                    matches!(
                        forbidden,
                        Err(Error::Verify(VerifyError::SchemeForbidden { .. }))
                    ),
                    "{scheme}: {forbidden:?}"
                );
            }
        }
    }
}

/// The same key is equal however it is written.
#[test]
fn one_key_in_several_spellings() {
    let bench = Bench::new("spellings");
    for key_type in [
        KeyType::Ec(Curve::P256),
        KeyType::Ec(Curve::P384),
        KeyType::Ec(Curve::P521),
    ] {
        let key = bench.key(key_type);
        let public = PublicKey::from_pem(&bench.public_pem(&key)).expect("a sound key");
        let compressed = bench.run(&[
            "ec",
            "-in",
            text(&key),
            "-pubout",
            "-conv_form",
            "compressed",
        ]);
        let compressed = PublicKey::from_pem(&String::from_utf8_lossy(&compressed.stdout));
        assert_eq!(compressed.as_ref(), Ok(&public));
        assert_eq!(compressed.expect("equal").spki_der(), public.spki_der());
    }

    // An rsaEncryption key rewritten: first without its parameters, then as id-RSASSA-PSS.
    let key = bench.key(KeyType::Rsa { bits: 2048 });
    let public = PublicKey::from_pem(&bench.public_pem(&key)).expect("a sound key");
    let mut spki = public.spki_der().to_vec();
    let oid = [
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let at = spki
        .windows(oid.len())
        .position(|bytes| bytes == oid)
        .expect("its algorithm");
    // Without the two bytes of NULL: the lengths around it shrink.
    spki.drain(at + 9..at + 11);
    spki[3] -= 2;
    spki[5] -= 2;
    let outer = u16::from_be_bytes([spki[2], spki[3]]);
    assert_eq!(usize::from(outer), spki.len() - 4);
    assert_eq!(
        PublicKey::from_spki_der(&spki),
        Ok(public.clone()),
        "parameters absent"
    );
    spki[at + 8] = 0x0a;
    let pss = PublicKey::from_spki_der(&spki).expect("a sound key");
    assert_eq!(pss, public);
    assert_eq!(pss.spki_der(), spki);
}

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

/// A message that both must refuse with a signature, and say so.
#[track_caller]
fn refused(result: Result<(), Error>) {
    match result {
        Err(Error::Verify(VerifyError::BadSignature { .. })) => {}
        other => panic!("{other:?}"),
    }
}

fn flipped(bytes: &[u8], position: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[position] ^= 1;
    changed
}

fn key_for(scheme: Scheme) -> KeyType {
    let kinds = [
        KeyType::Rsa { bits: 2048 },
        KeyType::Ec(Curve::P256),
        KeyType::Ec(Curve::P384),
        KeyType::Ec(Curve::P521),
        KeyType::Ed25519,
    ];
    kinds
        .into_iter()
        .find(|kind| scheme.fits(kind))
        .expect("one fits")
}

/// The signed part of a certificate.
fn tbs(certificate: &Certificate) -> Vec<u8> {
    let whole = der::asn1::AnyRef::from_der(certificate.der()).expect("DER");
    let mut contents = SliceReader::new(whole.value()).expect("DER");
    contents.tlv_bytes().expect("DER").to_vec()
}

/// OpenSSL with a folder of its own.
struct Bench {
    folder: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("verify")
            .join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        Self { folder }
    }

    /// A private key in software, made once in a test.
    fn key(&self, key_type: KeyType) -> PathBuf {
        let curve = |name| ["-algorithm", "EC", "-pkeyopt", name];
        let name = key_type.to_string();
        let path = self.folder.join(format!("{name}.key"));
        if path.exists() {
            return path;
        }
        match key_type {
            KeyType::Rsa { .. } => self.genpkey(&name, &["-algorithm", "RSA"]),
            KeyType::Ec(Curve::P256) => self.genpkey(&name, &curve("ec_paramgen_curve:P-256")),
            KeyType::Ec(Curve::P384) => self.genpkey(&name, &curve("ec_paramgen_curve:P-384")),
            KeyType::Ec(_) => self.genpkey(&name, &curve("ec_paramgen_curve:P-521")),
            _ => self.genpkey(&name, &["-algorithm", "ED25519"]),
        }
    }

    fn genpkey(&self, name: &str, options: &[&str]) -> PathBuf {
        let path = self.folder.join(format!("{name}.key"));
        self.run(&[&["genpkey"], options, &["-out", text(&path)]].concat());
        path
    }

    fn public_pem(&self, key: &Path) -> String {
        let output = self.run(&["pkey", "-in", text(key), "-pubout"]);
        String::from_utf8(output.stdout).expect("PEM is ASCII")
    }

    /// A self-signed certificate.
    fn certificate(&self, key: &Path, scheme: Scheme, options: &[&str]) -> Certificate {
        let path = self.folder.join("certificate.pem");
        let mut arguments = vec!["req", "-x509", "-days", "30", "-key", text(key)];
        arguments.extend(scheme_options(scheme));
        arguments.extend(options);
        arguments.extend(["-out", text(&path)]);
        self.run(&arguments);
        Certificate::read(&path).expect("a sound certificate")
    }

    fn sign(&self, scheme: Scheme, key: &Path, message: &[u8]) -> Vec<u8> {
        let input = self.folder.join("message");
        let output = self.folder.join("signature");
        fs::write(&input, message).expect("written");
        let mut arguments = match scheme {
            Scheme::Ed25519 => vec!["pkeyutl", "-sign", "-rawin", "-inkey", text(key), "-in"],
            _ => [
                &["dgst"],
                scheme_options(scheme).as_slice(),
                &["-sign", text(key)],
            ]
            .concat(),
        };
        match scheme {
            Scheme::Ed25519 => arguments.extend([text(&input), "-out", text(&output)]),
            _ => arguments.extend(["-out", text(&output), text(&input)]),
        }
        self.run(&arguments);
        fs::read(&output).expect("a signature")
    }

    fn openssl_accepts(&self, scheme: Scheme, key: &Path, message: &[u8], bytes: &[u8]) -> bool {
        let input = self.folder.join("message");
        let signature = self.folder.join("signature");
        fs::write(&input, message).expect("written");
        fs::write(&signature, bytes).expect("written");
        let (input, signature, key) = (text(&input), text(&signature), text(key));
        let arguments = match scheme {
            Scheme::Ed25519 => vec![
                "pkeyutl", "-verify", "-rawin", "-inkey", key, "-in", input, "-sigfile", signature,
            ],
            _ => [
                &["dgst"],
                scheme_options(scheme).as_slice(),
                &["-prverify", key, "-signature", signature, input],
            ]
            .concat(),
        };
        self.output(&arguments).status.success()
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments:?}: {said}");
        output
    }

    fn output(&self, arguments: &[&str]) -> Output {
        Command::new("openssl")
            .args(arguments)
            .output()
            .unwrap_or_else(|error| {
                panic!("openssl does not run ({error}); ./softhsm-setup.sh installs it")
            })
    }
}

/// The digest and padding, for `openssl dgst` and `openssl req`.
fn scheme_options(scheme: Scheme) -> Vec<&'static str> {
    let digest = match scheme.digest_algorithm().map(|digest| digest.output_len()) {
        Some(32) => "-sha256",
        Some(48) => "-sha384",
        Some(_) => "-sha512",
        None => return vec![],
    };
    match scheme {
        Scheme::RsaPssSha256 | Scheme::RsaPssSha384 | Scheme::RsaPssSha512 => vec![
            digest,
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:digest",
        ],
        _ => vec![digest],
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the target folder's name is UTF-8")
}
