//! The virtual Rutoken ECP, shown to be one to pcscd and OpenSC, without keyfob.
#![cfg(target_os = "linux")]

#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/rutoken.rs"]
mod rutoken;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/vpcd.rs"]
mod vpcd;

use std::fs;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use pcscd::{Pcscd, Reader};
use rutoken::gost::Set;
use rutoken::opensc::{self, Scratch, limited, output, pkcs11_tool, printed, run, tool};
use rutoken::{LABEL, PIN, Rutoken, SO_PIN};
use softhsm::Leaf;
use vpcd::{Card, Inserted};

const READER: Reader = Reader::First;

fn with_rsa(pcscd: &Pcscd) -> Rutoken {
    Rutoken::with_rsa(pcscd, |spki| Leaf::new("CN=Card").issue(spki))
}

#[test]
fn opensc_knows_it_by_name() {
    let pcscd = Pcscd::start();
    let _card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    let name = run(tool("opensc-tool", READER).arg("--name"));
    assert_eq!(name.trim(), "Rutoken ECP");
    let serial = run(tool("opensc-tool", READER).arg("--serial"));
    assert!(serial.starts_with("3A 1F 77 B2"), "{serial}");
    let dump = run(tool("pkcs15-tool", READER).arg("--dump"));
    assert!(dump.contains(LABEL), "{dump}");
    let files = run(tool("opensc-tool", READER).arg("--list-files"));
    assert!(files.contains("3f0010001000"), "{files}");
}

#[test]
fn openssl_verifies_what_it_signs() {
    let pcscd = Pcscd::start();
    let _card = Inserted::new(&pcscd, READER, with_rsa(&pcscd));
    let (message, signature, certificate) = (
        Scratch::new(b"the message"),
        Scratch::new(b""),
        Scratch::new(b""),
    );
    let sign = ["--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "11"];
    run(pkcs11_tool(READER)
        .args(sign)
        .arg("--input-file")
        .arg(&message.0)
        .arg("--output-file")
        .arg(&signature.0));
    let read = ["--read-object", "--type", "cert", "--id", "11"];
    run(pkcs11_tool(READER)
        .args(read)
        .arg("--output-file")
        .arg(&certificate.0));
    let convert = ["x509", "-inform", "DER", "-noout", "-pubkey", "-in"];
    let public = run(limited("openssl").args(convert).arg(&certificate.0));
    let public = Scratch::new(public.as_bytes());
    let verify = || {
        let mut command = limited("openssl");
        command.args(["dgst", "-sha256", "-verify"]).arg(&public.0);
        command.arg("-signature").arg(&signature.0).arg(&message.0);
        printed(&output(&mut command))
    };
    assert_eq!(verify(), "Verified OK\n");
    fs::write(&message.0, b"another message").unwrap();
    assert!(verify().starts_with("Verification failure"), "{}", verify());
}

/// As OpenSC gives it, a signature is s ‖ r. The digest goes to the card as it was hashed.
#[test]
fn it_signs_with_gost_keys() {
    let pcscd = Pcscd::start();
    let _card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    let digest: Vec<u8> = (1..=32).collect();
    let (input, signature) = (Scratch::new(&digest), Scratch::new(b""));
    for (name, id) in [("A", "22"), ("B", "23"), ("C", "24")] {
        let set = Set::named(256, name);
        let public = opensc::generate_gost(READER, set, id);
        let sign = ["--sign", "--mechanism", "GOSTR3410", "--id", id];
        run(pkcs11_tool(READER)
            .args(sign)
            .arg("--input-file")
            .arg(&input.0)
            .arg("--output-file")
            .arg(&signature.0));
        let signature = fs::read(&signature.0).unwrap();
        assert!(set.verifies(&public, &digest, &signature), "{name}");
    }
}

#[test]
fn a_key_needs_the_users_pin() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, with_rsa(&pcscd));
    card.card(|card| {
        let environment = [0x00, 0x22, 0x41, 0xB6, 0x03, 0x84, 0x01, 0x01];
        assert_eq!(card.transmit(&environment), [0x90, 0x00]);
        assert_eq!(sign(card), [0x69, 0x82]);
        assert_eq!(verify(card, 1, SO_PIN), [0x90, 0x00]);
        assert_eq!(sign(card), [0x69, 0x82]);
        assert_eq!(card.transmit(&[0x80, 0x40, 0, 0]), [0x90, 0x00]);
        assert_eq!(verify(card, 2, PIN), [0x90, 0x00]);
        assert_eq!(sign(card).len(), 256 + 2);
    });
}

/// No command, whoever is logged in, answers any part of the numbers that a key consists of.
#[test]
fn a_key_cannot_be_read() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, with_rsa(&pcscd));
    opensc::generate_gost(READER, Set::named(256, "A"), "22");
    let card = card.remove();
    let secrets = [1, 2].map(|key| card.secrets(key)).concat();
    let pieces: Vec<_> = secrets.iter().flat_map(|secret| pieces(secret)).collect();
    assert!(pieces.len() > 5 * 8);
    for (reference, pin) in [(0, ""), (1, SO_PIN), (2, PIN)] {
        let mut answers = 0;
        let mut card = card.clone();
        if reference != 0 {
            assert_eq!(verify(&mut card, reference, pin), [0x90, 0x00]);
        }
        let select = [0, 0xA4, 8, 0, 8, 0x10, 0, 0x10, 0, 0x60, 2, 0, 1];
        assert!(card.transmit(&select).ends_with(&[0x90, 0x00]));
        for command in commands() {
            let answer = card.clone().transmit(&command);
            let told = pieces.iter().any(|piece| contains(&answer, piece));
            assert!(!told, "{command:02x?}: {answer:02x?}");
            answers += usize::from(answer.len() > 2);
        }
        assert!(answers > 20, "only {answers} commands were answered at all");
    }
}

/// Every instruction, with parameters and data that mean something to some.
fn commands() -> Vec<Vec<u8>> {
    let mut commands = Vec::new();
    for instruction in 0..=0xFF {
        for class in [0x00, 0x80] {
            // A new key pair is another matter, and takes its time.
            if (class, instruction) == (0x00, 0x46) {
                continue;
            }
            for (p1, p2) in [
                (0, 0),
                (0, 1),
                (0, 2),
                (1, 0x81),
                (8, 0),
                (0x80, 1),
                (0x80, 0x86),
                (0x9E, 0x9A),
            ] {
                for body in [
                    &[][..],
                    &[0],
                    &[2, 0, 1],
                    &[2, 0, 1, 0],
                    &[3, 0x84, 1, 1, 0],
                ] {
                    commands.push([&[class, instruction, p1, p2], body].concat());
                }
            }
        }
    }
    // Wherever data might be had.
    for instruction in [0xB0, 0xB1, 0xB2, 0xCA, 0xCB] {
        for p1 in 0..=0xFF {
            commands.extend([0x00, 0x81, 0xFF].map(|p2| vec![0x00, instruction, p1, p2, 0]));
        }
    }
    commands
}

/// In either order of bytes.
fn pieces(secret: &[u8]) -> Vec<Vec<u8>> {
    let backwards: Vec<u8> = secret.iter().rev().copied().collect();
    let pieces = secret.chunks_exact(16).chain(backwards.chunks_exact(16));
    pieces.map(Into::into).collect()
}

#[test]
fn wrong_pins_count_down() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    let module = Module::load();
    let session = module.session();
    // The last column is whether this is the final try, as the module has come to see it. It
    // never sees that the PIN is locked.
    for (error, left, final_try) in [
        (RvError::PinIncorrect, 4, false),
        (RvError::PinIncorrect, 3, false),
        (RvError::PinIncorrect, 2, false),
        (RvError::PinIncorrect, 1, true),
        (RvError::PinLocked, 0, true),
    ] {
        assert_eq!(login(&session, UserType::User, "00000000"), Err(error));
        assert_eq!(card.card(|card| card.tries_left()), left);
        let info = module.token_info();
        assert_eq!(info.user_pin_final_try(), final_try, "{left} left");
        assert!(!info.user_pin_locked());
    }
    let refused = login(&session, UserType::User, PIN);
    assert_eq!(refused, Err(RvError::PinLocked));
    drop((session, module));

    // A new process sees no flags before it has tried, and the card is as it was.
    let listed = run(limited("pkcs11-tool")
        .arg("--module")
        .arg(opensc::module())
        .arg("-L"));
    assert!(
        !listed.contains("locked") && !listed.contains("final"),
        "{listed}"
    );
    let text = printed(&output(pkcs11_tool(READER).arg("--list-objects")));
    assert!(text.contains("CKR_PIN_LOCKED"), "{text}");
    assert_eq!(card.card(|card| card.tries_left()), 0);

    // The security officer unblocks it, which OpenSC has to be told to let him.
    let configuration = Scratch::new(
        b"app default { framework pkcs15 { } \
          pkcs11 { user_pin_unblock_style = init_pin_in_so_session; } }",
    );
    let mut unblock = limited("pkcs11-tool");
    unblock.arg("--module").arg(opensc::module());
    unblock.args(["--login", "--login-type", "so", "--so-pin", SO_PIN]);
    unblock.args(["--init-pin", "--new-pin", "another1"]);
    run(unblock.env("OPENSC_CONF", &configuration.0));
    assert_eq!(card.card(|card| card.tries_left()), 5);
    run(pkcs11_tool(READER).args(["--pin", "another1", "--list-objects"]));
}

#[test]
fn a_pin_of_a_wrong_length_spends_no_try() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    let module = Module::load();
    let session = module.session();
    for pin in ["123", &"1".repeat(33)] {
        let refused = login(&session, UserType::User, pin);
        assert_eq!(refused, Err(RvError::PinLenRange));
    }
    assert_eq!(card.card(|card| card.tries_left()), 5);
    assert_eq!(login(&session, UserType::User, PIN), Ok(()));
}

#[test]
fn a_wrong_so_pin_counts_down_too() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    let module = Module::load();
    let session = module.session();
    let refused = login(&session, UserType::So, "00000000");
    assert_eq!(refused, Err(RvError::PinIncorrect));
    assert_eq!(card.card(|card| card.so_tries_left()), 9);
    assert_eq!(login(&session, UserType::So, SO_PIN), Ok(()));
    assert_eq!(card.card(|card| card.so_tries_left()), 10);
    assert_eq!(card.card(|card| card.tries_left()), 5);
}

#[test]
fn the_pin_can_be_changed() {
    let pcscd = Pcscd::start();
    let _card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    run(pkcs11_tool(READER).args(["--change-pin", "--new-pin", "another1"]));
    let text = printed(&output(pkcs11_tool(READER).arg("--list-objects")));
    assert!(text.contains("CKR_PIN_INCORRECT"), "{text}");
    let mut tool = limited("pkcs11-tool");
    tool.arg("--module").arg(opensc::module());
    run(tool.args(["--login", "--pin", "another1", "--list-objects"]));
}

#[test]
fn a_card_keeps_its_state_when_it_is_removed() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, with_rsa(&pcscd));
    let mut wrong = pkcs11_tool(READER);
    let text = printed(&output(wrong.args(["--pin", "00000000", "--list-objects"])));
    assert!(text.contains("CKR_PIN_INCORRECT"), "{text}");
    card.card(|card| {
        assert_eq!(verify(card, 2, PIN), [0x90, 0x00]);
        assert_eq!(verify(card, 2, "00000000"), [0x6F, 0x86]); // it is logged in
        assert_eq!(card.transmit(&[0x80, 0x40, 0, 0]), [0x90, 0x00]);
        assert_eq!(verify(card, 2, "00000000"), [0x63, 0x00]);
    });
    let card = card.remove();
    assert_eq!(card.tries_left(), 4);
    let card = Inserted::new(&pcscd, READER, card);
    card.card(|card| assert_eq!(card.transmit(&[0, 0x20, 0, 2]), [0x63, 0xC4]));
    let listed = run(pkcs11_tool(READER).arg("--list-objects"));
    for object in [
        "Private Key Object",
        "Public Key Object",
        "Certificate Object",
    ] {
        assert!(listed.contains(object), "{listed}");
    }
}

#[test]
fn two_cards_at_once() {
    let pcscd = Pcscd::start();
    let card = with_rsa(&pcscd);
    let mut other = Rutoken::blank();
    other.serial = [1, 2, 3, 4];
    let other = other.initialise(&pcscd);
    let _first = Inserted::new(&pcscd, Reader::First, card);
    let _second = Inserted::new(&pcscd, Reader::Second, other);
    let keys = |reader| {
        let mut tool = pkcs11_tool(reader);
        run(tool.args(["--list-objects", "--type", "privkey"])).contains("RSA")
    };
    assert!(keys(Reader::First));
    assert!(!keys(Reader::Second));
}

// --- The card, without a reader ----------------------------------------------

fn verify(card: &mut Rutoken, reference: u8, pin: &str) -> Vec<u8> {
    let head = [0x00, 0x20, 0x00, reference, pin.len() as u8];
    card.transmit(&[&head, pin.as_bytes()].concat())
}

fn sign(card: &mut Rutoken) -> Vec<u8> {
    let block = [1; 256];
    card.transmit(&[&[0x10, 0x2A, 0x9E, 0x9A, 255], &block[..255]].concat());
    card.transmit(&[0x00, 0x2A, 0x9E, 0x9A, 1, 1, 0])
}

fn contains(bytes: &[u8], piece: &[u8]) -> bool {
    bytes.windows(piece.len()).any(|window| window == piece)
}

// --- OpenSC's module in this process -----------------------------------------

struct Module(Option<Pkcs11>);

impl Module {
    fn load() -> Self {
        let module = Pkcs11::new(opensc::module()).unwrap();
        let flags = CInitializeFlags::OS_LOCKING_OK;
        module.initialize(CInitializeArgs::new(flags)).unwrap();
        Self(Some(module))
    }

    fn module(&self) -> &Pkcs11 {
        self.0.as_ref().expect("taken by drop")
    }

    fn session(&self) -> Session {
        let slot = self.module().get_slots_with_token().unwrap()[0];
        self.module().open_rw_session(slot).unwrap()
    }

    fn token_info(&self) -> cryptoki::slot::TokenInfo {
        let slot = self.module().get_slots_with_token().unwrap()[0];
        self.module().get_token_info(slot).unwrap()
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Some(module) = self.0.take() {
            let _ = module.finalize();
        }
    }
}

fn login(session: &Session, user: UserType, pin: &str) -> Result<(), RvError> {
    let pin = AuthPin::new(pin.into());
    session
        .login(user, Some(&pin))
        .map_err(|error| match error {
            Error::Pkcs11(error, _) => error,
            error => panic!("{error}"),
        })
}
