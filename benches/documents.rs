//! What it costs to sign a document beside hashing it, and beside OpenSSL:
//! `./softhsm-setup.sh cargo bench --bench documents`.
//!
//! Each signs the same file in turn, again and again, since a machine's speed drifts by more than they
//! differ. A line `ratio NAME VALUE` is the median of the other's time over keyfob's; more is better.
//! The hash is bare `sha2` of as many bytes that are in memory already: nobody who reads a file can be
//! faster. An attached document goes to nowhere there, since how fast a disk takes it is not keyfob's:
//! `copy-vs-hash` is what a bare copy of the file comes to. DER is hashed twice, and is measured beside
//! two hashes. Beside OpenSSL both write files. A line `peak NAME VALUE` is the most memory that a
//! process which signs had at once, in MiB.

#[path = "support/pairs.rs"]
mod pairs;
#[path = "../tests/support/softhsm.rs"]
mod softhsm;

use std::env;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyfob::{Identity, Search, cms};
use sha2::{Digest, Sha256};
use softhsm::{Kind, PIN, SoftHsm};

const MIB: u64 = 1024 * 1024;
const SIZES: [(&str, u64); 2] = [("256MiB", 256 * MIB), ("2GiB", 2048 * MIB)];

/// How a document is signed.
const FORMS: [&str; 3] = ["detached", "attached-ber", "attached-der"];

fn main() {
    if let [_, mode, form, input, output] = env::args().collect::<Vec<_>>().as_slice()
        && mode == "sign"
    {
        sign_alone(form, input.as_ref(), output.as_ref());
        return;
    }
    let bench = SoftHsm::start();
    bench.token("bench", |token| token.identity(Kind::P256, "p256", &[1]));
    let folder = bench.folder();
    openssl_identity(folder);
    let input = folder.join("input");
    let output = folder.join("output");

    let mut lines = Vec::new();
    for (name, length) in SIZES {
        write_input(&input, length);
        for form in FORMS {
            lines.push(peak(
                &bench,
                &format!("{form}-{name}"),
                form,
                &input,
                &output,
            ));
        }
        let me = identity(&bench);
        let rounds = if length > 1024 * MIB { 5 } else { 20 };
        for (form, what, hashes) in [
            ("detached", "hash", 1),
            ("attached-ber", "hash", 1),
            ("attached-der", "two-hashes", 2),
        ] {
            let ours = || sign(&me, form, &input, Path::new("/dev/null"));
            let other = || (0..hashes).for_each(|_| hash(length));
            let line = format!("{form}-vs-{what}-{name}");
            lines.push(pairs::ratio_of_rounds(&line, rounds, &ours, other));
        }
        let copy = || copy(&input, &output);
        let line = format!("copy-vs-hash-{name}");
        lines.push(pairs::ratio_of_rounds(&line, rounds, &copy, || {
            hash(length)
        }));
        for form in FORMS {
            let ours = || sign(&me, form, &input, &output);
            let openssl = || openssl(folder, form, &input, &output);
            let line = format!("{form}-vs-openssl-{name}");
            lines.push(pairs::ratio_of_rounds(&line, rounds, &ours, openssl));
        }
    }
    let _ = (fs::remove_file(input), fs::remove_file(output));
    println!("{}", lines.join("\n"));
}

fn identity(bench: &SoftHsm) -> Identity {
    let found = Search::new().module(bench.module()).named_only().run();
    let token = found.and_then(|found| found.select("bench"));
    let fob = token.and_then(|token| token.unlock(&PIN.into()));
    let fob = fob.expect("the token was made above");
    let identities = fob.identities().expect("it has one");
    identities.only().expect("it has one")
}

fn sign(me: &Identity, form: &str, input: &Path, output: &Path) {
    let create = || File::create(output).expect("the target folder can be written to");
    let signed = match form {
        "detached" => cms::sign(me).detached().path(input).map(|p7s| {
            fs::write(output, p7s).expect("the target folder can be written to");
        }),
        "attached-ber" => {
            let content = File::open(input).expect("it was written above");
            cms::sign(me).attached().reader(content, create())
        }
        _ => cms::sign(me).attached().path(input, create()),
    };
    signed.expect("SoftHSM signs");
}

/// The same by OpenSSL with a key in a file: the whole process, as a user runs it.
fn openssl(folder: &Path, form: &str, input: &Path, output: &Path) {
    let options: &[&str] = match form {
        "detached" => &[],
        "attached-ber" => &["-nodetach", "-stream"],
        _ => &["-nodetach"],
    };
    let mut command = Command::new("openssl");
    command.args(["cms", "-sign", "-binary", "-outform", "DER"]);
    command
        .args(options)
        .arg("-in")
        .arg(input)
        .arg("-out")
        .arg(output);
    command.args(["-signer", "openssl.pem", "-inkey", "openssl.key"]);
    let status = command.current_dir(folder).status();
    assert!(status.is_ok_and(|status| status.success()), "openssl signs");
}

fn openssl_identity(folder: &Path) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]);
    command.args([
        "ec_paramgen_curve:P-256",
        "-keyout",
        "openssl.key",
        "-out",
        "openssl.pem",
    ]);
    command.args(["-subj", "/CN=bench", "-days", "30"]);
    let made = command.current_dir(folder).output();
    assert!(
        made.is_ok_and(|made| made.status.success()),
        "openssl makes a key"
    );
}

/// Bare SHA-256 of bytes that lie in memory.
fn hash(length: u64) {
    let buffer = vec![0x5a; MIB as usize];
    let mut hasher = Sha256::new();
    for _ in 0..length / MIB {
        hasher.update(black_box(&buffer));
    }
    black_box(hasher.finalize());
}

/// Reads and writes, as who signs has to: the system's own way does neither.
fn copy(from: &Path, to: &Path) {
    let mut from = File::open(from).expect("it was written above");
    let mut to = File::create(to).expect("the target folder can be written to");
    let mut buffer = vec![0; MIB as usize];
    loop {
        match from.read(&mut buffer).expect("it can be read") {
            0 => return,
            read => to
                .write_all(&buffer[..read])
                .expect("there is room on the disk"),
        }
    }
}

fn write_input(path: &Path, length: u64) {
    let mut output = File::create(path).expect("the target folder can be written to");
    let mut random =
        BufReader::with_capacity(MIB as usize, File::open("/dev/urandom").expect("Unix"));
    let copied = io::copy(&mut random.by_ref().take(length), &mut output);
    assert_eq!(copied.expect("there is room on the disk"), length);
    output.flush().expect("there is room on the disk");
}

/// The most memory of a process that does nothing else. It tells its own, since what the system tells
/// of a child begins with what its parent had.
fn peak(bench: &SoftHsm, name: &str, form: &str, input: &Path, output: &Path) -> String {
    let mut child = Command::new(env::current_exe().expect("a benchmark has a path"));
    child.args(["sign", form]).arg(input).arg(output);
    child.envs(bench.environment()).stderr(Stdio::inherit());
    let told = child.output().expect("it is this program");
    assert!(told.status.success(), "it signs");
    format!(
        "peak {name} {}",
        String::from_utf8_lossy(&told.stdout).trim()
    )
}

/// What `peak` starts.
fn sign_alone(form: &str, input: &Path, output: &Path) {
    let module = PathBuf::from(env::var_os("KEYFOB_MODULE").expect("it is set above"));
    let found = Search::new().module(module).named_only().run();
    let token = found.and_then(|found| found.select("bench"));
    let fob = token.and_then(|token| token.unlock(&PIN.into()));
    let identities = fob.and_then(|fob| fob.identities());
    let me = identities.and_then(|identities| identities.only());
    sign(&me.expect("the token was made before"), form, input, output);
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    let kib: f64 = peak
        .and_then(|kib| kib.parse().ok())
        .expect("a number of kB");
    println!("{:.1}", kib / 1024.0);
}
