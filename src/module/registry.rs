//! Which libraries are loaded in this process: each once, by its real path.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use cryptoki_sys::*;

use super::image::{self, ImageFault};
use super::inherited::Mark;
use super::process;
use super::raw::{Functions, LoadFault};
use super::{ModuleError, ReturnCode, module_error};
use crate::Error;
use crate::catalog;
use crate::sync::lock;

/// A library in use. Finalized when the last user goes, if it was initialised here.
pub(crate) struct Loaded {
    path: PathBuf,
    functions: Functions,
    process: u32,
    entry: Arc<Entry>,
    serial: u64,
    fresh: AtomicBool,
    /// What the users of a slot share, while there are any: sessions and login are the slot's, and
    /// not theirs. What it is is the token room's affair.
    pub(crate) slots: Mutex<BTreeMap<CK_SLOT_ID, Weak<dyn Any + Send + Sync>>>,
}

impl Loaded {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// The ids of the slots that have a token, looked for anew.
    ///
    /// A module that fails in this is of no use before it is initialised again: the daemon behind it
    /// has died, most likely. So it is, if it is ours, and asked once more. The same with one that
    /// looks for its daemon in `C_Initialize` alone, and shows no slots without it. Nobody who uses a
    /// session may ask.
    pub(crate) fn slots(&self) -> Result<Vec<CK_SLOT_ID>, ReturnCode> {
        // Right after `C_Initialize` it need not look again.
        if self.fresh.swap(false, Ordering::Relaxed) {
            return self.functions.first_slots();
        }
        let life = self.functions.life().number();
        match self.functions.slots() {
            Err(code) if is_dead(code) && self.begin_anew(life) => self.functions.slots(),
            Ok(slots) if slots.is_empty() && self.is_remote() && self.begin_anew(life) => {
                self.functions.slots()
            }
            slots => slots,
        }
    }

    fn is_remote(&self) -> bool {
        catalog::is_remote(&self.path)
    }

    /// Finalizes and initialises the module, unless another thread has done so since that life.
    /// Whether there is a new one.
    fn begin_anew(&self, life: u64) -> bool {
        // One thread does; load and finalize keep away.
        let live = lock(&self.entry.live);
        let current = live.as_ref().filter(|live| live.serial == self.serial);
        if !current.is_some_and(|live| live.initialised_here) {
            return false;
        }
        if self.functions.life().number() != life {
            return true;
        }
        log::info!("{}: initialising it again", self.path.display());
        let initialised = self.functions.life().renew(PATIENCE, || {
            finalize(&self.path, &self.functions);
            self.functions.initialize()
        });
        match initialised {
            Some(Ok(())) => true,
            Some(Err(code)) => {
                log::warn!("{}: C_Initialize: {code}", self.path.display());
                false
            }
            // Somebody does not come back from a call.
            None => false,
        }
    }

    /// Whether this is the process that loaded the library. To be asked before any lock: a lock
    /// that another thread held at the fork stays held in the child.
    pub(crate) fn is_this_process(&self) -> bool {
        self.process == process::id()
    }

    pub(crate) fn check_process(&self) -> Result<(), Error> {
        match self.is_this_process() {
            true => Ok(()),
            false => Err(Error::Forked),
        }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        if !self.is_this_process() {
            return;
        }
        let mut live = lock(&self.entry.live);
        // Somebody who came while the last user was going has taken the library over.
        if live.as_ref().is_none_or(|live| live.serial != self.serial) {
            return;
        }
        let initialised_here = live.take().is_some_and(|live| live.initialised_here);
        if initialised_here {
            finalize(&self.path, &self.functions);
            Mark::of(&self.path).set(false);
        }
    }
}

/// Finds the library at `path` loaded, or loads and initialises it.
pub(super) fn load(path: &Path) -> Result<Arc<Loaded>, Error> {
    let real = path.canonicalize().map_err(|error| {
        let reason = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => ModuleError::Missing,
            _ => ModuleError::Unreadable(error),
        };
        module_error(path, reason)
    })?;
    let entry = Registry::of_this_process().entry(&real);
    // Held while the module initialises or finalizes: the two must not overlap.
    let mut live = lock(&entry.live);
    if let Some(loaded) = live.as_ref().and_then(|live| live.loaded.upgrade()) {
        return Ok(loaded);
    }
    let functions = open(&real).map_err(|reason| module_error(&real, reason))?;
    let (initialised_here, is_new) = match live.take() {
        // The last user is going, in another thread, and has not finalized yet.
        Some(live) => (live.initialised_here, false),
        None => {
            let here =
                initialize(&real, &functions).map_err(|reason| module_error(&real, reason))?;
            (here, here)
        }
    };
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let loaded = Arc::new(Loaded {
        path: real,
        functions,
        process: process::id(),
        entry: Arc::clone(&entry),
        serial,
        fresh: AtomicBool::new(is_new),
        slots: Mutex::default(),
    });
    *live = Some(Live {
        loaded: Arc::downgrade(&loaded),
        initialised_here,
        serial,
    });
    Ok(loaded)
}

fn open(path: &Path) -> Result<Functions, ModuleError> {
    image::examine(path).map_err(|fault| match fault {
        ImageFault::Missing => ModuleError::Missing,
        ImageFault::NotAFile => ModuleError::NotAFile,
        ImageFault::Unreadable(error) => ModuleError::Unreadable(error),
        ImageFault::NotALibrary { found } => ModuleError::NotALibrary { found },
        ImageFault::OtherArchitecture { file, ours } => {
            ModuleError::OtherArchitecture { file, ours }
        }
    })?;
    let functions = Functions::load(path).map_err(|fault| match fault {
        LoadFault::Loader(text) => ModuleError::Loader(text),
        LoadFault::NoFunctionList | LoadFault::BrokenFunctionList => ModuleError::NotPkcs11,
    })?;
    if catalog::must_take_turns(path) {
        functions.take_turns();
    }
    Ok(functions)
}

/// Whether the module is ours to finalize: not if the host program had initialised it.
fn initialize(path: &Path, functions: &Functions) -> Result<bool, ModuleError> {
    let is_there_already = |outcome: &Result<(), ReturnCode>| {
        outcome.is_err_and(|code| code.is(CKR_CRYPTOKI_ALREADY_INITIALIZED))
    };
    let mut outcome = functions.initialize();
    if is_there_already(&outcome) && Mark::is_inherited(path) {
        // Not by the host program, but by us before the fork. Its login is the parent's.
        finalize(path, functions);
        outcome = functions.initialize();
    }
    if is_there_already(&outcome) {
        return Ok(false);
    }
    outcome.map_err(ModuleError::Initialize)?;
    Mark::of(path).set(true);
    Ok(true)
}

fn finalize(path: &Path, functions: &Functions) {
    if let Err(error) = functions.finalize() {
        log::warn!("{}: C_Finalize: {error}", path.display());
    }
}

/// Codes of `C_GetSlotList`, which asks nothing of any token, that tell of the module itself.
fn is_dead(code: ReturnCode) -> bool {
    code.is_any(&[
        CKR_CRYPTOKI_NOT_INITIALIZED,
        CKR_DEVICE_ERROR,
        CKR_DEVICE_REMOVED,
        CKR_FUNCTION_FAILED,
        CKR_GENERAL_ERROR,
    ])
}

/// How long is waited for calls of other threads to end before a module is initialised again.
const PATIENCE: Duration = Duration::from_secs(2);

/// A library that is, was, or is being used.
#[derive(Default)]
struct Entry {
    live: Mutex<Option<Live>>,
}

struct Live {
    loaded: Weak<Loaded>,
    initialised_here: bool,
    serial: u64,
}

/// The entries of one process. A child begins with none of its parent's, whose locks may be held
/// for ever; it has a registry of its own, further down the chain.
struct Registry {
    process: AtomicU32,
    entries: Mutex<BTreeMap<PathBuf, Arc<Entry>>>,
    readers: Mutex<BTreeMap<String, Arc<Users>>>,
    child: OnceLock<Box<Registry>>,
}

impl Registry {
    const fn of(process: u32) -> Self {
        Self {
            process: AtomicU32::new(process),
            entries: Mutex::new(BTreeMap::new()),
            readers: Mutex::new(BTreeMap::new()),
            child: OnceLock::new(),
        }
    }

    fn of_this_process() -> &'static Self {
        static ROOT: Registry = Registry::of(0);
        let process = std::process::id();
        let mut registry = &ROOT;
        loop {
            // No process has the number 0: whoever comes first takes the root.
            let owner = registry
                .process
                .compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed)
                .unwrap_or_else(|owner| owner);
            if owner == process || owner == 0 {
                return registry;
            }
            registry = registry
                .child
                .get_or_init(|| Box::new(Registry::of(process)));
        }
    }

    fn entry(&self, path: &Path) -> Arc<Entry> {
        let mut entries = lock(&self.entries);
        Arc::clone(entries.entry(path.to_owned()).or_default())
    }
}

/// The slots of any module that have had sessions with the card in a reader.
pub(crate) type Users = Mutex<Vec<Weak<dyn Any + Send + Sync>>>;

/// Those of this process. A lock for each reader, so that a module that hangs holds up no other.
pub(crate) fn users_of_reader(name: &str) -> Arc<Users> {
    let mut readers = lock(&Registry::of_this_process().readers);
    Arc::clone(readers.entry(name.to_owned()).or_default())
}
