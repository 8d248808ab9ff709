//! The card's files: folders, data, and what cannot be read out, PINs and keys.

use super::apdu::{Status, tlv};
use super::key::{Half, Key, Kind};
use super::pin::Pin;

/// The ids from below the master file on.
pub type Path = Vec<u16>;

/// The master file.
pub const MASTER: [u16; 0] = [];

// What can be done with a folder,
pub const CREATE: usize = 0;
pub const CREATE_INTERNAL: usize = 1;
// with data or keys,
pub const READ: usize = 0;
pub const UPDATE: usize = 1;
pub const USE_KEY: usize = 2;
// with a PIN,
pub const UNBLOCK_PIN: usize = 0;
pub const CHANGE_PIN: usize = 1;
// and with any file.
pub const DELETE: usize = 6;

/// The condition that nobody meets.
pub const NEVER: u8 = 0xFF;

#[derive(Clone)]
pub struct File {
    pub path: Path,
    size: [u8; 2],
    kind: [u8; 2],
    properties: Vec<u8>,
    /// A byte that says for which actions there is a condition, and the conditions.
    security: [u8; 15],
    pub content: Content,
}

#[derive(Clone)]
pub enum Content {
    Folder,
    Data(Vec<u8>),
    Pin(Pin),
    /// A half of a pair; the pair itself is with the private one.
    Key {
        kind: Kind,
        pair: Option<Key>,
    },
}

impl File {
    /// The file that CREATE FILE describes.
    pub fn from_information(information: &[u8], folder: &[u16]) -> Result<Self, Status> {
        let pair = |tag| {
            let value = tlv(information, tag)?;
            value.try_into().ok()
        };
        let size: [u8; 2] = pair(0x80).ok_or(Status::WRONG_DATA)?;
        let kind: [u8; 2] = pair(0x82).ok_or(Status::WRONG_DATA)?;
        let number = u16::from_be_bytes(pair(0x83).ok_or(Status::WRONG_DATA)?);
        let properties = tlv(information, 0x85).unwrap_or_default().to_vec();
        let security = tlv(information, 0x86).and_then(|value| value.try_into().ok());
        let length = u16::from_be_bytes(size);
        let (path, content) = match kind[0] {
            0x38 if number == 0x3F00 => (MASTER.into(), Content::Folder),
            0x38 => (child(folder, number), Content::Folder),
            0x01 => (child(folder, number), Content::Data(vec![0; length.into()])),
            0x10 => Self::internal(number, length, &properties)?,
            _ => return Err(Status::WRONG_DATA),
        };
        Ok(Self {
            path,
            size,
            kind,
            properties,
            security: security.ok_or(Status::WRONG_DATA)?,
            content,
        })
    }

    /// PINs and keys have their folders: they are created whatever is selected.
    fn internal(number: u16, length: u16, properties: &[u8]) -> Result<(Path, Content), Status> {
        let [kind, rest @ ..] = properties else {
            return Err(Status::WRONG_DATA);
        };
        if *kind == 0x01 {
            return Ok((child(&MASTER, number), Content::Pin(Pin::new(rest)?)));
        }
        let reference = u8::try_from(number).map_err(|_| Status::WRONG_DATA)?;
        let (half, kind) = Kind::of(properties, length).ok_or(Status::WRONG_DATA)?;
        let content = Content::Key { kind, pair: None };
        Ok((half.path(reference), content))
    }

    /// What SELECT answers.
    pub fn information(&self) -> Vec<u8> {
        let id = self.path.last().copied().unwrap_or(0x3F00);
        let mut properties = self.properties.clone();
        if let (Content::Pin(pin), Some(tries)) = (&self.content, properties.get_mut(3)) {
            *tries = pin.max_tries << 4 | pin.left;
        }
        let mut body = Vec::new();
        let mut put = |tag, value: &[u8]| {
            body.extend([tag, value.len() as u8]);
            body.extend(value);
        };
        put(0x80, &self.size);
        put(0x82, &self.kind);
        put(0x83, &id.to_be_bytes());
        if !properties.is_empty() {
            put(0x85, &properties);
        }
        put(0x86, &self.security);
        [&[0x6F, body.len() as u8], body.as_slice()].concat()
    }

    /// Who may do this with the file.
    pub fn condition(&self, action: usize) -> u8 {
        if self.security[0] & 1 << action == 0 {
            NEVER
        } else {
            self.security[1 + action]
        }
    }
}

/// All of them, in the order of their creation.
#[derive(Clone, Default)]
pub struct Files(Vec<File>);

impl Files {
    pub fn find(&self, path: &[u16]) -> Result<&File, Status> {
        let mut files = self.0.iter();
        files
            .find(|file| file.path == path)
            .ok_or(Status::FILE_NOT_FOUND)
    }

    pub fn find_mut(&mut self, path: &[u16]) -> Result<&mut File, Status> {
        let mut files = self.0.iter_mut();
        files
            .find(|file| file.path == path)
            .ok_or(Status::FILE_NOT_FOUND)
    }

    pub fn add(&mut self, file: File) -> Result<(), Status> {
        if self.find(&file.path).is_ok() {
            return Err(Status::FILE_EXISTS);
        }
        self.0.push(file);
        Ok(())
    }

    /// Removes a file and what is in it.
    pub fn remove(&mut self, path: &[u16]) {
        self.0.retain(|file| !file.path.starts_with(path));
    }

    /// The selected folder, or that of the selected file.
    pub fn folder_of(&self, selected: &[u16]) -> Path {
        match self.find(selected) {
            Ok(file) if !matches!(file.content, Content::Folder) => parent(selected),
            _ => selected.into(),
        }
    }

    /// The file in this folder that comes after another one, or first.
    pub fn next_in(&self, folder: &[u16], after: Option<u16>) -> Result<Path, Status> {
        let mut files = self.0.iter().map(|file| &file.path).filter(|path| {
            let last = path.split_last();
            last.is_some_and(|(_, parent)| parent == folder)
        });
        if let Some(after) = after {
            files.find(|path| path.last() == Some(&after));
        }
        files.next().cloned().ok_or(Status::FILE_NOT_FOUND)
    }

    pub fn pin_file(&self, reference: u8) -> Result<&File, Status> {
        self.find(&[reference.into()])
            .map_err(|_| Status::NO_SUCH_PIN)
    }

    pub fn pin(&self, reference: u8) -> Result<&Pin, Status> {
        match &self.pin_file(reference)?.content {
            Content::Pin(pin) => Ok(pin),
            _ => Err(Status::NO_SUCH_PIN),
        }
    }

    pub fn pin_mut(&mut self, reference: u8) -> Result<&mut Pin, Status> {
        match self.find_mut(&[reference.into()]) {
            Ok(File {
                content: Content::Pin(pin),
                ..
            }) => Ok(pin),
            _ => Err(Status::NO_SUCH_PIN),
        }
    }
}

impl Half {
    /// Where the halves of keys are.
    pub fn path(self, reference: u8) -> Path {
        let folder = match self {
            Self::Private => 0x6002,
            Self::Public => 0x6001,
        };
        vec![0x1000, 0x1000, folder, reference.into()]
    }
}

pub fn parent(path: &[u16]) -> Path {
    path.split_last()
        .map_or(Path::new(), |(_, parent)| parent.into())
}

pub fn child(folder: &[u16], id: u16) -> Path {
    [folder, &[id]].concat()
}

pub fn id(bytes: &[u8]) -> Result<u16, Status> {
    let bytes = bytes.try_into().map_err(|_| Status::WRONG_DATA)?;
    Ok(u16::from_be_bytes(bytes))
}

pub fn path(bytes: &[u8]) -> Result<Path, Status> {
    bytes.chunks(2).map(id).collect()
}
