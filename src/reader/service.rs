//! The system's smart card service, spoken to in a way that leaves other programs' cards alone.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pcsc::{Attribute, Disposition, Protocols, Scope, ShareMode};
pub(super) use pcsc::{Context, Error as Code, Protocol, State, Transaction};

use super::ReaderError;

/// How often, and how far apart, a service is asked that hangs up.
const TRIES: usize = 4;
const APART: Duration = Duration::from_millis(50);

/// A connection to the service.
///
/// pcscd hangs up on those it refuses, and on everybody when it is ending: that it still does so
/// when asked again tells the one from the other.
pub(super) fn establish() -> Result<Context, ReaderError> {
    let mut tries_left = TRIES;
    loop {
        match Context::establish(Scope::User) {
            Ok(context) => return Ok(context),
            Err(Code::SecurityViolation | Code::CommError) => {}
            Err(code) => return Err(ReaderError::of("SCardEstablishContext", code)),
        }
        tries_left -= 1;
        if tries_left == 0 {
            return Err(ReaderError::NoPermission);
        }
        std::thread::sleep(APART);
    }
}

/// What the service says of one reader.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) name: CString,
    /// What was known before, and then what is.
    pub(super) state: State,
    /// Insertions and removals so far, modulo 65536.
    pub(super) count: u16,
    pub(super) atr: Vec<u8>,
}

impl Seen {
    /// A reader of which nothing is known.
    pub(super) fn unaware(name: CString) -> Self {
        Self {
            name,
            state: State::UNAWARE,
            count: 0,
            atr: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    pub(super) fn has(&self, state: State) -> bool {
        self.state.contains(state)
    }
}

/// Waits until one of the readers is no longer as it was seen, and sees anew. With one that is
/// unaware, or without time, this is a look at all of them.
pub(super) fn status_change(
    context: &Context,
    timeout: Duration,
    seen: &mut [Seen],
) -> Result<(), Code> {
    let mut states: Vec<_> = seen
        .iter()
        .map(|reader| {
            let count = pcsc::ffi::DWORD::from(reader.count) << 16;
            let state = State::from_bits_retain(reader.state.bits() | count);
            pcsc::ReaderState::new(reader.name.clone(), state)
        })
        .collect();
    let outcome = context.get_status_change(timeout, &mut states);
    // Also where nothing changed: the service tells its counters nevertheless.
    if matches!(outcome, Ok(()) | Err(Code::Timeout)) {
        for (reader, state) in seen.iter_mut().zip(&states) {
            reader.state = state.event_state();
            // It has 16 bits.
            reader.count = state.event_count() as u16;
            reader.atr = state.atr().to_vec();
        }
    }
    outcome
}

/// Whether the service is not there any more, or does not know us any more.
pub(super) fn is_away(code: Code) -> bool {
    matches!(
        code,
        Code::NoService
            | Code::ServiceStopped
            | Code::Shutdown
            | Code::CommError
            | Code::InvalidHandle
            | Code::SystemCancelled
            // libpcsclite says so of a connection that broke.
            | Code::SecurityViolation
    )
}

/// A card that answered, and whose answer is not told yet: libpcsclite shares its table among
/// threads and may show it half written. It is whole in a moment.
pub(super) fn settled(context: &Context, mut seen: Seen) -> Seen {
    for _ in 0..10 {
        if !seen.has(State::PRESENT) || seen.has(State::MUTE) || !seen.atr.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
        let mut again = [Seen::unaware(seen.name.clone())];
        if status_change(context, Duration::ZERO, &mut again).is_err() {
            break;
        }
        [seen] = again;
    }
    seen
}

/// A connection to a reader, or to the card in it, that leaves the card as it is.
///
/// `pcsc::Card` resets the card when it is dropped, which throws every other program off it. This
/// does not, also when dropped by a panic.
pub(super) struct Connection(Option<pcsc::Card>);

impl Connection {
    /// To the reader itself: nothing is sent to a card.
    pub(super) fn direct(context: &Context, reader: &CStr) -> Result<Self, Code> {
        // Windows gives the reader to nobody else meanwhile, and would refuse what is in use.
        let (share, protocols) = match cfg!(windows) {
            true => (ShareMode::Shared, Protocols::ANY),
            false => (ShareMode::Direct, Protocols::UNDEFINED),
        };
        let card = context.connect(reader, share, protocols)?;
        Ok(Self(Some(card)))
    }

    /// To the card, beside other programs.
    pub(super) fn shared(context: &Context, reader: &CStr) -> Result<Self, Code> {
        let card = context.connect(reader, ShareMode::Shared, Protocols::ANY)?;
        Ok(Self(Some(card)))
    }

    /// The card for nobody else until this is dropped, which leaves it as it is. Waits as long as
    /// another program has it so.
    pub(super) fn transaction(&mut self) -> Result<Transaction<'_>, Code> {
        let card = self.0.as_mut().ok_or(Code::InvalidHandle)?;
        card.transaction()
    }

    /// A text that the reader's driver tells. `None` where it does not.
    pub(super) fn text(&self, attribute: Attribute) -> Option<String> {
        // With room for any: not every driver can be asked for the length alone.
        let mut room = [0; pcsc::MAX_BUFFER_SIZE];
        let text = self.0.as_ref()?.get_attribute(attribute, &mut room);
        let text = text
            .map_err(|code| log::debug!("{attribute:?}: {code}"))
            .ok()?;
        let text = text.split(|byte| *byte == 0).next()?;
        let text = String::from_utf8_lossy(text).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(card) = self.0.take() else { return };
        if let Err((card, code)) = card.disconnect(Disposition::LeaveCard) {
            log::debug!("SCardDisconnect: {code}");
            // Dropping it would try again, with a reset. The service cleans up when this process
            // ends at the latest.
            std::mem::forget(card);
        }
    }
}
