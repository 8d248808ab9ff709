//! A PIV card: a program of its own (`tests/piv_card`), which this builds and starts, and between
//! it and its reader, a card to be inserted like any other. The test file has `mod pcscd` and
//! `mod vpcd` too.
#![allow(dead_code, reason = "no test binary needs all of it")]

#[path = "package.rs"]
mod package;
#[path = "piv/yubico.rs"]
pub mod yubico;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::vpcd::{Card, Power};

pub const PIN: &str = "123456";
pub const PUK: &str = "12345678";

/// A card with nothing on it but the PINs that it was born with.
pub struct Piv {
    /// In place of its own.
    atr: Option<Vec<u8>>,
    connection: TcpStream,
    process: Ended,
}

impl Piv {
    /// Builds the program if it has to be, which takes minutes, and starts it.
    #[track_caller]
    pub fn start() -> Self {
        let program = package::build("piv_card", "libclang-dev").join("piv-card");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let process = Command::new(program)
            .arg(port.to_string())
            .stdin(Stdio::null())
            .spawn()
            .expect("it was built");
        let mut process = Ended(process);
        let connection = accept(&listener, &mut process.0);
        // A key takes seconds to make.
        let patience = Some(Duration::from_secs(60));
        let ready =
            connection.set_read_timeout(patience).is_ok() && connection.set_nodelay(true).is_ok();
        assert!(ready, "a connection has options");
        Self {
            atr: None,
            connection,
            process,
        }
    }

    /// The same card with another answer to reset, that of a known model say.
    pub fn with_atr(self, atr: &[u8]) -> Self {
        Self {
            atr: Some(atr.into()),
            ..self
        }
    }

    /// How often the PIN can still be wrong, by the card's own word. It is reset for that: a PIN
    /// that was verified would be all it tells.
    pub fn tries_left(&mut self) -> u8 {
        self.power(Power::Reset);
        let select = [&[0, 0xA4, 4, 0, 5], &b"\xA0\0\0\x03\x08"[..]].concat();
        assert!(self.transmit(&select).ends_with(&[0x90, 0x00]));
        match *self.transmit(&[0, 0x20, 0, 0x80]) {
            [0x63, left] => left & 0x0F,
            [0x69, 0x83] => 0,
            ref other => panic!("{other:02x?}"),
        }
    }

    fn send(&self, message: &[u8]) {
        let length = u16::try_from(message.len()).expect("a short message");
        let message = [&length.to_be_bytes(), message].concat();
        let sent = (&self.connection).write_all(&message);
        sent.expect("the PIV card runs");
    }

    fn receive(&self) -> Vec<u8> {
        let mut length = [0; 2];
        let mut stream = &self.connection;
        stream.read_exact(&mut length).expect("the PIV card runs");
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut answer).expect("the PIV card runs");
        answer
    }
}

impl Card for Piv {
    fn atr(&self) -> Vec<u8> {
        self.atr.clone().unwrap_or_else(|| {
            self.send(&[4]);
            self.receive()
        })
    }

    fn power(&mut self, power: Power) {
        self.send(&[match power {
            Power::Off => 0,
            Power::On => 1,
            Power::Reset => 2,
        }]);
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.send(command);
        self.receive()
    }
}

/// A process that is ended with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn accept(listener: &TcpListener, process: &mut Child) -> TcpStream {
    let waiting = listener.set_nonblocking(true);
    waiting.expect("a listener has options");
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match listener.accept() {
            Ok((connection, _)) => {
                let blocking = connection.set_nonblocking(false);
                blocking.expect("a connection has options");
                return connection;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        let runs = matches!(process.try_wait(), Ok(None));
        assert!(runs && Instant::now() < end, "the PIV card does not start");
        thread::sleep(Duration::from_millis(5));
    }
}
