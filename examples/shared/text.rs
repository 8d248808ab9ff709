//! The report of `list`, for people.

use std::fmt::{self, Display, Write};
use std::time::SystemTime;

use keyfob::{CardModel, Certificate, Discovery, Identity, Reader, Token};

use super::cli::EXPIRES_SOON;

pub fn report(readers: &[Reader], found: &Discovery, listed: &[(Token, Vec<Identity>)]) -> String {
    let mut text = String::new();
    write(&mut text, readers, found, listed).expect("writing to a string does not fail");
    text
}

fn write(
    out: &mut String,
    readers: &[Reader],
    found: &Discovery,
    listed: &[(Token, Vec<Identity>)],
) -> fmt::Result {
    for reader in readers {
        write_reader(out, reader)?;
    }
    for module in found.modules() {
        writeln!(out, "module {}", module.path().display())?;
        for (token, identities) in listed.iter().filter(|(token, _)| token.module() == module) {
            write_token(out, token)?;
            for identity in identities {
                write_identity(out, identity)?;
            }
        }
    }
    Ok(())
}

fn write_reader(out: &mut String, reader: &Reader) -> fmt::Result {
    writeln!(out, "reader {} ({})", plain(reader.name()), reader.state())?;
    let Some(card) = reader.card() else {
        return Ok(());
    };
    writeln!(out, "  card {card}")?;
    match card.model().map(CardModel::modules) {
        None => writeln!(
            out,
            "    no model that is known: name its module in KEYFOB_MODULE"
        ),
        Some(modules) if modules.is_empty() => {
            writeln!(
                out,
                "    its module is not publicly known: name it in KEYFOB_MODULE"
            )
        }
        Some(modules) => writeln!(out, "    driven by {}", modules.join(" or ")),
    }
}

fn write_token(out: &mut String, token: &Token) -> fmt::Result {
    let slot = token.slot_description().unwrap_or_default();
    writeln!(out, "  slot {} {}", token.slot_id(), plain(&slot))?;
    if !token.flags().is_initialized() {
        return writeln!(out, "    a token that is not initialised");
    }
    let label = plain(token.label());
    writeln!(out, "    token {label} ({})", token.pin_state())?;
    let (maker, model) = (plain(token.manufacturer()), plain(token.model()));
    writeln!(out, "      {maker} {model}")?;
    writeln!(out, "      {}", token.uri())
}

/// The subject, and below it what it says of the organization and the owner's national numbers.
fn write_owner(out: &mut String, certificate: &Certificate) -> fmt::Result {
    writeln!(out, "        owner   {}", plain(&certificate.subject()))?;
    let owner = certificate.owner();
    if let Some(organization) = owner.organization() {
        writeln!(out, "                {}", plain(organization))?;
    }
    for identifier in owner.identifiers() {
        let warning = match identifier.check_digit() {
            Some(false) => " (wrong check digit)",
            _ => "",
        };
        let text = identifier.to_string();
        writeln!(out, "                {}{warning}", plain(&text))?;
    }
    Ok(())
}

fn write_identity(out: &mut String, identity: &Identity) -> fmt::Result {
    let label = plain(identity.label());
    writeln!(out, "      - {label} ({})", identity.key_type())?;
    if let Some(certificate) = identity.certificate() {
        write_owner(out, certificate)?;
        writeln!(out, "        issuer  {}", plain(&certificate.issuer()))?;
        let (from, to) = super::cli::validity(certificate);
        let now = SystemTime::now();
        let warning = match certificate.days_left(now) {
            _ if !certificate.is_valid_at(now) => " (NOT VALID NOW)".into(),
            0 => " (EXPIRES WITHIN A DAY)".into(),
            days @ 1..EXPIRES_SOON => format!(" (EXPIRES IN {days} DAYS)"),
            _ => String::new(),
        };
        writeln!(out, "        valid   {from} to {to}{warning}")?;
    }
    match identity.key() {
        Some(key) => writeln!(out, "        key     {}", key.protection())?,
        None => writeln!(out, "        key     {}", identity.key_status())?,
    }
    writeln!(out, "        {}", identity.uri())
}

/// A stranger's text, which must not move the terminal's cursor.
fn plain(text: &str) -> impl Display {
    text.replace(char::is_control, "\u{fffd}")
}
