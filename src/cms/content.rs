//! A document's content, hashed in constant memory however long it is.

use std::io::{self, ErrorKind, Read};
use std::panic;
use std::sync::mpsc;
use std::thread;

use crate::{DigestAlgorithm, Hasher};

/// In bytes. Large enough that the threads seldom wait for one another.
const PIECE: usize = 256 * 1024;
/// One is read, one is hashed, and one is between them.
const PIECES: usize = 3;

/// What a content was hashed to.
pub(crate) struct Digests {
    digests: Vec<(DigestAlgorithm, Vec<u8>)>,
}

impl Digests {
    /// Hashes all that `content` gives with each of these algorithms, and hands each piece of it on
    /// to `sink`.
    ///
    /// Hashing is what takes longest, so a thread of its own does it while the next piece is read and
    /// passed on. Contents of one piece are spared that.
    pub(crate) fn of<E: From<Unread>>(
        mut content: impl Read,
        algorithms: impl IntoIterator<Item = DigestAlgorithm>,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut hashers = Hashers::new(algorithms);
        let first = Piece::read(vec![0; PIECE], &mut content)?;
        sink(first.bytes())?;
        if first.is_last() {
            hashers.update(first.bytes());
            return Ok(hashers.finish());
        }

        let (full, to_hash) = mpsc::sync_channel::<Piece>(PIECES);
        let (empty, free) = mpsc::channel();
        for _ in 1..PIECES {
            // The other end is in this function.
            let _ = empty.send(vec![0; PIECE]);
        }
        let hash = move || {
            for piece in to_hash {
                hashers.update(piece.bytes());
                // Nobody wants it back when all is read.
                let _ = empty.send(piece.buffer);
            }
            hashers
        };
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("keyfob-hash".into());
            let hashing = builder.spawn_scoped(scope, hash).map_err(Unread)?;
            let mut next = first;
            loop {
                let is_last = next.is_last();
                // It only fails, and gives no piece back, where the other thread has panicked.
                let buffer = match full.send(next) {
                    Ok(()) if !is_last => free.recv().ok(),
                    _ => None,
                };
                let Some(buffer) = buffer else { break };
                next = Piece::read(buffer, &mut content)?;
                sink(next.bytes())?;
            }
            drop(full);
            let hashers = hashing.join();
            let hashers = hashers.unwrap_or_else(|panicked| panic::resume_unwind(panicked));
            Ok(hashers.finish())
        })
    }

    /// Digests that somebody else has made.
    pub(crate) fn ready(digests: Vec<(DigestAlgorithm, Vec<u8>)>) -> Self {
        Self { digests }
    }

    pub(crate) fn get(&self, algorithm: DigestAlgorithm) -> Option<&[u8]> {
        let mut digests = self.digests.iter();
        let found = digests.find(|(one, _)| *one == algorithm);
        found.map(|(_, digest)| digest.as_slice())
    }
}

/// A content that is being hashed, with each algorithm once.
pub(crate) struct Hashers(Vec<Hasher>);

impl Hashers {
    pub(crate) fn new(algorithms: impl IntoIterator<Item = DigestAlgorithm>) -> Self {
        let mut hashers: Vec<Hasher> = Vec::new();
        for algorithm in algorithms {
            if hashers.iter().all(|hasher| hasher.algorithm() != algorithm) {
                hashers.push(algorithm.hasher());
            }
        }
        Self(hashers)
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        for hasher in &mut self.0 {
            hasher.update(piece);
        }
    }

    pub(crate) fn finish(self) -> Digests {
        let digests = self.0.into_iter();
        Digests {
            digests: digests
                .map(|hasher| (hasher.algorithm(), hasher.finalize()))
                .collect(),
        }
    }
}

/// A content that could not be read.
#[derive(Debug)]
pub(crate) struct Unread(pub(crate) io::Error);

struct Piece {
    buffer: Vec<u8>,
    filled: usize,
}

impl Piece {
    /// Fills the buffer as far as the content goes.
    fn read(mut buffer: Vec<u8>, content: &mut impl Read) -> Result<Self, Unread> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match content.read(room) {
                Ok(0) => break,
                // A reader that claims more than the buffer holds is broken.
                Ok(read) => filled += read.min(room.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Unread(error)),
            }
        }
        Ok(Self { buffer, filled })
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    fn is_last(&self) -> bool {
        self.filled < self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [DigestAlgorithm; 3] = [
        DigestAlgorithm::Sha256,
        DigestAlgorithm::Sha512,
        DigestAlgorithm::Sha256,
    ];

    /// Gives at most this many bytes at once, and an interruption now and then.
    struct Dripping<'a>(&'a [u8], usize, bool);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.2 = !self.2;
            if self.2 {
                return Err(ErrorKind::Interrupted.into());
            }
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn all_of_it_is_hashed_and_passed_on() {
        let data: Vec<u8> = (0..5 * PIECE + 1).map(|i| (i % 251) as u8).collect();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE, 5 * PIECE + 1] {
            let data = &data[..length];
            let mut passed = Vec::new();
            let digests = Digests::of(Dripping(data, 10_007, false), ALL, |piece| {
                passed.extend_from_slice(piece);
                Ok::<_, Unread>(())
            })
            .unwrap();
            assert!(passed == data, "{length}");
            for algorithm in ALL {
                assert_eq!(digests.get(algorithm).unwrap(), algorithm.digest(data));
            }
            assert_eq!(digests.get(DigestAlgorithm::Sha384), None);
        }
    }

    #[test]
    fn errors_end_it_wherever_they_come_from() {
        struct Fails(usize);
        impl Read for Fails {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let all = buffer.len().min(self.0);
                self.0 -= all;
                match all {
                    0 => Err(ErrorKind::BrokenPipe.into()),
                    all => Ok(all),
                }
            }
        }
        for length in [0, PIECE, 10 * PIECE] {
            let failed = Digests::of(Fails(length), ALL, |_| Ok::<_, Unread>(()));
            assert!(failed.is_err());
        }
        let mut pieces = 0;
        let failed = Digests::of(io::repeat(7), ALL, |_| {
            pieces += 1;
            match pieces {
                5 => Err(Unread(ErrorKind::StorageFull.into())),
                _ => Ok(()),
            }
        });
        assert!(failed.is_err());
    }
}
