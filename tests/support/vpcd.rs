//! Virtual cards in pcscd's virtual readers: a card connects to the reader's port, and being
//! connected is being inserted. The test file has `mod pcscd` too.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pcsc::State;

use crate::pcscd::{Pcscd, Reader};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(500);

/// A card, as its reader sees it.
pub trait Card: Send + 'static {
    fn atr(&self) -> Vec<u8>;

    /// It is switched: what it keeps in RAM only is lost.
    fn power(&mut self, power: Power);

    /// Answers one command APDU.
    fn transmit(&mut self, command: &[u8]) -> Vec<u8>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    Off,
    On,
    Reset,
}

/// A card with an ATR and no commands.
#[derive(Clone, Debug)]
pub struct AtrOnly(pub Vec<u8>);

impl Card for AtrOnly {
    fn atr(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn power(&mut self, _: Power) {}

    fn transmit(&mut self, _: &[u8]) -> Vec<u8> {
        vec![0x6D, 0x00]
    }
}

/// A card in a reader, until it is removed or dropped. When pcscd is restarted, it stays.
pub struct Inserted<C: Card> {
    shared: Arc<Shared<C>>,
    server: Option<JoinHandle<()>>,
}

struct Shared<C> {
    reader: Reader,
    card: Mutex<Option<C>>,
    exchanges: Mutex<Vec<(Vec<u8>, Vec<u8>)>>,
    link: Mutex<Link>,
    changed: Condvar,
}

#[derive(Default)]
struct Link {
    stream: Option<TcpStream>,
    powered: bool,
    /// The reader has switched the card on and read its ATR.
    seen: bool,
    removed: bool,
    ended: bool,
}

impl<C: Card> Inserted<C> {
    /// Inserts a card and waits until pcscd has seen it, which takes up to half a second.
    #[track_caller]
    pub fn new(pcscd: &Pcscd, reader: Reader, card: C) -> Self {
        let inserted = Self::unseen(pcscd, reader, card);
        inserted.wait_until_seen();
        inserted
    }

    /// Inserts a card and does not wait.
    #[track_caller]
    pub fn unseen(_: &Pcscd, reader: Reader, card: C) -> Self {
        let shared = Arc::new(Shared {
            reader,
            card: Mutex::new(Some(card)),
            exchanges: Mutex::default(),
            link: Mutex::default(),
            changed: Condvar::new(),
        });
        let server = thread::spawn({
            let shared = shared.clone();
            move || {
                // Also when the card panics.
                let _end = AtEnd(|| shared.change(|link| link.ended = true));
                shared.serve();
            }
        });
        Self {
            shared,
            server: Some(server),
        }
    }

    /// Waits until pcscd has switched the card on and read its ATR, as it does with a card that
    /// has just been inserted, also after pcscd was restarted.
    #[track_caller]
    pub fn wait_until_seen(&self) {
        let reader = self.shared.reader;
        let seen = self.shared.wait(|link| link.seen || link.ended)
            && !self.shared.link().ended
            && wait_for(reader, State::PRESENT);
        assert!(seen, "pcscd does not see the card in {}", reader.name());
    }

    /// Looks into the card while it is inserted.
    pub fn card<T>(&self, look: impl FnOnce(&mut C) -> T) -> T {
        look(self.shared.card().as_mut().expect("it is inserted"))
    }

    /// The commands that the card has received, each with its answer.
    pub fn exchanges(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.shared.exchanges().clone()
    }

    /// Removes the card and waits until pcscd has seen that, which takes up to half a second.
    #[track_caller]
    pub fn remove(mut self) -> C {
        self.disconnect();
        let seen = wait_for(self.shared.reader, State::EMPTY);
        assert!(seen, "pcscd does not see that the card is gone");
        self.take()
    }

    /// Removes the card and does not wait. One that is inserted before pcscd looks again is to
    /// pcscd the same card.
    #[track_caller]
    pub fn pull(mut self) -> C {
        self.disconnect();
        self.take()
    }

    fn disconnect(&mut self) {
        let Some(server) = self.server.take() else {
            return;
        };
        self.shared.change(|link| {
            link.removed = true;
            if let Some(stream) = &link.stream {
                // Closed by the reader, perhaps.
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        if self.shared.wait(|link| link.ended) {
            // Its panic has been printed, and take() finds the card poisoned.
            let _ = server.join();
        }
    }

    #[track_caller]
    fn take(&self) -> C {
        assert!(!self.shared.card.is_poisoned(), "the card panicked");
        self.shared.card().take().expect("it is taken once")
    }
}

impl<C: Card> Drop for Inserted<C> {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.disconnect();
            // So that the next test does not find it.
            wait_for(self.shared.reader, State::EMPTY);
        }
    }
}

/// Whether the reader comes to be in this state, as a client of pcscd sees it. Without pcscd,
/// every reader is empty.
fn wait_for(reader: Reader, wanted: State) -> bool {
    let end = Instant::now() + PATIENCE;
    let name = CString::new(reader.name()).expect("it has no NUL");
    while Instant::now() < end {
        let Ok(context) = pcsc::Context::establish(pcsc::Scope::User) else {
            if wanted == State::EMPTY {
                return true;
            }
            thread::sleep(RETRY);
            continue;
        };
        let mut states = [pcsc::ReaderState::new(name.clone(), State::UNAWARE)];
        let mut left = end - Instant::now();
        // In short waits: libpcsclite before 2.0.1 may miss what happens while other threads look.
        while context
            .get_status_change(left.min(LOOK), &mut states)
            .is_ok()
        {
            if states[0].event_state().contains(wanted) {
                return true;
            }
            states[0].sync_current_state();
            left = end.saturating_duration_since(Instant::now());
        }
        thread::sleep(RETRY); // pcscd is being restarted
    }
    false
}

impl<C: Card> Shared<C> {
    fn serve(&self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.reader.port()));
        while !self.link().removed {
            match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                Ok(stream) => {
                    // Its end is that of a pcscd, or of the card's stay.
                    let _ = self.serve_connection(stream);
                    self.change(|link| {
                        link.stream = None;
                        link.powered = false;
                        link.seen = false;
                    });
                }
                // pcscd is being restarted.
                Err(_) => thread::sleep(RETRY),
            }
        }
    }

    fn serve_connection(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let copy = stream.try_clone()?;
        let mut link = self.link();
        if link.removed {
            return Ok(());
        }
        link.stream = Some(copy);
        drop(link);
        loop {
            let mut length = [0; 2];
            receive(&mut stream, &mut length)?;
            let mut message = vec![0; u16::from_be_bytes(length).into()];
            receive(&mut stream, &mut message)?;
            match *message.as_slice() {
                [0] => self.switch(Power::Off),
                [1] => self.switch(Power::On),
                [2] => self.switch(Power::Reset),
                [4] => {
                    send(&mut stream, &self.with_card(|card| card.atr()))?;
                    self.change(|link| link.seen |= link.powered);
                }
                _ => {
                    let answer = self.with_card(|card| card.transmit(&message));
                    self.exchanges().push((message, answer.clone()));
                    send(&mut stream, &answer)?;
                }
            }
        }
    }

    fn switch(&self, power: Power) {
        self.with_card(|card| card.power(power));
        self.change(|link| link.powered = power != Power::Off);
    }

    fn with_card<T>(&self, act: impl FnOnce(&mut C) -> T) -> T {
        act(self.card().as_mut().expect("taken only after the end"))
    }

    fn card(&self) -> MutexGuard<'_, Option<C>> {
        self.card.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exchanges(&self) -> MutexGuard<'_, Vec<(Vec<u8>, Vec<u8>)>> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, act: impl FnOnce(&mut Link)) {
        act(&mut self.link());
        self.changed.notify_all();
    }

    fn wait(&self, mut come_true: impl FnMut(&Link) -> bool) -> bool {
        let (link, _) = self
            .changed
            .wait_timeout_while(self.link(), PATIENCE, |link| !come_true(link))
            .unwrap_or_else(PoisonError::into_inner);
        come_true(&link)
    }
}

/// vpcd writes a message's length and its bytes apart, and the second write waits for the first
/// one's acknowledgement, which the kernel puts off unless it is told each time.
fn receive(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    rustix::net::sockopt::set_tcp_quickack(&*stream, true)?;
    stream.read_exact(buffer)
}

fn send(stream: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), answer].concat())
}

struct AtEnd<F: FnMut()>(F);

impl<F: FnMut()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
