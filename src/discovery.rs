//! From modules to tokens, and what went wrong on the way.

#[cfg(feature = "pcsc")]
mod cards;
mod matching;
#[cfg(feature = "pcsc")]
mod waiting;
mod ways;

use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "pcsc")]
pub use cards::CardError;
pub(crate) use matching::matches_token;
#[cfg(feature = "pcsc")]
pub use waiting::wait_for;

use crate::catalog;
#[cfg(feature = "pcsc")]
use crate::catalog::Serves;
use crate::error::first_few;
use crate::module::locate::{self, Candidate, Located};
use crate::module::{Module, module_error};
use crate::privilege::Privilege;
use crate::token::{Place, Token};
use crate::uri::Uri;
use crate::{Error, LocateError, ModuleError, SelectionError};

/// Finds the tokens of every module that this system has.
///
/// The modules are those that the environment variable `KEYFOB_MODULE` names (one path or
/// several, as in `PATH`). Without it, they are those of p11-kit's configuration; the known ones
/// whose tokens are in no reader (SoftHSM, TPM, remote tokens); and for each card that is present,
/// the known vendor's in its usual folder, or another that drives it. Nothing is loaded that no
/// card needs. [`Search`] finds otherwise.
///
/// A card that several modules drive is one token; see [`Token::other_ways`]. One that none drives
/// stands in [`Discovery::problems`], with what to install. So does whatever else went wrong on the
/// way, which hides nothing else; and where no token is found, why no card is: no service, no
/// reader, no card.
///
/// Without the feature `pcsc` nothing is known of cards: all known modules that are installed are
/// loaded, and a token is shown as often as modules drive it.
///
/// # Errors
/// None today: what goes wrong with a module, a slot or a file is a problem, and a search that
/// found nothing is empty.
///
/// # Example
/// ```no_run
/// let found = keyfob::discover()?;
/// for token in found.tokens() {
///     println!("{} {}", token.label(), token.serial());
/// }
/// for problem in found.problems() {
///     eprintln!("{problem}");
/// }
/// # Ok::<(), keyfob::Error>(())
/// ```
pub fn discover() -> Result<Discovery, Error> {
    Search::new().run()
}

/// Where to look for tokens.
///
/// # Example
/// ```no_run
/// use keyfob::Search;
///
/// let found = Search::new().module("/opt/vendor/lib/libvendor-pkcs11.so").run()?;
/// # Ok::<(), keyfob::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Search {
    modules: Vec<PathBuf>,
    named_only: bool,
}

impl Search {
    /// Looks where [`discover`] does.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks in this module too, before all others.
    #[must_use]
    pub fn module(mut self, path: impl Into<PathBuf>) -> Self {
        self.modules.push(path.into());
        self
    }

    /// Looks nowhere but in the modules named here.
    #[must_use]
    pub fn named_only(mut self) -> Self {
        self.named_only = true;
        self
    }

    /// Looks in the module that a URI names with `module-path`.
    ///
    /// This lets whoever wrote the URI choose code for this process to run, so it is done only
    /// where asked for in words. The path must be absolute.
    ///
    /// # Errors
    /// [`Error::Module`] for a relative path, and in a process that runs with more rights than the
    /// person who started it.
    ///
    /// # Example
    /// ```
    /// use keyfob::Search;
    ///
    /// let uri = "pkcs11:token=keyfob?module-path=libvendor.so".parse()?;
    /// assert!(Search::new().module_of(&uri).is_err());
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn module_of(self, uri: &Uri) -> Result<Self, Error> {
        match uri.module_path() {
            None => Ok(self),
            Some(path) if !path.is_absolute() => Err(module_error(path, ModuleError::RelativePath)),
            Some(path) if Privilege::of_this_process() != Privilege::Ordinary => {
                Err(module_error(path, ModuleError::Privileged))
            }
            Some(path) => Ok(self.module(path)),
        }
    }

    /// Looks.
    ///
    /// # Errors
    /// As [`discover`].
    pub fn run(&self) -> Result<Discovery, Error> {
        let mut located = locate::named(&self.modules);
        if !self.named_only {
            located.extend(locate::on_this_system());
        }
        Ok(Discovery::of(located))
    }
}

/// What a search found: modules, their tokens, and what went wrong on the way.
///
/// Iterating over it gives the tokens.
#[derive(Debug)]
pub struct Discovery {
    modules: Vec<Module>,
    tokens: Vec<Token>,
    problems: Vec<Error>,
}

impl Discovery {
    /// First the modules that somebody names and those whose tokens are in no reader, then those
    /// for the cards that are there.
    #[cfg(feature = "pcsc")]
    fn of(located: Located) -> Self {
        let mut found = Self::with(located.problems);
        let cards = cards::Cards::present();
        let places = cards.places();
        let (for_cards, at_once): (Vec<_>, _) =
            located.candidates.into_iter().partition(|candidate| {
                let driver = candidate.driver;
                driver.is_some_and(|driver| driver.serves != Serves::NoCard)
            });
        for candidate in at_once {
            found.try_module(candidate, &places);
        }
        if located.whole_system {
            found.look_at(&cards, &for_cards);
        }
        found.tokens = ways::join(found.tokens);
        found
    }

    /// All modules: which cards there are is not known.
    #[cfg(not(feature = "pcsc"))]
    fn of(located: Located) -> Self {
        let mut found = Self::with(located.problems);
        for candidate in located.candidates {
            found.try_module(candidate, &[]);
        }
        found.tokens = ways::join(found.tokens);
        found
    }

    fn with(problems: Vec<LocateError>) -> Self {
        Self {
            modules: Vec::new(),
            tokens: Vec::new(),
            problems: problems.into_iter().map(Error::from).collect(),
        }
    }

    /// The tokens, uninitialised ones included.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The modules that could be loaded.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// What went wrong with modules, slots, configuration files and cards.
    pub fn problems(&self) -> &[Error] {
        &self.problems
    }

    /// The only token there is, uninitialised ones left aside.
    ///
    /// # Errors
    /// [`Error::Selection`] where there is none or several: it says which ones.
    ///
    /// # Example
    /// ```no_run
    /// let token = keyfob::discover()?.only()?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn only(&self) -> Result<Token, Error> {
        self.one("a token", |_| true)
    }

    /// The one token that a text names: a PKCS#11 URI (RFC 7512), a label or a serial.
    ///
    /// A URI's `module-path` only chooses among the modules that were loaded; see
    /// [`Search::module_of`]. Its `pin-value` and `pin-source` are not looked at; see
    /// [`Pin::from_uri`](crate::Pin::from_uri).
    ///
    /// # Errors
    /// [`Error::Selection`] where none or several fit, naming those; [`Error::Uri`].
    ///
    /// # Example
    /// ```no_run
    /// let found = keyfob::discover()?;
    /// let by_uri = found.select("pkcs11:serial=3a1f77b2")?;
    /// let by_label = found.select("keyfob")?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn select(&self, name: &str) -> Result<Token, Error> {
        if Uri::looks_like(name) {
            let uri: Uri = name.parse()?;
            return self.by_uri(&uri);
        }
        self.one(&format!("a token named \"{name}\""), |token| {
            token.label() == name || token.serial() == name
        })
    }

    /// The one token that a URI names. As [`select`](Self::select).
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub fn by_uri(&self, uri: &Uri) -> Result<Token, Error> {
        self.one(&format!("a token for {uri}"), |token| {
            matches_token(uri, token)
        })
    }

    /// The one token with a label.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub fn by_label(&self, label: &str) -> Result<Token, Error> {
        self.one(&format!("a token labelled \"{label}\""), |token| {
            token.label() == label
        })
    }

    /// The one token with a serial number.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub fn by_serial(&self, serial: &str) -> Result<Token, Error> {
        self.one(&format!("a token with the serial {serial}"), |token| {
            token.serial() == serial
        })
    }

    fn one(&self, wanted: &str, fits: impl Fn(&Token) -> bool) -> Result<Token, Error> {
        let fits = |token: &&Token| token.flags().is_initialized() && fits(token);
        let tokens: Vec<Token> = self
            .tokens
            .iter()
            .filter_map(|token| token.ways().find(fits).cloned())
            .collect();
        // An empty answer often has its reason among the problems.
        let wanted = match self.problems.as_slice() {
            problems @ [_, ..] if tokens.is_empty() => {
                let problems = first_few(problems, Error::to_string);
                format!("{wanted} (on the way: {})", problems.join("; "))
            }
            _ => wanted.to_owned(),
        };
        Error::exactly_one(tokens, wanted, SelectionError::None, |token| {
            token.uri().to_string()
        })
    }

    /// A module that fails hides no other.
    fn try_module(&mut self, candidate: Candidate, readers: &[Arc<Place>]) {
        if let Err(problem) = self.look_in(candidate, readers) {
            log::debug!("{problem}");
            self.problems.push(problem);
        }
    }

    /// Loads a module and reads its tokens. A bad slot hides no other.
    fn look_in(&mut self, candidate: Candidate, readers: &[Arc<Place>]) -> Result<(), Error> {
        let module = Module::load(&candidate.path)?;
        // Two names of one file are one module.
        if self.modules.contains(&module) {
            return Ok(());
        }
        self.modules.push(module.clone());
        // A reader of another machine may have the same name as one here.
        let readers = match catalog::is_remote(module.path()) {
            true => &[],
            false => readers,
        };
        for slot in module.slots_with_token()? {
            match Token::read(&module, candidate.origin.clone(), slot, readers) {
                Ok(token) => self.tokens.push(token),
                Err(problem) => self.problems.push(problem),
            }
        }
        Ok(())
    }
}

impl IntoIterator for Discovery {
    type Item = Token;
    type IntoIter = std::vec::IntoIter<Token>;

    fn into_iter(self) -> Self::IntoIter {
        self.tokens.into_iter()
    }
}

impl<'a> IntoIterator for &'a Discovery {
    type Item = &'a Token;
    type IntoIter = std::slice::Iter<'a, Token>;

    fn into_iter(self) -> Self::IntoIter {
        self.tokens.iter()
    }
}
