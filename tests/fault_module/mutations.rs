//! Random wrong answers, and the same ones again for the same seed.
//!
//! Whether a call is answered wrongly, and how, depends on the seed, the function, and how many calls
//! of it came before. So threads cannot change it, nor can calls of other functions.
//!
//! Whatever is claimed, nothing is written beyond the room that the caller offered.

pub(crate) mod lists;
mod random;
pub(crate) mod structures;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki_sys::*;
use random::Random;

use crate::call::{Watcher, watch};
use crate::functions::{ALL, Function};
use crate::options::Options;
use crate::shared::Shared;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A code of the standard, and nothing is done.
    Error,
    /// A code, and it is done all the same.
    ErrorAfterwards,
    /// A code that the standard does not have, and nothing is done.
    UnknownCode,
    /// CKR_OK, and nothing is done.
    NothingDone,

    // Counts and lengths.
    Zero,
    OneOff,
    TooLarge,
    HighBit,
    Unavailable,

    // Lists of handles, and single ones.
    DuplicateHandle,
    ZeroHandle,
    UnknownHandle,
    Shorter,
    Repeated,
    Endless,

    // Bytes.
    BitFlip,
    Truncated,
    Extended,
    Zeros,
    Noise,
    /// Shaped like ASN.1.
    Asn1,
    /// That of another attribute, or the signature before.
    Another,
    /// An attribute's type, and the address of its value.
    Template,

    // Fields of structures.
    Text,
    Clock,
    Flags,
    Version,
    SessionLimits,
    PinLengths,
    KeySizes,
    State,

    // C_GetFunctionList.
    NoList,
    MissingFunction,
}

/// What any function can answer.
const CODES: &[Kind] = &[
    Kind::Error,
    Kind::ErrorAfterwards,
    Kind::UnknownCode,
    Kind::NothingDone,
];

fn kinds(function: Function) -> Vec<Kind> {
    let others: &[&[Kind]] = match function {
        Function::C_GetFunctionList => &[structures::FUNCTION_LIST],
        Function::C_GetInfo => &[structures::INFO],
        Function::C_GetSlotInfo => &[structures::SLOT_INFO],
        Function::C_GetTokenInfo => &[structures::TOKEN_INFO],
        Function::C_GetMechanismInfo => &[structures::MECHANISM_INFO],
        Function::C_GetSessionInfo => &[structures::SESSION_INFO],
        Function::C_GetSlotList | Function::C_GetMechanismList => &[values::LENGTHS, lists::LIST],
        Function::C_FindObjects => &[values::LENGTHS, lists::LIST, lists::SEARCH],
        Function::C_OpenSession => &[lists::HANDLE],
        Function::C_GetAttributeValue => &[values::LENGTHS, values::VALUE, values::ATTRIBUTE],
        Function::C_Sign => &[values::LENGTHS, values::VALUE],
        _ => &[],
    };
    [CODES, &others.concat()].concat()
}

/// The answer of one call, which is to be wrong.
pub(crate) struct Mutation {
    function: Function,
    call: u64,
    random: Random,
}

impl Mutation {
    /// Whether it is the return code, and not what the call gives.
    pub(crate) fn is_of_code(&mut self) -> bool {
        self.random.one_in(3)
    }

    pub(crate) fn code(mut self, answer: impl FnOnce() -> CK_RV) -> CK_RV {
        match self.pick(CODES) {
            Kind::ErrorAfterwards => {
                answer();
                self.random.one_of(ERRORS)
            }
            Kind::UnknownCode => {
                let vendor = CKR_VENDOR_DEFINED | self.random.next() as CK_RV;
                let others = [0x4711, CK_RV::MAX, CK_UNAVAILABLE_INFORMATION, vendor];
                self.random.one_of(&others)
            }
            Kind::NothingDone => CKR_OK,
            _ => self.random.one_of(ERRORS),
        }
    }

    /// Where the real module has failed, so that there is nothing else to be wrong.
    fn failed(mut self) -> CK_RV {
        match self.pick(&[Kind::NothingDone, Kind::Error]) {
            Kind::NothingDone => CKR_OK,
            _ => self.random.one_of(ERRORS),
        }
    }

    /// Chooses, and notes what was chosen.
    fn pick(&mut self, kinds: &[Kind]) -> Kind {
        let kind = self.random.one_of(kinds);
        if let Some(settings) = SETTINGS.lock().as_mut() {
            *settings.made.entry((self.function, kind)).or_default() += 1;
            if settings.log.len() < LOGGED {
                let (name, call) = (self.function.name(), self.call);
                settings.log.push(format!("{name}, call {call}: {kind:?}"));
            }
        }
        kind
    }
}

const LOGGED: usize = 1000;

static SETTINGS: Shared<Option<Settings>> = Shared::new(None);

struct Settings {
    seed: u64,
    one_in: u64,
    functions: Option<Vec<Function>>, // None: every function
    calls: [u64; ALL.len()],
    made: BTreeMap<(Function, Kind), u64>,
    log: Vec<String>,
}

pub(crate) fn due(function: Function) -> Option<Mutation> {
    let mut settings = SETTINGS.lock();
    let settings = settings.as_mut()?;
    let call = &mut settings.calls[function as usize];
    *call += 1;
    let call = *call;
    if let Some(only) = &settings.functions
        && !only.contains(&function)
    {
        return None;
    }
    let mut random = Random::of([settings.seed, function as u64, call]);
    random.one_in(settings.one_in).then_some(Mutation {
        function,
        call,
        random,
    })
}

/// Calls take turns meanwhile: a session that was given to two threads may be closed by one of them
/// while the other is in it, which SoftHSM does not survive.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The command `mutate seed=N …` or `mutate off`.
pub(crate) fn command(mut options: Options) -> Result<(), String> {
    if options.flag("off") {
        options.done()?;
        watch(Watcher::Mutations, false);
        return Ok(());
    }
    let seed = options.count("seed")?.ok_or("seed= is missing")?;
    let one_in = options.count("one-in")?.unwrap_or(8).max(1);
    let functions = options.text("functions").map(|names| {
        let names = names.split(',').map(Function::named);
        names.collect::<Result<_, _>>()
    });
    let functions = functions.transpose()?;
    options.done()?;
    *SETTINGS.lock() = Some(Settings {
        seed,
        one_in,
        functions,
        calls: [0; ALL.len()],
        made: BTreeMap::new(),
        log: Vec::new(),
    });
    watch(Watcher::Mutations, true);
    Ok(())
}

/// The command `mutations [log|kinds]`.
pub(crate) fn list(mut options: Options) -> Result<String, String> {
    let (log, all) = (options.flag("log"), options.flag("kinds"));
    options.done()?;
    let lines: Vec<String> = if all {
        let all = ALL.iter().flat_map(|(function, name)| {
            let kinds = kinds(*function).into_iter();
            kinds.map(move |kind| format!("{name} {kind:?}"))
        });
        all.collect()
    } else {
        let settings = SETTINGS.lock();
        let Some(settings) = settings.as_ref() else {
            return Ok(String::new());
        };
        let made = settings.made.iter().map(|((function, kind), count)| {
            let name = function.name();
            format!("{name} {kind:?} {count}")
        });
        match log {
            true => settings.log.clone(),
            false => made.collect(),
        }
    };
    Ok(lines.join("\n"))
}

pub(crate) fn reset() {
    watch(Watcher::Mutations, false);
    *SETTINGS.lock() = None;
}

const ERRORS: &[CK_RV] = &[
    CKR_CANCEL,
    CKR_HOST_MEMORY,
    CKR_SLOT_ID_INVALID,
    CKR_GENERAL_ERROR,
    CKR_FUNCTION_FAILED,
    CKR_ARGUMENTS_BAD,
    CKR_CANT_LOCK,
    CKR_ATTRIBUTE_SENSITIVE,
    CKR_ATTRIBUTE_TYPE_INVALID,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_DATA_INVALID,
    CKR_DATA_LEN_RANGE,
    CKR_DEVICE_ERROR,
    CKR_DEVICE_MEMORY,
    CKR_DEVICE_REMOVED,
    CKR_FUNCTION_CANCELED,
    CKR_FUNCTION_NOT_SUPPORTED,
    CKR_KEY_HANDLE_INVALID,
    CKR_KEY_SIZE_RANGE,
    CKR_KEY_TYPE_INCONSISTENT,
    CKR_KEY_FUNCTION_NOT_PERMITTED,
    CKR_MECHANISM_INVALID,
    CKR_MECHANISM_PARAM_INVALID,
    CKR_OBJECT_HANDLE_INVALID,
    CKR_OPERATION_ACTIVE,
    CKR_OPERATION_NOT_INITIALIZED,
    CKR_PIN_INCORRECT,
    CKR_PIN_INVALID,
    CKR_PIN_LEN_RANGE,
    CKR_PIN_EXPIRED,
    CKR_PIN_LOCKED,
    CKR_SESSION_CLOSED,
    CKR_SESSION_COUNT,
    CKR_SESSION_HANDLE_INVALID,
    CKR_SESSION_PARALLEL_NOT_SUPPORTED,
    CKR_SESSION_READ_ONLY,
    CKR_TEMPLATE_INCOMPLETE,
    CKR_TEMPLATE_INCONSISTENT,
    CKR_TOKEN_NOT_PRESENT,
    CKR_TOKEN_NOT_RECOGNIZED,
    CKR_USER_ALREADY_LOGGED_IN,
    CKR_USER_NOT_LOGGED_IN,
    CKR_USER_PIN_NOT_INITIALIZED,
    CKR_USER_TYPE_INVALID,
    CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
    CKR_USER_TOO_MANY_TYPES,
    CKR_BUFFER_TOO_SMALL,
    CKR_CRYPTOKI_NOT_INITIALIZED,
    CKR_CRYPTOKI_ALREADY_INITIALIZED,
    CKR_FUNCTION_REJECTED,
];
