//! Waiting for a token to be plugged in.

use std::time::{Duration, Instant};

use super::Search;
use crate::reader::{ReaderEvent, Watch, watch};
use crate::token::Token;
use crate::{Error, SelectionError};

/// Waits until the token that a text names (a PKCS#11 URI, a label or a serial, as in
/// [`Discovery::select`](crate::Discovery::select)) is plugged in, but no longer than this.
///
/// Nothing is asked for over and over: the modules are asked when a card is put in, and a few
/// times within the two seconds after that, which some need to see it.
///
/// # Errors
/// [`Error::Selection`] where the time is over or several fit; [`Error::Reader`] where the token is
/// not there and the smart card service cannot be waited with.
///
/// # Example
/// ```no_run
/// use std::time::Duration;
///
/// let token = keyfob::wait_for("3a1f77b2", Duration::from_secs(30))?;
/// println!("{} is here", token.label());
/// # Ok::<(), keyfob::Error>(())
/// ```
pub fn wait_for(name: &str, time: Duration) -> Result<Token, Error> {
    Search::new().wait_for(name, time)
}

/// When, after a card was put in, modules are asked again that do not see it yet.
const LATER: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_millis(1200),
];

impl Search {
    /// Waits for a token, as [`wait_for`] does, where this looks.
    ///
    /// # Errors
    /// As [`wait_for`].
    pub fn wait_for(&self, name: &str, time: Duration) -> Result<Token, Error> {
        // Later than anybody waits is never.
        let end = Instant::now().checked_add(time);
        // Begun before the first look: what is put in after that is not missed.
        let mut watch = watch();
        if let Ok(watch) = &mut watch {
            while watch.next_within(Duration::ZERO).transpose()?.is_some() {}
        }
        let mut again = [].iter();
        // Kept until the next one: its modules stay loaded.
        let mut found = self.run()?;
        loop {
            let missing = match found.select(name) {
                Err(error) if is_none(&error) => error,
                answer => return answer,
            };
            let events = match &mut watch {
                Ok(events) => events,
                Err(_) => return watch.and(Err(missing)),
            };
            let soon = again.next().copied();
            match wait(events, soon, end)? {
                Next::Inserted => again = LATER.iter(),
                Next::Soon => {}
                Next::End => return Err(missing),
            }
            found = self.run()?;
        }
    }
}

enum Next {
    Inserted,
    Soon,
    End,
}

/// Waits for a card, but neither longer than `soon` nor past the end.
fn wait(watch: &mut Watch, soon: Option<Duration>, end: Option<Instant>) -> Result<Next, Error> {
    let until = soon.map(|soon| Instant::now() + soon);
    loop {
        let now = Instant::now();
        if end.is_some_and(|end| end <= now) {
            return Ok(Next::End);
        }
        if until.is_some_and(|until| until <= now) {
            return Ok(Next::Soon);
        }
        let first = until.into_iter().chain(end).min();
        let left = first.map_or(Duration::MAX, |first| first - now);
        let event = watch.next_within(left).transpose()?;
        if let Some(ReaderEvent::TokenInserted { .. }) = event {
            return Ok(Next::Inserted);
        }
    }
}

fn is_none(error: &Error) -> bool {
    matches!(
        error,
        Error::Selection {
            reason: SelectionError::None,
            ..
        }
    )
}
