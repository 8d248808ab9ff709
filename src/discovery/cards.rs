//! From the cards that are present to the modules that drive them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Discovery;
use super::ways::is_named;
use crate::Error;
use crate::catalog::{self, Serves, System};
use crate::module::locate::Candidate;
use crate::module::{Module, Origin};
use crate::reader::{Reader, ReaderError, ReaderState, readers_at_a_glance};
use crate::token::{Place, Token};

/// Why a card gives no token, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// None of the modules that are known to drive it is installed.
    #[error("no installed module drives it; install {}", .install.join(" or "))]
    NotInstalled {
        /// What drives it on this system, the best first.
        install: Vec<String>,
    },
    /// No module is known to drive it.
    #[error(
        "no PKCS#11 module is known to drive it; install its vendor's, and name it in \
         KEYFOB_MODULE or Search::module"
    )]
    NoneKnown,
    /// Modules that are known to drive it see no token.
    #[error(
        "{} should drive it, and shows no token; see whether another program has it for itself, \
         or install another module",
        tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NotSeen {
        /// The modules.
        tried: Vec<PathBuf>,
    },
    /// It does not answer.
    #[error("it does not answer; take it out and put it in again, the other way round perhaps")]
    Mute,
}

/// The cards in this system's readers.
pub(super) struct Cards {
    cards: Vec<Reader>,
    /// Why there are none.
    none: Option<ReaderError>,
}

impl Cards {
    pub(super) fn present() -> Self {
        let (cards, none) = match readers_at_a_glance() {
            Ok(readers) if readers.is_empty() => (readers, Some(ReaderError::NoReader)),
            Ok(mut readers) => {
                readers.retain(|reader| reader.card().is_some());
                let none = readers.is_empty().then_some(ReaderError::NoCard);
                (readers, none)
            }
            Err(error) => (Vec::new(), Some(error)),
        };
        Self { cards, none }
    }

    pub(super) fn places(&self) -> Vec<Arc<Place>> {
        self.cards
            .iter()
            .map(|reader| Arc::new(place(reader)))
            .collect()
    }
}

fn place(reader: &Reader) -> Place {
    Place {
        reader: reader.name().to_owned(),
        model: reader.card().and_then(|card| card.model().cloned()),
        insertions: reader.insertions(),
    }
}

impl Discovery {
    /// Loads what the catalog knows to drive the cards present, and tells which of them nothing
    /// drives. `installed` are the catalog's modules that were found and not loaded yet.
    pub(super) fn look_at(&mut self, cards: &Cards, installed: &[Candidate]) {
        let places = cards.places();
        for (reader, place) in cards.cards.iter().zip(&places) {
            if reader.state() != ReaderState::Mute {
                self.drive(place, installed, &places);
            }
        }
        for (reader, place) in cards.cards.iter().zip(&places) {
            if !self.tokens.iter().any(|token| may_be(token, place)) {
                self.problems.push(Error::Card {
                    card: reader.card().map(ToString::to_string).unwrap_or_default(),
                    reader: place.reader.clone(),
                    reason: self.why_none(reader.state(), place),
                });
            }
        }
        let is_empty = !self
            .tokens
            .iter()
            .any(|token| token.flags().is_initialized());
        if is_empty && let Some(reason) = &cards.none {
            self.problems.push(reason.clone().into());
        }
    }

    /// Loads one module after the other, the best first, until one shows an initialised token.
    fn drive(&mut self, place: &Place, installed: &[Candidate], places: &[Arc<Place>]) {
        for candidate in candidates(place, installed) {
            let preference = place.preference(&candidate.path);
            let is_driven = self.tokens.iter().any(|token| {
                may_be(token, place)
                    && token.flags().is_initialized()
                    && (is_named(token) || place.preference(token.module().path()) <= preference)
            });
            if is_driven {
                return;
            }
            self.try_module(candidate, places);
        }
    }

    fn why_none(&self, state: ReaderState, place: &Place) -> CardError {
        if state == ReaderState::Mute {
            return CardError::Mute;
        }
        let Some(model) = &place.model else {
            return CardError::NoneKnown;
        };
        let loaded = self.modules.iter().map(Module::path);
        let tried: Vec<_> = loaded
            .filter(|path| model.preference(path).is_some())
            .map(Path::to_owned)
            .collect();
        let known = model.own_modules().iter().map(String::as_str);
        let drivers = model.drivers().filter(|driver| driver.is_for(System::HERE));
        let mut install: Vec<_> = known.chain(drivers.map(|driver| driver.name)).collect();
        install.dedup();
        match (tried.is_empty(), install.is_empty()) {
            (false, _) => CardError::NotSeen { tried },
            (true, false) => CardError::NotInstalled {
                install: install.into_iter().map(str::to_owned).collect(),
            },
            (true, true) => CardError::NoneKnown,
        }
    }
}

/// Whether a token is the card in this reader. Where its module names slots otherwise than by
/// readers, that it drives such cards has to do.
fn may_be(token: &Token, place: &Place) -> bool {
    match token.place() {
        Some(found) => found == place,
        None => place.preference(token.module().path()).is_some(),
    }
}

/// What the catalog has installed for a card, the best first.
fn candidates(place: &Place, installed: &[Candidate]) -> Vec<Candidate> {
    let Some(model) = &place.model else {
        let serves = |one: &&Candidate| {
            one.driver
                .is_some_and(|driver| driver.serves == Serves::UnknownCards)
        };
        return installed.iter().filter(serves).cloned().collect();
    };
    let own = model
        .own_modules()
        .iter()
        .filter_map(|file| catalog::installed(file));
    let own = own.map(|path| Candidate {
        path,
        origin: Origin::Catalog,
        driver: None,
    });
    let known = model.drivers().filter_map(|driver| {
        installed
            .iter()
            .find(|one| one.driver == Some(driver))
            .cloned()
    });
    own.chain(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CardModel;
    use crate::catalog::DRIVERS;
    use crate::module::LocateError;

    /// Every module of the catalog, as if it were installed.
    fn everything() -> Vec<Candidate> {
        let installed = DRIVERS.iter().map(|driver| Candidate {
            path: PathBuf::from(driver.linux.first().copied().unwrap_or("none")),
            origin: Origin::Catalog,
            driver: Some(driver),
        });
        installed.collect()
    }

    fn place(model: Option<CardModel>) -> Place {
        Place {
            reader: "a reader".to_owned(),
            model,
            insertions: 0,
        }
    }

    #[test]
    fn of_all_modules_only_those_that_drive_a_card_are_for_it() {
        let everything = everything();
        for model in CardModel::all() {
            let family = model.family().to_owned();
            for one in candidates(&place(Some(model)), &everything) {
                let driver = one.driver.unwrap();
                assert!(
                    driver.drives.contains(&family.as_str()),
                    "{family}: {one:?}"
                );
                assert_ne!(driver.serves, Serves::NoCard);
            }
        }
        let unknown = candidates(&place(None), &everything);
        let names: Vec<_> = unknown.iter().filter_map(|one| one.driver).collect();
        assert!(matches!(names.as_slice(), [driver] if driver.name == "OpenSC"));
    }

    #[test]
    fn the_best_is_tried_first() {
        let rutoken = model("Rutoken ECP");
        let files = candidates(&place(Some(rutoken.clone())), &everything());
        let files: Vec<_> = files.iter().map(|one| one.path.to_string_lossy()).collect();
        assert_eq!(files, ["librtpkcs11ecp.so", "opensc-pkcs11.so"]);
        let preference = |file| rutoken.preference(Path::new(file));
        if cfg!(target_os = "linux") {
            assert_eq!(preference("/usr/lib/librtpkcs11ecp.so"), Some(0));
            assert_eq!(preference("/usr/lib/opensc-pkcs11.so"), Some(1));
        }
        assert_eq!(preference("/usr/lib/libsofthsm2.so"), None);
    }

    #[test]
    fn what_to_install_is_told() {
        let nothing = Discovery::with(Vec::<LocateError>::new());
        let why = |name| nothing.why_none(ReaderState::Present, &place(Some(model(name))));
        if cfg!(target_os = "linux") {
            assert_eq!(
                why("Rutoken ECP").to_string(),
                "no installed module drives it; install librtpkcs11ecp or OpenSC"
            );
        }
        assert_eq!(why("Kaztoken"), CardError::NoneKnown);
        let mute = nothing.why_none(ReaderState::Mute, &place(None));
        assert_eq!(mute, CardError::Mute);
    }

    fn model(name: &str) -> CardModel {
        let mut all = CardModel::all().into_iter();
        all.find(|model| model.name() == name).unwrap()
    }
}
