//! A card that comes and goes.

use std::cell::RefCell;

use crate::bench::Absence;
use crate::pcscd::{Pcscd, Reader};
use crate::vpcd::{Card, Inserted};

/// A card that is inserted and removed.
pub struct InReader<'a, C: Card> {
    pcscd: &'a Pcscd,
    reader: Reader,
    place: RefCell<Place<C>>,
}

enum Place<C: Card> {
    In(Inserted<C>),
    Out(C),
    Moving,
}

impl<'a, C: Card> InReader<'a, C> {
    pub fn new(pcscd: &'a Pcscd, reader: Reader, card: C) -> Self {
        let place = RefCell::new(Place::Out(card));
        let card = Self {
            pcscd,
            reader,
            place,
        };
        card.come_back();
        card
    }

    /// Asks the card itself.
    #[track_caller]
    pub fn card<T>(&self, look: impl FnOnce(&mut C) -> T) -> T {
        match &*self.place.borrow() {
            Place::In(inserted) => inserted.card(look),
            _ => panic!("it is not in the reader"),
        }
    }
}

impl<C: Card> Absence for InReader<'_, C> {
    fn go(&self) {
        if let Place::In(inserted) = self.place.replace(Place::Moving) {
            self.place.replace(Place::Out(inserted.remove()));
        }
    }

    fn come_back(&self) {
        if let Place::Out(card) = self.place.replace(Place::Moving) {
            let inserted = Inserted::new(self.pcscd, self.reader, card);
            self.place.replace(Place::In(inserted));
        }
    }
}
