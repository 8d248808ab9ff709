use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};
use std::time::{Duration, Instant};

use cryptoki_sys::*;

use super::login::LoginState;
use super::pool::Pool;
use super::recovery::is_of_the_session;
use super::{Place, Pooled, TokenInfo};
use crate::Error;
use crate::module::raw::Functions;
use crate::module::{Module, ReturnCode};
use crate::sync::lock;
#[cfg(feature = "pcsc")]
use crate::{module::text, reader::Asker};

/// How long the state of a PIN is taken to be as it was read: a program that finds a token and
/// unlocks it at once does not ask twice. What this process does to the token counts at once.
const RECENT: Duration = Duration::from_secs(1);

/// Of how many tokens that say the same of themselves is looked whether one has moved: each is asked.
const TWINS: usize = 16;

/// What all users of a token in this process share: its sessions and its login, which PKCS#11 has
/// once for a process and token.
pub(crate) struct Slot {
    this: Weak<Self>,
    module: Module,
    /// Where the token was seen last: it can change when it is plugged in again.
    pub(super) id: AtomicU64,
    info: TokenInfo,
    name: String,
    /// Where the token is. It can be seen first through a service that was started late.
    place: Mutex<Option<Arc<Place>>>,
    pub(super) pool: Pool,
    login: Mutex<LoginState<Self>>,
    /// One more than the module's life in which the login was seen to be there, or to be none; 0
    /// where it may have ended without us.
    trusted: AtomicU64,
    /// Counts how often the handles of all objects have ended.
    generation: AtomicU64,
    /// The PIN that was sent last was refused.
    refused: AtomicBool,
    /// Held by whoever looks where the token is.
    pub(super) search: Mutex<()>,
    /// What the token said last, and when.
    said: Mutex<Option<(Instant, TokenInfo)>>,
    #[cfg(feature = "pcsc")]
    asker: Asker,
    mechanisms: Mutex<BTreeMap<CK_MECHANISM_TYPE, Option<KeySizes>>>,
    /// Read by whoever makes a call that a key which wants its PIN each time must not be beside.
    alone: RwLock<()>,
}

impl Slot {
    /// The slot with this number, shared with whoever uses the same token in it.
    pub(super) fn of(
        module: &Module,
        id: CK_SLOT_ID,
        info: &TokenInfo,
        place: Option<Arc<Place>>,
    ) -> Result<Arc<Self>, Error> {
        let mut slots = lock(&module.loaded()?.slots);
        slots.retain(|_, slot| slot.strong_count() > 0);
        let known = slots.values().filter_map(Weak::upgrade);
        let known = known.filter_map(|slot| slot.downcast::<Self>().ok());
        let mut same: Vec<_> = known.filter(|slot| slot.info.is_same_token(info)).collect();
        same.sort_by_key(|slot| slot.id() != id);
        let slot = same.into_iter().take(TWINS).find(|slot| {
            // Two tokens may say the same of themselves: is it still where it was?
            slot.id() == id || !slot.is_at_its_place()
        });
        if let Some(slot) = slot {
            if slot.id() != id {
                drop(slots);
                slot.has_moved(id)?;
            }
            *lock(&slot.place) = place;
            return Ok(slot);
        }
        let slot = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            module: module.clone(),
            id: AtomicU64::new(u64::from(id)),
            // In messages a token's texts must not move a terminal's cursor.
            name: format!(
                "\"{}\" (serial {})",
                info.label.escape_debug(),
                info.serial.escape_debug()
            ),
            info: info.clone(),
            place: Mutex::new(place),
            pool: Pool::new(info.max_sessions),
            login: Mutex::default(),
            trusted: AtomicU64::new(module.inner().functions().life().number() + 1),
            generation: AtomicU64::default(),
            refused: AtomicBool::default(),
            search: Mutex::default(),
            said: Mutex::default(),
            #[cfg(feature = "pcsc")]
            asker: Asker::default(),
            mechanisms: Mutex::default(),
            alone: RwLock::default(),
        });
        let shared: Arc<dyn Any + Send + Sync> = Arc::<Self>::clone(&slot);
        slots.insert(id, Arc::downgrade(&shared));
        Ok(slot)
    }

    pub(crate) fn module(&self) -> &Module {
        &self.module
    }

    pub(crate) fn id(&self) -> CK_SLOT_ID {
        self.id.load(Ordering::Acquire) as CK_SLOT_ID
    }

    /// What the token said when it was found first: who it is.
    pub(super) fn first_info(&self) -> &TokenInfo {
        &self.info
    }

    /// The reader that the token is in.
    pub(super) fn place(&self) -> Option<Arc<Place>> {
        lock(&self.place).clone()
    }

    #[cfg(feature = "pcsc")]
    pub(super) fn set_place(&self, place: Place) {
        *lock(&self.place) = Some(Arc::new(place));
    }

    /// Whether the slot has this token still, or a twin of it.
    fn is_at_its_place(&self) -> bool {
        let info = self.functions().ok();
        let info = info.and_then(|functions| functions.token_info(self.id()).ok());
        info.is_some_and(|info| TokenInfo::from(&info).is_same_token(&self.info))
    }

    pub(super) fn this(&self) -> &Weak<Self> {
        &self.this
    }

    /// The token as messages name it: label and serial.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// An object on the token as messages name it.
    pub(crate) fn object_name(&self, label: &str) -> String {
        format!("\"{}\" on the token {}", label.escape_debug(), self.name)
    }

    /// The module's functions, where this process may call them.
    pub(crate) fn functions(&self) -> Result<&Functions, Error> {
        Ok(self.module.loaded()?.functions())
    }

    /// What the token says of itself now. Nobody who holds a session may ask: to find a token that
    /// was lost takes one, and there may be no other.
    pub(crate) fn token_info(&self) -> Result<TokenInfo, Error> {
        let info = self.ask("C_GetTokenInfo", |functions, slot| {
            self.own_info(functions, slot)
        })?;
        Ok(self.has_said(info))
    }

    /// The same for who holds a session: what is lost is not looked for.
    pub(super) fn token_info_beside(&self, session: &Pooled<'_>) -> Result<TokenInfo, Error> {
        let info = self.own_info(session.functions(), self.id());
        Ok(self.has_said(self.call("C_GetTokenInfo", info)?))
    }

    fn own_info(&self, functions: &Functions, slot: CK_SLOT_ID) -> Result<TokenInfo, ReturnCode> {
        let info = TokenInfo::from(&functions.token_info(slot)?);
        match info.is_same_token(&self.info) {
            true => Ok(info),
            false => Err(ReturnCode::TOKEN_NOT_PRESENT),
        }
    }

    /// Asks the module for something about this slot, and once more where the token has moved.
    fn ask<T>(
        &self,
        function: &'static str,
        question: impl Fn(&Functions, CK_SLOT_ID) -> Result<T, ReturnCode>,
    ) -> Result<T, Error> {
        let functions = self.functions()?;
        let epoch = self.pool.epoch();
        match self.call(function, question(functions, self.id())) {
            Err(error) if is_of_the_session(&error) => {
                self.cure(functions, &error, epoch)?;
                self.call(function, question(functions, self.id()))
            }
            answer => answer,
        }
    }

    /// What the token said a moment ago, or else what it says now.
    pub(super) fn recent_token_info(&self) -> Result<TokenInfo, Error> {
        self.said().map_or_else(|| self.token_info(), Ok)
    }

    /// What the token said a moment ago.
    pub(super) fn said(&self) -> Option<TokenInfo> {
        let said = lock(&self.said).clone();
        said.and_then(|(when, info)| (when.elapsed() < RECENT).then_some(info))
    }

    /// What the token said is no longer true: a login may have changed its flags.
    pub(super) fn forget_said(&self) {
        *lock(&self.said) = None;
    }

    /// Keeps what the token has just said, with the tries left that its card tells.
    pub(super) fn has_said(&self, info: TokenInfo) -> TokenInfo {
        let info = TokenInfo {
            tries: self.tries_left_by_card(&info),
            ..info
        };
        *lock(&self.said) = Some((Instant::now(), info.clone()));
        info
    }

    /// Whether the card itself is asked for the tries left.
    pub(super) fn asks_card(&self, info: &TokenInfo) -> bool {
        #[cfg(feature = "pcsc")]
        return info.flags.login_required()
            && info.hides_pin_flags(self.module.path())
            && self.place().is_some_and(|place| {
                let model = place.model.as_ref();
                model.is_some_and(|model| model.tries_question(&info.manufacturer).is_some())
            });
        #[cfg(not(feature = "pcsc"))]
        return matches!(info, TokenInfo { tries: Some(_), .. });
    }

    /// What the token has just said when it was found. Its card is asked when somebody wants to know:
    /// who only looks what is there shall not wait for it.
    pub(super) fn was_found(&self, info: &TokenInfo) {
        if !self.asks_card(info) {
            *lock(&self.said) = Some((Instant::now(), info.clone()));
        }
    }

    /// The tries left, of the card itself: where the module does not show them, and the card is of
    /// a model that tells.
    #[cfg(feature = "pcsc")]
    pub(super) fn tries_left_by_card(&self, info: &TokenInfo) -> Option<u8> {
        if !info.flags.login_required() || !info.hides_pin_flags(self.module.path()) {
            return None;
        }
        let place = self.place()?;
        let model = place.model.as_ref()?;
        // The token may have been put into another reader since that place was seen.
        let slot = self.functions().ok()?.slot_info(self.id()).ok()?;
        if !place.is(&text(&slot.slotDescription)) {
            return None;
        }
        let question = model.tries_question(&info.manufacturer)?;
        self.asker.tries_left(&place.reader, model, question)
    }

    #[cfg(not(feature = "pcsc"))]
    pub(super) fn tries_left_by_card(&self, _: &TokenInfo) -> Option<u8> {
        None
    }

    pub(crate) fn info(&self) -> Result<CK_SLOT_INFO, Error> {
        self.ask("C_GetSlotInfo", Functions::slot_info)
    }

    pub(crate) fn mechanisms(&self) -> Result<Vec<CK_MECHANISM_TYPE>, Error> {
        self.ask("C_GetMechanismList", Functions::mechanisms)
    }

    /// What the token says of a mechanism, or `None` where it does not have it. Asked once.
    ///
    /// `C_GetMechanismInfo` alone tells both, so the list of mechanisms is not read. A module that
    /// fails the call otherwise is taken to have the mechanism: `C_SignInit` will tell.
    pub(crate) fn mechanism(
        &self,
        mechanism: CK_MECHANISM_TYPE,
    ) -> Result<Option<KeySizes>, Error> {
        if let Some(known) = lock(&self.mechanisms).get(&mechanism) {
            return Ok(*known);
        }
        let ask = || {
            self.ask("C_GetMechanismInfo", |functions, slot| {
                functions.mechanism_info(slot, mechanism)
            })
        };
        let answer = match ask() {
            Ok(info) if info.flags & CKF_SIGN == 0 => None,
            Ok(info) => Some(KeySizes::from(&info)),
            Err(Error::Call { code, .. })
                if code.is_any(&[CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID]) =>
            {
                None
            }
            Err(Error::Call { .. }) => return Ok(Some(KeySizes::ANY)),
            Err(error) => return Err(error),
        };
        lock(&self.mechanisms).insert(mechanism, answer);
        Ok(answer)
    }

    /// Held together with others while a session is used.
    pub(crate) fn together(&self) -> RwLockReadGuard<'_, ()> {
        self.alone.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held alone from `C_SignInit` to `C_Sign` with a key that wants its PIN each time: the login
    /// in between belongs to the operation that is open.
    pub(crate) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.alone.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_patience(&self, patience: Duration) {
        self.pool.set_patience(patience);
    }

    /// Whether nobody does anything with the token, or is logged in to it. Then no session stays
    /// open either. Waits for nobody.
    pub(super) fn rest(&self) -> bool {
        match self.login.try_lock() {
            Ok(state) if state.is_nobodys() => self.pool.close_idle(self),
            _ => false,
        }
    }

    /// The login may have ended. Whoever needs it next will see.
    pub(super) fn doubt_login(&self) {
        self.trusted.store(0, Ordering::Release);
    }

    pub(super) fn login_is_doubtful(&self) -> bool {
        self.trusted.load(Ordering::Acquire) != self.life() + 1
    }

    /// The login is there, or it is known that there is none.
    pub(super) fn trust_login(&self) {
        self.trusted.store(self.life() + 1, Ordering::Release);
    }

    /// Which handles of objects are good in this life of the module. The number rises with each
    /// generation, and with each life.
    #[inline]
    pub(crate) fn generation(&self, life: u64) -> u64 {
        self.generation.load(Ordering::Acquire) + life
    }

    /// The handles of all objects have ended, or are about to: whoever has one finds it anew.
    pub(super) fn end_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn pin_was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn set_pin_refused(&self, refused: bool) {
        self.refused.store(refused, Ordering::Relaxed);
    }

    fn life(&self) -> u64 {
        self.module.inner().functions().life().number()
    }

    pub(super) fn login(&self) -> MutexGuard<'_, LoginState<Self>> {
        lock(&self.login)
    }

    /// Makes an error of a code, with the token's name in it.
    pub(crate) fn call<T>(
        &self,
        function: &'static str,
        outcome: Result<T, ReturnCode>,
    ) -> Result<T, Error> {
        outcome.map_err(|code| self.error(function, code))
    }

    #[cold]
    pub(crate) fn error(&self, function: &'static str, code: ReturnCode) -> Error {
        match is_removed(code) {
            true => self.removed(),
            false => Error::Call {
                subject: format!("the token {}", self.name),
                function,
                code,
            },
        }
    }

    pub(crate) fn too_many_objects(&self) -> Error {
        Error::TooManyObjects {
            token: self.name.clone(),
        }
    }

    #[cold]
    pub(super) fn removed(&self) -> Error {
        Error::TokenRemoved {
            token: self.name.clone(),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.module.inner().is_this_process() {
            self.pool.close(self);
        }
    }
}

/// The RSA keys that a mechanism takes, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeySizes {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

impl KeySizes {
    const ANY: Self = Self {
        min: 0,
        max: u32::MAX,
    };

    pub(crate) fn allows(self, bits: u32) -> bool {
        (self.min..=self.max).contains(&bits)
    }
}

impl From<&CK_MECHANISM_INFO> for KeySizes {
    /// The standard wants bits; some modules write bytes, which for RSA are under 512 always. What
    /// makes no sense is no limit.
    fn from(info: &CK_MECHANISM_INFO) -> Self {
        let min = u32::try_from(info.ulMinKeySize).unwrap_or(u32::MAX);
        let max = u32::try_from(info.ulMaxKeySize).unwrap_or(u32::MAX);
        match (min, max) {
            (_, 0) => Self::ANY,
            (min, max) if min > max => Self::ANY,
            (min, max @ 1..512) => Self {
                min: min * 8,
                max: max * 8,
            },
            (min, max) => Self { min, max },
        }
    }
}

/// Codes that say that the token is no longer in the slot.
fn is_removed(code: ReturnCode) -> bool {
    code.is_any(&[
        CKR_DEVICE_REMOVED,
        CKR_TOKEN_NOT_PRESENT,
        CKR_SLOT_ID_INVALID,
    ])
}
