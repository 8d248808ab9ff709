//! A private SoftHSM for the tests of one binary: tokens, keys and certificates as a test needs
//! them, made through bare `cryptoki`, so that nothing here depends on what is tested.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{env, fs, process};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, CertificateType, KeyType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use der::asn1::{OctetString, UtcTime};
use der::{Decode, Encode};
use p256::ecdsa::{DerSignature, SigningKey};
use spki::{EncodePublicKey, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

/// The user's PIN of every token made here.
pub const PIN: &str = "24681357";
/// The security officer's.
pub const SO_PIN: &str = "87654321";

/// The use of SoftHSM by one test: PKCS#11 has one login per process and token, so the tests of a
/// binary take turns.
pub struct SoftHsm {
    module: PathBuf,
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl SoftHsm {
    /// Takes the turn. The first test of a binary begins with no tokens.
    pub fn start() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        static PREPARED: Mutex<bool> = Mutex::new(false);
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let module = module();
        let binary = env::current_exe().expect("a test has a path");
        let name = binary.file_stem().expect("a test has a name");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut prepared = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        if !*prepared {
            let tokens = folder.join("tokens");
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&tokens).expect("the target folder can be written to");
            let configuration = folder.join("softhsm2.conf");
            let text = format!(
                "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n\
                 slots.removable = false\nslots.mechanisms = ALL\nlibrary.reset_on_fork = false\n",
                tokens.display()
            );
            fs::write(&configuration, text).expect("the target folder can be written to");
            // SAFETY: the tests' other threads are waiting for their turn, and nobody else reads
            // the environment; SoftHSM does at C_Initialize, later and in this turn.
            unsafe { env::set_var("SOFTHSM2_CONF", &configuration) };
            *prepared = true;
        }
        Self {
            module,
            folder,
            _turn: turn,
        }
    }

    /// The path of libsofthsm2.so.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// A folder for the files of this binary's tests.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What to set for another process to see the same tokens.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("SOFTHSM2_CONF", self.folder.join("softhsm2.conf")),
            ("KEYFOB_MODULE", self.module.clone()),
        ]
    }

    /// Makes a token, unless an earlier test of this binary has made it, and hands it to `fill`
    /// when it is new.
    pub fn token(&self, label: &str, fill: impl FnOnce(&Filler)) {
        static MADE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.insert(label.to_owned()) {
            return;
        }
        make_token(&self.module, label, fill);
    }
}

/// Makes a token in the free slot of any module that has one, and hands it to `fill`.
#[track_caller]
pub fn make_token(module: &Path, label: &str, fill: impl FnOnce(&Filler)) {
    let context = Pkcs11::new(module).expect("the module can be loaded");
    context
        .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
        .expect("the module can be initialised");
    let slots = context.get_slots_with_token().expect("it has slots");
    let slot = *slots.last().expect("it always has a free slot");
    let so_pin = AuthPin::new(SO_PIN.into());
    context
        .init_token(slot, &so_pin, label)
        .expect("a token can be made");
    let session = context.open_rw_session(slot).expect("a session opens");
    session
        .login(UserType::So, Some(&so_pin))
        .expect("the SO PIN is right");
    let pin = AuthPin::new(PIN.into());
    session.init_pin(&pin).expect("the PIN can be set");
    session.logout().expect("the SO can log out");
    session
        .login(UserType::User, Some(&pin))
        .expect("the PIN is right");
    let filler = Filler { session };
    fill(&filler);
    drop(filler);
    context.finalize().expect("the module can be finalized");
}

/// The path of libsofthsm2.so, as softhsm-setup.sh tells it.
pub fn module() -> PathBuf {
    env::var_os("KEYFOB_MODULE")
        .map(PathBuf::from)
        .filter(|path| path.exists())
        .unwrap_or_else(|| {
            panic!("no SoftHSM: run this by the script, as in ./softhsm-setup.sh cargo test")
        })
}

/// The key types that a token is filled with.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Rsa(u64),
    P256,
    P384,
    P521,
    Ed25519,
}

impl Kind {
    /// The DER of CKA_EC_PARAMS, and of the SPKI before the point.
    fn curve(self) -> (&'static str, &'static str) {
        match self {
            Self::Rsa(_) => unreachable!("RSA has no curve"),
            Self::P256 => (
                "06082a8648ce3d030107",
                "3059301306072a8648ce3d020106082a8648ce3d030107034200",
            ),
            Self::P384 => (
                "06052b81040022",
                "3076301006072a8648ce3d020106052b81040022036200",
            ),
            Self::P521 => (
                "06052b81040023",
                "30819b301006072a8648ce3d020106052b8104002303818600",
            ),
            Self::Ed25519 => ("130c656477617264733235353139", "302a300506032b6570032100"),
        }
    }

    fn point_len(self) -> usize {
        match self {
            Self::Rsa(_) => unreachable!("RSA has no curve"),
            Self::P256 => 65,
            Self::P384 => 97,
            Self::P521 => 133,
            Self::Ed25519 => 32,
        }
    }
}

/// A new token, unlocked, to be filled with keys.
pub struct Filler {
    pub session: Session,
}

impl Filler {
    /// Makes a key pair on the token. Returns the public key's SPKI.
    pub fn key(&self, kind: Kind, label: &str, id: &[u8]) -> Vec<u8> {
        self.key_with(kind, label, id, &[])
    }

    /// As `key`, with more attributes of the private key.
    pub fn key_with(&self, kind: Kind, label: &str, id: &[u8], more: &[Attribute]) -> Vec<u8> {
        let common = [
            Attribute::Token(true),
            Attribute::Label(label.into()),
            Attribute::Id(id.into()),
        ];
        let mut public = common.to_vec();
        public.extend([Attribute::Verify(true), Attribute::Private(false)]);
        let mut private = common.to_vec();
        private.extend([
            Attribute::Sign(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
        ]);
        for attribute in more {
            private.retain(|one| one.attribute_type() != attribute.attribute_type());
            private.push(attribute.clone());
        }
        let mechanism = match kind {
            Kind::Rsa(bits) => {
                public.extend([
                    Attribute::ModulusBits(bits.into()),
                    Attribute::PublicExponent(vec![1, 0, 1]),
                ]);
                Mechanism::RsaPkcsKeyPairGen
            }
            Kind::Ed25519 => {
                public.push(Attribute::EcParams(unhex(kind.curve().0)));
                Mechanism::EccEdwardsKeyPairGen
            }
            _ => {
                public.push(Attribute::EcParams(unhex(kind.curve().0)));
                Mechanism::EccKeyPairGen
            }
        };
        let (public, _) = self
            .session
            .generate_key_pair(&mechanism, &public, &private)
            .expect("SoftHSM makes keys");
        let read = |attribute| {
            let values = self.session.get_attributes(public, &[attribute]);
            match values.expect("a public key is public").remove(0) {
                Attribute::Modulus(value)
                | Attribute::PublicExponent(value)
                | Attribute::EcPoint(value) => value,
                other => panic!("asked for one attribute, got {other:?}"),
            }
        };
        match kind {
            Kind::Rsa(_) => {
                let key = rsa::RsaPublicKey::new(
                    rsa::BoxedUint::from_be_slice_vartime(&read(AttributeType::Modulus)),
                    rsa::BoxedUint::from_be_slice_vartime(&read(AttributeType::PublicExponent)),
                );
                let key = key.expect("SoftHSM makes RSA keys");
                key.to_public_key_der()
                    .expect("an RSA key has an SPKI")
                    .into_vec()
            }
            _ => {
                // In an OCTET STRING, or bare, as the module likes.
                let point = read(AttributeType::EcPoint);
                let point = &point[point.len() - kind.point_len()..];
                [&unhex(kind.curve().1), point].concat()
            }
        }
    }

    /// Brings a certificate to the token.
    pub fn certificate(&self, der: &[u8], label: &str, id: &[u8]) {
        let subject = x509_cert::Certificate::from_der(der)
            .expect("a certificate")
            .tbs_certificate()
            .subject()
            .to_der()
            .expect("it was parsed");
        self.session
            .create_object(&[
                Attribute::Class(ObjectClass::CERTIFICATE),
                Attribute::CertificateType(CertificateType::X_509),
                Attribute::Token(true),
                Attribute::Private(false),
                Attribute::Subject(subject),
                Attribute::Label(label.into()),
                Attribute::Id(id.into()),
                Attribute::Value(der.into()),
            ])
            .expect("SoftHSM keeps certificates");
    }

    /// A key and the demo CA's certificate for it.
    pub fn identity(&self, kind: Kind, label: &str, id: &[u8]) {
        let spki = self.key(kind, label, id);
        let certificate = Leaf::new(&format!("CN=Test {label}")).issue(&spki);
        self.certificate(&certificate, label, id);
    }

    /// Brings a software P-256 key to the token, which so was outside it.
    pub fn import_p256(&self, secret: &[u8; 32], label: &str, id: &[u8]) {
        self.session
            .create_object(&[
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::KeyType(KeyType::EC),
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
                Attribute::Label(label.into()),
                Attribute::Id(id.into()),
                Attribute::EcParams(unhex(Kind::P256.curve().0)),
                Attribute::Value(secret.to_vec()),
            ])
            .expect("SoftHSM takes keys");
    }
}

/// A certificate to be issued by the tests' CA.
pub struct Leaf {
    pub subject: String,
    pub serial: Vec<u8>,
    /// In seconds since 1970.
    pub valid: (u64, u64),
    pub usage: Option<KeyUsages>,
    /// The subject key identifier.
    pub key_id: Option<Vec<u8>>,
}

impl Leaf {
    /// Valid from 2020 to 2049, for signing.
    pub fn new(subject: &str) -> Self {
        Self {
            subject: subject.into(),
            serial: vec![0x12, 0x34],
            valid: (1_577_836_800, 2_493_072_000),
            usage: Some(KeyUsages::DigitalSignature),
            key_id: None,
        }
    }

    /// The certificate's DER.
    pub fn issue(self, spki: &[u8]) -> Vec<u8> {
        let time = |seconds| {
            let time = UtcTime::from_unix_duration(Duration::from_secs(seconds));
            Time::UtcTime(time.expect("before 2050"))
        };
        let validity = Validity::new(time(self.valid.0), time(self.valid.1));
        let serial = SerialNumber::new(&self.serial).expect("a serial number");
        let spki = SubjectPublicKeyInfoOwned::from_der(spki).expect("an SPKI");
        let builder = CertificateBuilder::new(self, serial, validity, spki);
        builder
            .expect("a builder")
            .build::<_, DerSignature>(&ca_key())
            .expect("a certificate")
            .to_der()
            .expect("its DER")
    }
}

impl BuilderProfile for Leaf {
    fn get_issuer(&self, _: &Name) -> Name {
        Name::from_str(CA).expect("a name")
    }

    fn get_subject(&self) -> Name {
        Name::from_str(&self.subject).expect("a name")
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let mut extensions = Vec::new();
        if let Some(usage) = self.usage {
            let usage = KeyUsage(usage.into());
            extensions.push(usage.to_extension(tbs.subject(), &extensions)?);
        }
        if let Some(id) = &self.key_id {
            let id = SubjectKeyIdentifier(OctetString::new(id.clone())?);
            extensions.push(id.to_extension(tbs.subject(), &extensions)?);
        }
        if self.usage == Some(KeyUsages::KeyCertSign) {
            let authority = BasicConstraints {
                ca: true,
                path_len_constraint: None,
            };
            extensions.push(authority.to_extension(tbs.subject(), &extensions)?);
        }
        Ok(extensions)
    }
}

/// The certificate of the tests' CA.
pub fn ca() -> Vec<u8> {
    let mut certificate = Leaf::new(CA);
    certificate.usage = Some(KeyUsages::KeyCertSign);
    let spki = ca_key().verifying_key().to_public_key_der();
    certificate.issue(spki.expect("an EC key has an SPKI").as_bytes())
}

const CA: &str = "CN=keyfob test CA";

fn ca_key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).expect("seven is a scalar")
}

/// Runs a program, which must succeed, and returns what it printed.
pub fn run(command: &mut process::Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; ./softhsm-setup.sh installs it"));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The path of an example, which `cargo test` has built.
pub fn example(name: &str) -> PathBuf {
    let binary = env::current_exe().expect("a test has a path");
    let profile = binary
        .ancestors()
        .nth(2)
        .expect("it is in target/debug/deps");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: cargo build --examples",
        path.display()
    );
    path
}

/// The schemes that SoftHSM has keys for.
pub fn schemes() -> impl Iterator<Item = keyfob::Scheme> {
    let all = keyfob::Scheme::ALL.iter().copied();
    all.filter(|scheme| !scheme.name().starts_with("gost"))
}

pub fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}
