//! Commands as they come from the reader, made ready for the applet.

use iso7816::Status;
use iso7816::command::CommandView;
use piv_authenticator::Authenticator;

use crate::backends::Client;

const PIV: &[u8] = b"\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00";
/// VERIFY that takes back what was verified.
const LOG_OUT: &[u8] = &[0x00, 0x20, 0xFF, 0x80];
const CAPACITY: usize = 7609;

pub struct Card<'a> {
    applet: Authenticator<Client<'a>>,
    /// What has come of a command that comes in pieces.
    chain: Vec<u8>,
    /// What has not been fetched of an answer.
    rest: Vec<u8>,
}

impl<'a> Card<'a> {
    pub fn new(applet: Authenticator<Client<'a>>) -> Self {
        Self {
            applet,
            chain: vec![],
            rest: vec![],
        }
    }

    /// The applet does not notice by itself that its power is gone.
    fn forget(&mut self) {
        self.chain.clear();
        self.rest.clear();
        let _ = self.ask(LOG_OUT);
    }

    fn answer(&mut self, message: &[u8]) -> Result<(), Status> {
        let (head, data) = split(message).ok_or(Status::WrongLength)?;
        if head[1] == 0xC0 {
            return Ok(()); // GET RESPONSE
        }
        self.rest.clear();
        self.chain.extend_from_slice(data);
        if head[0] & 0x10 != 0 {
            return Ok(());
        }
        let mut data = std::mem::take(&mut self.chain);
        // yubico-piv-tool selects the applet by the beginning of its name.
        if head[1] == 0xA4 && data.len() >= 5 && PIV.starts_with(&data) {
            data = PIV.to_vec();
        }
        // As long a command as can be, that asks for as much as there is: some programs do not
        // say how much they expect, and the applet answers them nothing.
        let length = u16::try_from(data.len()).map_err(|_| Status::WrongLength)?;
        let [high, low] = length.to_be_bytes();
        let command = match data.len() {
            0 => [head, &[0]].concat(),
            1..=255 => [head, &[low], &data, &[0]].concat(),
            _ => [head, &[0, high, low], &data, &[0, 0]].concat(),
        };
        self.rest = self.ask(&command)?;
        Ok(())
    }

    fn ask(&mut self, command: &[u8]) -> Result<Vec<u8>, Status> {
        let command = CommandView::try_from(command).map_err(|_| Status::WrongLength)?;
        let mut reply = heapless::Vec::<u8, CAPACITY>::new();
        self.applet.respond(command, &mut reply)?;
        Ok(reply.to_vec())
    }
}

impl vpicc::VSmartCard for Card<'_> {
    fn power_on(&mut self) {
        self.forget();
    }

    fn power_off(&mut self) {
        self.forget();
    }

    fn reset(&mut self) {
        self.forget();
    }

    fn execute(&mut self, message: &[u8]) -> Vec<u8> {
        let status = match self.answer(message) {
            Ok(()) => Status::Success,
            Err(status) => status,
        };
        let now = self.rest.len().min(expected(message));
        let mut answer: Vec<u8> = self.rest.drain(..now).collect();
        let status = match (status, self.rest.len()) {
            (Status::Success, 1..) => {
                Status::MoreAvailable(u8::try_from(self.rest.len()).unwrap_or(0))
            }
            (status, _) => status,
        };
        answer.extend(<[u8; 2]>::from(status));
        answer
    }
}

/// The head and the data of a short command.
fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, body) = message.split_at_checked(4)?;
    match body {
        [] | [_] => Some((head, &[])),
        [length, data @ ..] => Some((head, data.get(..usize::from(*length))?)),
    }
}

/// How much a short command wants to be answered.
fn expected(message: &[u8]) -> usize {
    let body = message.get(4..).unwrap_or_default();
    let wanted = match body {
        [wanted] => *wanted,
        [length, rest @ ..] if rest.len() > usize::from(*length) => rest[usize::from(*length)],
        _ => 0,
    };
    if wanted == 0 { 256 } else { wanted.into() }
}
