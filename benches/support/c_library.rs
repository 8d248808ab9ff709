//! OpenSSL's side of a benchmark: C, built with `cc` against its headers.

use std::path::Path;
use std::process::Command;

use libloading::Library;

/// Builds the source of this name that lies beside, into a folder, and loads it.
pub fn build(name: &str, folder: &Path) -> Library {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support");
    let source = sources.join(name).with_extension("c");
    let output = folder.join(format!("lib{name}.so"));
    // OpenSSL 3 calls engines deprecated.
    let options = ["-O2", "-shared", "-fPIC", "-Wno-deprecated-declarations"];
    let mut cc = Command::new("cc");
    cc.args(options).arg("-o").arg(&output).arg(&source);
    let built = cc.arg("-lcrypto").status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "cc does not build {}; it needs OpenSSL's headers (libssl-dev)",
        source.display()
    );
    // SAFETY: it was built above, and does nothing when it is loaded.
    unsafe { Library::new(&output) }.expect("it was built above")
}
