//! A token whose keys are the same in every run, so that a seed means the same in each: one of every
//! kind, and one that wants its PIN for each signature, all with certificates.

use std::sync::OnceLock;

use cryptoki::object::{Attribute, KeyType, ObjectClass};
use der::Encode;
use der::asn1::OctetStringRef;
use keyfob::{PublicKey, Scheme};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BoxedUint, RsaPrivateKey};

use crate::softhsm::{Filler, Leaf, SoftHsm, unhex};

pub const TOKEN: &str = "hostile";

/// A key on the token, as nobody can lie about it.
pub struct Known {
    pub label: &'static str,
    pub scheme: Scheme,
    pub public_key: PublicKey,
}

/// Two primes of 512 bits.
const PRIMES: [&str; 2] = [
    "c3a0421ffc32476615fcfd5d21a6ef312d9ec40f7c5bb7ba263068ee1645450c\
     39025f7ea92e02dbad8d2b819c33f2ceddcb82ef3010c3e86fdc8d2305ca6ec5",
    "d5675676195f1ce480ba4a51d6c65fcd5d0d0e8536dfd2a94f61cc87273f3a27\
     9a8710bb3a267b87388bd4741e87078d7fcda4e739351630c79abd766f537b55",
];

const P256: &str = "06082a8648ce3d030107";
const P521: &str = "06052b81040023";
const ED25519: &str = "130c656477617264733235353139";

pub fn token() -> (SoftHsm, &'static [Known]) {
    static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();
    let bench = SoftHsm::start();
    bench.token(TOKEN, |token| assert!(KNOWN.set(fill(token)).is_ok()));
    (bench, KNOWN.get().expect("filled by the first test"))
}

fn fill(token: &Filler) -> Vec<Known> {
    let mut known = Vec::new();
    let mut add =
        |label, scheme, id, kind, [private, public]: [&[Attribute]; 2], key: PublicKey| {
            add_pair(token, label, id, kind, private, public);
            let certificate = Leaf::new(&format!("CN=Test {label}")).issue(key.spki_der());
            token.certificate(&certificate, label, &[id]);
            known.push(Known {
                label,
                scheme,
                public_key: key,
            });
        };

    let (private, public) = rsa();
    let key = {
        let [
            Attribute::Modulus(modulus),
            Attribute::PublicExponent(exponent),
        ] = &public[..]
        else {
            unreachable!("made below")
        };
        PublicKey::from_rsa(modulus, exponent).expect("an RSA key")
    };
    add(
        "rsa",
        Scheme::RsaPkcs1Sha256,
        1,
        KeyType::RSA,
        [&private, &public],
        key,
    );

    let curves = [
        ("p256", Scheme::EcdsaP256Sha256, P256, vec![7; 32]),
        (
            "p521",
            Scheme::EcdsaP521Sha512,
            P521,
            [&[0], &[7; 65][..]].concat(),
        ),
        ("ed25519", Scheme::Ed25519, ED25519, vec![7; 32]),
        ("asking", Scheme::EcdsaP256Sha256, P256, vec![9; 32]),
    ];
    for (id, (label, scheme, curve, secret)) in (2..).zip(curves) {
        let (params, point) = (unhex(curve), point(curve, &secret));
        let key = PublicKey::from_ec(&params, &point).expect("a point of the curve");
        let point = OctetStringRef::new(&point).and_then(|point| point.to_der());
        let public = [
            Attribute::EcParams(params.clone()),
            Attribute::EcPoint(point.expect("an OCTET STRING")),
        ];
        let private = [
            Attribute::EcParams(params),
            Attribute::Value(secret),
            Attribute::AlwaysAuthenticate(label == "asking"),
        ];
        let kind = match scheme {
            Scheme::Ed25519 => KeyType::EC_EDWARDS,
            _ => KeyType::EC,
        };
        add(label, scheme, id, kind, [&private, &public], key);
    }
    known
}

fn add_pair(
    token: &Filler,
    label: &str,
    id: u8,
    kind: KeyType,
    private: &[Attribute],
    public: &[Attribute],
) {
    let common = |class, is_private| {
        vec![
            Attribute::Class(class),
            Attribute::KeyType(kind),
            Attribute::Token(true),
            Attribute::Private(is_private),
            Attribute::Label(label.into()),
            Attribute::Id(vec![id]),
        ]
    };
    let mut private = [&common(ObjectClass::PRIVATE_KEY, true), private].concat();
    private.extend([
        Attribute::Sign(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
    ]);
    let mut public = [&common(ObjectClass::PUBLIC_KEY, false), public].concat();
    public.push(Attribute::Verify(true));
    for object in [private, public] {
        token
            .session
            .create_object(&object)
            .expect("SoftHSM takes keys");
    }
}

fn rsa() -> (Vec<Attribute>, Vec<Attribute>) {
    let number = |hex: &str| BoxedUint::from_be_slice_vartime(&unhex(hex));
    let key = RsaPrivateKey::from_p_q(
        number(PRIMES[0]),
        number(PRIMES[1]),
        BoxedUint::from(65537u64),
    );
    let mut key = key.expect("two primes");
    key.precompute().expect("two primes");
    let bytes = |number: &BoxedUint| number.to_be_bytes_trimmed_vartime().to_vec();
    let public = vec![
        Attribute::Modulus(bytes(key.n())),
        Attribute::PublicExponent(bytes(key.e())),
    ];
    let mut private = public.clone();
    private.extend([
        Attribute::PrivateExponent(bytes(key.d())),
        Attribute::Prime1(bytes(&key.primes()[0])),
        Attribute::Prime2(bytes(&key.primes()[1])),
        Attribute::Exponent1(bytes(key.dp().expect("computed"))),
        Attribute::Exponent2(bytes(key.dq().expect("computed"))),
        Attribute::Coefficient(bytes(&key.crt_coefficient().expect("computed"))),
    ]);
    (private, public)
}

fn point(curve: &str, secret: &[u8]) -> Vec<u8> {
    match curve {
        P256 => {
            let key = p256::ecdsa::SigningKey::from_slice(secret).expect("a scalar");
            key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
        }
        P521 => {
            let key = p521::ecdsa::SigningKey::from_slice(secret).expect("a scalar");
            key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
        }
        _ => {
            let secret = secret.try_into().expect("32 bytes");
            let key = ed25519_dalek::SigningKey::from_bytes(secret);
            key.verifying_key().to_bytes().to_vec()
        }
    }
}
