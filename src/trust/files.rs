//! Certificates and CRLs from files and folders, PEM or DER.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::TrustError;
use crate::pem;

/// The largest file that is read: CRLs of large authorities have some tens of megabytes.
const FILE_LIMIT: u64 = 256 * 1024 * 1024;

/// What is looked for in files.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// The label of its PEM blocks.
    label: &'static str,
    /// What people call several of it.
    plural: &'static str,
}

pub(super) const CERTIFICATES: Kind = Kind {
    label: "CERTIFICATE",
    plural: "certificates",
};
pub(super) const CRLS: Kind = Kind {
    label: "X509 CRL",
    plural: "CRLs",
};

/// What was found.
pub(super) struct Found {
    /// Each in DER, with the file that it is from.
    pub(super) all: Vec<(PathBuf, Vec<u8>)>,
    pub(super) problems: Vec<TrustError>,
}

/// All of one kind in a file, or in the files of a folder but not of the folders in it.
///
/// Files of a folder that hold none are passed over: a folder has other files too. What cannot be
/// read is a problem.
pub(super) fn read(path: &Path, kind: Kind) -> Result<Found, TrustError> {
    let mut found = Found {
        all: Vec::new(),
        problems: Vec::new(),
    };
    if path.is_dir() {
        let listed = std::fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut files: Vec<_> = listed
            .map_err(|error| unreadable(path, error))?
            .iter()
            .map(std::fs::DirEntry::path)
            .filter(|file| !file.is_dir())
            .collect();
        files.sort();
        for file in files {
            match read_file(&file, kind) {
                Ok(all) => found
                    .all
                    .extend(all.into_iter().map(|der| (file.clone(), der))),
                Err(problem) => found.problems.push(problem),
            }
        }
    } else {
        let all = read_file(path, kind)?;
        found
            .all
            .extend(all.into_iter().map(|der| (path.to_owned(), der)));
    }
    match found.all.is_empty() {
        true => Err(found.problems.pop().unwrap_or_else(|| empty(path, kind))),
        false => Ok(found),
    }
}

pub(super) fn empty(path: &Path, kind: Kind) -> TrustError {
    TrustError::Empty {
        path: path.to_owned(),
        what: kind.plural,
    }
}

fn read_file(path: &Path, kind: Kind) -> Result<Vec<Vec<u8>>, TrustError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    file.take(FILE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, error))?;
    if bytes.len() as u64 > FILE_LIMIT {
        let (path, what, limit) = (path.to_owned(), kind.plural, FILE_LIMIT);
        return Err(TrustError::TooLarge { path, what, limit });
    }
    Ok(match bytes.first() {
        // A DER SEQUENCE, as in `Certificate::from_bytes`.
        Some(0x30) => vec![bytes],
        _ => pem::decode_all(&String::from_utf8_lossy(&bytes), kind.label),
    })
}

fn unreadable(path: &Path, error: io::Error) -> TrustError {
    TrustError::Read {
        path: path.to_owned(),
        error,
    }
}
