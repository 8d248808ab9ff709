//! Looks for a secret in all memory of this process, without ever holding it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// What each byte of the secret is XORed with wherever this program keeps it.
pub const MASK: u8 = 0x5a;
/// Eight letters and digits in the secret's order are no accident: one in 62^8.
const PIECE: usize = 8;
const CHUNK: usize = 64 << 10;

/// A scan to come. All that it needs is made before the secret comes into the process: it
/// allocates nothing until it has found something, so it overwrites nothing of what was freed.
pub struct Scan {
    maps: File,
    map_text: Vec<u8>,
    search: Search,
}

/// What was found.
pub struct Report<'a> {
    pub found: Vec<Found<'a>>,
    pub bytes: usize,
    /// Mappings that the kernel lets nobody read.
    pub unreadable: Vec<&'a str>,
}

/// What one mapping holds.
pub struct Found<'a> {
    pub mapping: &'a str,
    pub count: Count,
}

#[derive(Default)]
pub struct Count {
    /// How often a part of the secret is there, of eight bytes or more, or all of it.
    pub pieces: usize,
    /// How many of them are all of it.
    pub whole: usize,
    pub longest: usize,
    /// Where the first one is.
    pub address: usize,
}

struct Search {
    /// For each byte, as it stands in memory, its places in the secret: one bit each.
    places: [u128; 256],
    length: usize,
    memory: File,
    chunk: Vec<u8>,
    bytes: usize,
}

impl Scan {
    pub fn new(masked: &[u8]) -> Self {
        assert!((PIECE..=128).contains(&masked.len()), "places are 128 bits");
        let mut places = [0; 256];
        for (place, byte) in masked.iter().enumerate() {
            places[usize::from(byte ^ MASK)] |= 1 << place;
        }
        let open = |path| File::open(path).expect("a process may read itself");
        Self {
            maps: open("/proc/self/maps"),
            map_text: vec![0; 1 << 20],
            search: Search {
                places,
                length: masked.len(),
                memory: open("/proc/self/mem"),
                chunk: vec![0; CHUNK + 128],
                bytes: 0,
            },
        }
    }

    pub fn run(&mut self) -> Report<'_> {
        let mut filled = 0;
        loop {
            let room = &mut self.map_text[filled..];
            assert!(!room.is_empty(), "more mappings than there is room for");
            match self.maps.read(room).expect("a process may read itself") {
                0 => break,
                count => filled += count,
            }
        }
        let maps = std::str::from_utf8(&self.map_text[..filled]).expect("paths here are UTF-8");
        let mut found = Vec::new();
        let mut unreadable = Vec::new();
        for line in maps.lines() {
            let mut fields = line.split_ascii_whitespace();
            let (range, rights) = (fields.next(), fields.next());
            let (start, end) = range.and_then(|range| range.split_once('-')).expect(line);
            if !rights.expect(line).starts_with('r') {
                continue;
            }
            let mapping = fields.nth(3).unwrap_or("[anonymous]");
            let address = |text| usize::from_str_radix(text, 16).expect(line);
            match self.search.mapping(address(start), address(end)) {
                Some(Count { pieces: 0, .. }) => {}
                Some(count) => found.push(Found { mapping, count }),
                None => unreadable.push(mapping),
            }
        }
        Report {
            found,
            bytes: self.search.bytes,
            unreadable,
        }
    }
}

impl Search {
    /// All of a mapping but the chunk, through which everything found goes.
    fn mapping(&mut self, start: usize, end: usize) -> Option<Count> {
        let own = self.chunk.as_ptr_range();
        let (own_start, own_end) = (own.start as usize, own.end as usize);
        let mut count = Count::default();
        if own_end <= start || end <= own_start {
            self.range(start, end, &mut count)?;
        } else {
            self.range(start, own_start, &mut count)?;
            self.range(own_end, end, &mut count)?;
        }
        Some(count)
    }

    fn range(&mut self, mut at: usize, end: usize, count: &mut Count) -> Option<()> {
        let mut next = at;
        while at < end {
            // A chunk, and what a piece that begins in it can need beyond it.
            let read = (end - at).min(self.chunk.len());
            let room = &mut self.chunk[..read];
            self.memory.read_exact_at(room, at as u64).ok()?;
            for place in 0..read.min(CHUNK) {
                if at + place < next || self.places[usize::from(self.chunk[place])] == 0 {
                    continue;
                }
                let length = self.matching(&self.chunk[place..read]);
                if length >= PIECE {
                    next = at + place + length;
                    if count.pieces == 0 {
                        count.address = at + place;
                    }
                    count.pieces += 1;
                    count.whole += usize::from(length == self.length);
                    count.longest = count.longest.max(length);
                }
            }
            self.bytes += read.min(CHUNK);
            at += CHUNK;
        }
        Some(())
    }

    /// How many of these bytes, from the first, stand in the secret in this order.
    fn matching(&self, bytes: &[u8]) -> usize {
        let mut begins = u128::MAX; // one bit for each place in the secret that fits so far
        for (length, byte) in bytes.iter().take(self.length).enumerate() {
            begins &= self.places[usize::from(*byte)] >> length;
            if begins == 0 {
                return length;
            }
        }
        bytes.len().min(self.length)
    }
}
