//! The reader that a token is in, and the rule that a card is used through one module at a time.

use std::any::Any;
use std::path::Path;
use std::ptr;
use std::sync::Weak;

use super::Slot;
#[cfg(feature = "pcsc")]
use crate::CardModel;
use crate::Error;
use crate::module::raw::Functions;
use crate::module::users_of_reader;
use crate::sync::lock;

/// A reader with a card in it, as PC/SC names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) reader: String,
    /// What the card is, where that is known.
    #[cfg(feature = "pcsc")]
    pub(crate) model: Option<CardModel>,
    /// How many insertions and removals there had been in the reader.
    #[cfg(feature = "pcsc")]
    pub(crate) insertions: u16,
}

/// The length of `CK_SLOT_INFO.slotDescription`, in bytes.
const DESCRIPTION: usize = 64;

impl Place {
    /// The place of a module among those that are known to drive the card, the best being 0.
    pub(crate) fn preference(&self, module: &Path) -> Option<usize> {
        #[cfg(feature = "pcsc")]
        return self.model.as_ref()?.preference(module);
        #[cfg(not(feature = "pcsc"))]
        return module.parent().and(None);
    }

    /// Whether this is the reader that a module describes a slot with: by its name, of which no
    /// more than what fits is there.
    pub(super) fn is(&self, description: &str) -> bool {
        let name = self.reader.trim_end();
        // Some modules end the field with a zero.
        name == description
            || (description.len() >= DESCRIPTION - 1 && name.starts_with(description))
    }
}

impl Slot {
    /// Sees that the card is the one that was found, where PC/SC has counted that one was put in
    /// since: OpenSC takes another of the same kind for the first until it is asked for its slots.
    pub(crate) fn see_card(&self, functions: &Functions) -> Result<(), Error> {
        #[cfg(feature = "pcsc")]
        if let Some(place) = self.place()
            && let Some(insertions) = crate::reader::insertions(&place.reader)
            && insertions != place.insertions
        {
            self.find_token(functions, self.pool.epoch())?;
            self.set_place(Place {
                insertions,
                ..(*place).clone()
            });
        }
        let _ = functions;
        Ok(())
    }

    /// Takes the card for this slot's module. The session that is to be opened with it is counted
    /// already, so that no other module takes the card in between.
    ///
    /// Two modules know nothing of each other: each takes what it has selected on the card, and
    /// the login, for its own. So the second has to wait until the first holds no login and does
    /// nothing; then the sessions that the first has kept are closed.
    pub(super) fn take_card(&self) -> Result<(), Error> {
        let Some(place) = self.place() else {
            return Ok(());
        };
        let users = users_of_reader(&place.reader);
        let mut others = Vec::new(); // dropped when the lock is no longer held
        let mut users = lock(&users);
        users.retain(|user| user.strong_count() > 0);
        for user in users.iter().filter_map(Weak::upgrade) {
            others.extend(user.downcast::<Self>());
        }
        let is_there = |other: &Self| other.place().is_some_and(|is| is.reader == place.reader);
        for other in &others {
            if other.module() != self.module() && is_there(other) && !other.rest() {
                return Err(Error::InUse {
                    token: self.name().to_owned(),
                    module: other.module().path().to_owned(),
                });
            }
        }
        if !others.iter().any(|other| ptr::eq(&raw const **other, self)) {
            let user: Weak<dyn Any + Send + Sync> = self.this().clone();
            users.push(user);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_known_by_its_name_or_as_much_of_it_as_fits() {
        let place = |reader: &str| Place {
            reader: reader.to_owned(),
            #[cfg(feature = "pcsc")]
            model: None,
            #[cfg(feature = "pcsc")]
            insertions: 0,
        };
        let rutoken = place("Aktiv Rutoken ECP 00 00");
        assert!(rutoken.is("Aktiv Rutoken ECP 00 00"));
        assert!(!rutoken.is("Aktiv Rutoken ECP 00"));
        assert!(!rutoken.is(""));
        let long = "Alcor Micro AU9560 [CCID Interface] (Serial 000000001234567890) 00 00";
        assert!(place(long).is(&long[..64]));
        assert!(place(long).is(&long[..63]));
        assert!(!place(long).is(&long[..62]));
    }
}
