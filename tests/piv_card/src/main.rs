//! A PIV card for the tests: the applet of `piv-authenticator`, over a connection like vpcd's.
//!
//! usage: piv-card PORT
//!
//! The test that started this listens on the port and is in between, so that it can remove the
//! card and insert it again. The card ends with the connection.

mod backends;
mod transport;

use std::process::ExitCode;

use piv_authenticator::{Authenticator, Options};
use trussed::virt::{self, StoreConfig};

fn main() -> ExitCode {
    let Some(port) = std::env::args().nth(1).and_then(|port| port.parse().ok()) else {
        eprintln!("usage: piv-card PORT");
        return ExitCode::FAILURE;
    };
    let connection = match vpicc::connect_socket(std::net::SocketAddr::from(([127, 0, 0, 1], port)))
    {
        Ok(connection) => connection,
        Err(error) => {
            eprintln!("piv-card: port {port}: {error}");
            return ExitCode::FAILURE;
        }
    };
    virt::with_platform(StoreConfig::ram(), |platform| {
        platform.run_client_with_backends(
            "piv",
            backends::Backends::new(),
            backends::ORDER,
            |client| {
                let options = Options::default();
                let mut card = transport::Card::new(Authenticator::new(client, options));
                // Until the test is done with the card.
                let _ = connection.run(&mut card);
            },
        );
    });
    ExitCode::SUCCESS
}
