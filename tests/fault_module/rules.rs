//! Rules: what a function does on its n-th call.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use cryptoki_sys::{CK_RV, CK_ULONG};

use crate::call::{Watcher, watch};
use crate::functions::Function;
use crate::options::Options;
use crate::shared::Shared;

static RULES: Shared<Vec<Rule>> = Shared::new(Vec::new());

struct Rule {
    functions: Option<Vec<Function>>, // None: every function
    args: Vec<(usize, CK_ULONG)>,
    first: u64,
    last: u64,
    seen: u64,
    effect: Verdict,
}

/// What is to happen to one call.
#[derive(Clone, Default)]
pub(crate) struct Verdict {
    pub(crate) instead: Option<CK_RV>,
    pub(crate) after: Option<CK_RV>,
    pub(crate) then: Vec<String>,
    delay: Duration,
    hold: bool,
}

pub(crate) fn add(names: &str, mut options: Options) -> Result<(), String> {
    let functions = match names {
        "*" => None,
        names => Some(
            names
                .split(',')
                .map(Function::named)
                .collect::<Result<_, _>>()?,
        ),
    };
    let (first, last) = match (options.text("nth"), options.count("from")?) {
        (Some(nth), None) => range(nth)?,
        (None, from) => (from.unwrap_or(1), u64::MAX),
        (Some(_), Some(_)) => return Err("nth and from exclude each other".into()),
    };
    let mut args = Vec::new();
    for (index, key) in ["arg0", "arg1", "arg2", "arg3", "arg4"]
        .into_iter()
        .enumerate()
    {
        args.extend(options.number(key)?.map(|value| (index, value)));
    }
    let effect = Verdict {
        instead: options.number("return")?,
        after: options.number("after")?,
        then: options.then().into_iter().collect(),
        delay: Duration::from_millis(options.count("delay")?.unwrap_or(0)),
        hold: options.flag("hold"),
    };
    options.done()?;
    RULES.lock().push(Rule {
        functions,
        args,
        first,
        last,
        seen: 0,
        effect,
    });
    watch(Watcher::Rules, true);
    Ok(())
}

/// `3` or `3..5`, both ends included.
fn range(text: &str) -> Result<(u64, u64), String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => Ok((first, last)),
        _ => Err(format!(
            "nth={text} is neither a number nor a range like 2..4"
        )),
    }
}

pub(crate) fn clear() {
    RULES.lock().clear();
    watch(Watcher::Rules, false);
    release();
}

/// All rules that match count this call; where two of them answer, the older one wins.
pub(crate) fn consult(function: Function, args: &[CK_ULONG]) -> Verdict {
    let mut verdict = Verdict::default();
    for rule in RULES
        .lock()
        .iter_mut()
        .filter(|rule| rule.matches(function, args))
    {
        rule.seen += 1;
        if (rule.first..=rule.last).contains(&rule.seen) {
            verdict.join(&rule.effect);
        }
    }
    verdict
}

impl Rule {
    fn matches(&self, function: Function, args: &[CK_ULONG]) -> bool {
        self.functions
            .as_ref()
            .is_none_or(|functions| functions.contains(&function))
            && self
                .args
                .iter()
                .all(|(index, value)| args.get(*index) == Some(value))
    }
}

impl Verdict {
    fn join(&mut self, other: &Self) {
        self.instead = self.instead.or(other.instead);
        self.after = self.after.or(other.after);
        self.then.extend_from_slice(&other.then);
        self.delay += other.delay;
        self.hold |= other.hold;
    }

    /// Delays the call, or holds it until `release`.
    pub(crate) fn wait(&self) {
        thread::sleep(self.delay);
        if !self.hold {
            return;
        }
        let releases = RELEASES.lock().unwrap_or_else(PoisonError::into_inner);
        HELD.fetch_add(1, SeqCst); // under the lock: a release that saw it is not missed
        let before = *releases;
        // An end to it, so that a test that forgot to release fails instead of hanging.
        let limit = Duration::from_secs(60);
        drop(RELEASED.wait_timeout_while(releases, limit, |now| *now == before));
        HELD.fetch_sub(1, SeqCst);
    }
}

static RELEASES: Mutex<u64> = Mutex::new(0);
static RELEASED: Condvar = Condvar::new();
static HELD: AtomicU64 = AtomicU64::new(0);

pub(crate) fn release() {
    *RELEASES.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    RELEASED.notify_all();
}

/// How many calls are being held.
pub(crate) fn held() -> u64 {
    HELD.load(SeqCst)
}
