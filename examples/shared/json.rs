//! The report of `list`, for machines.

use std::time::SystemTime;

use keyfob::{Certificate, Discovery, Identifier, Identity, Reader, Token};
use serde_json::{Value, json};

/// What `list` prints for machines.
pub fn report(
    readers: &[Reader],
    found: &Discovery,
    listed: &[(Token, Vec<Identity>)],
    problems: &[String],
) -> Value {
    let readers: Vec<_> = readers.iter().map(reader_json).collect();
    let modules: Vec<_> = found.modules().iter().map(|one| one.path()).collect();
    let tokens: Vec<_> = listed
        .iter()
        .map(|(token, identities)| {
            json!({
                "label": token.label(), "serial": token.serial(),
                "manufacturer": token.manufacturer(), "model": token.model(),
                "initialized": token.flags().is_initialized(),
                "pin_state": token.pin_state().to_string(),
                "slot": token.slot_id(), "module": token.module().path(),
                "uri": token.uri().to_string(),
                "identities": identities.iter().map(identity_json).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "readers": readers, "modules": modules, "tokens": tokens, "problems": problems })
}

fn reader_json(reader: &Reader) -> Value {
    json!({
        "name": reader.name(), "vendor": reader.vendor(), "serial": reader.serial(),
        "state": reader.state().to_string(),
        "card": reader.card().map(|card| json!({
            "atr": card.atr().ok().map(|atr| atr.to_string()),
            "model": card.model().map(|model| model.name()),
            "vendor": card.model().map(|model| model.vendor()),
            "modules": card.model().map(|model| model.modules()),
        })),
    })
}

fn days_left(certificate: &Certificate) -> i64 {
    certificate.days_left(SystemTime::now())
}

fn identifier_json(identifier: &Identifier) -> Value {
    json!({
        "kind": identifier.kind().to_string(), "value": identifier.value(),
        "check_digit": identifier.check_digit(),
    })
}

fn identity_json(identity: &Identity) -> Value {
    json!({
        "label": identity.label(), "uri": identity.uri().to_string(),
        "key_type": identity.key_type().to_string(),
        "key_status": identity.key_status().to_string(),
        "never_left_token": identity.key().map(|key| key.protection().never_left_token()),
        "protection": identity.key().map(|key| key.protection().to_string()),
        "certificate": identity.certificate().map(|certificate| json!({
            "subject": certificate.subject(), "issuer": certificate.issuer(),
            "serial": certificate.serial_hex(),
            "not_before": super::cli::validity(certificate).0, "not_after": super::cli::validity(certificate).1,
            "for_signing": certificate.allows_signing(),
            "for_documents": certificate.is_for_documents(),
            "days_left": days_left(certificate), "expires_soon": days_left(certificate) < super::cli::EXPIRES_SOON,
            "person": certificate.owner().person(), "organization": certificate.owner().organization(),
            "identifiers": certificate.owner().identifiers().iter().map(identifier_json).collect::<Vec<_>>(),
        })),
    })
}
