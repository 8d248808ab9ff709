//! pcscd with vpcd's two virtual readers, for one test after another: the one that runs on this
//! machine, or one that the tests start, own and stop.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};

pub const SOCKET: &str = "/run/pcscd/pcscd.comm";
const PID_FILE: &str = "/run/pcscd/pcscd.pid";
/// In the environment of every pcscd started here: what tells one that outlived its tests from
/// one that belongs to the machine.
const MARK: (&str, &str) = ("KEYFOB_TESTS", "pcscd");
const HINT: &str = "run the tests by ./softhsm-setup.sh cargo test";

/// The readers of vpcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    First,
    Second,
    /// The first one under the name of a YubiKey: see [`Pcscd::rename_readers`].
    Yubikey,
}

impl Reader {
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "Virtual PCD 00 00",
            Self::Second => "Virtual PCD 00 01",
            Self::Yubikey => "Yubico YubiKey 00 00",
        }
    }

    /// Where a virtual card connects to be in this reader.
    pub fn port(self) -> u16 {
        match self {
            Self::First | Self::Yubikey => 35963,
            Self::Second => 35964,
        }
    }
}

/// The use of pcscd by one test: there is one on a machine, so the tests of a binary take turns,
/// and so do test binaries.
pub struct Pcscd {
    _user: User, // before the turn, so that pcscd is stopped within it
    _turn: MutexGuard<'static, ()>,
}

impl Pcscd {
    /// Takes the turn, with a pcscd that is ready.
    #[track_caller]
    pub fn start() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let user = User::new();
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shared = shared();
        if shared.bench.is_none() {
            shared.bench = Some(Bench::start());
        }
        drop(shared);
        Self {
            _user: user,
            _turn: turn,
        }
    }

    /// Whether the tests started it, and so may stop it.
    pub fn is_ours(&self) -> bool {
        self.with(|bench| bench.service.is_some())
    }

    /// Stops it and starts it again.
    #[track_caller]
    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    /// Stops it, only where the tests started it. Whoever waits for a turn is not disturbed.
    #[track_caller]
    pub fn stop(&self) {
        let stopped = self.with(|bench| bench.service.take().is_some());
        assert!(stopped, "this pcscd is not the tests' to stop");
    }

    /// Starts it after `stop`.
    #[track_caller]
    pub fn start_again(&self) {
        self.start_as(Service::start);
    }

    /// Starts it anew with readers that are named as YubiKeys are, only where the tests started it.
    #[track_caller]
    pub fn rename_readers(&self) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pcscd.conf");
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let usual = fs::read_to_string("/etc/reader.conf.d/vpcd");
        let usual = usual.unwrap_or_else(|error| panic!("vpcd's configuration: {error}; {HINT}"));
        let renamed = usual.replace("\"Virtual PCD\"", "\"Yubico YubiKey\"");
        assert_ne!(renamed, usual, "vpcd's configuration names no reader");
        fs::write(folder.join("vpcd"), renamed).expect("the target folder can be written to");
        self.stop();
        self.start_changed(|command| {
            command.arg("--config").arg(&folder);
        });
        assert!(readers_listen(), "pcscd has no vpcd readers: {HINT}");
    }

    /// Starts it after `stop`, otherwise than usual: vpcd's readers need not be there.
    #[track_caller]
    pub fn start_changed(&self, change: impl Fn(&mut Command)) {
        self.start_as(|| Service::start_changed(change));
    }

    #[track_caller]
    fn start_as(&self, start: impl FnOnce() -> Service) {
        self.with(|bench| {
            assert!(bench.service.is_none(), "pcscd was not stopped");
            bench.service = Some(start());
        });
    }

    /// What our pcscd has logged.
    pub fn log(&self) -> String {
        self.with(|bench| {
            bench
                .service
                .as_ref()
                .map_or_else(String::new, Service::log)
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Bench) -> T) -> T {
        act(shared().bench.as_mut().expect("start() made it"))
    }
}

/// One that uses pcscd or waits for its turn: the last one to go stops it.
struct User;

impl User {
    fn new() -> Self {
        shared().users += 1;
        Self
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut shared = shared();
        shared.users -= 1;
        if shared.users == 0 {
            shared.bench = None;
        }
    }
}

struct Shared {
    users: usize,
    bench: Option<Bench>,
}

fn shared() -> MutexGuard<'static, Shared> {
    static SHARED: Mutex<Shared> = Mutex::new(Shared {
        users: 0,
        bench: None,
    });
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The readers are this process's, with a pcscd of ours or another's.
struct Bench {
    service: Option<Service>, // before the lock, so that pcscd is gone when the next one looks
    _lock: UnixListener,
}

impl Bench {
    #[track_caller]
    fn start() -> Self {
        let lock = lock();
        stop_leftover();
        let service = if UnixStream::connect(SOCKET).is_ok() {
            // systemd may only now be starting it.
            let ready = within(Duration::from_secs(5), readers_listen);
            assert!(ready, "the pcscd that runs has no vpcd readers: {HINT}");
            None
        } else {
            Some(Service::start())
        };
        Self {
            service,
            _lock: lock,
        }
    }
}

/// One test binary at a time. The kernel ends this lock with its holder.
#[track_caller]
fn lock() -> UnixListener {
    let name = SocketAddr::from_abstract_name("keyfob tests: pcscd").expect("a short name");
    let mut lock = None;
    within(Duration::from_secs(600), || {
        match UnixListener::bind_addr(&name) {
            Ok(listener) => lock = Some(listener),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}"),
        }
        lock.is_some()
    });
    lock.expect("other tests have used pcscd for ten minutes")
}

/// Stops a pcscd of ours whose tests died without doing so.
fn stop_leftover() {
    let pid = fs::read_to_string(PID_FILE).unwrap_or_default();
    // It ends in a newline and a NUL.
    let pid = pid.trim_matches(|char: char| !char.is_ascii_digit());
    let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) else {
        return;
    };
    let is_ours = || {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
        let mark = format!("{}={}", MARK.0, MARK.1);
        environment
            .unwrap_or_default()
            .split(|byte| *byte == 0)
            .any(|one| one == mark.as_bytes())
    };
    for signal in [Signal::TERM, Signal::KILL] {
        if is_ours() && kill_process(pid, signal).is_ok() {
            within(Duration::from_secs(10), || !is_ours());
        }
    }
}

/// A pcscd started here, stopped when dropped.
struct Service {
    process: Child,
    log: Arc<Mutex<String>>,
}

impl Service {
    #[track_caller]
    fn start() -> Self {
        let service = Self::start_changed(|_| ());
        assert!(
            readers_listen(),
            "pcscd has no vpcd readers: {HINT}\n{}",
            service.log()
        );
        service
    }

    #[track_caller]
    fn start_changed(change: impl Fn(&mut Command)) -> Self {
        let mut process = spawn(change);
        let output = process.stdout.take().expect("it was piped");
        let mut service = Self {
            process,
            log: Arc::default(),
        };
        let (send, ready) = mpsc::channel();
        let log = service.log.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                log.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&format!("{line}\n"));
                if line.contains("daemon ready") {
                    let _ = send.send(());
                }
            }
        });
        if ready.recv_timeout(Duration::from_secs(10)).is_err() {
            let mut errors = String::new();
            let _ = service.process.kill();
            if let Some(mut stderr) = service.process.stderr.take() {
                let _ = stderr.read_to_string(&mut errors);
            }
            panic!(
                "pcscd does not start (as root, or as the owner of /run/pcscd, it can): {}{errors}",
                service.log()
            );
        }
        service
    }

    fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        // Its threads look up about every second or two.
        let process = &mut self.process;
        if !within(Duration::from_secs(10), || {
            !matches!(process.try_wait(), Ok(None))
        }) {
            let _ = self.process.kill();
            let _ = self.process.wait();
            let _ = fs::remove_file(SOCKET);
            let _ = fs::remove_file(PID_FILE);
        }
    }
}

#[track_caller]
fn spawn(change: impl Fn(&mut Command)) -> Child {
    // An ordinary user's PATH has no sbin.
    for program in ["pcscd", "/usr/sbin/pcscd", "/usr/local/sbin/pcscd"] {
        let mut command = Command::new(program);
        command
            .args(["--foreground", "--info"])
            .env(MARK.0, MARK.1)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        change(&mut command);
        match command.spawn() {
            Ok(child) => return child,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => panic!("{program}: {error}"),
        }
    }
    panic!("no pcscd to test with: {HINT}")
}

/// Looked up in the kernel's table: a connection to see if somebody listens would be a card.
fn readers_listen() -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let listens = |reader: Reader| {
        let port = format!(":{:04X}", reader.port());
        table.lines().any(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            fields.next().is_some_and(|local| local.ends_with(&port)) && fields.nth(1) == Some("0A")
        })
    };
    listens(Reader::First) && listens(Reader::Second)
}

/// Whether something came true in time.
pub fn within(time: Duration, mut come_true: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + time;
    loop {
        if come_true() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
