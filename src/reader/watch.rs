//! Telling when readers and tokens come and go.

mod event;
mod stop;
mod tally;

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use event::ReaderEvent;
pub use stop::Stopper;

use super::service::{self, Code, Context, Seen, State};
use super::{Card, ReaderError};
use crate::Error;
use stop::Turn;
use tally::{Passed, Tally};

/// Watches readers and tokens come and go.
///
/// The first events tell what is there already. Then [`Watch`], an iterator, waits for the service to
/// tell the next one (and looks by itself every five seconds, since old services can forget to),
/// until it is [stopped](Watch::stopper) from another thread. Nothing that the
/// service has counted is missed between two calls: a token that was pulled out and put in again
/// meanwhile is two events. When the service ends, everything is reported removed; when it is back,
/// added again.
///
/// No connection is made to a card, and no other program is disturbed.
///
/// # Errors
/// [`Error::Reader`] where the service does not run, or refuses this user. Later, the iterator
/// gives such an error and ends; that the service stopped is no error but an event.
///
/// # Example
/// ```no_run
/// use keyfob::ReaderEvent;
///
/// for event in keyfob::watch()? {
///     if let ReaderEvent::TokenInserted { reader, card } = event? {
///         println!("{card} in {reader}");
///     }
/// }
/// # Ok::<(), keyfob::Error>(())
/// ```
pub fn watch() -> Result<Watch, Error> {
    let context = service::establish()?;
    Ok(Watch {
        turn: Arc::new(Turn::default()),
        context: Some(context),
        away_since: None,
        pnp: Some(Seen::unaware(PNP.to_owned())),
        readers: Vec::new(),
        list_is_old: true,
        list_again: SOON,
        events: VecDeque::new(),
        over: false,
    })
}

/// An iterator over what happens to readers and tokens; see [`watch`].
pub struct Watch {
    turn: Arc<Turn>,
    /// `None` while the service is away.
    context: Option<Context>,
    away_since: Option<Instant>,
    /// The reader that changes when others come and go. `None` on systems that have none such.
    pnp: Option<Seen>,
    readers: Vec<Watched>,
    list_is_old: bool,
    /// How long the list is good for, if nothing tells of a change to it.
    list_again: Duration,
    events: VecDeque<ReaderEvent>,
    over: bool,
}

struct Watched {
    seen: Seen,
    /// `None` until it was looked at.
    tally: Option<Tally>,
    card: Option<Card>,
}

const PNP: &CStr = c"\\\\?PnP?\\Notification";

/// The service tells when something happens. It is looked at now and then in spite of that:
/// libpcsclite before 2.3 does not see a reader that is added in the moment before the wait, and
/// before 2.0.1 can miss any change while other threads of the process ask it too. Several readers
/// are often plugged in together, as with a hub: so this soon after a change, and then after twice
/// the time, until it is this long.
const SOON: Duration = Duration::from_millis(50);
const WITH_PNP: Duration = Duration::from_secs(5);

/// Without it, the list is read anew this often.
const WITHOUT_PNP: Duration = Duration::from_secs(1);

/// The service cannot be waited for while it is away: it is tried this often.
const AWAY: Duration = Duration::from_millis(250);

/// The service takes no longer than this to end.
const ENDING: Duration = Duration::from_secs(10);

impl Watch {
    /// What ends this watch from another thread, also while it waits.
    ///
    /// # Example
    /// ```no_run
    /// let watch = keyfob::watch()?;
    /// let stopper = watch.stopper();
    /// let watching = std::thread::spawn(move || watch.count());
    /// stopper.stop();
    /// println!("{} events", watching.join().unwrap());
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn stopper(&self) -> Stopper {
        Stopper::new(self.turn.clone())
    }

    /// The next event, if there is one before this time is over. `None` also where the watch has
    /// ended.
    ///
    /// # Example
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// let mut watch = keyfob::watch()?;
    /// while let Some(event) = watch.next_within(Duration::from_secs(10)) {
    ///     println!("{}", event?);
    /// }
    /// println!("nothing for ten seconds");
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn next_within(&mut self, time: Duration) -> Option<Result<ReaderEvent, Error>> {
        // Longer than anybody waits is for ever.
        self.next_before(Instant::now().checked_add(time))
    }

    fn next_before(&mut self, end: Option<Instant>) -> Option<Result<ReaderEvent, Error>> {
        let mut has_looked = false;
        // Nothing tells of a reader that was added since the last wait.
        self.list_is_old = true;
        loop {
            if self.over || self.turn.is_stopped() {
                return None;
            }
            if let Some(event) = self.events.pop_front() {
                return Some(Ok(event));
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let left = left.unwrap_or(Duration::MAX);
            let is_behind = self.list_is_old && self.context.is_some();
            if left.is_zero() && has_looked && !is_behind {
                return None;
            }
            has_looked = true;
            if let Err(error) = self.step(left) {
                self.over = true;
                return Some(Err(error.into()));
            }
        }
    }

    /// One step towards the next event, in no more than this time.
    fn step(&mut self, time: Duration) -> Result<(), ReaderError> {
        let Some(context) = self.context.clone() else {
            return self.look_for_service(time);
        };
        let outcome = self.look(&context, time);
        match outcome {
            Ok(()) => Ok(()),
            Err((_, Code::Timeout | Code::InsufficientBuffer)) => {
                self.list_is_old = true;
                Ok(())
            }
            // Whoever stops this has said so otherwise, too.
            Err((_, Code::Cancelled)) => Ok(()),
            Err((_, Code::UnknownReader)) => {
                // A moment, lest a service that contradicts itself keeps us busy.
                if self.list_is_old {
                    self.turn.pause(Duration::from_millis(20));
                }
                self.list_is_old = true;
                Ok(())
            }
            Err((function, code)) if service::is_away(code) => {
                log::debug!("{function}: {code}");
                self.service_stopped();
                Ok(())
            }
            Err((function, code)) => Err(ReaderError::of(function, code)),
        }
    }

    fn look(&mut self, context: &Context, time: Duration) -> Result<(), (&'static str, Code)> {
        if self.list_is_old {
            self.read_list(context)?;
            self.list_is_old = false;
        }
        // libpcsclite compares no counter with 0. So what is at 0 is looked at before the wait.
        if self.readers.iter().any(|reader| reader.seen.count == 0) {
            self.wait(context, Duration::ZERO)?;
        }
        if self.events.is_empty() && !self.list_is_old {
            let longest = self.pnp.as_ref().map_or(WITHOUT_PNP, |_| WITH_PNP);
            self.wait(context, self.list_again.min(longest).min(time))?;
        }
        Ok(())
    }

    /// Compares the readers that there are with those that there were.
    fn read_list(&mut self, context: &Context) -> Result<(), (&'static str, Code)> {
        let names = context.list_readers_owned();
        let names = names.map_err(|code| ("SCardListReaders", code))?;
        let (kept, gone) = std::mem::take(&mut self.readers)
            .into_iter()
            .partition(|reader| names.contains(&reader.seen.name));
        self.readers = kept;
        let events_before = self.events.len();
        for reader in gone {
            self.remove(reader);
        }
        for name in names {
            if !self.readers.iter().any(|reader| reader.seen.name == name) {
                self.add(name);
            }
        }
        self.list_again = match self.events.len() == events_before {
            true => (2 * self.list_again).min(WITH_PNP),
            false => SOON,
        };
        Ok(())
    }

    fn wait(&mut self, context: &Context, timeout: Duration) -> Result<(), (&'static str, Code)> {
        let mut seen: Vec<_> = self.readers.iter().map(|one| one.seen.clone()).collect();
        if timeout.is_zero() {
            for reader in seen.iter_mut().filter(|reader| reader.count == 0) {
                reader.state = State::UNAWARE;
            }
        }
        seen.extend(self.pnp.clone());
        let outcome = match seen.is_empty() {
            true => {
                self.turn.pause(timeout);
                Err(Code::Timeout)
            }
            false => self.turn.take(context, || {
                service::status_change(context, timeout, &mut seen)
            }),
        };
        match outcome {
            Err(Code::Timeout) if timeout.is_zero() => {}
            Err(Code::UnknownReader) if self.readers.is_empty() => {
                self.pnp = None;
                return Ok(());
            }
            // libpcsclite takes as many as there can be readers, and not that one besides.
            Err(Code::InvalidParameter) if self.pnp.is_some() => {
                self.pnp = None;
                return Ok(());
            }
            Err(code) => return Err(("SCardGetStatusChange", code)),
            Ok(()) => {}
        }
        if let Some(pnp) = &mut self.pnp
            && let Some(seen) = seen.pop()
        {
            self.list_is_old |= seen.has(State::CHANGED);
            *pnp = seen;
            // Some services take the name for that of a reader which is not there.
            if pnp.has(State::UNKNOWN) {
                self.pnp = None;
            }
        }
        for (index, seen) in seen.into_iter().enumerate() {
            self.has_seen(context, index, seen);
        }
        Ok(())
    }

    /// Takes note of what was seen of a reader.
    fn has_seen(&mut self, context: &Context, index: usize, seen: Seen) {
        let Some(reader) = self.readers.get_mut(index) else {
            return;
        };
        if seen.has(State::UNKNOWN) {
            self.list_is_old = true;
            return;
        }
        let seen = service::settled(context, seen);
        let (count, present) = (seen.count, seen.has(State::PRESENT));
        let name = seen.name();
        // The service tells no counter of a reader that does not answer.
        let was_away = std::mem::replace(&mut reader.seen, seen).has(State::UNAVAILABLE);
        let is_away = reader.seen.has(State::UNAVAILABLE);
        let passed = match &mut reader.tally {
            Some(tally) if !was_away && !is_away => tally.pass(count, present),
            tally => {
                let before = tally.is_some_and(|tally| tally.present());
                *tally = Some(Tally::new(count, present));
                Passed::Events(i32::from(before != present))
            }
        };
        let card = present.then(|| Card::new(&reader.seen.atr, &name));
        let card_before = reader.card.take();
        let inserted = |card| ReaderEvent::TokenInserted {
            reader: name.clone(),
            card,
        };
        let removed = |card| ReaderEvent::TokenRemoved {
            reader: name.clone(),
            card,
        };
        match passed {
            Passed::Replaced => {
                reader.card = card.clone();
                self.events.extend(card_before.map(removed));
                let reader = name.clone();
                self.events.push_back(ReaderEvent::ReaderRemoved { reader });
                let reader = name.clone();
                self.events.push_back(ReaderEvent::ReaderAdded { reader });
                self.events.extend(card.map(inserted));
            }
            Passed::Events(events) => {
                let mut inside = card_before;
                for left in (0..events).rev() {
                    match inside.take() {
                        Some(card) => self.events.push_back(removed(card)),
                        None => {
                            // What came and went meanwhile has left no answer to reset.
                            let now = card.clone().filter(|_| left == 0);
                            let now = now.unwrap_or_else(|| Card::new(&[], &name));
                            inside = Some(now.clone());
                            self.events.push_back(inserted(now));
                        }
                    }
                }
                // One that stays is what it was: pcscd shows another answer to reset of a card that
                // is gone, when a program connects to it before pcscd has seen so.
                reader.card = inside;
            }
        }
    }

    fn add(&mut self, name: CString) {
        let seen = Seen::unaware(name);
        let reader = seen.name();
        self.events.push_back(ReaderEvent::ReaderAdded { reader });
        self.readers.push(Watched {
            seen,
            tally: None,
            card: None,
        });
    }

    fn remove(&mut self, reader: Watched) {
        let name = reader.seen.name();
        self.events
            .extend(reader.card.map(|card| ReaderEvent::TokenRemoved {
                reader: name.clone(),
                card,
            }));
        self.events
            .push_back(ReaderEvent::ReaderRemoved { reader: name });
    }

    fn service_stopped(&mut self) {
        self.context = None;
        self.away_since = Some(Instant::now());
        for reader in std::mem::take(&mut self.readers) {
            self.remove(reader);
        }
        self.events.push_back(ReaderEvent::ServiceStopped);
    }

    fn look_for_service(&mut self, time: Duration) -> Result<(), ReaderError> {
        match service::establish() {
            Ok(context) => {
                self.context = Some(context);
                self.pnp = Some(Seen::unaware(PNP.to_owned()));
                self.list_is_old = true;
                self.events.push_back(ReaderEvent::ServiceStarted);
                Ok(())
            }
            Err(ReaderError::NoService | ReaderError::ServiceStopped | ReaderError::Busy) => {
                self.turn.pause(AWAY.min(time));
                Ok(())
            }
            // A service that is ending hangs up, as it does on those it refuses.
            Err(ReaderError::NoPermission)
                if self
                    .away_since
                    .is_some_and(|since| since.elapsed() < ENDING) =>
            {
                self.turn.pause(AWAY.min(time));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Iterator for Watch {
    type Item = Result<ReaderEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_before(None)
    }
}

impl FusedIterator for Watch {}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
