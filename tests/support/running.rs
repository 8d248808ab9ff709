//! A program that runs beside a test.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};

/// Ended with its owner, and with the thread that started it if that is killed.
pub struct Running(Child);

impl Running {
    /// `how` says what to do where there is no such program.
    #[track_caller]
    pub fn start(program: &str, how: &str, change: impl FnOnce(&mut Command)) -> Self {
        // It says "no such program" in no way that could be told from the program's own errors.
        let found = Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .output();
        let missing = found.is_err_and(|error| error.kind() == ErrorKind::NotFound);
        assert!(!missing, "no {program}: {how}");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]);
        command.stdin(Stdio::null());
        change(&mut command);
        let started = command.spawn();
        Self(started.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it is ready, as `is` says. It must not end before.
    #[track_caller]
    pub fn wait_until(&mut self, mut is: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !is() {
            let ended = self.0.try_wait().expect("it is a child of this process");
            assert_eq!(ended, None, "it has ended");
            assert!(Instant::now() < end, "it is not ready after a minute");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends those children that a process has now, of which there must be some, and waits until they are
/// gone.
#[track_caller]
pub fn kill_children(parent: u32) {
    let killed = children(parent);
    assert!(!killed.is_empty(), "it has no children");
    for child in &killed {
        let _ = kill_process(*child, Signal::KILL);
    }
    let end = Instant::now() + Duration::from_secs(10);
    while children(parent).iter().any(|child| killed.contains(child)) {
        assert!(Instant::now() < end, "they do not end");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Those that have not ended.
fn children(parent: u32) -> Vec<Pid> {
    let parent = parent.to_string();
    let is_child = |process: &PathBuf| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        // After the name, which may have blanks in it: the state, and the parent.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        fields.next() != Some("Z") && fields.next() == Some(&parent)
    };
    let processes = fs::read_dir("/proc").expect("Linux has it").flatten();
    let children = processes.map(|entry| entry.path()).filter(is_child);
    let number = |path: PathBuf| path.file_name()?.to_str()?.parse().ok();
    children
        .filter_map(number)
        .filter_map(Pid::from_raw)
        .collect()
}
