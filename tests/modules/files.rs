//! Files that are no modules, and where the names of modules come from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use keyfob::{Discovery, Error, ModuleError, Search};

use crate::softhsm::{self, SoftHsm};

type IsReason = fn(&ModuleError) -> bool;

/// Files that cannot be loaded, each with the reason, and SoftHSM in their midst.
struct Files {
    bad: Vec<(PathBuf, IsReason)>,
    all: Vec<PathBuf>,
}

impl Files {
    fn new(bench: &SoftHsm) -> Self {
        let folder = bench.folder().join("files");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let bad: Vec<(PathBuf, IsReason)> = vec![
            (folder.join("missing.so"), |reason| {
                matches!(reason, ModuleError::Missing)
            }),
            (file("text.so", b"INPUT(libc.so.6)\n"), |reason| {
                matches!(reason, ModuleError::NotALibrary { found: "text file" })
            }),
            (file("empty.so", b""), |reason| {
                matches!(
                    reason,
                    ModuleError::NotALibrary {
                        found: "empty file"
                    }
                )
            }),
            (folder.clone(), |reason| {
                matches!(reason, ModuleError::NotAFile)
            }),
            (
                file("other.so", &of_another_machine()),
                |reason| matches!(reason, ModuleError::OtherArchitecture { file, .. } if file == OTHER),
            ),
            (
                library(&folder, "plain", "int answer(void) { return 42; }", &[]),
                |reason| matches!(reason, ModuleError::NotPkcs11),
            ),
            (
                library(
                    &folder,
                    "refuses",
                    "unsigned long C_GetFunctionList(void **list) {
                        static char table[1024]; *list = table; return 5; }",
                    &[],
                ),
                |reason| matches!(reason, ModuleError::NotPkcs11),
            ),
            (
                library(
                    &folder,
                    "nothing",
                    "unsigned long C_GetFunctionList(void **list) { *list = 0; return 0; }",
                    &[],
                ),
                |reason| matches!(reason, ModuleError::NotPkcs11),
            ),
            (
                needs_what_is_gone(&folder),
                |reason| matches!(reason, ModuleError::Loader(said) if said.contains("libgone.so")),
            ),
        ];
        let mut all: Vec<_> = bad.iter().map(|(path, _)| path.clone()).collect();
        all.insert(all.len() / 2, bench.module().to_owned());
        Self { bad, all }
    }

    /// One problem for each, which names it.
    fn check(&self, found: &Discovery) {
        assert_eq!(found.problems().len(), self.bad.len());
        for ((expected, is_right), problem) in self.bad.iter().zip(found.problems()) {
            let Error::Module { path, reason } = problem else {
                panic!("{problem:?}")
            };
            assert_eq!(path, expected);
            assert!(is_right(reason), "{}: {reason:?}", path.display());
        }
    }
}

#[cfg(target_arch = "aarch64")]
const OTHER: &str = "x86-64";
#[cfg(not(target_arch = "aarch64"))]
const OTHER: &str = "aarch64";

/// The header of a 64-bit ELF library (System V ABI), and no more.
fn of_another_machine() -> Vec<u8> {
    let machine: u16 = if OTHER == "aarch64" { 183 } else { 62 };
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0".to_vec();
    header.extend(machine.to_le_bytes());
    header.resize(64, 0);
    header
}

/// Compiles a library: rustc links with the same compiler.
fn library(folder: &Path, name: &str, source: &str, with: &[&Path]) -> PathBuf {
    let c = folder.join(format!("{name}.c"));
    fs::write(&c, source).unwrap();
    let library = folder.join(format!("lib{name}.so"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&c);
    softhsm::run(cc.args(with));
    library
}

fn needs_what_is_gone(folder: &Path) -> PathBuf {
    let soname = Path::new("-Wl,-soname,libgone.so");
    let gone = library(folder, "gone", "int gone(void) { return 1; }", &[soname]);
    let source = "int gone(void); int needs(void) { return gone(); }";
    let needs = library(folder, "needs", source, &[&gone]);
    fs::remove_file(gone).unwrap();
    needs
}

#[test]
fn what_cannot_be_loaded_says_why_and_hides_no_other() {
    let bench = SoftHsm::start();
    bench.token("files", |_| {});
    let files = Files::new(&bench);
    let search = files.all.iter().fold(Search::new(), Search::module);
    let found = search.named_only().run().unwrap();
    files.check(&found);
    assert_eq!(found.modules().len(), 1);
    found.select("files").unwrap();

    // Where nothing is found, the reasons are in the answer.
    let none = found.select("no such token").unwrap_err().to_string();
    assert!(none.contains("missing.so"), "{none}");
}

/// The example `list`, as a program of its own.
fn list(bench: &SoftHsm) -> Command {
    let mut command = Command::new(example("list"));
    command
        .env("SOFTHSM2_CONF", &bench.environment()[0].1)
        .arg("--json");
    command
}

fn example(name: &str) -> PathBuf {
    let program = env::current_exe().unwrap();
    let profile = program.ancestors().nth(2).unwrap();
    let example = profile.join("examples").join(name);
    assert!(
        example.exists(),
        "{} is missing: `cargo test` builds it, and so does `cargo build --example {name}`",
        example.display()
    );
    example
}

/// What `list --json` printed.
struct Listed(serde_json::Value);

impl Listed {
    fn by(command: &mut Command) -> Self {
        Self(serde_json::from_str(&softhsm::run(command)).unwrap())
    }

    fn labels(&self) -> Vec<&str> {
        let tokens = self.0["tokens"].as_array().unwrap();
        let label = |token: &'_ serde_json::Value| token["initialized"].as_bool() == Some(true);
        let tokens = tokens.iter().filter(|token| label(token));
        tokens
            .map(|token| token["label"].as_str().unwrap())
            .collect()
    }

    /// Those of modules: whether a service for readers runs is not these tests' affair.
    fn problems(&self) -> Vec<&str> {
        let mut problems = self.texts("problems");
        problems.retain(|problem| !problem.contains("smart card service"));
        problems
    }

    fn texts(&self, field: &str) -> Vec<&str> {
        let texts = self.0[field].as_array().unwrap();
        texts.iter().map(|text| text.as_str().unwrap()).collect()
    }
}

#[test]
fn the_environment_names_several_modules() {
    let bench = SoftHsm::start();
    bench.token("files", |_| {});
    let files = Files::new(&bench);
    let listed =
        Listed::by(list(&bench).env("KEYFOB_MODULE", env::join_paths(&files.all).unwrap()));
    assert!(listed.labels().contains(&"files"));
    let module = bench.module().canonicalize().unwrap();
    assert_eq!(listed.texts("modules"), [module.to_str().unwrap()]);
    let problems = listed.problems();
    assert_eq!(problems.len(), files.bad.len(), "{problems:#?}");
    for ((path, _), problem) in files.bad.iter().zip(problems) {
        assert!(problem.contains(path.to_str().unwrap()), "{problem}");
    }
}

#[test]
fn a_relative_path_in_the_environment_is_refused() {
    let bench = SoftHsm::start();
    bench.token("files", |_| {});
    let folder = bench.module().parent().unwrap();
    let mut list = list(&bench);
    // From this folder it would be found.
    list.current_dir(folder)
        .env("KEYFOB_MODULE", "libsofthsm2.so:./libsofthsm2.so");
    let listed = Listed::by(&mut list);
    assert!(listed.texts("modules").is_empty());
    let problems = listed.problems();
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0].contains("\"libsofthsm2.so\" in KEYFOB_MODULE is relative"),
        "{problems:?}"
    );
}

/// What a user has registered with p11-kit is loaded, with `disable-in` it is not, and root does
/// not load it: whoever can write a user's files must not run code as root.
#[cfg(target_os = "linux")]
#[test]
fn what_the_user_registered_with_p11_kit_is_loaded() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let bench = SoftHsm::start();
    // Outside the target folder, which another user may not be let into.
    let home = env::temp_dir().join(format!("keyfob-p11-kit-{}", std::process::id()));
    let modules = home.join("config/pkcs11/modules");
    fs::create_dir_all(&modules).unwrap();
    fs::create_dir_all(home.join("tokens")).unwrap();
    let module = home.join("libuncommon.so");
    fs::copy(bench.module(), &module).unwrap();
    fs::copy(example("list"), home.join("list")).unwrap();
    let tokens = format!("directories.tokendir = {}/tokens\n", home.display());
    fs::write(home.join("softhsm2.conf"), tokens).unwrap();
    for path in [&home, &home.join("tokens"), &home.join("config")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let configure = |more: &str| {
        let text = format!("module: {}\n{more}", module.display());
        fs::write(modules.join("uncommon.module"), text).unwrap();
    };
    let listed = |mut command: Command| {
        command
            .arg("--json")
            .env("SOFTHSM2_CONF", home.join("softhsm2.conf"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env_remove("KEYFOB_MODULE")
            .current_dir(&home);
        let listed = Listed::by(&mut command);
        listed.texts("modules").contains(&module.to_str().unwrap())
    };
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let as_user = || match is_root {
        false => Command::new(home.join("list")),
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            command.arg(home.join("list"));
            command
        }
    };

    configure("");
    assert!(listed(as_user()), "registered");
    assert!(!is_root || !listed(Command::new(home.join("list"))), "root");
    configure("disable-in: other, list\n");
    assert!(!listed(as_user()), "disabled for this program");
    configure("enable-in: list\n");
    assert!(listed(as_user()), "enabled for this program");
    configure("enable-in: other\n");
    assert!(!listed(as_user()), "enabled for another program");
    fs::remove_dir_all(home).unwrap();
}
