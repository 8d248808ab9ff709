//! OpenSSL with the engine that knows GOST: another implementation, to judge and to be judged.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keyfob::GostParameterSet;

/// The parameter sets that the engine makes keys with: algorithm and name there.
pub const SETS: [(GostParameterSet, &str, &str); 12] = [
    (GostParameterSet::CryptoProA, "gost2012_256", "A"),
    (GostParameterSet::CryptoProB, "gost2012_256", "B"),
    (GostParameterSet::CryptoProC, "gost2012_256", "C"),
    (GostParameterSet::CryptoProXchA, "gost2012_256", "XA"),
    (GostParameterSet::CryptoProXchB, "gost2012_256", "XB"),
    (GostParameterSet::Tc26A256, "gost2012_256", "TCA"),
    (GostParameterSet::Tc26B256, "gost2012_256", "TCB"),
    (GostParameterSet::Tc26C256, "gost2012_256", "TCC"),
    (GostParameterSet::Tc26D256, "gost2012_256", "TCD"),
    (GostParameterSet::Tc26A512, "gost2012_512", "A"),
    (GostParameterSet::Tc26B512, "gost2012_512", "B"),
    (GostParameterSet::Tc26C512, "gost2012_512", "C"),
];

const EXTENSIONS: &str = "
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";

/// OpenSSL with the engine, and a folder of its own.
pub struct Engine {
    pub folder: PathBuf,
    configuration: PathBuf,
}

impl Engine {
    /// `name`: of the folder.
    pub fn new(name: &str) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = target.join("engine").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let configuration = folder.join("openssl.cnf");
        let library = library();
        let text = format!(
            "openssl_conf = o\n[o]\nengines = e\n[e]\ngost = g\n[g]\nengine_id = gost\n\
             dynamic_path = {}\ndefault_algorithms = ALL\n\
             CRYPT_PARAMS = id-Gost28147-89-CryptoPro-A-ParamSet\n\
             [req]\ndistinguished_name = dn\nprompt = no\n[dn]\n{EXTENSIONS}",
            library.display()
        );
        fs::write(&configuration, text).expect("written");
        Self {
            folder,
            configuration,
        }
    }

    /// The configuration, for a process that loads the library of OpenSSL.
    pub fn configuration(&self) -> &Path {
        &self.configuration
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("written");
        path
    }

    /// In the folder, so that files go by their names.
    pub fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(&self.folder);
        command.env("OPENSSL_CONF", &self.configuration);
        command.output().expect("./softhsm-setup.sh installs it")
    }

    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments:?}: {said}");
        output
    }

    pub fn accepts(&self, arguments: &[&str]) -> bool {
        self.output(arguments).status.success()
    }

    /// A private key of this name.
    pub fn key(&self, name: &str, algorithm: &str, set: &str) {
        let set = format!("paramset:{set}");
        self.run(&[
            "genpkey",
            "-algorithm",
            algorithm,
            "-pkeyopt",
            &set,
            "-out",
            name,
        ]);
    }

    /// A certificate for a key. `issuer`: the names of key and certificate above it, and nothing where
    /// it signs its own.
    pub fn certificate(
        &self,
        name: &str,
        key: &str,
        subject: &str,
        issuer: Option<(&str, &str)>,
        extensions: &str,
    ) {
        let request = format!("{name}.csr");
        self.run(&[
            "req", "-new", "-key", key, "-utf8", "-subj", subject, "-out", &request,
        ]);
        let configuration = self.configuration.to_str().expect("UTF-8");
        let mut arguments = vec!["x509", "-req", "-in", &request, "-days", "30"];
        arguments.extend(["-extfile", configuration, "-extensions", extensions]);
        match issuer {
            Some((key, certificate)) => {
                arguments.extend(["-CAkey", key, "-CA", certificate, "-CAcreateserial"]);
            }
            None => arguments.extend(["-signkey", key]),
        }
        arguments.extend(["-out", name]);
        self.run(&arguments);
    }
}

/// The name of the digest that goes with keys of an algorithm.
pub fn digest(algorithm: &str) -> &'static str {
    match algorithm {
        "gost2012_512" => "md_gost12_512",
        _ => "md_gost12_256",
    }
}

/// Where the engine is.
pub fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("this is Linux").flatten();
    let mut places = folders.map(|folder| folder.path().join("engines-3/gost.so"));
    places.find(|place| place.exists()).expect(
        "no engine of OpenSSL for GOST; .ci/run says what to install (Debian: libengine-gost-openssl)",
    )
}
