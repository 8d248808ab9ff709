//! What keyfob costs beside bare PKCS#11: `./softhsm-setup.sh cargo bench --bench sign`.
//!
//! Two ways of doing the same are measured in short slices side by side, again and again, since a
//! machine's speed drifts by more than they differ. Each line `ratio NAME VALUE` is the median of
//! keyfob's rate over the other's; more is better.

#[path = "support/bare.rs"]
mod bare;
#[path = "support/pairs.rs"]
mod pairs;
#[path = "../tests/support/softhsm.rs"]
mod softhsm;

use std::path::PathBuf;
use std::process::Command;

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki_sys::{CKM_ECDSA, CKM_RSA_PKCS};
use keyfob::{PrivateKey, Scheme, Search, Unlocked};
use softhsm::{Kind, PIN, SoftHsm};

const DIGEST: [u8; 32] = [0x5a; 32];

fn main() {
    let bench = SoftHsm::start();
    bench.token("bench", |token| {
        token.key(Kind::P256, "p256", &[1]);
        token.key(Kind::Rsa(2048), "rsa2048", &[2]);
    });
    let mut lines = {
        let fob = unlock(bench.module().into());
        let key = |label| fob.key(label).expect("the key was made above");
        against_softhsm(&bench, &key("p256"), &key("rsa2048"))
    };
    lines.extend(own_cost());
    println!("{}", lines.join("\n"));
}

fn unlock(module: PathBuf) -> Unlocked {
    let found = Search::new().module(module).named_only().run();
    let token = found.and_then(|found| found.select("bench"));
    token
        .and_then(|token| token.unlock(&PIN.into()))
        .expect("the token was made above")
}

fn against_softhsm(bench: &SoftHsm, p256: &PrivateKey, rsa2048: &PrivateKey) -> Vec<String> {
    let ours = |key: &PrivateKey, scheme| {
        let signature = key.sign_digest(scheme, &DIGEST);
        signature.expect("SoftHSM signs")
    };
    let our_p256 = || drop(ours(p256, Scheme::EcdsaP256Sha256));
    let our_rsa = || drop(ours(rsa2048, Scheme::RsaPkcs1Sha256));
    let module = bare::Module::load(bench.module());

    let vs_cryptoki = pairs::ratio("p256-vs-cryptoki", &our_p256, {
        let context = cryptoki::context::Pkcs11::new(bench.module()).expect("SoftHSM is loaded");
        let slots = context.get_slots_with_initialized_token();
        let session = context.open_ro_session(slots.expect("SoftHSM has slots")[0]);
        let session = session.expect("a session opens");
        let template = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Label("p256".into()),
        ];
        let key = session.find_objects(&template).expect("a search")[0];
        move || {
            let signature = session.sign(&Mechanism::Ecdsa, key, &DIGEST);
            drop(signature.expect("SoftHSM signs"));
        }
    });
    let session = module.session("p256");
    let vs_bare = pairs::ratio("p256-vs-bare", &our_p256, || {
        session.sign(CKM_ECDSA, &DIGEST);
    });
    let session = module.session("rsa2048");
    let digest_info = digest_info();
    let rsa_vs_bare = pairs::ratio("rsa2048-vs-bare", &our_rsa, || {
        session.sign(CKM_RSA_PKCS, &digest_info);
    });
    let two_threads = pairs::ratio_of_threads("p256-2-threads", 2, &our_p256, || {
        let session = module.session("p256");
        move || session.sign(CKM_ECDSA, &DIGEST)
    });
    vec![vs_cryptoki, vs_bare, rsa_vs_bare, two_threads]
}

/// Against a module whose C_SignInit and C_Sign do nothing.
fn own_cost() -> [String; 2] {
    let module = null_module();
    let fob = unlock(module.clone());
    let key = fob.key("p256").expect("the key was made above");
    bare::command(&module, "sign null");
    let bare_module = bare::Module::load(&module);
    let session = bare_module.session("p256");
    let sign = || {
        let signature = key.sign_digest(Scheme::EcdsaP256Sha256, &DIGEST);
        drop(signature.expect("the module signs nothing, well"));
    };
    let ours = pairs::nanoseconds(sign);
    let bare = pairs::nanoseconds(|| session.sign(CKM_ECDSA, &DIGEST));
    let of_two = pairs::nanoseconds_of_threads(2, || sign);
    let bare_of_two = pairs::nanoseconds_of_threads(2, || {
        let session = bare_module.session("p256");
        move || session.sign(CKM_ECDSA, &DIGEST)
    });
    println!(
        "own cost: {ours:.0} ns a signature, of which {bare:.0} ns are the module's two calls; on \
         each of two threads {of_two:.0} and {bare_of_two:.0} ns"
    );
    bare::command(&module, "sign forward");
    let own = |ours: f64, bare: f64| (ours - bare) / 1000.0;
    [
        format!("ratio own-cost-of-1000ns {:.2}", own(ours, bare)),
        format!(
            "ratio own-cost-of-1000ns-2-threads {:.2}",
            own(of_two, bare_of_two)
        ),
    ]
}

/// The tests' fault module, which `cargo bench` does not build by itself.
fn null_module() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--example", "fault_module"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "cannot build the fault module"
    );
    let binary = std::env::current_exe().expect("a benchmark has a path");
    let profile = binary
        .ancestors()
        .nth(2)
        .expect("it is in target/release/deps");
    profile.join("examples/libfault_module.so")
}

fn digest_info() -> Vec<u8> {
    let prefix = softhsm::unhex("3031300d060960864801650304020105000420");
    [prefix.as_slice(), &DIGEST].concat()
}
