//! What it costs to check GOST signatures and to hash, beside OpenSSL's engine:
//! `cargo bench --bench gost`.
//!
//! Both do the same in this process, in turn: the digest, the signature and the key are the same. A
//! line `ratio NAME VALUE` is the median of keyfob's rate over the engine's; more is better.
//!
//! The engine's side is C, built with `cc` against OpenSSL's headers (Debian: `libssl-dev`,
//! `libengine-gost-openssl`).

#[path = "support/c_library.rs"]
mod c_library;
#[path = "../tests/support/engine.rs"]
mod engine;
#[path = "support/pairs.rs"]
mod pairs;

use std::ffi::{CString, c_char, c_int};
use std::hint::black_box;
use std::path::Path;
use std::ptr;

use engine::{Engine, SETS};
use keyfob::{DigestAlgorithm, GostParameterSet, PublicKey, Scheme};
use libloading::Library;

/// Curves have several names; here each has one.
const CURVES: [GostParameterSet; 7] = [
    GostParameterSet::Tc26A256,
    GostParameterSet::Tc26B256,
    GostParameterSet::Tc26C256,
    GostParameterSet::Tc26D256,
    GostParameterSet::Tc26A512,
    GostParameterSet::Tc26B512,
    GostParameterSet::Tc26C512,
];

fn main() {
    let bench = Engine::new("bench");
    let engine = Loaded::new(&bench);
    let mut lines = Vec::new();
    for (set, algorithm, name) in SETS {
        if CURVES.contains(&set) {
            lines.push(verification(&engine, set, algorithm, name));
        }
    }
    for (name, ours, theirs) in [
        ("256", DigestAlgorithm::Streebog256, "md_gost12_256"),
        ("512", DigestAlgorithm::Streebog512, "md_gost12_512"),
    ] {
        lines.push(hashing(&engine, name, ours, theirs));
    }
    println!("{}", lines.join("\n"));
}

fn verification(engine: &Loaded, set: GostParameterSet, algorithm: &str, name: &str) -> String {
    let scheme = match set.field_len() {
        32 => Scheme::Gost256,
        _ => Scheme::Gost512,
    };
    let signed = engine.sign(algorithm, name, set.field_len());
    let key = PublicKey::from_spki_der(&signed.key).expect("a sound key");
    let ours = || {
        let right = key.verify_digest(scheme, &signed.digest, &signed.signature);
        right.expect("the engine signed it");
    };
    let theirs = || assert_eq!(engine.verify(), 1);
    let name = set.to_string().to_lowercase();
    print_rates(&name, "/s", 1.0, &ours, &theirs);
    pairs::ratio(&format!("verify-{name}-vs-engine"), &ours, theirs)
}

fn hashing(engine: &Loaded, name: &str, ours: DigestAlgorithm, theirs: &str) -> String {
    let data = vec![0x5a; 64 * 1024];
    let theirs = CString::new(theirs).expect("a name");
    let ours = || {
        black_box(ours.digest(&data));
    };
    let theirs = || assert_eq!(engine.hash(&theirs, &data), 1);
    let megabytes = data.len() as f64 / 1e6;
    print_rates(
        &format!("streebog-{name}"),
        " MB/s",
        megabytes,
        &ours,
        &theirs,
    );
    pairs::ratio(&format!("streebog-{name}-vs-engine"), &ours, theirs)
}

fn print_rates(name: &str, unit: &str, each: f64, ours: &impl Fn(), theirs: &impl Fn()) {
    let [ours, theirs] = [pairs::nanoseconds(ours), pairs::nanoseconds(theirs)]
        .map(|nanoseconds| 1e9 / nanoseconds * each);
    println!("{name}: keyfob {ours:.0}{unit}, the engine {theirs:.0}{unit}");
}

/// What the engine signed.
struct Signed {
    digest: Vec<u8>,
    signature: Vec<u8>,
    key: Vec<u8>,
}

/// The engine in this process.
struct Loaded(Library);

impl Loaded {
    fn new(bench: &Engine) -> Self {
        type Load = unsafe extern "C" fn(*const c_char) -> c_int;
        let engine = Self(c_library::build("openssl_gost", &bench.folder));
        let path = CString::new(text(&engine::library())).expect("a path");
        // SAFETY: the symbol has this type in support/openssl_gost.c, and the path ends with zero.
        let loaded =
            unsafe { engine.0.get::<Load>(b"load\0").expect("it is there")(path.as_ptr()) };
        assert_eq!(loaded, 1, "OpenSSL loads its engine");
        engine
    }

    /// A digest of this length, with a new key.
    fn sign(&self, algorithm: &str, set: &str, length: usize) -> Signed {
        type Prepare = unsafe extern "C" fn(*const c_char, *const c_char, usize) -> c_int;
        let [algorithm, set] = [algorithm, set].map(|name| CString::new(name).expect("a name"));
        // SAFETY: the symbol has this type in support/openssl_gost.c, and both names end with zero.
        let prepared = unsafe {
            let prepare = self.0.get::<Prepare>(b"prepare\0").expect("it is there");
            prepare(algorithm.as_ptr(), set.as_ptr(), length)
        };
        assert_eq!(prepared, 1, "the engine signs");
        Signed {
            digest: self.bytes(b"signed_digest\0"),
            signature: self.bytes(b"signature_of_digest\0"),
            key: self.bytes(b"subject_public_key_info\0"),
        }
    }

    fn bytes(&self, name: &[u8]) -> Vec<u8> {
        type Bytes = unsafe extern "C" fn(*mut *const u8) -> c_int;
        let mut bytes = ptr::null();
        // SAFETY: the symbols that are asked for have this type in support/openssl_gost.c; what they
        // give is there until the next key is made, and copied here.
        unsafe {
            let length = self.0.get::<Bytes>(name).expect("it is there")(&mut bytes);
            std::slice::from_raw_parts(bytes, length as usize).to_vec()
        }
    }

    fn verify(&self) -> c_int {
        type Verify = unsafe extern "C" fn() -> c_int;
        // SAFETY: the symbol has this type in support/openssl_gost.c; a key and a signature are there.
        unsafe { self.0.get::<Verify>(b"verify\0").expect("it is there")() }
    }

    fn hash(&self, algorithm: &CString, data: &[u8]) -> c_int {
        type Hash = unsafe extern "C" fn(*const c_char, *const u8, usize) -> c_int;
        // SAFETY: the symbol has this type in support/openssl_gost.c, and reads no more than it is
        // told.
        unsafe {
            let hash = self.0.get::<Hash>(b"hash\0").expect("it is there");
            hash(algorithm.as_ptr(), data.as_ptr(), data.len())
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
