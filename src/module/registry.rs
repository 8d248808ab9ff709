//! Which libraries are loaded in this process: each once, by its real path.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki_sys::{CK_RV, CK_SLOT_ID, CKR_CANT_LOCK, CKR_CRYPTOKI_ALREADY_INITIALIZED};

use super::image::{self, ImageFault};
use super::inherited::Mark;
use super::raw::{Functions, LoadFault};
use super::{ModuleError, ReturnCode, module_error};
use crate::Error;

/// A library in use. Finalized when the last user goes, if it was initialised here.
pub(crate) struct Loaded {
    path: PathBuf,
    context: Pkcs11,
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

    pub(crate) fn context(&self) -> &Pkcs11 {
        &self.context
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Whether the library was initialised here and has not been asked for its slots since. True
    /// once.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh.swap(false, Ordering::Relaxed)
    }

    /// Whether this is the process that loaded the library. To be asked before any lock: a lock
    /// that another thread held at the fork stays held in the child.
    pub(crate) fn is_this_process(&self) -> bool {
        self.process == std::process::id()
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
            finalize(&self.path, &self.context, &self.functions);
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
    let (context, mut functions) = open(&real).map_err(|reason| module_error(&real, reason))?;
    let (initialised_here, is_new) = match live.take() {
        // The last user is going, in another thread, and has not finalized yet.
        Some(live) => (live.initialised_here, false),
        None => {
            let here = initialize(&real, &context, &mut functions)
                .map_err(|reason| module_error(&real, reason))?;
            (here, here)
        }
    };
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let loaded = Arc::new(Loaded {
        path: real,
        context,
        functions,
        process: std::process::id(),
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

fn open(path: &Path) -> Result<(Pkcs11, Functions), ModuleError> {
    image::examine(path).map_err(|fault| match fault {
        ImageFault::Missing => ModuleError::Missing,
        ImageFault::NotAFile => ModuleError::NotAFile,
        ImageFault::Unreadable(error) => ModuleError::Unreadable(error),
        ImageFault::NotALibrary { found } => ModuleError::NotALibrary { found },
        ImageFault::OtherArchitecture { file, ours } => {
            ModuleError::OtherArchitecture { file, ours }
        }
    })?;
    // First by our own hand, which believes the library less.
    let functions = Functions::load(path).map_err(|fault| match fault {
        LoadFault::Loader(text) => ModuleError::Loader(text),
        LoadFault::NoFunctionList | LoadFault::BrokenFunctionList => ModuleError::NotPkcs11,
    })?;
    let context = Pkcs11::new(path).map_err(|error| ModuleError::Loader(error.to_string()))?;
    Ok((context, functions))
}

/// Whether the module is ours to finalize: not if the host program had initialised it. One that
/// cannot lock is called by one thread at a time.
fn initialize(
    path: &Path,
    context: &Pkcs11,
    functions: &mut Functions,
) -> Result<bool, ModuleError> {
    let initialize = |functions: &Functions, flags| {
        let arguments = CInitializeArgs::new(flags);
        functions.calls.make("C_Initialize", || {
            context
                .initialize(arguments)
                .map_err(|error| ReturnCode::of(&error))
        })
    };
    let mut outcome = initialize(functions, CInitializeFlags::OS_LOCKING_OK);
    if is(&outcome, CKR_CRYPTOKI_ALREADY_INITIALIZED) && Mark::is_inherited(path) {
        // Not by the host program, but by us before the fork. Its login is the parent's.
        finalize(path, context, functions);
        outcome = initialize(functions, CInitializeFlags::OS_LOCKING_OK);
    }
    if is(&outcome, CKR_CANT_LOCK) {
        outcome = initialize(functions, CInitializeFlags::empty());
        functions.calls.take_turns();
    }
    if is(&outcome, CKR_CRYPTOKI_ALREADY_INITIALIZED) {
        return Ok(false);
    }
    outcome.map_err(ModuleError::Initialize)?;
    Mark::of(path).set(true);
    Ok(true)
}

fn is(outcome: &Result<(), ReturnCode>, code: CK_RV) -> bool {
    outcome.is_err_and(|found| found.is(code))
}

fn finalize(path: &Path, context: &Pkcs11, functions: &Functions) {
    let finalize = || context.clone().finalize();
    if let Err(error) = functions.calls.make("C_Finalize", finalize) {
        log::warn!("{}: C_Finalize: {error}", path.display());
    }
}

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

/// Locks whatever became of the last holder: what the locks here guard is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
