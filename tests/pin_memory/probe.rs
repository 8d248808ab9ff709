//! A program that uses a PIN in one way, drops everything, and then tells how much of the PIN is
//! left in its memory: for tests/pin_memory.rs and tests/prompt.rs.
//!
//! `pin_probe MODE SOURCE TOKEN MASKED-PIN`, where the PIN to look for is in hexadecimal with each
//! byte XORed with 0x5a, so that it is not in the memory that is searched. Where it is empty,
//! nothing is searched.

mod scan;

use std::any::Any;
use std::hint::black_box;
use std::io::stdin;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::{env, mem};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::{Session, UserType};
use cryptoki::types::RawAuthPin;
use keyfob::{
    Error, Pin, PinPrompt, PinRequest, PinSourceError, PinState, Scheme, Search, TerminalPrompt,
    Token, Unlocked,
};
use scan::{MASK, Scan};
use zeroize::Zeroize;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [mode, source, token, masked] = arguments.as_slice() else {
        panic!("usage: pin_probe MODE SOURCE TOKEN MASKED-PIN")
    };
    let masked = unhex(masked);
    let way = match source.split_once(':') {
        Some(("file", path)) => Way::File(path.into()),
        Some(("env", name)) => Way::Environment(name.into()),
        _ if source == "text" => Way::Text(masked.clone()),
        _ if source == "terminal" || source == "nowhere" => Way::Terminal,
        _ => panic!("no such source: {source}"),
    };
    if matches!(way, Way::Terminal) {
        // A session of its own has no terminal, until it takes one.
        rustix::process::setsid().expect("a child is no group's leader");
        if source == "terminal" {
            rustix::process::ioctl_tiocsctty(stdin()).expect("standard input is a terminal");
        }
    }
    let probe = Probe {
        mode: mode.clone(),
        token: token.clone(),
        module: env::var_os("KEYFOB_MODULE").expect("the module").into(),
        way,
        masked,
    };

    let mut scan = (!probe.masked.is_empty()).then(|| Scan::new(&probe.masked));
    let outcome = deep(|| catch_unwind(AssertUnwindSafe(|| probe.run())));
    let report = scan.as_mut().map(Scan::run);

    match outcome {
        Ok(Ok(_)) => println!("outcome done"),
        Ok(Err(error)) => println!("outcome {error:?} / {error}"),
        Err(_) => println!("outcome panicked"),
    }
    let Some(report) = report else { return };
    println!(
        "scanned {} unreadable {:?}",
        report.bytes, report.unreadable
    );
    for found in report.found {
        let count = found.count;
        println!(
            "found pieces {} whole {} longest {} at {:#x} in {}",
            count.pieces, count.whole, count.longest, count.address, found.mapping
        );
    }
}

/// Runs far down the stack, out of reach of what is called later, which would overwrite what is
/// left there.
#[inline(never)]
fn deep<T>(work: impl FnOnce() -> T) -> T {
    let space = black_box([0u8; 256 << 10]);
    let done = work();
    black_box(&space);
    done
}

/// What is kept until after the scan.
type Held = Option<Box<dyn Any>>;

struct Probe {
    mode: String,
    token: String,
    module: PathBuf,
    way: Way,
    masked: Vec<u8>,
}

impl Probe {
    fn run(&self) -> Result<Held, Error> {
        match self.mode.as_str() {
            "bare" | "bare-open" => return Ok(self.bare()),
            "leak-kept" => mem::forget(String::from_utf8(self.pin()).expect("letters")),
            "leak-freed" => drop(black_box(self.pin())),
            "leak-stack" => deep(|| self.leave_on_stack()),
            _ => return self.use_module(),
        }
        Ok(None)
    }

    fn use_module(&self) -> Result<Held, Error> {
        let found = Search::new().module(&self.module).named_only().run()?;
        let token = found.select(&self.token)?;
        // When the token goes its module is finalized, and that is a deep call.
        deep(|| self.use_token(&token))
    }

    fn use_token(&self, token: &Token) -> Result<Held, Error> {
        let way = self.way.clone();
        match self.mode.as_str() {
            "unlock" => {
                let fob = match &way {
                    Way::Terminal => token.unlock_by(&way)?,
                    way => token.unlock(&way.pin()?)?,
                };
                sign(&fob, "p256")?;
            }
            "ask" => {
                // Nothing is done after it that could cover what the asking leaves.
                token.unlock_by(&move |request: &PinRequest| {
                    way.ask(request)?;
                    Err(PinSourceError::Cancelled)
                })?;
            }
            "held" => {
                let fob = token.unlock_by(&way)?;
                sign(&fob, "p256")?;
                return Ok(Some(Box::new(fob)));
            }
            "always-ask" => {
                let fob = token.unlock_by(&way)?;
                let key = fob.key("always-ask")?.with_prompt(Arc::new(way));
                key.sign(Scheme::EcdsaP256Sha256, b"message")?;
            }
            "panic" => {
                token.unlock_by(&move |request: &PinRequest| {
                    let _pin = way.ask(request)?;
                    panic!("with the PIN in hand");
                })?;
            }
            "panic-later" => {
                let pin = way.pin()?;
                let fob = token.unlock(&pin)?;
                sign(&fob, "p256")?;
                panic!("with the PIN in hand and the token unlocked");
            }
            "last-try" | "last-try-allowed" => {
                let allowed = self.mode == "last-try-allowed";
                token.unlock_by(&move |request: &PinRequest| {
                    let mut request = request.clone();
                    request.state = PinState::FinalTry;
                    match allowed {
                        true => TerminalPrompt::new().allow_last_try().ask(&request),
                        false => TerminalPrompt::new().ask(&request),
                    }
                })?;
            }
            mode => panic!("no such mode: {mode}"),
        }
        Ok(None)
    }

    /// The same use without keyfob: what is found then, the module left.
    fn bare(&self) -> Held {
        let context = Pkcs11::new(&self.module).expect("SoftHSM can be loaded");
        let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        context.initialize(arguments).expect("SoftHSM starts");
        let slots = context.get_slots_with_token().expect("SoftHSM has slots");
        let mut slots = slots.into_iter();
        let ours = slots.find(|slot| {
            let info = context.get_token_info(*slot).expect("a token");
            info.label() == self.token
        });
        let session = context.open_ro_session(ours.expect("the token"));
        let session = session.expect("a session opens");
        let accepted = deep(|| self.bare_use(&session));
        if self.mode == "bare-open" {
            return Some(Box::new((session, context)));
        }
        drop(session);
        context.finalize().expect("SoftHSM can be finalized");
        assert!(accepted, "the token refuses the PIN");
        None
    }

    fn bare_use(&self, session: &Session) -> bool {
        let pin = RawAuthPin::new(Box::new(self.pin()));
        if session.login_with_raw(UserType::User, &pin).is_err() {
            return false;
        }
        drop(pin);
        let keys = session.find_objects(&[Attribute::Label(b"p256".into()), Attribute::Sign(true)]);
        let signed = session.sign(&Mechanism::Ecdsa, keys.expect("objects")[0], &[7; 32]);
        signed.expect("SoftHSM signs");
        true
    }

    /// The PIN as the caller's own plain bytes, unmasked into memory of the exact size.
    fn pin(&self) -> Vec<u8> {
        unmask(&self.masked, self.masked.len())
    }

    #[inline(never)]
    fn leave_on_stack(&self) {
        let mut pin = self.pin();
        let mut copy = [0u8; 128];
        copy[..pin.len()].copy_from_slice(&pin);
        black_box(&copy);
        pin.zeroize();
    }
}

fn sign(fob: &Unlocked, key: &str) -> Result<(), Error> {
    fob.key(key)?.sign(Scheme::EcdsaP256Sha256, b"message")?;
    Ok(())
}

/// How the PIN comes into the process.
#[derive(Clone)]
enum Way {
    File(PathBuf),
    Environment(String),
    /// In a `String` with room to spare, which keyfob takes over.
    Text(Vec<u8>),
    Terminal,
}

impl Way {
    fn pin(&self) -> Result<Pin, PinSourceError> {
        match self {
            Self::File(path) => Pin::from_file(path),
            Self::Environment(name) => Pin::from_env(name),
            Self::Text(masked) => {
                let text = String::from_utf8(unmask(masked, 300)).expect("letters");
                Ok(text.into())
            }
            Self::Terminal => unreachable!("needs a request"),
        }
    }
}

impl PinPrompt for Way {
    fn ask(&self, request: &PinRequest) -> Result<Pin, PinSourceError> {
        match self {
            Self::Terminal => TerminalPrompt::new().ask(request),
            _ => self.pin(),
        }
    }
}

/// Never grows, which would leave a piece behind.
fn unmask(masked: &[u8], room: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(room);
    bytes.extend(masked.iter().map(|byte| byte ^ MASK));
    bytes
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits = |at| hex.get(at..at + 2).expect("pairs of digits");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits(at), 16).expect("hexadecimal"))
        .collect()
}
