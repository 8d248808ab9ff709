//! C_FindObjects: searches that hide, reorder, repeat, never end or lie about their count, and handles
//! that are given out again.

use std::collections::BTreeMap;

use cryptoki_sys::*;

use crate::forward::real;
use crate::gost_keys;
use crate::objects::{self, Filter};
use crate::options::Options;
use crate::shared::Shared;

static MANNERS: Shared<Option<Manners>> = Shared::new(None);
/// The objects that were found, where handles are numbers.
static NUMBERED: Shared<Option<Vec<CK_OBJECT_HANDLE>>> = Shared::new(None);
static SEARCHES: Shared<BTreeMap<CK_SESSION_HANDLE, Search>> = Shared::new(BTreeMap::new());

#[derive(Clone, Default)]
struct Manners {
    hidden: Vec<Filter>,
    sort: bool,
    reverse: bool,
    endless: bool,
    repeat: Option<CK_ULONG>,
    chunk: Option<CK_ULONG>,
    count: Option<CK_ULONG>,
}

struct Search {
    all: Vec<CK_OBJECT_HANDLE>,
    next: usize,
    /// Of all, how many are given out; those that there are begin anew where they are fewer.
    most: usize,
    /// With another handle then.
    renames: bool,
}

pub(crate) unsafe fn init(
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    let result = real!(C_FindObjectsInit(session, template, count));
    if result != CKR_OK {
        return result;
    }
    SEARCHES.lock().remove(&session);
    // SAFETY: as promised by the caller of PKCS#11.
    let ours = unsafe { gost_keys::search(session, template, count) };
    let manners = MANNERS.lock().clone();
    match ours.is_empty() {
        true => CKR_OK,
        false => begin(session, &manners.unwrap_or_default(), ours),
    }
}

pub(crate) unsafe fn next(
    session: CK_SESSION_HANDLE,
    list: *mut CK_OBJECT_HANDLE,
    capacity: CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    let begun = SEARCHES.lock().contains_key(&session);
    let manners = MANNERS.lock().clone();
    let manners = manners.or_else(|| begun.then(Manners::default));
    let Some(manners) = manners.filter(|_| !list.is_null() && !count.is_null()) else {
        return real!(C_FindObjects(session, list, capacity, count));
    };
    if !begun {
        match begin(session, &manners, Vec::new()) {
            CKR_OK => {}
            code => return code,
        }
    }
    let capacity = manners.chunk.map_or(capacity, |chunk| chunk.min(capacity)) as usize;
    let some = match SEARCHES.lock().get_mut(&session) {
        Some(search) => search.take(capacity),
        None => return CKR_OPERATION_NOT_INITIALIZED,
    };
    // SAFETY: both are not NULL, and `list` is good for `capacity` handles, as promised by
    // the caller of PKCS#11.
    unsafe {
        std::ptr::copy_nonoverlapping(some.as_ptr(), list, some.len());
        *count = manners.count.unwrap_or(some.len() as CK_ULONG);
    }
    CKR_OK
}

fn begin(session: CK_SESSION_HANDLE, manners: &Manners, ours: Vec<CK_OBJECT_HANDLE>) -> CK_RV {
    match Search::begin(session, manners, ours) {
        Ok(search) => {
            SEARCHES.lock().insert(session, search);
            CKR_OK
        }
        Err(code) => code,
    }
}

impl Search {
    /// Takes everything the real search finds, and what is ours, to be given out in our own way.
    fn begin(
        session: CK_SESSION_HANDLE,
        manners: &Manners,
        ours: Vec<CK_OBJECT_HANDLE>,
    ) -> Result<Self, CK_RV> {
        let mut all = objects::rest(session)?;
        all.extend(ours);
        all.retain(|object| {
            !manners
                .hidden
                .iter()
                .any(|hidden| hidden.fits(session, *object))
        });
        if manners.sort {
            all.sort_by_cached_key(|object| objects::attribute(session, *object, CKA_ID));
        }
        if manners.reverse {
            all.reverse();
        }
        let most = match manners.endless {
            true => usize::MAX,
            false => manners.repeat.map_or(all.len(), |most| most as usize),
        };
        let renames = manners.repeat.is_some();
        Ok(Self {
            all,
            next: 0,
            most,
            renames,
        })
    }

    fn take(&mut self, room: usize) -> Vec<CK_OBJECT_HANDLE> {
        let end = match self.all.len() {
            0 => self.next,
            _ => self.next + room.min(self.most - self.next),
        };
        let object = |at: usize| {
            let round = if self.renames { at / self.all.len() } else { 0 };
            self.all[at % self.all.len()] | (round as CK_OBJECT_HANDLE) << NAME
        };
        let some = (self.next..end).map(object).map(number).collect();
        self.next = end;
        some
    }
}

/// The handle under which an object is given out.
fn number(object: CK_OBJECT_HANDLE) -> CK_OBJECT_HANDLE {
    let mut numbered = NUMBERED.lock();
    let Some(objects) = numbered.as_mut() else {
        return object;
    };
    let known = objects.iter().position(|known| *known == object);
    let at = known.unwrap_or_else(|| {
        objects.push(object);
        objects.len() - 1
    });
    at as CK_OBJECT_HANDLE + 1
}

/// The login has ended, or the module: what was found is found anew, in whatever order.
pub(crate) fn number_anew() {
    if let Some(objects) = NUMBERED.lock().as_mut() {
        objects.clear();
    }
}

pub(crate) unsafe fn done(session: CK_SESSION_HANDLE) -> CK_RV {
    SEARCHES.lock().remove(&session);
    real!(C_FindObjectsFinal(session))
}

/// In which bits of a handle the further names of an object differ.
const NAME: u32 = CK_OBJECT_HANDLE::BITS / 2;

/// The object behind one of its names, or behind its number.
pub(crate) fn object(handle: CK_OBJECT_HANDLE) -> CK_OBJECT_HANDLE {
    if let Some(objects) = NUMBERED.lock().as_ref() {
        let at = (handle as usize).wrapping_sub(1);
        return objects.get(at).copied().unwrap_or(CK_INVALID_HANDLE);
    }
    match MANNERS.lock().as_ref() {
        Some(Manners {
            repeat: Some(_), ..
        }) => handle & (CK_OBJECT_HANDLE::MAX >> NAME),
        _ => handle,
    }
}

/// The session's search begins anew for ever.
pub(crate) fn never_end(session: CK_SESSION_HANDLE) {
    if let Some(search) = SEARCHES.lock().get_mut(&session) {
        search.most = usize::MAX;
    }
}

/// The command `find …`, which adds to what was said before.
pub(crate) fn command(mut options: Options) -> Result<(), String> {
    let (hide, sort) = (options.flag("hide"), options.flag("sort"));
    let (reverse, endless) = (options.flag("reverse"), options.flag("endless"));
    let (repeat, numbered) = (options.number("repeat")?, options.flag("numbered"));
    let (chunk, count) = (options.number("chunk")?, options.number("count")?);
    let hidden = if hide {
        Some(Filter::read(&mut options)?)
    } else {
        None
    };
    options.done()?;
    if numbered {
        NUMBERED.lock().get_or_insert_default();
    }
    let mut manners = MANNERS.lock();
    let manners = manners.get_or_insert_default();
    manners.hidden.extend(hidden);
    manners.sort |= sort;
    manners.reverse |= reverse;
    manners.endless |= endless;
    manners.repeat = repeat.or(manners.repeat);
    manners.chunk = chunk.or(manners.chunk);
    manners.count = count.or(manners.count);
    Ok(())
}

pub(crate) fn forget_all() {
    SEARCHES.lock().clear();
    number_anew();
}

pub(crate) fn reset() {
    *MANNERS.lock() = None;
    *NUMBERED.lock() = None;
}
