//! One card seen through several modules is one token with several ways in.

use std::sync::Arc;

use crate::module::Origin;
use crate::token::{Place, Token};

/// Joins what is in the same reader: the tokens of the best module stay, and have the others as
/// their other ways. What is in no reader stays as it is.
pub(super) fn join(tokens: Vec<Token>) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    let mut later = Vec::new();
    while let Some(token) = rest.next() {
        let Some(place) = token.place().cloned() else {
            joined.push(token);
            continue;
        };
        let mut same = vec![token];
        for token in rest {
            match token.place() == Some(&place) {
                true => same.push(token),
                false => later.push(token),
            }
        }
        joined.extend(join_card(&place, same));
        rest = std::mem::take(&mut later).into_iter().peekable();
    }
    joined
}

/// The less, the better: what the program or its environment names comes first, then what sees an
/// initialised token, then what the catalog says drives the card best.
fn rank(place: &Place, token: &Token) -> impl Ord + use<> {
    let preference = place.preference(token.module().path());
    (
        !is_named(token),
        !token.flags().is_initialized(),
        preference.unwrap_or(usize::MAX),
    )
}

/// Whether the program or its environment has named the token's module.
pub(super) fn is_named(token: &Token) -> bool {
    matches!(token.origin(), Origin::Caller | Origin::Environment)
}

fn join_card(place: &Place, mut tokens: Vec<Token>) -> Vec<Token> {
    tokens.sort_by_key(|token| rank(place, token)); // stable: a module's tokens stay in order
    let Some(best) = tokens.first().map(|token| token.module().clone()) else {
        return tokens;
    };
    let (tokens, others): (Vec<_>, Vec<_>) = tokens
        .into_iter()
        .partition(|token| *token.module() == best);
    let others: Arc<[Token]> = others.into();
    let join = |token: Token| token.with_other_ways(Arc::clone(&others));
    tokens.into_iter().map(join).collect()
}
