//! Which idle sessions of a pool are kept. Beside `pool.rs`, which `tests/models` takes as it is.

use std::cell::Cell;
use std::time::Duration;

use super::pool::{Health, Pool, Session, Sessions};

/// Opens and closes without end.
#[derive(Default)]
struct Token {
    opened: Cell<u64>,
    closed: Cell<u64>,
}

impl Sessions for Token {
    type Error = ();

    fn open(&self) -> Result<Session, ()> {
        self.opened.set(self.opened.get() + 1);
        Ok(Session { handle: 1, life: 0 })
    }

    fn close(&self, _: Session) {
        self.closed.set(self.closed.get() + 1);
    }

    fn is_full(&self, (): &()) -> bool {
        false
    }

    fn busy(&self) {}
}

fn use_at_once(pool: &Pool, token: &Token, count: usize) {
    let loans: Vec<_> = (0..count).map(|_| pool.lend(token, 0).unwrap()).collect();
    for loan in loans {
        pool.take_back(token, loan, Health::Good);
    }
}

#[test]
fn sessions_that_are_not_needed_any_more_are_closed_but_for_one() {
    let (pool, token) = (Pool::new(100), Token::default());
    pool.set_kept_for(Duration::MAX);
    use_at_once(&pool, &token, 8);
    for _ in 0..1000 {
        use_at_once(&pool, &token, 1);
    }
    assert_eq!(token.closed.get(), 0, "they are not idle for long");
    pool.set_kept_for(Duration::ZERO);
    for _ in 0..100 {
        use_at_once(&pool, &token, 1);
    }
    assert_eq!((token.opened.get(), token.closed.get()), (8, 7));
}

#[test]
fn sessions_that_are_needed_stay_open() {
    let (pool, token) = (Pool::new(100), Token::default());
    pool.set_kept_for(Duration::ZERO);
    for _ in 0..1000 {
        use_at_once(&pool, &token, 3);
    }
    let open = token.opened.get() - token.closed.get();
    assert!((1..=3).contains(&open), "{open}");
    pool.set_kept_for(Duration::MAX);
    use_at_once(&pool, &token, 3);
    let opened = token.opened.get();
    for _ in 0..1000 {
        use_at_once(&pool, &token, 3);
    }
    assert_eq!(token.opened.get(), opened);
}
