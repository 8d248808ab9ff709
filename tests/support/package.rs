//! A package of its own under `tests/`, built when a test needs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds it if it has to be, which takes minutes, and returns the folder of what was built.
#[track_caller]
pub fn build(name: &str, needs: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(name);
    // An hour is enough for the slowest machine.
    let built = Command::new("timeout")
        .args(["3600", env!("CARGO"), "build", "--locked"])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .stdin(Stdio::null())
        .status();
    let built = built.is_ok_and(|status| status.success());
    assert!(
        built,
        "{} cannot be built (it needs {needs})",
        package.display()
    );
    target.join("debug")
}
