//! Finding a card's token, beside `pkcs11-tool -L`: `./softhsm-setup.sh cargo bench --bench
//! discover`.
//!
//! Both are programs that start, look, and end, and both use OpenSC's module with a virtual Rutoken
//! in one of two readers. `discover-one-module` is told the module; `discover-all` is not, and looks
//! in all that this system has. Each line `ratio NAME VALUE` is the median of keyfob's rate over
//! the other's; more is better.

#[path = "support/pairs.rs"]
mod pairs;
#[path = "../tests/support/pcscd.rs"]
mod pcscd;
#[path = "../tests/support/rutoken.rs"]
mod rutoken;
#[path = "../tests/support/softhsm.rs"]
mod softhsm;
#[path = "../tests/support/vpcd.rs"]
mod vpcd;

use std::env;
use std::process::{Command, Stdio};

use pcscd::{Pcscd, Reader};
use rutoken::{Rutoken, opensc};
use vpcd::Inserted;

/// As the only argument: this process is to look, and end.
const LOOK: &str = "look";

fn main() {
    if env::args().nth(1).as_deref() == Some(LOOK) {
        let found = keyfob::discover().expect("it has no errors");
        let mut tokens = found.tokens().iter();
        let token = tokens.find(|token| token.reader() == Some(Reader::First.name()));
        assert!(token.is_some(), "{:?}", found.problems());
        return;
    }
    let pcscd = Pcscd::start();
    let _card = Inserted::new(&pcscd, Reader::First, Rutoken::initialised(&pcscd));
    let ours = || {
        let mut ours = Command::new(env::current_exe().expect("a program has a path"));
        ours.arg(LOOK);
        ours
    };
    let one_module = || run(ours().env("KEYFOB_MODULE", opensc::module()));
    let all = || run(ours().env_remove("KEYFOB_MODULE"));
    let tool = || {
        let mut tool = Command::new("pkcs11-tool");
        run(tool.arg("-L").arg("--module").arg(opensc::module()));
    };
    let lines = [
        pairs::ratio_of_long_calls("discover-one-module", &one_module, tool),
        pairs::ratio_of_long_calls("discover-all", &all, tool),
    ];
    println!("{}", lines.join("\n"));
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?}");
}
