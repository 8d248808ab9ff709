use super::bare::Bare;
use crate::bench::Bench;
use keyfob::Search;

/// The token is found, with nothing wrong on the way, by all that names it, and says of itself what
/// the module says of it.
pub fn found_by_every_name(bench: &Bench<'_>) {
    let bare = Bare::of(bench);
    let info = bare.module().get_token_info(bare.slot).unwrap();
    drop(bare);
    let found = Search::new().module(&bench.module).named_only().run();
    let found = found.unwrap();
    assert!(found.problems().is_empty(), "{:?}", found.problems());
    let token = found.by_label(&bench.label).unwrap();
    assert_eq!(
        (
            token.label(),
            token.manufacturer(),
            token.model(),
            token.serial()
        ),
        (
            text(info.label()),
            text(info.manufacturer_id()),
            text(info.model()),
            text(info.serial_number())
        )
    );
    let uri = token.uri();
    for name in [bench.label.as_str(), token.serial(), &uri.to_string()] {
        assert_eq!(found.select(name).unwrap().slot_id(), token.slot_id());
    }
    assert!(found.by_label("another").is_err());
    assert!(token.flags().is_initialized() && token.flags().login_required());
    assert!(!token.slot_description().unwrap().is_empty());
    let module = token.module().info().unwrap();
    println!(
        "{}: {} {}.{}, {} {}",
        bench.name,
        module.description,
        module.version.0,
        module.version.1,
        token.manufacturer(),
        token.model()
    );
}

/// Without the zeros that some modules put in the place of blanks.
fn text(field: &str) -> &str {
    field.trim_end_matches('\0')
}
