//! Check digits: they find a slip of the pen, and nothing else.

use super::IdentifierKind;

/// Whether the check digits are right; `None` for what has none that are known here.
pub(super) fn is_right(kind: &IdentifierKind, value: &str) -> Option<bool> {
    let digits: Option<Vec<u64>> = value
        .chars()
        .map(|digit| digit.to_digit(10).map(u64::from))
        .collect();
    let check: fn(&[u64]) -> bool = match kind {
        IdentifierKind::Inn => inn,
        IdentifierKind::InnLe => inn_of_company,
        IdentifierKind::Ogrn => |digits| remainder(digits, 13, 11),
        IdentifierKind::OgrnIp => |digits| remainder(digits, 15, 13),
        IdentifierKind::Snils => snils,
        IdentifierKind::Iin | IdentifierKind::Bin => iin,
        IdentifierKind::Semantic { .. } => return None,
    };
    Some(digits.is_some_and(|digits| check(&digits)))
}

fn sum(digits: &[u64], weights: &[u64]) -> u64 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum()
}

const INN: [u64; 11] = [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8];

/// A person's has two check digits, each over all that is before it.
fn inn(digits: &[u64]) -> bool {
    match digits {
        [0, 0, company @ ..] if company.len() == 10 => inn_of_company(company),
        [first @ .., one, two] if first.len() == 10 => {
            let weights = INN.split_at(1).1;
            sum(first, weights) % 11 % 10 == *one && sum(digits, &INN) % 11 % 10 == *two
        }
        _ => false,
    }
}

fn inn_of_company(digits: &[u64]) -> bool {
    match digits {
        [first @ .., check] if first.len() == 9 => {
            sum(first, INN.split_at(2).1) % 11 % 10 == *check
        }
        _ => false,
    }
}

/// The number before the last digit, divided.
fn remainder(digits: &[u64], length: usize, divisor: u64) -> bool {
    match digits {
        [first @ .., check] if digits.len() == length => {
            let number = first.iter().fold(0, |number, digit| number * 10 + digit);
            number % divisor % 10 == *check
        }
        _ => false,
    }
}

/// Numbers up to 001-001-998 were given out without check digits.
fn snils(digits: &[u64]) -> bool {
    match digits {
        [first @ .., ten, one] if first.len() == 9 => {
            let number = first.iter().fold(0, |number, digit| number * 10 + digit);
            let check = sum(first, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100;
            number <= 1_001_998 || check == ten * 10 + one
        }
        _ => false,
    }
}

/// If the first weights give ten, the second ones count; a number for which these give ten, too, is
/// not given out.
fn iin(digits: &[u64]) -> bool {
    match digits {
        [first @ .., check] if first.len() == 11 => {
            let mut control = sum(first, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11;
            if control == 10 {
                control = sum(first, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11;
            }
            control == *check
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_ones_and_every_wrong_digit() {
        use IdentifierKind::{Bin, Iin, Inn, InnLe, Ogrn, OgrnIp, Snils};
        // Those of public bodies, and made-up persons.
        for (kind, value) in [
            (InnLe, "7707329152"),
            (InnLe, "7710474375"),
            (Inn, "007710474375"),
            (Inn, "500100732259"),
            (Ogrn, "1047707030513"),
            (Ogrn, "1047702026701"),
            (OgrnIp, "304500116000157"),
            (Snils, "11223344595"),
            (Iin, "900101300017"),
            (Bin, "940140000385"),
        ] {
            assert_eq!(is_right(&kind, value), Some(true), "{kind} {value}");
            let last = value.len() - 1;
            let mut wrong = value.to_owned().into_bytes();
            wrong[last] = b'0' + (wrong[last] - b'0' + 1) % 10;
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(is_right(&kind, &wrong), Some(false), "{kind} {wrong}");
            assert_eq!(is_right(&kind, &value[1..]), Some(false), "{kind}");
            assert_eq!(is_right(&kind, ""), Some(false));
            assert_eq!(is_right(&kind, &value.replace(|_| true, "x")), Some(false));
        }
        assert_eq!(is_right(&Snils, "00100199800"), Some(true));
        assert_eq!(is_right(&Snils, "00100199900"), Some(false));
    }
}
