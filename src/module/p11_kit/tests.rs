use super::config::{Fault, parse};
use super::*;
use crate::temp_dir::TempDir;

/// A tree with the places of a system.
struct Bench {
    dir: TempDir,
    places: Places,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new("p11-kit");
        let at = |path| dir.path().join(path);
        let places = Places {
            global: vec![at("etc/pkcs11.conf"), at("local/pkcs11.conf")],
            user: Some(at("user")),
            system: vec![at("etc/modules")],
            package: vec![at("share/modules"), at("local/share/modules")],
            modules: vec![at("lib64/pkcs11"), at("lib/pkcs11")],
            program: Some("signer".to_owned()),
        };
        Self { dir, places }
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        self.dir.file(path, text)
    }

    fn read(&self) -> Registered {
        read(&self.places)
    }

    /// Names and paths, where nothing is wrong.
    fn modules(&self) -> Vec<(String, String)> {
        let registered = self.read();
        assert!(registered.problems.is_empty(), "{:?}", registered.problems);
        let shown = |module: &Module| (module.name.clone(), module.path.display().to_string());
        registered.modules.iter().map(shown).collect()
    }

    fn names(&self) -> Vec<String> {
        self.modules().into_iter().map(|(name, _)| name).collect()
    }
}

fn fields(text: &str) -> Vec<(String, String)> {
    parse(text.as_bytes()).unwrap().into_iter().collect()
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn the_example_of_the_manual() {
    let text = "module: module.so\n# Here is a comment\n\nmanaged: true\n\
                setting.2: A long value with text.\nx-custom : text\n";
    assert_eq!(
        fields(text),
        [
            field("managed", "true"),
            field("module", "module.so"),
            field("setting.2", "A long value with text."),
            field("x-custom", "text"),
        ]
    );
}

#[test]
fn lines_as_p11_kit_reads_them() {
    assert_eq!(
        fields(
            " \t module \x0b:\x0c /a:b # no comment \r\n  # comment : x\nmodule2:\nempty:   \n:v"
        ),
        [
            field("", "v"),
            field("empty", ""),
            field("module", "/a:b # no comment"),
            field("module2", ""),
        ]
    );
    assert_eq!(fields("a: 1\na: 2"), [field("a", "2")]);
    assert_eq!(fields(""), []);
    for (text, line, found) in [
        ("a: 1\n\nno colon here\n", 3, "no colon"),
        ("[section]", 1, "a section header"),
        ("# x\n-----BEGIN X: y", 2, "a PEM block"),
    ] {
        assert_eq!(parse(text.as_bytes()), Err(Fault { line, found }));
    }
    let not_utf8 = Fault {
        line: 2,
        found: "text that is not UTF-8",
    };
    assert_eq!(parse(b"a: 1\nb: \xFF"), Err(not_utf8));
}

/// As Debian 12 installs them.
const OPENSC: &str = "# This file describes how to load the opensc module\n\
    # See: http://p11-glue.freedesktop.org/doc/p11-kit/config.html\nmodule: opensc-pkcs11.so\n";
const SOFTHSM: &str = "# This file describes how to load the pk11 module\n\
    # See: http://p11-glue.freedesktop.org/doc/p11-kit/config.html\n\n\
    module: /usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so\n";
/// As p11-kit itself installs it, shortened.
const TRUST: &str = "# This is a module config for the 'included' p11-kit trust module\n\
    module: p11-kit-trust.so\n\npriority: 1\ntrust-policy: yes\n\
    x-trust-lookup: pkcs11:library-description=PKCS%2311%20Kit%20Trust%20Module\n\
    disable-in: p11-kit-proxy\n";

#[test]
fn packages_files() {
    let bench = Bench::new();
    let opensc = bench.file("share/modules/opensc-pkcs11.module", OPENSC);
    bench.file("share/modules/softhsm2.module", SOFTHSM);
    bench.file("share/modules/p11-kit-trust.module", TRUST);
    bench.file("share/modules/.hidden", "not read");
    let library = bench.file("lib/pkcs11/opensc-pkcs11.so", "");
    assert_eq!(
        bench.modules(),
        [
            field("opensc-pkcs11", library.to_str().unwrap()),
            field(
                "softhsm2",
                "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"
            ),
        ]
    );
    assert_eq!(bench.read().modules[0].file, opensc);
}

#[test]
fn a_relative_module_that_is_nowhere_is_in_the_first_folder() {
    let bench = Bench::new();
    bench.file("share/modules/a.module", "module: a.so");
    let missing = bench.places.modules[0].join("a.so");
    assert_eq!(bench.read().modules[0].path, missing);
}

#[test]
fn higher_priority_first_then_by_name() {
    let bench = Bench::new();
    for (name, priority) in [
        ("c", "1"),
        ("b", "12 apples"),
        ("a", "x"),
        ("d", "-5"),
        ("e", "+1"),
    ] {
        let text = format!("module: /{name}\npriority: {priority}");
        bench.file(&format!("share/modules/{name}.module"), &text);
    }
    bench.file("share/modules/f.module", "module: /f");
    assert_eq!(bench.names(), ["b", "c", "e", "a", "f", "d"]);
}

#[test]
fn program_lists() {
    let bench = Bench::new();
    for (name, text) in [
        ("a", "enable-in: other, signer"),
        ("b", "enable-in: signer2 asigner sign"),
        ("c", "disable-in: firefox,signer"),
        ("d", "disable-in: firefox\tthunderbird-bin"),
        ("e", "enable-in:"),
        ("f", "disable-in:"),
    ] {
        let text = format!("module: /{name}\n{text}");
        bench.file(&format!("share/modules/{name}.module"), &text);
    }
    assert_eq!(bench.names(), ["a", "d", "f"]);
    assert_eq!(
        bench.read().disabled,
        [Path::new("/b"), Path::new("/c"), Path::new("/e")]
    );
    bench.file(
        "share/modules/a.module",
        "module: /a\nenable-in: signer\ndisable-in: signer",
    );
    let registered = bench.read();
    assert_eq!(registered.modules[0].name, "a");
    assert!(matches!(
        registered.problems[..],
        [LocateError::BothLists { .. }]
    ));
}

#[test]
fn a_module_without_a_library_is_passed_over() {
    let bench = Bench::new();
    bench.file(
        "share/modules/a.module",
        "remote: |ssh host p11-kit remote a.so",
    );
    bench.file("share/modules/b.module", "module: /b\nremote: |ssh host");
    bench.file("share/modules/c.module", "managed: yes");
    bench.file("share/modules/d.module", "module:");
    bench.file("share/modules/e.module", "");
    assert_eq!(bench.names(), [""; 0]);
}

#[test]
fn a_users_file_overrides_the_systems_field_by_field() {
    let bench = Bench::new();
    bench.file("share/modules/a.module", "module: /package\npriority: 9");
    bench.file("etc/modules/a.module", "module: /system\nenable-in: signer");
    let user = bench.file("user/modules/a.module", "module: /user");
    bench.file("etc/modules/b.module", "module: /b");
    bench.file("etc/modules/c.module", "module: /c\npriority: 1");
    bench.file("user/modules/b.module", "module:");
    bench.file("share/modules/c.module", "module: /of-package");
    assert_eq!(bench.modules(), [field("a", "/user"), field("c", "/c")]);
    let registered = bench.read();
    assert_eq!(registered.modules[0].file, user);
    assert_eq!(registered.disabled, [Path::new("/b")]);
}

#[test]
fn user_config_modes() {
    let bench = Bench::new();
    bench.file("user/modules/u.module", "module: /u");
    bench.file("etc/modules/s.module", "module: /s");
    assert_eq!(bench.names(), ["s", "u"], "merge is the default");
    for (system, user, names) in [
        ("none", "", &["s"][..]),
        ("merge", "", &["s", "u"]),
        ("only", "", &["u"]),
        ("override", "", &["u"]),
        ("merge", "user-config: none", &["s"]),
        ("merge", "user-config: only", &["u"]),
        ("none", "user-config: only", &["s"]),
        ("only", "user-config: merge", &["s", "u"]),
    ] {
        bench.file("etc/pkcs11.conf", &format!("user-config: {system}\n"));
        bench.file("user/pkcs11.conf", user);
        assert_eq!(bench.names(), names, "{system} / {user}");
    }
}

#[test]
fn the_first_global_file_counts() {
    let bench = Bench::new();
    bench.file("user/modules/u.module", "module: /u");
    bench.file("local/pkcs11.conf", "user-config: none");
    assert_eq!(bench.names(), [""; 0]);
    bench.file("etc/pkcs11.conf", "");
    assert_eq!(bench.names(), ["u"]);
}

#[test]
fn without_a_user_folder_the_users_wish_is_not_heard() {
    let mut bench = Bench::new();
    bench.file("user/modules/u.module", "module: /u");
    bench.file("etc/modules/s.module", "module: /s");
    bench.file("etc/pkcs11.conf", "user-config: only");
    bench.places.user = None;
    assert_eq!(bench.names(), ["s"]);
    assert!(Places::of_this_process(true).user.is_none());
}

#[test]
fn a_bad_file_is_told_and_the_others_work() {
    let bench = Bench::new();
    bench.file("etc/modules/a.module", "module: /a");
    let bad = bench.file("etc/modules/bad.module", "module: /bad\n\noops\n");
    let name = bench.file("etc/modules/b.module.rpmsave", "module: /b");
    bench.file("etc/modules/_c.module", "module: /c");
    let registered = bench.read();
    assert_eq!(registered.modules.len(), 1);
    let [
        LocateError::FileName { .. },
        LocateError::FileName { file },
        LocateError::Syntax {
            file: bad_file,
            line: 3,
            ..
        },
    ] = &registered.problems[..]
    else {
        panic!("{:?}", registered.problems);
    };
    assert_eq!((file, bad_file), (&name, &bad));
    assert!(
        registered.problems[2]
            .to_string()
            .contains("bad.module, line 3: no colon")
    );
}

#[test]
fn a_bad_user_config_value_shuts_the_user_out() {
    let bench = Bench::new();
    bench.file("user/modules/u.module", "module: /u");
    for text in ["user-config: perhaps", "no colon"] {
        bench.file("etc/pkcs11.conf", text);
        let registered = bench.read();
        assert!(registered.modules.is_empty());
        assert_eq!(registered.problems.len(), 1);
    }
}

#[test]
fn what_is_no_file_is_told() {
    let bench = Bench::new();
    bench.file("etc/modules/big.module", &"#".repeat((1 << 20) + 1));
    bench.file("etc/modules/dir.module/x", "");
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", bench.dir.path().join("etc/modules/link.module"))
        .unwrap();
    let problems = bench.read().problems;
    assert!(
        matches!(&problems[..], [LocateError::Unreadable { file, .. }] if file.ends_with("big.module")),
        "{problems:?}"
    );
}

#[test]
fn the_modules_of_this_process() {
    let places = Places::of_this_process(false);
    assert!(places.program.is_some());
    // Whatever is installed, reading it does not fail.
    read(&places);
}

proptest::proptest! {
    #[test]
    fn no_file_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn fields_are_read_as_written(
        name in "[a-zA-Z0-9._-]{1,12}",
        value in "([!-~]([ -~]{0,20}[!-~])?)?",
        space in "[ \t]{0,3}",
    ) {
        let text = format!("{space}{name}{space}:{space}{value}{space}\r\n");
        proptest::prop_assert_eq!(fields(&text), [field(&name, &value)]);
    }

    #[test]
    fn no_priority_makes_it_panic(text in "[+-]?[0-9]{0,30}.{0,3}") {
        leading_integer(&text);
    }
}
