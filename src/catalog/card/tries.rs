//! How cards are asked for the tries left.

use super::{CardModel, CardQuirk};

/// What is sent to a card that tells how often the user's PIN can still be wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TriesQuestion {
    /// The models that take it.
    families: &'static [&'static str],
    /// How `CK_TOKEN_INFO.manufacturerID` begins. A card of several applications can give tokens
    /// that have nothing to do with the one that is asked.
    manufacturer: &'static str,
    /// The name of the application that has the PIN, on a card of several.
    pub(crate) application: Option<&'static [u8]>,
    /// The PIN's number, as VERIFY has it.
    pub(crate) pin: u8,
    /// That of a PIN which the module may use instead, and which not every such card has.
    pub(crate) other_pin: Option<u8>,
}

static QUESTIONS: [TriesQuestion; 2] = [
    // As OpenSC's driver `rutoken_ecp`.
    TriesQuestion {
        families: &["Rutoken ECP"],
        manufacturer: "",
        application: None,
        pin: 0x02,
        other_pin: None,
    },
    // NIST SP 800-73-4, part 2, sections 3.1.1 and 3.2.1. The manufacturer is OpenSC's word for it.
    TriesQuestion {
        families: &["YubiKey", "Nitrokey 3", "PIV"],
        manufacturer: "piv_II",
        application: Some(b"\xA0\0\0\x03\x08\0\0\x10\0"),
        pin: 0x80,
        other_pin: Some(0x00),
    },
];

impl CardModel {
    /// How to ask such a card for the tries left of this token, where it tells.
    pub(crate) fn tries_question(&self, manufacturer: &str) -> Option<&'static TriesQuestion> {
        if !self.quirks().contains(&CardQuirk::TellsTriesLeft) {
            return None;
        }
        QUESTIONS.iter().find(|question| {
            question.families.contains(&self.family())
                && manufacturer.starts_with(question.manufacturer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_that_tells_can_be_asked() {
        let mut count = 0;
        for model in CardModel::all() {
            if model.quirks().contains(&CardQuirk::TellsTriesLeft) {
                assert!(model.tries_question("piv_II").is_some(), "{model:?}");
                count += 1;
            }
        }
        assert!(count >= 8, "{count}");
    }

    #[test]
    fn what_is_not_known_to_tell_is_not_asked() {
        let mine = || CardModel::new("Mine").with_quirk(CardQuirk::TellsTriesLeft);
        assert_eq!(mine().tries_question("piv_II"), None);
        let piv = mine().with_family("PIV");
        assert_eq!(piv.tries_question("piv_II").unwrap().pin, 0x80);
        assert_eq!(piv.tries_question("OpenPGP"), None);
        let silent = CardModel::new("Mine").with_family("Rutoken ECP");
        assert_eq!(silent.tries_question("Aktiv Co."), None);
    }
}
