//! A virtual Rutoken ECP: a card that answers what OpenSC's `rutoken_ecp` driver sends, so that
//! the whole stack takes it for one. It follows that driver's source, not hardware. The test file
//! has `mod pcscd` and `mod vpcd` too.
#![allow(dead_code, reason = "no test binary needs all of it")]

#[path = "rutoken/apdu.rs"]
mod apdu;
#[path = "rutoken/files.rs"]
mod files;
#[path = "gost.rs"]
pub mod gost;
#[path = "rutoken/key.rs"]
mod key;
#[path = "rutoken/opensc.rs"]
pub mod opensc;
#[path = "rutoken/pin.rs"]
mod pin;
#[path = "rutoken/random.rs"]
mod random;

use std::sync::{Mutex, PoisonError};

use crate::pcscd::{Pcscd, Reader};
use crate::vpcd::{Card, Inserted, Power};
use apdu::{Answer, Command, Status, tlv};
use files::{Content, File, Files, MASTER, Path};
use key::Half;
use pin::Login;

pub const LABEL: &str = "Rutoken test";
pub const PIN: &str = "12345678";
pub const SO_PIN: &str = "87654321";

/// The card. A clone is another card with the same content.
#[derive(Clone)]
pub struct Rutoken {
    pub atr: Vec<u8>,
    pub serial: [u8; 4],
    files: Files,
    /// From the erasure to the end of initialisation, access is not checked.
    blank: bool,
    session: Session,
}

/// What is lost with the power.
#[derive(Clone, Default)]
struct Session {
    login: Login,
    selected: Path,
    signing_key: Option<u8>,
    chain: Vec<u8>,
}

impl Rutoken {
    /// A card without files.
    pub fn blank() -> Self {
        Self {
            atr: b"\x3b\x8b\x01Rutoken ECP\xa0".into(),
            serial: [0x3A, 0x1F, 0x77, 0xB2],
            files: Files::default(),
            blank: true,
            session: Session::default(),
        }
    }

    /// A card with a label, the user's PIN and the security officer's, made by pkcs15-init in the
    /// first reader, once in a test binary.
    #[track_caller]
    pub fn initialised(pcscd: &Pcscd) -> Self {
        static MADE: Mutex<Option<Rutoken>> = Mutex::new(None);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.get_or_insert_with(|| Self::blank().initialise(pcscd))
            .clone()
    }

    /// Makes one with a serial number of its own, say: OpenSC writes it down at this time.
    #[track_caller]
    pub fn initialise(self, pcscd: &Pcscd) -> Self {
        let card = Inserted::new(pcscd, Reader::First, self);
        opensc::initialise(Reader::First);
        card.remove()
    }

    /// An initialised card with an RSA-2048 key, made on it once in a test binary, and a
    /// certificate: see [`add_rsa`](Self::add_rsa).
    #[track_caller]
    pub fn with_rsa(pcscd: &Pcscd, issue: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        static MADE: Mutex<Option<Rutoken>> = Mutex::new(None);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.get_or_insert_with(|| Self::initialised(pcscd).add_rsa(pcscd, issue))
            .clone()
    }

    /// Makes an RSA-2048 key on an initialised card, and a certificate, which `issue` makes from
    /// the public key's SPKI. Both have the id 11.
    #[track_caller]
    pub fn add_rsa(self, pcscd: &Pcscd, issue: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        let card = Inserted::new(pcscd, Reader::First, self);
        let spki = opensc::generate(Reader::First, "rsa:2048", "11");
        opensc::write_certificate(Reader::First, &issue(&spki), "11");
        card.remove()
    }

    /// How often the user's PIN can still be wrong.
    pub fn tries_left(&self) -> u8 {
        self.files.pin(Login::USER).expect("initialised").left
    }

    pub fn so_tries_left(&self) -> u8 {
        self.files.pin(Login::SO).expect("initialised").left
    }

    /// The numbers that a private key consists of, for a test to look for.
    pub fn secrets(&self, reference: u8) -> Vec<Vec<u8>> {
        let file = self.files.find(&Half::Private.path(reference));
        match &file.expect("such a key").content {
            Content::Key {
                pair: Some(key), ..
            } => key.secrets(),
            _ => panic!("no key was made there"),
        }
    }

    fn execute(&mut self, command: &Command) -> Answer {
        match (command.class, command.instruction) {
            (0x00, 0x20) => self.verify(command),
            (0x00, 0x22) => self.manage_security_environment(command),
            (0x00, 0x24) => self.change_reference_data(command),
            (0x00, 0x2A) => self.perform_security_operation(command),
            (0x00, 0x2C) => self.reset_retry_counter(command),
            (0x00, 0x46) => self.generate_key_pair(command),
            (0x00, 0x84) => Ok(random::bytes(command.expected)),
            (0x00, 0xA4) => self.select(command),
            (0x00, 0xB0) => self.read_binary(command),
            (0x00, 0xCA) => self.get_data(command),
            (0x00, 0xD6) => self.update_binary(command),
            (0x00, 0xE0) => self.create_file(command),
            (0x00, 0xE4) => self.delete_file(command),
            (0x80, 0x40) => self.log_out(),
            (0x80, 0x84) => self.end_initialisation(command),
            (0x80, 0x8A) => self.erase(),
            (0x00 | 0x80, _) => Err(Status::NO_SUCH_INSTRUCTION),
            _ => Err(Status::NO_SUCH_CLASS),
        }
    }

    // --- Files ---------------------------------------------------------------

    fn select(&mut self, command: &Command) -> Answer {
        let folder = self.files.folder_of(&self.session.selected);
        let id = || files::id(command.data);
        let path = match (command.p1, command.p2 & 0x03, command.data) {
            (0x00, 0, []) => self.files.next_in(&folder, None)?,
            (0x00, 2, [..]) => self.files.next_in(&folder, Some(id()?))?,
            (0x00, _, [0x3F, 0x00]) => Path::new(),
            (0x00, _, [..]) => files::child(&folder, id()?),
            (0x03, _, []) => files::parent(&folder),
            (0x08, _, [..]) => files::path(command.data)?,
            // By the name of an application.
            _ => return Err(Status::FILE_NOT_FOUND),
        };
        let answer = self.files.find(&path)?.information();
        self.session.selected = path;
        Ok(answer)
    }

    fn read_binary(&mut self, command: &Command) -> Answer {
        let file = self.files.find(&self.session.selected)?;
        let Content::Data(data) = &file.content else {
            return Err(Status::NOT_A_DATA_FILE);
        };
        self.demand(file, files::READ)?;
        let start = command.offset();
        if start >= data.len() {
            return Err(Status::BEYOND_THE_FILE);
        }
        let end = data.len().min(start + command.expected);
        Ok(data[start..end].into())
    }

    fn update_binary(&mut self, command: &Command) -> Answer {
        let file = self.files.find(&self.session.selected)?;
        if !matches!(file.content, Content::Data(_)) {
            return Err(Status::NOT_A_DATA_FILE);
        }
        self.demand(file, files::UPDATE)?;
        let file = self.files.find_mut(&self.session.selected)?;
        let Content::Data(data) = &mut file.content else {
            return Err(Status::NOT_A_DATA_FILE);
        };
        let start = command.offset();
        data.get_mut(start..start + command.data.len())
            .ok_or(Status::BEYOND_THE_FILE)?
            .copy_from_slice(command.data);
        Ok(vec![])
    }

    fn create_file(&mut self, command: &Command) -> Answer {
        let information = tlv(command.data, 0x6F).ok_or(Status::WRONG_DATA)?;
        let folder = self.files.folder_of(&self.session.selected);
        let file = File::from_information(information, &folder)?;
        if file.path != MASTER {
            let parent = self.files.find(&files::parent(&file.path))?;
            let internal = !matches!(file.content, Content::Folder | Content::Data(_));
            self.demand(
                parent,
                if internal {
                    files::CREATE_INTERNAL
                } else {
                    files::CREATE
                },
            )?;
        } else if !self.blank {
            return Err(Status::NOT_ALLOWED);
        }
        let internal = matches!(file.content, Content::Pin(_) | Content::Key { .. });
        let path = file.path.clone();
        self.files.add(file)?;
        if !internal {
            self.session.selected = path;
        }
        Ok(vec![])
    }

    fn delete_file(&mut self, command: &Command) -> Answer {
        let path = match command.data {
            [] => self.session.selected.clone(),
            data => files::child(
                &self.files.folder_of(&self.session.selected),
                files::id(data)?,
            ),
        };
        self.demand(self.files.find(&path)?, files::DELETE)?;
        self.files.remove(&path);
        self.session.selected = files::parent(&path);
        Ok(vec![])
    }

    fn demand(&self, file: &File, action: usize) -> Result<(), Status> {
        if self.blank || self.session.login.satisfies(file.condition(action)) {
            Ok(())
        } else {
            Err(Status::NOT_ALLOWED)
        }
    }

    // --- PINs ----------------------------------------------------------------

    fn verify(&mut self, command: &Command) -> Answer {
        let reference = command.p2;
        let pin = self.files.pin_mut(reference)?;
        if command.data.is_empty() {
            return if self.session.login.has(reference) {
                Ok(vec![])
            } else {
                Err(pin.state())
            };
        }
        if self.session.login.is_anybody() {
            return Err(Status::LOGGED_IN);
        }
        pin.verify(command.data)?;
        self.session.login.add(reference);
        Ok(vec![])
    }

    fn log_out(&mut self) -> Answer {
        self.session.login = Login::default();
        Ok(vec![])
    }

    /// A new PIN. The length stands in its own object, since the value may come in pieces.
    fn change_reference_data(&mut self, command: &Command) -> Answer {
        if command.p2 == 0 {
            return Err(Status::NOT_SUPPORTED); // a key from outside
        }
        let value = tlv(command.data, 0xA5).ok_or(Status::WRONG_DATA)?;
        self.demand(self.files.pin_file(command.p2)?, files::CHANGE_PIN)?;
        self.files.pin_mut(command.p2)?.set(value)?;
        Ok(vec![])
    }

    fn reset_retry_counter(&mut self, command: &Command) -> Answer {
        self.demand(self.files.pin_file(command.p2)?, files::UNBLOCK_PIN)?;
        self.files.pin_mut(command.p2)?.unblock();
        Ok(vec![])
    }

    // --- Keys ----------------------------------------------------------------

    /// Makes a key pair in the two files that were created for it.
    fn generate_key_pair(&mut self, command: &Command) -> Answer {
        let mut kind = None;
        for half in [Half::Private, Half::Public] {
            let file = self.files.find(&half.path(command.p2))?;
            self.demand(file, files::UPDATE)?;
            if let (Half::Private, Content::Key { kind: told, .. }) = (half, &file.content) {
                kind = Some(*told);
            }
        }
        let key = kind.ok_or(Status::WRONG_DATA)?.generate()?;
        let public = key.public();
        let file = self.files.find_mut(&Half::Private.path(command.p2))?;
        if let Content::Key { pair, .. } = &mut file.content {
            *pair = Some(key);
        }
        Ok(public)
    }

    fn manage_security_environment(&mut self, command: &Command) -> Answer {
        if (command.p1, command.p2) != (0x41, 0xB6) {
            return Err(Status::NOT_SUPPORTED);
        }
        let Some([reference]) = tlv(command.data, 0x84) else {
            return Err(Status::WRONG_DATA);
        };
        self.session.signing_key = Some(*reference);
        Ok(vec![])
    }

    fn perform_security_operation(&mut self, command: &Command) -> Answer {
        if (command.p1, command.p2) != (0x9E, 0x9A) {
            return Err(Status::NOT_SUPPORTED);
        }
        let reference = self.session.signing_key.ok_or(Status::NO_KEY_CHOSEN)?;
        let file = self.files.find(&Half::Private.path(reference))?;
        self.demand(file, files::USE_KEY)?;
        match &file.content {
            Content::Key {
                pair: Some(key), ..
            } => key.sign(command.data),
            _ => Err(Status::NO_KEY_CHOSEN),
        }
    }

    // --- The card itself -----------------------------------------------------

    fn get_data(&self, command: &Command) -> Answer {
        match (command.p1, command.p2) {
            (0x01, 0x81) => Ok(self.serial.into()),
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    fn erase(&mut self) -> Answer {
        self.files = Files::default();
        self.session = Session::default();
        self.blank = true;
        Ok(vec![])
    }

    fn end_initialisation(&mut self, command: &Command) -> Answer {
        if (command.p1, command.p2) != (0x4E, 0x19) {
            return Err(Status::NOT_SUPPORTED);
        }
        self.blank = false;
        Ok(vec![])
    }
}

impl Card for Rutoken {
    fn atr(&self) -> Vec<u8> {
        self.atr.clone()
    }

    fn power(&mut self, _: Power) {
        self.session = Session::default();
    }

    fn transmit(&mut self, bytes: &[u8]) -> Vec<u8> {
        // A command that comes in pieces: all but the last have this bit in their class.
        let mut chain = std::mem::take(&mut self.session.chain);
        let answer = Command::parse(bytes).and_then(|command| {
            chain.extend_from_slice(command.data);
            if command.class & 0x10 != 0 {
                self.session.chain = chain;
                return Ok(vec![]);
            }
            self.execute(&Command {
                data: &chain,
                ..command
            })
        });
        apdu::encode(answer)
    }
}
