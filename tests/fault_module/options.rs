//! The words of a command after its name: `key=value` and flags.

use cryptoki_sys::{CK_SLOT_ID, CK_ULONG};

use crate::slots;

pub(crate) struct Options<'a> {
    words: Vec<&'a str>,
    then: Option<String>,
}

impl<'a> Options<'a> {
    /// What follows the word `then` is a command of its own.
    pub(crate) fn new(text: &'a str) -> Self {
        let (words, then) = match text.split_once(" then ") {
            Some((words, then)) => (words, Some(then.to_owned())),
            None => (text, None),
        };
        Self {
            words: words.split_whitespace().collect(),
            then,
        }
    }

    pub(crate) fn then(&mut self) -> Option<String> {
        self.then.take()
    }

    /// The next word, if it is not a `key=value`.
    pub(crate) fn word(&mut self) -> Option<&'a str> {
        let index = self.words.iter().position(|word| !word.contains('='))?;
        Some(self.words.remove(index))
    }

    pub(crate) fn needed_word(&mut self, what: &str) -> Result<&'a str, String> {
        self.word().ok_or_else(|| format!("{what} is missing"))
    }

    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| *word != name);
        self.words.len() < before
    }

    pub(crate) fn text(&mut self, key: &str) -> Option<&'a str> {
        let value = |word: &&'a str| word.strip_prefix(key)?.strip_prefix('=');
        let index = self.words.iter().position(|word| value(word).is_some())?;
        value(&self.words.remove(index))
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<Option<CK_ULONG>, String> {
        self.text(key).map(number).transpose()
    }

    /// A number that is not one of PKCS#11's.
    pub(crate) fn count(&mut self, key: &str) -> Result<Option<u64>, String> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|error| format!("{key}={text}: {error}"))
        };
        self.text(key).map(parse).transpose()
    }

    pub(crate) fn needed_number(&mut self, key: &str) -> Result<CK_ULONG, String> {
        self.number(key)?
            .ok_or_else(|| format!("{key}= is missing"))
    }

    pub(crate) fn bytes(&mut self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.text(key).map(bytes).transpose()
    }

    /// `slot=`, as the real module calls it.
    pub(crate) fn slot(&mut self) -> Result<Option<CK_SLOT_ID>, String> {
        Ok(self.number("slot")?.map(slots::unrenamed))
    }

    pub(crate) fn needed_slot(&mut self) -> Result<CK_SLOT_ID, String> {
        self.slot()?.ok_or_else(|| "slot= is missing".into())
    }

    /// A word that nobody took is a mistake in the test.
    pub(crate) fn done(self) -> Result<(), String> {
        match (self.words.first(), self.then) {
            (None, None) => Ok(()),
            (Some(word), _) => Err(format!("what is {word} here?")),
            (None, Some(_)) => Err("only a rule has a then".into()),
        }
    }
}

pub(crate) fn number(text: &str) -> Result<CK_ULONG, String> {
    match text.strip_prefix("0x") {
        Some(digits) => CK_ULONG::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .map_err(|error| format!("{text}: {error}"))
}

/// `hex:00ff`, or the text itself.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let Some(digits) = text.strip_prefix("hex:") else {
        return Ok(text.as_bytes().to_vec());
    };
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let parsed: Option<Vec<u8>> = pairs.map(byte).collect();
    parsed
        .filter(|_| digits.len() % 2 == 0)
        .ok_or_else(|| format!("{digits} is not hexadecimal"))
}
