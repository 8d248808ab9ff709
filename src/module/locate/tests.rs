use super::*;
use crate::catalog::Serves;
use crate::temp_dir::TempDir;

static TEST_DRIVERS: [Driver; 3] = [
    Driver {
        name: "",
        serves: Serves::NoCard,
        drives: &["A"],
        linux: &["liba.so", "liba.so.1"],
        macos: &[],
        windows: &[],
        needs_env: None,
    },
    Driver {
        name: "",
        serves: Serves::NoCard,
        drives: &["B"],
        linux: &["libb.so"],
        macos: &[],
        windows: &[],
        needs_env: None,
    },
    Driver {
        name: "",
        serves: Serves::NoCard,
        drives: &["remote"],
        linux: &["libr.so"],
        macos: &[],
        windows: &[],
        needs_env: Some("SERVER"),
    },
];

fn search(dir: &TempDir) -> Search {
    let at = |path| dir.path().join(path);
    Search {
        named: None,
        privilege: Privilege::Ordinary,
        places: Places {
            system: vec![at("modules")],
            program: Some("signer".to_owned()),
            ..Places::default()
        },
        drivers: &TEST_DRIVERS,
        system: System::Linux,
        folders: vec![at("lib"), at("lib64")],
        is_set: |_| false,
    }
}

fn paths(located: &Located) -> Vec<&Path> {
    let paths = located.candidates.iter().map(|one| one.path.as_path());
    paths.collect()
}

/// The paths found, where nothing is wrong.
fn found(search: &Search) -> Vec<PathBuf> {
    let located = locate(search);
    assert!(located.problems.is_empty(), "{:?}", located.problems);
    paths(&located).into_iter().map(Path::to_owned).collect()
}

/// The beginning of a position-independent program, which looks like a library.
fn library() -> Vec<u8> {
    fs::read(env::current_exe().unwrap()).unwrap()[..4096].to_vec()
}

fn register(dir: &TempDir, name: &str, library: &Path, more: &str) -> PathBuf {
    let text = format!("module: {}\n{more}", library.display());
    dir.file(&format!("modules/{name}.module"), text)
}

#[test]
fn p11_kit_and_then_the_catalog() {
    let dir = TempDir::new("locate");
    let registered = dir.file("vendor/libv.so", "");
    let file = register(&dir, "vendor", &registered, "");
    let known = dir.file("lib/libb.so", "");
    let located = locate(&search(&dir));
    assert_eq!(
        located.candidates,
        [
            Candidate {
                path: registered,
                origin: Origin::P11Kit {
                    name: "vendor".to_owned(),
                    file,
                },
                driver: None,
            },
            Candidate {
                path: known,
                origin: Origin::Catalog,
                driver: Some(&TEST_DRIVERS[1]),
            },
        ]
    );
}

#[test]
fn the_variable_replaces_the_search() {
    let dir = TempDir::new("locate");
    register(&dir, "a", &dir.file("a.so", ""), "");
    dir.file("lib/libb.so", "");
    let missing = dir.path().join("missing.so");
    let there = dir.file("there.so", "");
    let mut search = search(&dir);
    search.named = Some(env::join_paths([&missing, &there, &missing]).unwrap());
    let located = locate(&search);
    assert_eq!(paths(&located), [&missing, &there]);
    assert!(
        located
            .candidates
            .iter()
            .all(|one| one.origin == Origin::Environment)
    );
    assert!(located.problems.is_empty());
}

#[test]
fn what_the_program_names_comes_first() {
    let dir = TempDir::new("locate");
    let known = dir.file("lib/libb.so", "");
    let own = dir.file("own.so", "");
    let mut located = named(&[own.clone(), known.clone(), PathBuf::from("here.so")]);
    assert!(located.candidates.iter().all(|one| one.path.is_absolute()));
    dir.file("lib64/liba.so", "");
    located.extend(locate(&search(&dir)));
    let origins: Vec<_> = located.candidates.iter().map(|one| &one.origin).collect();
    let caller = &Origin::Caller;
    assert_eq!(origins, [caller, caller, caller, &Origin::Catalog]);
    assert_eq!(paths(&located)[..2], [own, known]);
}

#[test]
fn an_empty_variable_is_none() {
    let dir = TempDir::new("locate");
    let known = dir.file("lib/libb.so", "");
    let mut search = search(&dir);
    search.named = Some(OsString::new());
    assert_eq!(found(&search), [known]);
}

#[test]
fn relative_paths_in_the_variable_are_refused() {
    let dir = TempDir::new("locate");
    dir.file("lib/libb.so", "");
    let there = dir.file("there.so", "");
    let mut search = search(&dir);
    let named = [
        Path::new("libx.so"),
        Path::new(""),
        &there,
        Path::new("./y.so"),
    ];
    search.named = Some(env::join_paths(named).unwrap());
    let located = locate(&search);
    assert_eq!(paths(&located), [&there]);
    let [
        LocateError::Relative { path: first },
        LocateError::Relative { path: second },
    ] = &located.problems[..]
    else {
        panic!("{:?}", located.problems);
    };
    assert_eq!(
        (first.to_str(), second.to_str()),
        (Some("libx.so"), Some("./y.so"))
    );
    // Refusing all of them does not bring the search back.
    search.named = Some("libx.so".into());
    assert_eq!(paths(&locate(&search)), [""; 0].map(Path::new));
}

#[test]
fn a_privileged_process_does_not_heed_the_variable() {
    let dir = TempDir::new("locate");
    let known = dir.file("lib/libb.so", "");
    let mut search = search(&dir);
    search.named = Some(dir.file("evil.so", "").into());
    search.privilege = Privilege::Elevated;
    let located = locate(&search);
    assert_eq!(paths(&located), [&known]);
    assert!(matches!(located.problems[..], [LocateError::Privileged]));
    search.privilege = Privilege::Unknown;
    let located = locate(&search);
    assert_eq!(paths(&located), [&known]);
    assert!(matches!(
        located.problems[..],
        [LocateError::PrivilegeUnknown]
    ));
    search.named = None;
    assert_eq!(found(&search), [known]);
}

#[cfg(unix)]
#[test]
fn a_file_is_named_once() {
    let dir = TempDir::new("locate");
    let real = dir.file("lib/libb.so", "");
    fs::create_dir(dir.path().join("links")).unwrap();
    let link = dir.path().join("links/other-name.so");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    register(&dir, "b", &link, "");
    assert_eq!(found(&search(&dir)), [link]);
}

#[test]
fn one_copy_of_a_driver_is_enough() {
    let dir = TempDir::new("locate");
    dir.file("lib/liba.so", "for another machine");
    let good = dir.file("lib64/liba.so", library());
    dir.file("lib64/liba.so.1", library());
    assert_eq!(found(&search(&dir)), [good.as_path()]);
    // Registered elsewhere, it is not looked for.
    let elsewhere = dir.file("vendor/liba.so.1", "");
    register(&dir, "a", &elsewhere, "");
    assert_eq!(found(&search(&dir)), [elsewhere.as_path()]);
    // Unless what is registered is not there.
    fs::remove_file(&elsewhere).unwrap();
    assert_eq!(found(&search(&dir)), [elsewhere.as_path(), good.as_path()]);
}

#[test]
fn a_driver_without_a_good_copy_is_told() {
    let dir = TempDir::new("locate");
    let first = dir.file("lib/liba.so", "for another machine");
    dir.file("lib64/liba.so", "cut short");
    assert_eq!(found(&search(&dir)), [first]);
}

#[test]
fn what_is_switched_off_stays_off() {
    let dir = TempDir::new("locate");
    let known = dir.file("lib/libb.so", "");
    register(&dir, "b", &known, "disable-in: signer");
    assert!(found(&search(&dir)).is_empty());
}

#[test]
fn a_driver_may_need_a_variable() {
    let dir = TempDir::new("locate");
    let remote = dir.file("lib/libr.so", "");
    let mut search = search(&dir);
    assert!(found(&search).is_empty());
    search.is_set = |name| name == "SERVER";
    assert_eq!(found(&search), [remote]);
}

#[cfg(target_os = "linux")]
#[test]
fn this_machine_has_modules() {
    let mut search = Search::of_this_process();
    search.named = None;
    let located = locate(&search);
    let softhsm = |one: &Candidate| one.path.ends_with("libsofthsm2.so");
    assert!(
        located.candidates.iter().any(softhsm),
        "SoftHSM is not installed: run ./softhsm-setup.sh"
    );
    assert!(located.candidates.iter().all(|one| one.path.is_absolute()));
}
