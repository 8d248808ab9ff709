//! Cards by name: what an answer to reset, or else a reader's name, says a card is.

mod pattern;
mod table;
mod tries;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::System;
use super::models::{DRIVERS, Driver};
use crate::reader::{Atr, AtrError, Checksum};
use pattern::Pattern;
use table::{CARDS, KnownCard};
pub(crate) use tries::TriesQuestion;

/// A model of token or smart card that is known by name.
///
/// The common ones are built in. A program adds others with
/// [`add_to_catalog`](Self::add_to_catalog).
///
/// # Example
/// ```
/// use keyfob::CardModel;
///
/// let atr = [
///     0x3B, 0x8B, 0x01, 0x52, 0x75, 0x74, 0x6F, 0x6B, 0x65, 0x6E, 0x20, 0x45, 0x43, 0x50, 0xA0,
/// ];
/// let model = CardModel::identify(&atr, "any reader").unwrap();
/// assert_eq!(model.name(), "Rutoken ECP");
/// assert_eq!(model.vendor(), "Aktiv");
/// assert!(CardModel::identify(&atr[..9], "any reader").is_none());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CardModel(Arc<Facts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    name: Cow<'static, str>,
    vendor: Cow<'static, str>,
    family: Cow<'static, str>,
    atrs: Vec<Pattern>,
    historical: Vec<Cow<'static, [u8]>>,
    readers: Vec<Cow<'static, str>>,
    modules: Vec<String>,
    quirks: Vec<CardQuirk>,
}

/// What sets a model apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CardQuirk {
    /// It answers VERIFY without a PIN with the number of tries left, and spends none. Where its
    /// module does not show them, the card itself is asked: see
    /// [`Token::pin_state`](crate::Token::pin_state).
    ///
    /// What exactly it is asked goes by the family: Rutoken ECP, YubiKey, Nitrokey 3 and PIV are
    /// known. With any other [family](CardModel::with_family) this changes nothing.
    TellsTriesLeft,
    /// Its module makes GOST R 34.10-2012 signatures with a digest in one call only, not of data
    /// in pieces.
    GostInOneCall,
}

/// Fewer historical bytes than these are found in other cards' by chance.
const FEWEST_HISTORICAL: usize = 4;

impl CardModel {
    /// The model of the card that gave this answer to reset in the reader of this name, if it is
    /// known.
    ///
    /// Told by the whole answer, or else the known pattern that fits and leaves least open, or else
    /// the historical bytes, or else the name of a reader that is built into a token. An answer
    /// that is cut short or whose checksum is wrong is only known whole. What the program has added
    /// comes before what is built in.
    pub fn identify(atr: &[u8], reader: &str) -> Option<Self> {
        let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
        let models: Vec<&Self> = added.iter().chain(BUILT_IN.iter()).collect();
        // A pattern or a part fits what was spoilt, too.
        let sound = Atr::try_from(atr)
            .ok()
            .filter(|atr| atr.checksum() != Checksum::Wrong);
        let historical = sound.as_ref().map_or(&[][..], Atr::historical_bytes);
        first_most(&models, |facts| {
            let fitting = facts.atrs.iter().filter(|pattern| pattern.fits(atr));
            fitting
                .filter(|pattern| sound.is_some() || pattern.is_exact())
                .map(|pattern| (pattern.is_exact(), pattern.fixed()))
                .max()
        })
        .or_else(|| {
            first_most(&models, |facts| {
                let parts = facts.historical.iter();
                let contained = parts.filter(|part| contains(historical, part));
                contained.map(|part| part.len()).max()
            })
        })
        .or_else(|| {
            first_most(&models, |facts| {
                let names = facts.readers.iter();
                let contained = names.filter(|name| contains_name(reader, name));
                contained.map(|name| name.len()).max()
            })
        })
        .cloned()
    }

    /// All models that are known in this process.
    ///
    /// # Example
    /// ```
    /// let all = keyfob::CardModel::all();
    /// assert!(all.iter().any(|model| model.name() == "YubiKey 5"));
    /// ```
    pub fn all() -> Vec<Self> {
        let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
        added.iter().chain(BUILT_IN.iter()).cloned().collect()
    }

    /// Its name, as people call it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Who makes it, or gives it out.
    pub fn vendor(&self) -> &str {
        &self.0.vendor
    }

    /// The models that the same modules drive have the same family.
    pub fn family(&self) -> &str {
        &self.0.family
    }

    /// The files of the PKCS#11 modules that drive it on this system, the best first. Empty where
    /// none is publicly known.
    ///
    /// # Example
    /// ```
    /// # let all = keyfob::CardModel::all();
    /// let rutoken = all.iter().find(|model| model.name() == "Rutoken ECP").unwrap();
    /// # if cfg!(target_os = "linux") {
    /// assert_eq!(rutoken.modules(), ["librtpkcs11ecp.so", "opensc-pkcs11.so"]);
    /// # }
    /// ```
    pub fn modules(&self) -> Vec<String> {
        let known = self.drivers().filter_map(|driver| {
            let file = driver.files(System::HERE).first()?;
            let name = Path::new(file).file_name()?;
            Some(name.to_string_lossy().into_owned())
        });
        self.0.modules.iter().cloned().chain(known).collect()
    }

    /// What sets it apart.
    pub fn quirks(&self) -> &[CardQuirk] {
        &self.0.quirks
    }

    /// The modules that were added with it.
    pub(crate) fn own_modules(&self) -> &[String] {
        &self.0.modules
    }

    /// The place of a module among those that drive it, the best being 0. `None`
    /// for one that is not known to.
    pub(crate) fn preference(&self, module: &Path) -> Option<usize> {
        let own = self.0.modules.iter().map(|file| match Path::new(file) {
            path if path.has_root() => path.canonicalize().is_ok_and(|path| path == module),
            name => super::file_name(name) == super::file_name(module),
        });
        let known = self.drivers();
        let known = known.map(|driver| driver.has_name_of(module, System::HERE));
        own.chain(known).position(|is_it| is_it)
    }

    /// The catalog's drivers for it, the best first.
    pub(crate) fn drivers(&self) -> impl Iterator<Item = &'static Driver> {
        DRIVERS
            .iter()
            .filter(|driver| driver.drives.contains(&self.family()))
    }

    /// A model of which nothing but the name is known yet.
    ///
    /// # Example
    /// ```
    /// use keyfob::CardModel;
    ///
    /// CardModel::new("Acme Token")
    ///     .with_vendor("Acme")
    ///     .with_atr("3B 8A 80 01 41 43 4D 45 .. .. .. .. .. .. ..")?
    ///     .with_historical_bytes(b"ACME")?
    ///     .with_module("libacmepkcs11.so")
    ///     .add_to_catalog();
    ///
    /// let atr = b"\x3B\x8A\x80\x01ACME-0.9.1\x14";
    /// assert_eq!(CardModel::identify(atr, "a reader").unwrap().name(), "Acme Token");
    /// # Ok::<(), keyfob::AtrError>(())
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self(Arc::new(Facts {
            family: Cow::Owned(name.clone()),
            name: Cow::Owned(name),
            vendor: Cow::Borrowed(""),
            atrs: Vec::new(),
            historical: Vec::new(),
            readers: Vec::new(),
            modules: Vec::new(),
            quirks: Vec::new(),
        }))
    }

    /// Who makes it.
    #[must_use]
    pub fn with_vendor(self, vendor: impl Into<String>) -> Self {
        self.with(|facts| facts.vendor = Cow::Owned(vendor.into()))
    }

    /// The family of known models whose modules drive it too. Without this, its own name.
    #[must_use]
    pub fn with_family(self, family: impl Into<String>) -> Self {
        self.with(|facts| facts.family = Cow::Owned(family.into()))
    }

    /// An answer to reset, in hexadecimal, with `.` for each digit that differs from one card to
    /// the next.
    ///
    /// # Errors
    /// [`AtrError::NotHex`], [`AtrError::HalfByte`], [`AtrError::TooLong`].
    pub fn with_atr(self, pattern: &str) -> Result<Self, AtrError> {
        let pattern = pattern.parse()?;
        Ok(self.with(|facts| facts.atrs.push(pattern)))
    }

    /// What its historical bytes contain, and no other card's do.
    ///
    /// # Errors
    /// [`AtrError::TooFew`] for fewer than four.
    pub fn with_historical_bytes(self, part: &[u8]) -> Result<Self, AtrError> {
        if part.len() < FEWEST_HISTORICAL {
            return Err(AtrError::TooFew { length: part.len() });
        }
        Ok(self.with(|facts| facts.historical.push(Cow::Owned(part.to_vec()))))
    }

    /// What the name of the reader contains that is built into it.
    #[must_use]
    pub fn with_reader_name(self, part: impl Into<String>) -> Self {
        self.with(|facts| facts.readers.push(Cow::Owned(part.into())))
    }

    /// A PKCS#11 module that drives it, to be tried before those of its family: the name of a file
    /// in one of the system's usual folders, or an absolute path. [`discover`](crate::discover)
    /// loads it where such a card is present.
    #[must_use]
    pub fn with_module(self, file: impl Into<String>) -> Self {
        self.with(|facts| facts.modules.push(file.into()))
    }

    /// What sets it apart.
    #[must_use]
    pub fn with_quirk(self, quirk: CardQuirk) -> Self {
        self.with(|facts| facts.quirks.push(quirk))
    }

    /// From now on, cards of this model are known by its name in this process. One that was added
    /// before under the same name is replaced.
    pub fn add_to_catalog(self) {
        let mut added = ADDED.write().unwrap_or_else(PoisonError::into_inner);
        added.retain(|model| model.name() != self.name());
        added.push(self);
    }

    fn with(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Debug for CardModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CardModel").field(&self.0.name).finish()
    }
}

/// What this process has added.
static ADDED: RwLock<Vec<CardModel>> = RwLock::new(Vec::new());

static BUILT_IN: LazyLock<Vec<CardModel>> =
    LazyLock::new(|| CARDS.iter().map(CardModel::from).collect());

impl From<&KnownCard> for CardModel {
    fn from(card: &KnownCard) -> Self {
        Self(Arc::new(Facts {
            name: Cow::Borrowed(card.name),
            vendor: Cow::Borrowed(card.vendor),
            family: Cow::Borrowed(card.family),
            // All of them can be read: a test has read them.
            atrs: card
                .atrs
                .iter()
                .filter_map(|atr| atr.parse().ok())
                .collect(),
            historical: card.historical.iter().copied().map(Cow::Borrowed).collect(),
            readers: card.readers.iter().copied().map(Cow::Borrowed).collect(),
            modules: Vec::new(),
            quirks: card.quirks.to_vec(),
        }))
    }
}

/// The first of the models for which the measure is greatest, of those that have one.
fn first_most<'a, T: Ord>(
    models: &[&'a CardModel],
    measure: impl Fn(&Facts) -> Option<T>,
) -> Option<&'a CardModel> {
    let measured = models
        .iter()
        .rev()
        .filter_map(|model| Some((measure(&model.0)?, *model)));
    // Of several that are greatest, max_by gives the last.
    measured
        .max_by(|one, other| one.0.cmp(&other.0))
        .map(|(_, model)| model)
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && all.windows(part.len()).any(|window| window == part)
}

/// Whether a reader's name contains this one, in any case, and no longer word that begins with it:
/// "Rutoken S" is not in "Rutoken SCR".
fn contains_name(reader: &str, name: &str) -> bool {
    let (reader, name) = (reader.to_lowercase(), name.to_lowercase());
    !name.is_empty()
        && reader.match_indices(&name).any(|(at, found)| {
            let after = reader
                .get(at + found.len()..)
                .and_then(|rest| rest.chars().next());
            after.is_none_or(|after| !after.is_alphanumeric())
        })
}

#[cfg(test)]
mod tests;
