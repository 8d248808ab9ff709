use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use zeroize::Zeroizing;

use super::{LONGEST, Pin, PinPrompt, PinRequest, PinSourceError, PinState};

/// Asks on the process's terminal, without echo.
///
/// Enter ends the PIN, Backspace and Ctrl-U correct it, Ctrl-C and an empty line cancel. What was
/// typed stands in one buffer that is wiped: readers that grow a string leave pieces of it behind.
///
/// # Example
/// ```no_run
/// # fn main() -> Result<(), keyfob::Error> {
/// let token = keyfob::discover()?.only()?;
/// let fob = token.unlock_by(&keyfob::TerminalPrompt::new())?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TerminalPrompt {
    allow_last_try: bool,
}

impl TerminalPrompt {
    /// A prompt that does not ask when one PIN try is left.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks, with a warning, also when one PIN try is left, after which the token locks.
    #[must_use]
    pub fn allow_last_try(self) -> Self {
        Self {
            allow_last_try: true,
        }
    }
}

impl PinPrompt for TerminalPrompt {
    fn ask(&self, request: &PinRequest) -> Result<Pin, PinSourceError> {
        if request.state == PinState::FinalTry && !self.allow_last_try {
            return Err(PinSourceError::LastTry);
        }
        let warning = match request.state {
            PinState::Low => " (few tries left)".to_owned(),
            PinState::TriesLeft(tries) => format!(" ({tries} tries left)"),
            PinState::FinalTry => " (LAST TRY)".to_owned(),
            _ => String::new(),
        };
        let question = format!(
            "PIN of {} for {}{warning}: ",
            request.token, request.purpose
        );
        let mut terminal = Silent::open().map_err(PinSourceError::Terminal)?;
        let pin = terminal.read_pin(&question)?;
        Ok(match self.allow_last_try {
            true => pin.allow_last_try(),
            false => pin,
        })
    }
}

/// The terminal with echo and signals off; put back as it was when dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn open() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = termios::tcgetattr(&terminal)?;
        let mut silent = before.clone();
        // Ctrl-C is read as a byte: as a signal it would end the process with the echo still off.
        silent.local_modes &=
            !(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        termios::tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }

    fn read_pin(&mut self, question: &str) -> Result<Pin, PinSourceError> {
        let failed = PinSourceError::Terminal;
        self.terminal
            .write_all(question.as_bytes())
            .map_err(failed)?;
        let mut typed = Zeroizing::new([0u8; LONGEST]);
        let mut length = 0;
        let entered = loop {
            let mut byte = Zeroizing::new([0u8]);
            let count = self.terminal.read(byte.as_mut_slice()).map_err(failed)?;
            let [byte] = *byte;
            match byte {
                _ if count == 0 => break false,
                b'\n' | b'\r' => break length > 0,
                0x03 | 0x04 => break false,
                0x15 => length = 0,
                0x08 | 0x7f => {
                    // A character of several bytes goes whole.
                    while length > 0 {
                        length -= 1;
                        if typed.get(length).is_none_or(|byte| byte & 0xc0 != 0x80) {
                            break;
                        }
                    }
                }
                // Ctrl-Z, an arrow key: no part of a PIN, and a wrong PIN costs a try.
                0x00..=0x1f => break false,
                byte => match typed.get_mut(length) {
                    Some(place) => {
                        *place = byte;
                        length += 1;
                    }
                    // Cut short it would be another PIN.
                    None => break false,
                },
            }
        };
        self.terminal.write_all(b"\n").map_err(failed)?;
        match typed.get(..length) {
            Some(pin) if entered => Ok(Pin::from(pin)),
            _ => Err(PinSourceError::Cancelled),
        }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Nothing more can be done for a terminal that has gone.
        let _ = termios::tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}
