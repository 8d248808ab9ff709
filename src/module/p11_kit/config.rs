//! One configuration file: pkcs11.conf(5), "File format".

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::module::locate::error::LocateError;

/// A file's fields.
#[derive(Debug)]
pub(super) struct Config {
    file: PathBuf,
    fields: BTreeMap<String, String>,
}

impl Config {
    /// # Errors
    /// The file cannot be read, or a line of it is not in the format. Nothing of it is used then:
    /// a field that says not to load the module may have been lost.
    pub(super) fn read(file: &Path) -> Result<Self, LocateError> {
        let bytes = read_small(file).map_err(|reason| LocateError::Unreadable {
            file: file.to_owned(),
            reason,
        })?;
        let fields = parse(&bytes).map_err(|fault| LocateError::Syntax {
            file: file.to_owned(),
            line: fault.line,
            found: fault.found,
        })?;
        Ok(Self {
            file: file.to_owned(),
            fields,
        })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    pub(super) fn bad_value(
        &self,
        field: &'static str,
        value: &str,
        expected: &'static str,
    ) -> LocateError {
        LocateError::Value {
            file: self.file.clone(),
            field,
            value: value.to_owned(),
            expected,
        }
    }
}

/// A configuration file is a few lines; what is longer than this is something else.
const LIMIT: u64 = 1 << 20;

fn read_small(file: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened: opening a pipe would wait for a writer.
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    let read = File::open(file)?
        .take(LIMIT.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if read as u64 > LIMIT {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(bytes)
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) found: &'static str,
}

/// The fields of a file. Of a field that is there twice, the last counts.
pub(super) fn parse(bytes: &[u8]) -> Result<BTreeMap<String, String>, Fault> {
    let mut fields = BTreeMap::new();
    for (index, bytes) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let fault = |found| Fault {
            line: index.saturating_add(1),
            found,
        };
        let raw = std::str::from_utf8(bytes).map_err(|_| fault("text that is not UTF-8"))?;
        // Told at the start of the line alone, as p11-kit does.
        if raw.starts_with("-----BEGIN ") {
            return Err(fault("a PEM block"));
        }
        let line = raw.trim_matches(is_space);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            return Err(fault("a section header"));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| fault("no colon"))?;
        fields.insert(
            name.trim_end_matches(is_space).to_owned(),
            value.trim_start_matches(is_space).to_owned(),
        );
    }
    Ok(fields)
}

/// C's `isspace`.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r')
}
