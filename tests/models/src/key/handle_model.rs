//! Nobody gets a handle for another generation than it was seen in, and the newest is kept.

use std::sync::Arc;

use loom::thread;

use super::handle::Handle;

/// Of the generation that it belongs to.
fn handle_of(generation: u64) -> u64 {
    100 + generation
}

fn check(handle: &Handle, generation: u64) -> Option<u64> {
    let got = handle.get(generation);
    if let Some(got) = got {
        assert_eq!(got, handle_of(generation), "another generation's handle");
    }
    got
}

/// A user who has not heard of a loss yet, beside one who has found the key again.
#[test]
fn a_handle_is_given_out_for_its_own_generation_alone() {
    loom::model(|| {
        let handle = Arc::new(Handle::new(1, handle_of(1)));
        let finder = spawn_finder(&handle, 2);
        check(&handle, 1);
        check(&handle, 2);
        finder.join().unwrap();
        assert_eq!(check(&handle, 2), Some(handle_of(2)));
        assert_eq!(handle.get(1), None);
    });
}

/// Two who find it after different losses, and a user after the first of these.
#[test]
fn the_newest_handle_is_kept() {
    loom::model(|| {
        let handle = Arc::new(Handle::new(1, handle_of(1)));
        let finders = [2, 3].map(|generation| spawn_finder(&handle, generation));
        check(&handle, 2);
        for finder in finders {
            finder.join().unwrap();
        }
        assert_eq!(check(&handle, 3), Some(handle_of(3)));
        assert_eq!(handle.get(2), None);
    });
}

fn spawn_finder(handle: &Arc<Handle>, generation: u64) -> thread::JoinHandle<()> {
    let handle = Arc::clone(handle);
    thread::spawn(move || handle.set(generation, handle_of(generation)))
}
