//! Readers and the cards in them, as the system's smart card service (PC/SC) sees them.

mod atr;
mod error;
mod service;
mod tries;
mod watch;

use std::fmt;
use std::time::Duration;

use pcsc::Attribute;

pub use atr::{Atr, AtrError, Checksum, Convention, InterfaceBytes};
pub use error::ReaderError;
pub(crate) use tries::Asker;
pub use watch::{ReaderEvent, Stopper, Watch, watch};

use crate::{CardModel, Error};
use atr::hex;
use service::{Code, Connection, Context, Seen, State};

/// The readers of this system, and the cards in them.
///
/// Nothing is sent to a card, and no other program that uses one is disturbed. Where there is no
/// reader, there is none in the list: that is no error.
///
/// # Errors
/// [`Error::Reader`] where the service does not run, or refuses this user.
///
/// # Example
/// ```no_run
/// for reader in keyfob::readers()? {
///     println!("{}: {}", reader.name(), reader.state());
///     if let Some(card) = reader.card() {
///         println!("  {card}");
///     }
/// }
/// # Ok::<(), keyfob::Error>(())
/// ```
pub fn readers() -> Result<Vec<Reader>, Error> {
    let context = service::establish()?;
    let seen = look(&context)?;
    Ok(seen.iter().map(|seen| Reader::of(&context, seen)).collect())
}

/// The readers, without what only their drivers tell: for that each would have to be connected to.
pub(crate) fn readers_at_a_glance() -> Result<Vec<Reader>, ReaderError> {
    let seen = look(&service::establish()?)?;
    Ok(seen.iter().map(Reader::seen).collect())
}

/// How many insertions and removals the service has counted for a reader, modulo 65536. `None`
/// where it cannot be asked; always 0 where it does not count.
pub(crate) fn insertions(reader: &str) -> Option<u16> {
    let mut seen = [Seen::unaware(std::ffi::CString::new(reader).ok()?)];
    let context = service::establish().ok()?;
    service::status_change(&context, Duration::ZERO, &mut seen).ok()?;
    let [seen] = seen;
    Some(seen.count)
}

/// How often readers are looked at again whose list changed meanwhile.
const LOOKS: usize = 10;

fn look(context: &Context) -> Result<Vec<Seen>, ReaderError> {
    let mut looks_left = LOOKS;
    loop {
        looks_left -= 1;
        match look_once(context) {
            Ok(seen) => return Ok(seen),
            // One was plugged out or in just now.
            Err((_, Code::UnknownReader | Code::InsufficientBuffer)) if looks_left > 0 => {}
            Err((function, code)) => return Err(ReaderError::of(function, code)),
        }
    }
}

fn look_once(context: &Context) -> Result<Vec<Seen>, (&'static str, Code)> {
    let names = context.list_readers_owned();
    let names = names.map_err(|code| ("SCardListReaders", code))?;
    let mut seen: Vec<_> = names.into_iter().map(Seen::unaware).collect();
    if seen.is_empty() {
        return Ok(seen);
    }
    match service::status_change(context, Duration::ZERO, &mut seen) {
        Ok(()) | Err(Code::Timeout) => Ok(seen),
        Err(code) => Err(("SCardGetStatusChange", code)),
    }
}

/// A reader, as it was when it was looked at. USB tokens are readers with a card in them for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    name: String,
    vendor: Option<String>,
    serial: Option<String>,
    state: ReaderState,
    card: Option<Card>,
    insertions: u16,
}

impl Reader {
    fn of(context: &Context, seen: &Seen) -> Self {
        // It may be in use by another program alone, and a driver need tell nothing.
        let connection = Connection::direct(context, &seen.name).ok();
        let text = |attribute| connection.as_ref()?.text(attribute);
        Self {
            vendor: text(Attribute::VendorName),
            serial: text(Attribute::VendorIfdSerialNo),
            ..Self::seen(seen)
        }
    }

    fn seen(seen: &Seen) -> Self {
        let name = seen.name();
        Self {
            vendor: None,
            serial: None,
            state: ReaderState::of(seen.state),
            insertions: seen.count,
            card: seen
                .has(State::PRESENT)
                .then(|| Card::new(&seen.atr, &name)),
            name,
        }
    }

    /// Its name, by which the service and most PKCS#11 modules call it. It ends in a number that
    /// can change when it is plugged in again.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who made it, where its driver tells.
    pub fn vendor(&self) -> Option<&str> {
        self.vendor.as_deref()
    }

    /// Its serial number, where its driver tells.
    pub fn serial(&self) -> Option<&str> {
        self.serial.as_deref()
    }

    pub(crate) fn insertions(&self) -> u16 {
        self.insertions
    }

    /// Whether there is a card in it that can be used.
    pub fn state(&self) -> ReaderState {
        self.state
    }

    /// The card in it.
    pub fn card(&self) -> Option<&Card> {
        self.card.as_ref()
    }
}

/// What a reader is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReaderState {
    /// No card is in it.
    Empty,
    /// A card is in it, and can be used.
    Present,
    /// A card is in it, and another program has it for itself.
    Exclusive,
    /// A card is in it that does not answer: put in the wrong way round, or broken.
    Mute,
    /// It does not answer, or was just plugged out.
    Unavailable,
}

impl ReaderState {
    fn of(state: State) -> Self {
        if state.intersects(State::UNAVAILABLE | State::UNKNOWN) {
            Self::Unavailable
        } else if !state.contains(State::PRESENT) {
            Self::Empty
        } else if state.contains(State::MUTE) {
            Self::Mute
        } else if state.contains(State::EXCLUSIVE) {
            Self::Exclusive
        } else {
            Self::Present
        }
    }
}

impl fmt::Display for ReaderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Present => "a card is present",
            Self::Exclusive => "a card is present, in use by another program alone",
            Self::Mute => "a card is present and does not answer; take it out and put it in again",
            Self::Unavailable => "not available; plug it in again",
        })
    }
}

/// A card in a reader: its answer to reset, and what model that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    atr: Vec<u8>,
    model: Option<CardModel>,
}

impl Card {
    fn new(atr: &[u8], reader: &str) -> Self {
        Self {
            atr: atr.to_vec(),
            model: CardModel::identify(atr, reader),
        }
    }

    /// Its answer to reset, taken apart.
    ///
    /// # Errors
    /// [`AtrError`] where it makes no sense; [`AtrError::CutShort`] for a card that gave none.
    pub fn atr(&self) -> Result<Atr, AtrError> {
        Atr::try_from(self.atr.as_slice())
    }

    /// Its answer to reset as it came. Empty for a card that gave none, or was gone too soon.
    pub fn atr_bytes(&self) -> &[u8] {
        &self.atr
    }

    /// What it is, where that is known.
    pub fn model(&self) -> Option<&CardModel> {
        self.model.as_ref()
    }
}

/// The model's name, or else the answer to reset.
impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => f.write_str(model.name()),
            None if self.atr.is_empty() => f.write_str("a card that says nothing"),
            None => write!(f, "an unknown card ({})", hex(&self.atr)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_that_matters_most_is_told() {
        let of = ReaderState::of;
        assert_eq!(of(State::EMPTY), ReaderState::Empty);
        let present = State::PRESENT | State::INUSE;
        assert_eq!(of(present), ReaderState::Present);
        assert_eq!(of(present | State::EXCLUSIVE), ReaderState::Exclusive);
        assert_eq!(of(present | State::MUTE), ReaderState::Mute);
        let gone = State::UNAVAILABLE | State::UNKNOWN;
        assert_eq!(of(gone | State::PRESENT), ReaderState::Unavailable);
    }

    #[test]
    fn cards_are_shown_by_name_or_else_by_answer() {
        let shown = |atr: &[u8]| Card::new(atr, "a reader").to_string();
        assert_eq!(shown(&[0x3b, 0x80, 0x01, 0x81]), "NXP OpenPGP card");
        assert_eq!(shown(&[0x3b, 0x00]), "an unknown card (3B 00)");
        assert_eq!(shown(&[]), "a card that says nothing");
    }
}
