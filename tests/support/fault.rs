//! The test's hand on the fault module (`tests/fault_module`), whose commands it gives.
//!
//! `Fault::load()` is the instance behind `Fault::path()`: what loads that path in this
//! process, as keyfob does, is the module commanded here. One test at a time has it, and it
//! forgets its orders when the test ends. `Fault::copy` makes a second module of it.

#![allow(dead_code, unused_imports, reason = "no test binary needs all of it")]

#[path = "fault/mutations.rs"]
mod mutations;
#[path = "fault/rule.rs"]
mod rule;
#[path = "fault/tokens.rs"]
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, fmt::Write, fs};

use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CK_RV, CK_SLOT_ID, CK_ULONG};
use libloading::Library;
pub use mutations::Mutation;
pub use tokens::PinCounter;

type Command = unsafe extern "C" fn(*const u8, usize, *mut u8, usize) -> isize;

/// One instance of the fault module.
pub struct Fault {
    command: Command,
    file: PathBuf,
    _turn: Option<MutexGuard<'static, ()>>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Fault {
    /// The instance that this test binary shares, without orders. Waits until no other test
    /// has it.
    #[track_caller]
    pub fn load() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = Self::open(Self::path(), Some(turn));
        fault.reset();
        fault
    }

    /// Another module in the same process: a copy of this one, over a copy of the real module.
    /// What is done to one does not reach the other; the token on the disk is the same.
    /// Borrowed, so that the test keeps its turn: copies of SoftHSM share one OpenSSL, and none
    /// may be initialised or finalized while another thread uses another.
    #[track_caller]
    pub fn copy(&self, name: &str) -> Self {
        self.copy_as(name, self.file.file_name().expect("a file"))
    }

    /// The same, with a file name of its own.
    #[track_caller]
    pub fn copy_as(&self, name: &str, file: impl AsRef<Path>) -> Self {
        static MADE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let program = env::current_exe().expect("a running program has a path");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(program.file_stem().expect("a program has a name"))
            .join(format!("fault-{name}"));
        // Never over a file that is loaded: once in a process, and to a new file.
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let new = made.insert(name.to_owned());
        if new {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).expect("the target folder can be written to");
        }
        let copy = |from: &Path, file: &Path| {
            let to = folder.join(file);
            if new {
                fs::copy(from, &to).expect("the module can be copied");
            }
            to
        };
        let real = Self::real();
        let real = copy(&real, real.file_name().expect("a file").as_ref());
        let fault = Self::open(copy(&self.file, file.as_ref()), None);
        fault.command(&format!("forward {}\nreset", real.display()));
        fault
    }

    /// Where cargo put the module.
    #[track_caller]
    pub fn path() -> PathBuf {
        let program = env::current_exe().expect("a running program has a path");
        let folder = program.parent().expect("a file is in a folder");
        let profile = if folder.ends_with("deps") {
            folder.parent()
        } else {
            Some(folder)
        };
        let file = format!("examples/{DLL_PREFIX}fault_module{DLL_SUFFIX}");
        let path = profile.expect("cargo's own layout").join(file);
        assert!(
            path.exists(),
            "{} is missing: `cargo test` builds it, and so does \
             `cargo build --example fault_module` (with --release for benchmarks)",
            path.display()
        );
        path
    }

    #[track_caller]
    fn real() -> PathBuf {
        let named = env::var_os("KEYFOB_FAULT_FORWARD").or_else(|| env::var_os("KEYFOB_MODULE"));
        named
            .expect("KEYFOB_MODULE is not set: run ./softhsm-setup.sh cargo test")
            .into()
    }

    #[track_caller]
    fn open(file: PathBuf, turn: Option<MutexGuard<'static, ()>>) -> Self {
        Self::real(); // to say at once what is missing
        // SAFETY: our own module, whose loading runs nothing but Rust's start-up.
        let library = unsafe { Library::new(&file) }.expect("the fault module loads");
        // SAFETY: the module exports it with this type.
        let command = *unsafe { library.get::<Command>(b"keyfob_fault\0") }.expect("its command");
        std::mem::forget(library); // it keeps counts, and keyfob may hold it too
        Self {
            command,
            file,
            _turn: turn,
        }
    }

    /// The file to be loaded as a PKCS#11 module.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Gives commands (see `tests/fault_module/control.rs`) and returns the answer.
    #[track_caller]
    pub fn command(&self, lines: &str) -> String {
        self.try_command(lines)
            .unwrap_or_else(|error| panic!("fault module: {error}"))
    }

    pub fn try_command(&self, lines: &str) -> Result<String, String> {
        let mut answer = vec![0; 64 * 1024];
        // SAFETY: both pointers are good for the lengths beside them.
        let length = unsafe {
            (self.command)(
                lines.as_ptr(),
                lines.len(),
                answer.as_mut_ptr(),
                answer.len(),
            )
        };
        answer.truncate(length.unsigned_abs());
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if length < 0 { Err(answer) } else { Ok(answer) }
    }

    #[track_caller]
    fn number(&self, command: &str) -> u64 {
        self.command(command).parse().expect("a number")
    }

    pub fn reset(&self) {
        self.command("reset");
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let _ = self.try_command("reset"); // a panic here would hide the test's own
    }
}

/// Looking on.
impl Fault {
    #[track_caller]
    pub fn count(&self, function: &str) -> u64 {
        self.number(&format!("count {function}"))
    }

    pub fn total(&self) -> u64 {
        self.number("total")
    }

    /// The functions called, and how often.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let lines = self.command("count");
        let pair = |line: &str| {
            let (name, count) = line.split_once(' ').expect("a name and a number");
            (name.to_owned(), count.parse().expect("a number"))
        };
        lines.lines().map(pair).collect()
    }

    pub fn reset_counts(&self) {
        self.command("reset-counts");
    }

    /// The calls made during `work`, and what it gave.
    pub fn calls_in<T>(&self, work: impl FnOnce() -> T) -> (BTreeMap<String, u64>, T) {
        self.reset_counts();
        let given = work();
        (self.counts(), given)
    }

    pub fn start_log(&self) {
        self.command("log start");
    }

    /// The functions called since `start_log`, in order.
    pub fn log(&self) -> Vec<String> {
        self.command("log").lines().map(Into::into).collect()
    }

    /// What C_Initialize was given: `never`, `null` or `flags=0x… mutexes=… reserved=…`.
    pub fn init_args(&self) -> String {
        self.command("init-args")
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> u64 {
        self.number("sessions")
    }

    /// Looks from now on who is in which session. To be called while nobody is.
    pub fn watch_inside(&self) {
        self.command("watch-inside");
    }

    /// The calls since then that PKCS#11 does not allow beside others.
    pub fn clashes(&self) -> Vec<String> {
        self.command("clashes").lines().map(Into::into).collect()
    }

    /// One `FUNCTION LENGTH` (or `FUNCTION null`) for each PIN that came.
    pub fn pin_lengths(&self) -> Vec<String> {
        self.command("pin-lengths")
            .lines()
            .map(Into::into)
            .collect()
    }

    /// The slot of the real token with this label; the module has to be initialised.
    #[track_caller]
    pub fn slot_of(&self, label: &str) -> CK_SLOT_ID {
        self.command(&format!("slot-of {label}"))
            .parse()
            .expect("a slot")
    }
}

/// Objects, signatures, slots.
impl Fault {
    /// A slot before all others; C_GetTokenInfo and all else there answers `code`.
    pub fn broken_slot(&self, id: CK_SLOT_ID, code: CK_RV) {
        self.command(&format!("broken-slot id={id} token-info={code}"));
    }

    /// After each of the next `times` calls the slot list has one slot more.
    pub fn growing_slot_list(&self, times: u64) {
        self.command(&format!("slot-list grow={times}"));
    }

    /// `of` says which objects: "", "class=3", "id=hex:02" or both.
    pub fn refuse_attribute(&self, attribute: CK_ATTRIBUTE_TYPE, of: &str, code: CK_RV) {
        self.command(&format!("attribute {attribute} {of} refuse={code}"));
    }

    pub fn replace_attribute(&self, attribute: CK_ATTRIBUTE_TYPE, of: &str, value: &[u8]) {
        self.command(&format!("attribute {attribute} {of} value={}", hex(value)));
    }

    /// Claims a length that may be impossible, and gives nothing.
    pub fn attribute_length(&self, attribute: CK_ATTRIBUTE_TYPE, of: &str, length: CK_ULONG) {
        self.command(&format!("attribute {attribute} {of} length={length}"));
    }

    /// More than one attribute in a call: CKR_FUNCTION_FAILED.
    pub fn attributes_singly(&self) {
        self.command("attributes-singly");
    }

    /// CKA_EC_POINT without its OCTET STRING.
    pub fn bare_ec_points(&self, of: &str) {
        self.command(&format!("ec-point bare {of}"));
    }

    /// One more GOST key pair, with this CKA_GOSTR3410_PARAMS and the label as its seed.
    pub fn gost_key(&self, params: &[u8], label: &str, id: u8) {
        let params = hex(params);
        self.command(&format!(
            "gost-key params={params} label={label} id=hex:{id:02x}"
        ));
    }

    /// Another key in place of the one with this label.
    pub fn another_gost_key(&self, params: &[u8], label: &str, id: u8) {
        let params = hex(params);
        let named = format!("label={label} id=hex:{id:02x} seed=another");
        self.command(&format!("gost-key params={params} {named}"));
    }

    /// How these keys are shown and sign: any of `swapped`, `reversed`, `wrapped`, `params=TYPE`,
    /// `names-digest`.
    pub fn gost(&self, manners: &str) {
        self.command(&format!("gost {manners}"));
    }

    /// C_SignInit and C_Sign do nothing, at once: what remains is what is above them.
    pub fn null_signatures(&self) {
        self.command("sign null");
    }

    /// One bit of each signature is wrong.
    pub fn wrong_signatures(&self) {
        self.command("sign flip");
    }

    /// C_Sign looks again at the parameter that C_SignInit was given.
    pub fn late_mechanisms(&self) {
        self.command("sign late");
    }

    /// Signatures come with this length, whatever was written.
    pub fn signature_length(&self, length: CK_ULONG) {
        self.command(&format!("sign length={length}"));
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::from("hex:");
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}
