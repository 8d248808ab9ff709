//! Bytes that look like DER and are not, or are DER of something else.

use super::super::random::Random;

/// No longer than the room. Made of the value, or of nothing.
pub(super) fn nonsense(random: &mut Random, value: &[u8], room: usize) -> Vec<u8> {
    let mut der = match random.below(6) {
        0 => nested(room, &[0x30, 0x82], 2),
        1 => nested(room, &[random.one_of(&[0x30, 0x31, 0xa0]), 0x80], 0),
        2 => {
            let mut der = vec![random.one_of(TAGS), 0x84, 0xff, 0xff, 0xff, 0xff];
            der.resize(room.max(6), 0xff);
            der
        }
        3 => elements(random, room, 6),
        _ => {
            let mut der = value.to_vec();
            misshape(random, &mut der);
            der
        }
    };
    der.truncate(room);
    der
}

/// What keys and certificates are made of.
const TAGS: &[u8] = &[
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1e, 0x24, 0x30,
    0x31, 0x80, 0xa0, 0xa3, 0x1f, 0xff,
];

/// As deep as the room allows: each header says, in its last `width` bytes, that it holds all that
/// follows.
fn nested(room: usize, header: &[u8], width: usize) -> Vec<u8> {
    let step = header.len() + width;
    let mut der = Vec::new();
    while der.len() + step <= room {
        let inside = (room - der.len() - step).min(0xffff) as u16;
        der.extend_from_slice(header);
        der.extend_from_slice(&inside.to_be_bytes()[..width]);
    }
    der
}

/// Well formed, and without a meaning.
fn elements(random: &mut Random, room: usize, depth: u32) -> Vec<u8> {
    let mut der = Vec::new();
    while room - der.len() >= 2 {
        let tag = random.one_of(TAGS);
        let most = (room - der.len() - 2).min(0x7f);
        let inside = random.below(most + 1);
        let inside = match tag & 0x20 != 0 && depth > 0 {
            true => elements(random, inside, depth - 1),
            false => (0..inside).map(|_| random.next() as u8).collect(),
        };
        der.extend([tag, inside.len() as u8]);
        der.extend(inside);
        if random.one_in(4) {
            break;
        }
    }
    der
}

/// One tag, length or first byte of what it holds, somewhere in it.
fn misshape(random: &mut Random, der: &mut [u8]) {
    let headers = headers(der);
    if headers.is_empty() {
        return;
    }
    let at = random.one_of(&headers);
    match random.below(4) {
        0 => der[at] = random.one_of(TAGS),
        1 => der[at + 1] = der[at + 1].wrapping_add(random.one_of(&[1, 0xff])),
        2 => der[at + 1] = random.one_of(&[0, 0x7f, 0x80, 0x81, 0x84, 0x88, 0xff]),
        _ => {
            if let Some(first) = der.get_mut(at + 2) {
                *first = random.next() as u8;
            }
        }
    }
}

/// Where its elements begin, those inside others too.
fn headers(der: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut ranges = vec![(0, der.len())];
    while let Some((mut at, end)) = ranges.pop() {
        while at + 2 <= end {
            found.push(at);
            let (header, length) = match (der[at + 1], der.get(at + 2), der.get(at + 3)) {
                (short @ ..=0x7f, _, _) => (2, usize::from(short)),
                (0x81, Some(length), _) => (3, usize::from(*length)),
                (0x82, Some(high), Some(low)) => {
                    (4, usize::from(u16::from_be_bytes([*high, *low])))
                }
                _ => break,
            };
            let next = at + header + length;
            if next > end {
                break;
            }
            if der[at] & 0x20 != 0 {
                ranges.push((at + header, next));
            }
            at = next;
        }
    }
    found
}
