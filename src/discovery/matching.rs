use crate::module::{Origin, text};
use crate::token::Token;
use crate::uri::Uri;

/// Whether a URI's attributes of token, slot and library are all those of a token (RFC 7512,
/// section 2.3). What a URI does not name fits anything.
pub(crate) fn matches_token(uri: &Uri, token: &Token) -> bool {
    fn fits<T: PartialEq + ?Sized>(wanted: Option<&T>, found: &T) -> bool {
        wanted.is_none_or(|wanted| wanted == found)
    }
    // What an attribute of a vendor's would narrow the match by is not known here.
    uri.vendor_path_attributes().next().is_none()
        && fits(uri.token(), token.label())
        && fits(uri.manufacturer(), token.manufacturer())
        && fits(uri.serial(), token.serial())
        && fits(uri.model(), token.model())
        && uri.slot_id().is_none_or(|slot| slot == token.slot_id())
        && matches_slot(uri, token)
        && matches_library(uri, token)
        && matches_module(uri, token)
}

/// The slot is asked only where the URI is about it.
fn matches_slot(uri: &Uri, token: &Token) -> bool {
    if uri.slot_description().is_none() && uri.slot_manufacturer().is_none() {
        return true;
    }
    token.slot().info().is_ok_and(|info| {
        let is =
            |wanted: Option<&str>, found: &[u8]| wanted.is_none_or(|wanted| wanted == text(found));
        is(uri.slot_description(), &info.slotDescription)
            && is(uri.slot_manufacturer(), &info.manufacturerID)
    })
}

/// The library is asked only where the URI is about it.
fn matches_library(uri: &Uri, token: &Token) -> bool {
    if uri.library_manufacturer().is_none()
        && uri.library_description().is_none()
        && uri.library_version().is_none()
    {
        return true;
    }
    token.module().info().is_ok_and(|info| {
        uri.library_manufacturer()
            .is_none_or(|wanted| wanted == info.manufacturer)
            && uri
                .library_description()
                .is_none_or(|wanted| wanted == info.description)
            && uri
                .library_version()
                .is_none_or(|wanted| wanted == info.version)
    })
}

/// `module-name` is the file's name without folder, `lib` and ending, or p11-kit's name for the
/// module; `module-path` the file or its folder (RFC 7512, section 2.4).
fn matches_module(uri: &Uri, token: &Token) -> bool {
    let path = token.module().path();
    let stem = path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default();
    let bare = stem.strip_prefix("lib").unwrap_or(stem);
    let registered = match token.origin() {
        Origin::P11Kit { name, .. } => Some(name.as_str()),
        _ => None,
    };
    let names = [Some(stem), Some(bare), registered];
    uri.module_name().is_none_or(|name| {
        names
            .iter()
            .flatten()
            .any(|one| name.eq_ignore_ascii_case(one))
    }) && uri.module_path().is_none_or(|wanted| {
        wanted
            .canonicalize()
            .is_ok_and(|wanted| path == wanted || path.parent() == Some(&wanted))
    })
}
