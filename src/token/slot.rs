use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};

use std::time::{Duration, Instant};

use cryptoki_sys::*;

use super::login::LoginState;
use super::session::Pool;
use super::{Place, TokenInfo};
use crate::Error;
use crate::module::raw::Functions;
use crate::module::{Module, ReturnCode, lock};

/// How long the state of a PIN is taken to be as it was read: a program that finds a token and
/// unlocks it at once does not ask twice. What this process does to the token counts at once.
const RECENT: Duration = Duration::from_secs(1);

/// What all users of a token in this process share: its sessions and its login, which PKCS#11 has
/// once for a process and token.
pub(crate) struct Slot {
    this: Weak<Self>,
    module: Module,
    id: CK_SLOT_ID,
    info: TokenInfo,
    name: String,
    /// Where the token is. It can be seen first through a service that was started late.
    place: Mutex<Option<Arc<Place>>>,
    pub(super) pool: Pool,
    login: Mutex<LoginState>,
    /// What the token said last, and when.
    said: Mutex<Option<(Instant, TokenInfo)>>,
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
        if let Some(slot) = slots.get(&id).and_then(Weak::upgrade)
            && let Ok(slot) = slot.downcast::<Self>()
            && slot.info.is_same_token(info)
        {
            slot.has_said(info);
            *lock(&slot.place) = place;
            return Ok(slot);
        }
        let slot = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            module: module.clone(),
            id,
            // In messages a token's texts must not move a terminal's cursor.
            name: format!(
                "\"{}\" (serial {})",
                info.label.escape_debug(),
                info.serial.escape_debug()
            ),
            info: info.clone(),
            place: Mutex::new(place),
            pool: Pool::default(),
            login: Mutex::default(),
            said: Mutex::new(Some((Instant::now(), info.clone()))),
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
        self.id
    }

    /// The reader that the token is in.
    pub(super) fn place(&self) -> Option<Arc<Place>> {
        lock(&self.place).clone()
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

    /// What the token says of itself now.
    pub(crate) fn token_info(&self) -> Result<TokenInfo, Error> {
        let info = self.functions()?.token_info(self.id);
        let info = TokenInfo::from(&self.call("C_GetTokenInfo", info)?);
        match info.is_same_token(&self.info) {
            true => {
                self.has_said(&info);
                Ok(info)
            }
            false => Err(self.removed()),
        }
    }

    /// What the token said a moment ago, or else what it says now.
    pub(super) fn recent_token_info(&self) -> Result<TokenInfo, Error> {
        let said = lock(&self.said).clone();
        match said {
            Some((when, info)) if when.elapsed() < RECENT => Ok(info),
            _ => self.token_info(),
        }
    }

    /// What the token said is no longer true: a login may have changed its flags.
    pub(super) fn forget_said(&self) {
        *lock(&self.said) = None;
    }

    fn has_said(&self, info: &TokenInfo) {
        *lock(&self.said) = Some((Instant::now(), info.clone()));
    }

    pub(crate) fn info(&self) -> Result<CK_SLOT_INFO, Error> {
        let info = self.functions()?.slot_info(self.id);
        self.call("C_GetSlotInfo", info)
    }

    /// What the token says of a mechanism, or `None` where it does not have it. Asked once.
    ///
    /// `C_GetMechanismInfo` alone tells both, so the list of mechanisms is not read. A module that
    /// fails the call otherwise is taken to have the mechanism: `C_SignInit` will tell.
    pub(crate) fn mechanism(
        &self,
        functions: &Functions,
        mechanism: CK_MECHANISM_TYPE,
    ) -> Result<Option<KeySizes>, Error> {
        if let Some(known) = lock(&self.mechanisms).get(&mechanism) {
            return Ok(*known);
        }
        let answer = match functions.mechanism_info(self.id, mechanism) {
            Ok(info) if info.flags & CKF_SIGN == 0 => None,
            Ok(info) => Some(KeySizes::from(&info)),
            Err(code) if code.is_any(&[CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID]) => None,
            Err(code) if is_removed(code) => return Err(self.removed()),
            Err(_) => return Ok(Some(KeySizes::ANY)),
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

    /// Whether nobody does anything with the token, or is logged in to it. Then no session stays
    /// open either. Waits for nobody.
    pub(super) fn rest(&self) -> bool {
        match self.login.try_lock() {
            Ok(state) if state.is_nobodys() => self.pool.close_idle(),
            _ => false,
        }
    }

    pub(super) fn login(&self) -> MutexGuard<'_, LoginState> {
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

    fn removed(&self) -> Error {
        Error::TokenRemoved {
            token: self.name.clone(),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.module.inner().is_this_process() {
            self.pool.close();
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
