//! Which certificate a signer means.

use super::named::Attributes;
use crate::Certificate;
use crate::cms::read::SignerInfo;

/// Certificates that a signature is tried with, where several have the name that the signer gives.
const MOST_TRIED: usize = 8;

/// The certificate that the signer names: of several the one that the signing-certificate attribute
/// means, or else the first whose key made the signature, or else the first.
pub(super) fn of_signer<'a>(
    signer: &SignerInfo,
    certificates: &'a [Certificate],
    has_signed: impl Fn(&Certificate) -> bool,
) -> Option<&'a Certificate> {
    let named = || certificates.iter().filter(|one| signer.id.names(one));
    let mut several = named().skip(1);
    if several.all(|other| named().next() == Some(other)) {
        return named().next();
    }
    let signed = signer.signed.as_ref().map_or(&[][..], |one| &one.list);
    let meant = named().find(|one| Attributes(signed).mean(one));
    meant
        .or_else(|| named().take(MOST_TRIED).find(|one| has_signed(one)))
        .or_else(|| named().next())
}
