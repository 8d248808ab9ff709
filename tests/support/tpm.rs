//! A TPM in software, swtpm, with the resource manager that tpm2-pkcs11 needs, tpm2-abrmd, and a
//! D-Bus of their own. The test file has `mod running` too.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::running::Running;

const HOW: &str = "see CONTRIBUTING.md for what the tests with a TPM need";

/// A new TPM. This process sees it, and no other TPM.
pub struct Tpm {
    folder: PathBuf,
    // In the order in which they are ended.
    manager: Option<Running>,
    tpm: Option<Running>,
    _bus: Running,
}

impl Tpm {
    /// Must be called before other threads read the environment.
    #[track_caller]
    pub fn start() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tpm");
        let _ = fs::remove_dir_all(&folder);
        for name in ["state", "store"] {
            fs::create_dir_all(folder.join(name)).expect("the target folder can be written to");
        }
        let bus = folder.join("bus");
        let address = format!("unix:path={}", bus.display());
        for (name, value) in [
            ("DBUS_SESSION_BUS_ADDRESS", address.as_str()),
            ("TPM2TOOLS_TCTI", "tabrmd:bus_type=session"),
            ("TPM2_PKCS11_TCTI", "tabrmd:bus_type=session"),
            ("TPM2_PKCS11_STORE", text(&folder.join("store"))),
            ("TSS2_LOG", "all+none"),
        ] {
            // SAFETY: nothing else that runs in this process reads the environment yet.
            unsafe { env::set_var(name, value) };
        }
        let mut started = Running::start("dbus-daemon", HOW, |command| {
            command.args(["--session", "--nofork", "--address", &address]);
            quietly(command);
        });
        started.wait_until(|| UnixStream::connect(&bus).is_ok());
        let mut tpm = Self {
            folder,
            manager: None,
            tpm: None,
            _bus: started,
        };
        tpm.switch_on();
        tpm
    }

    /// With what it holds, but for what it keeps in memory only.
    #[track_caller]
    pub fn switch_on(&mut self) {
        let socket = self.folder.join("tpm");
        let socket = text(&socket);
        let control = format!("{socket}.ctrl");
        for path in [socket, &control] {
            let _ = fs::remove_file(path);
        }
        let mut tpm = Running::start("swtpm", HOW, |command| {
            let state = self.folder.join("state");
            command.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"]);
            command
                .arg("--tpmstate")
                .arg(format!("dir={}", state.display()));
            command.args(["--server", &format!("type=unixio,path={socket}")]);
            command.args(["--ctrl", &format!("type=unixio,path={control}")]);
            quietly(command);
        });
        // It takes one connection at a time, so it is not tried.
        tpm.wait_until(|| {
            [socket, &control]
                .iter()
                .all(|path| Path::new(path).exists())
        });
        let mut manager = Running::start("tpm2-abrmd", HOW, |command| {
            command.args(["--session", "--allow-root"]);
            command.arg(format!("--tcti=swtpm:path={socket}"));
            quietly(command);
        });
        manager.wait_until(|| {
            tool("tpm2_getcap")
                .arg("properties-fixed")
                .status()
                .is_ok_and(|status| status.success())
        });
        self.tpm = Some(tpm);
        self.manager = Some(manager);
    }

    pub fn switch_off(&mut self) {
        self.manager = None;
        self.tpm = None;
    }

    /// Takes back the wrong PINs, which a right one does not.
    #[track_caller]
    pub fn forgive(&self) {
        let forgiven = tool("tpm2_dictionarylockout")
            .arg("--clear-lockout")
            .status();
        assert!(forgiven.is_ok_and(|status| status.success()));
    }
}

/// The path of libtpm2_pkcs11.so.1.
#[track_caller]
pub fn module() -> PathBuf {
    let machine = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    [machine.as_str(), "/usr/lib64", "/usr/lib"]
        .iter()
        .map(|folder| Path::new(folder).join("libtpm2_pkcs11.so.1"))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no libtpm2_pkcs11.so.1: {HOW}"))
}

fn tool(name: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["60", name]);
    quietly(&mut command);
    command
}

fn quietly(command: &mut Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the target folder's name is UTF-8")
}
