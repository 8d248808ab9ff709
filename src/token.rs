//! A token: who it is, the state of its PIN, and how it is unlocked.

mod info;
mod login;
mod place;
mod pool;
#[cfg(test)]
mod pool_tests;
mod recovery;
mod session;
mod slot;

use std::sync::{Arc, OnceLock};
use std::{fmt, iter};

pub use info::TokenFlags;
pub(crate) use info::TokenInfo;
pub use login::Unlocked;
pub(crate) use place::Place;
pub(crate) use recovery::{Needs, is_of_the_session};
pub(crate) use session::Pooled;
pub(crate) use slot::Slot;

use crate::Error;
use crate::module::{Module, Origin, text};
use crate::pin::PinState;
use crate::uri::{ObjectType, Uri};

/// A token that a module sees in one of its slots.
///
/// What it tells of itself was read when it was found; [`refresh`](Token::refresh) reads it again.
/// Clones are cheap, and threads may share them.
///
/// # Example
/// ```no_run
/// for token in keyfob::discover()?.tokens() {
///     println!("{} {} {}", token.label(), token.serial(), token.pin_state());
/// }
/// # Ok::<(), keyfob::Error>(())
/// ```
#[derive(Clone)]
pub struct Token {
    slot: Arc<Slot>,
    info: Arc<TokenInfo>,
    /// What the card itself said, once it was asked.
    tries: Arc<OnceLock<Option<u8>>>,
    origin: Origin,
    place: Option<Arc<Place>>,
    other_ways: Arc<[Token]>,
}

impl Token {
    /// Reads the token in a slot, which may be one of these readers.
    pub(crate) fn read(
        module: &Module,
        origin: Origin,
        slot: cryptoki_sys::CK_SLOT_ID,
        readers: &[Arc<Place>],
    ) -> Result<Self, Error> {
        let functions = module.loaded()?.functions();
        let info = functions.token_info(slot).map_err(|code| Error::Call {
            subject: format!("slot {slot} of {}", module.path().display()),
            function: "C_GetTokenInfo",
            code,
        })?;
        let info = TokenInfo::from(&info);
        let place = match readers {
            [] => None,
            readers => functions.slot_info(slot).ok().and_then(|slot| {
                let description = text(&slot.slotDescription);
                readers.iter().find(|reader| reader.is(&description))
            }),
        };
        let slot = Slot::of(module, slot, &info, place.cloned())?;
        slot.was_found(&info);
        Ok(Self {
            info: Arc::new(info),
            tries: Arc::default(),
            slot,
            origin,
            place: place.cloned(),
            other_ways: Arc::default(),
        })
    }

    /// The label that its owner gave it.
    pub fn label(&self) -> &str {
        &self.info.label
    }

    /// Who made it.
    pub fn manufacturer(&self) -> &str {
        &self.info.manufacturer
    }

    /// Its model.
    pub fn model(&self) -> &str {
        &self.info.model
    }

    /// Its serial number, as the module writes it. It can be empty, and not every maker keeps it
    /// unique.
    pub fn serial(&self) -> &str {
        &self.info.serial
    }

    /// The flags of `CK_TOKEN_INFO`.
    pub fn flags(&self) -> TokenFlags {
        self.info.flags
    }

    /// What is known of its PIN and the tries left.
    ///
    /// Some modules (OpenSC) show nothing of it until a login has failed in this process. For the
    /// models that tell by themselves (Rutoken ECP, and PIV on a YubiKey, Nitrokey 3 or PIV card)
    /// the card is asked instead, when this is called first, through the smart card service, which spends no try and disturbs
    /// no login. Otherwise that is [`PinState::Unknown`], never [`PinState::Normal`].
    ///
    /// # Example
    /// ```no_run
    /// use keyfob::PinState;
    ///
    /// let token = keyfob::discover()?.only()?;
    /// match token.pin_state() {
    ///     PinState::TriesLeft(tries) => println!("{tries} tries are left"),
    ///     PinState::FinalTry => println!("one more wrong PIN locks it"),
    ///     state => println!("{state}"),
    /// }
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn pin_state(&self) -> PinState {
        let module = self.slot.module().path();
        if self.info.tries.is_some() || !self.slot.asks_card(&self.info) {
            return self.info.pin_state(module);
        }
        let ask = || self.slot.tries_left_by_card(&self.info);
        let info = TokenInfo {
            tries: *self.tries.get_or_init(ask),
            ..(*self.info).clone()
        };
        info.pin_state(module)
    }

    /// The lengths of a PIN that the token takes, in bytes: fewest and most. `None` where what it
    /// says makes no sense.
    pub fn pin_lengths(&self) -> Option<(usize, usize)> {
        self.info.pin_lengths
    }

    /// The number of the slot that it is in. Not a name: it changes when the token is plugged in
    /// again.
    pub fn slot_id(&self) -> u64 {
        u64::from(self.slot.id())
    }

    /// What the module says of the slot: mostly the reader's name.
    ///
    /// # Errors
    /// [`Error::Call`] where the module does not answer, [`Error::TokenRemoved`].
    pub fn slot_description(&self) -> Result<String, Error> {
        Ok(text(&self.slot.info()?.slotDescription))
    }

    /// The name of the reader that it was found in, as in [`Reader::name`](crate::Reader::name).
    /// `None` for a token that is in none, and where the smart card service cannot be asked.
    pub fn reader(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.reader.as_str())
    }

    /// The same card as other modules see it, the better ones first.
    ///
    /// A vendor's own module and OpenSC often drive the same card, and show it under different
    /// labels and serial numbers. It is one token: this one, through the best of the modules. A
    /// card is used through one module at a time: while it is unlocked through one, the others
    /// answer [`Error::InUse`].
    ///
    /// # Example
    /// ```no_run
    /// let token = keyfob::discover()?.only()?;
    /// let through_opensc = token.other_ways().iter().find(|way| {
    ///     way.module().path().ends_with("opensc-pkcs11.so")
    /// });
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn other_ways(&self) -> &[Token] {
        &self.other_ways
    }

    /// The module that sees it.
    pub fn module(&self) -> &Module {
        self.slot.module()
    }

    /// How its module was found.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The mechanisms that the token has, as their PKCS#11 codes (`CKM_…`), in its own order.
    /// Vendors' own, from 0x80000000 on, are among them.
    ///
    /// # Errors
    /// [`Error::TokenRemoved`], [`Error::Call`].
    ///
    /// # Example
    /// ```no_run
    /// const CKM_ECDSA: u64 = 0x1041;
    /// let token = keyfob::discover()?.only()?;
    /// println!("ECDSA: {}", token.mechanisms()?.contains(&CKM_ECDSA));
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn mechanisms(&self) -> Result<Vec<u64>, Error> {
        let mechanisms = self.slot.mechanisms()?;
        Ok(mechanisms.into_iter().map(u64::from).collect())
    }

    /// A URI that names this token and no other of its maker's: token, manufacturer, model and
    /// serial (RFC 7512).
    pub fn uri(&self) -> Uri {
        let mut uri = Uri::new();
        for (with, value) in [
            (Uri::with_token as fn(Uri, String) -> Uri, self.label()),
            (Uri::with_manufacturer, self.manufacturer()),
            (Uri::with_model, self.model()),
            (Uri::with_serial, self.serial()),
        ] {
            if !value.is_empty() {
                uri = with(uri, value.to_owned());
            }
        }
        uri
    }

    /// Reads again what the token tells of itself, the state of its PIN above all.
    ///
    /// # Errors
    /// [`Error::TokenRemoved`] where it is gone or another is in its place, [`Error::Call`].
    ///
    /// # Example
    /// ```no_run
    /// # let mut token = keyfob::discover()?.only()?;
    /// token.refresh()?;
    /// println!("{}", token.pin_state());
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn refresh(&mut self) -> Result<(), Error> {
        let info = self.slot.token_info()?;
        self.tries = Arc::new(OnceLock::from(info.tries));
        self.info = Arc::new(info);
        Ok(())
    }

    /// How long everybody in this process waits for a session with this token, where it allows no
    /// more of them. A minute, unless this says otherwise. After it, [`Error::Busy`].
    pub fn set_patience(&self, patience: std::time::Duration) {
        self.slot.set_patience(patience);
    }

    /// A URI that names an object on this token. What is empty names nothing.
    pub(crate) fn object_uri(&self, object_type: ObjectType, id: &[u8], label: &str) -> Uri {
        let uri = self.uri().with_type(object_type);
        let uri = match id {
            [] => uri,
            id => uri.with_id(id),
        };
        match label {
            "" => uri,
            label => uri.with_object(label),
        }
    }

    /// This and the other ways.
    pub(crate) fn ways(&self) -> impl Iterator<Item = &Token> {
        iter::once(self).chain(self.other_ways.iter())
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }

    pub(crate) fn with_other_ways(self, other_ways: Arc<[Token]>) -> Self {
        Self { other_ways, ..self }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("label", &self.info.label)
            .field("serial", &self.info.serial)
            .field("slot", &self.slot.id())
            .field("module", &self.slot.module().path())
            .finish_non_exhaustive()
    }
}
