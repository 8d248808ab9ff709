//! How many module calls it costs to list a token with 200 identities. In a file of its own, since
//! each token that a module has costs the other counts a call.

#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/spy.rs"]
mod spy;

use keyfob::Search;
use softhsm::{Kind, PIN, SoftHsm};
use spy::Spy;

#[test]
fn listing_is_one_call_for_each_object() {
    let bench = SoftHsm::start();
    bench.token("many", |token| {
        for number in 0..200u8 {
            token.identity(Kind::P256, &format!("key {number}"), &[1, number]);
        }
    });
    let spy = Spy::between_us_and(&bench);
    let found = Search::new()
        .module(&spy.module)
        .named_only()
        .run()
        .unwrap();
    let fob = found.select("many").unwrap().unlock(&PIN.into()).unwrap();
    let before = spy.calls().len();
    let identities = fob.identities().unwrap();
    let calls = spy.calls().len() - before;
    let whole = identities
        .iter()
        .filter(|one| one.key().is_some() && one.certificate().is_some());
    assert_eq!((whole.count(), identities.len()), (200, 200));
    println!("200 identities listed in {calls} calls");
    assert!(calls <= 620, "{calls}");
}
