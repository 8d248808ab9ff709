//! What the examples share: which token, whose PIN, and how to say what went wrong.
#![allow(dead_code, reason = "no example needs all of it")]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use keyfob::{
    Certificate, Discovery, Identities, Identity, Pin, PinPrompt, SelectionError, TerminalPrompt,
    Token, Unlocked, Uri,
};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The token that `--token` names, or else the one that a `--key` URI tells of, or else the only
/// one there is.
pub fn token(found: &Discovery, token: Option<&str>, key: Option<&str>) -> Result<Token> {
    Ok(match (token, key) {
        (Some(name), _) => found.select(name)?,
        (None, Some(key)) if Uri::looks_like(key) => found.by_uri(&key.parse()?)?,
        _ => found.only()?,
    })
}

/// Unlocks with the PIN in KEYFOB_PIN, or else asks for it on the terminal.
pub fn unlock(token: &Token) -> Result<Unlocked> {
    Ok(match std::env::var_os("KEYFOB_PIN") {
        Some(_) => token.unlock(&Pin::from_env("KEYFOB_PIN")?)?,
        None => token.unlock_by(&TerminalPrompt::new())?,
    })
}

/// Who is asked where a key wants its PIN each time.
pub fn prompt() -> Arc<dyn PinPrompt> {
    match std::env::var_os("KEYFOB_PIN") {
        Some(_) => Arc::new(|_: &_| Pin::from_env("KEYFOB_PIN")),
        None => Arc::new(TerminalPrompt::new()),
    }
}

/// The only one of several identities, or how to choose one.
pub fn only(identities: Identities) -> Result<Identity> {
    identities.only().map_err(|error| match error {
        keyfob::Error::Selection {
            reason: SelectionError::Several(names),
            ..
        } => format!(
            "several identities can sign; choose one with --key:\n  {}",
            names.join("\n  ")
        )
        .into(),
        error => error.into(),
    })
}

/// From how many days before its end a certificate is warned of.
pub const EXPIRES_SOON: i64 = 30;

/// The first and last moment, as RFC 3339 writes them.
pub fn validity(certificate: &Certificate) -> (String, String) {
    let text = |time| {
        der::DateTime::from_system_time(time).map_or_else(|_| "?".into(), |time| time.to_string())
    };
    (
        text(certificate.not_before()),
        text(certificate.not_after()),
    )
}

/// Says what went wrong, with what lies beneath it, and ends with this status.
pub fn fail(error: &dyn Error, status: u8) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(status)
}
