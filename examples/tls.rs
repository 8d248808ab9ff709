//! TLS with a key on a token, as a client or as a server: what is typed goes to the peer, and what
//! the peer says is printed.
//!
//! ```sh
//! ./softhsm-setup.sh cargo run --features rustls --example tls -- listen 127.0.0.1:4433 --key p256
//! openssl s_client -connect 127.0.0.1:4433 -CAfile target/softhsm/ca.pem
//! ```

#[path = "shared/cli.rs"]
mod cli;
#[path = "shared/talk.rs"]
mod talk;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use cli::Result;
use keyfob::{Certificate, Uri};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use talk::talk;

/// Speak TLS with a key on a token.
///
/// The PIN is taken from KEYFOB_PIN, or asked for on the terminal.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    side: Side,
}

#[derive(Subcommand)]
enum Side {
    /// Connect to a server, with the token's certificate if the server wants one.
    Connect {
        /// Where the server is.
        #[arg(value_name = "HOST:PORT")]
        address: String,
        /// The certificates by which the server is believed, a file in PEM.
        #[arg(long, value_name = "FILE")]
        ca: PathBuf,
        #[command(flatten)]
        who: Who,
    },
    /// Wait for one client, with the token's certificate.
    Listen {
        /// Where to wait; port 0 is any that is free.
        #[arg(value_name = "ADDRESS:PORT")]
        address: String,
        /// Want a certificate of the client, issued by one of those in this file in PEM.
        #[arg(long, value_name = "FILE")]
        client_ca: Option<PathBuf>,
        #[command(flatten)]
        who: Who,
    },
}

#[derive(Args)]
struct Who {
    /// The token: a PKCS#11 URI, its label or its serial. Not needed where there is one.
    #[arg(long, value_name = "URI")]
    token: Option<String>,
    /// The key: a PKCS#11 URI or its label.
    #[arg(long, value_name = "URI|LABEL")]
    key: String,
    /// The certificates between the token's and the root, in their order, each a file.
    #[arg(long, value_name = "FILE")]
    intermediate: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().side) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(error.as_ref(), 1),
    }
}

fn run(side: &Side) -> Result<()> {
    match side {
        Side::Connect { address, ca, who } => {
            let config = ClientConfig::builder()
                .with_root_certificates(roots(ca)?)
                .with_client_cert_resolver(who.certified()?);
            let (host, _) = address.rsplit_once(':').ok_or("HOST:PORT is wanted")?;
            let host = host.trim_matches(['[', ']']).to_owned();
            let socket = TcpStream::connect(address)?;
            let server = ServerName::try_from(host)?;
            talk(ClientConnection::new(config.into(), server)?.into(), socket)
        }
        Side::Listen {
            address,
            client_ca,
            who,
        } => {
            let builder = match client_ca {
                None => ServerConfig::builder().with_no_client_auth(),
                Some(ca) => ServerConfig::builder().with_client_cert_verifier(
                    WebPkiClientVerifier::builder(roots(ca)?.into()).build()?,
                ),
            };
            let config = builder.with_cert_resolver(who.certified()?);
            let listener = TcpListener::bind(address)?;
            eprintln!("waiting on {}", listener.local_addr()?);
            let (socket, _) = listener.accept()?;
            talk(ServerConnection::new(config.into())?.into(), socket)
        }
    }
}

impl Who {
    /// The identity, in the form that a client and a server take.
    fn certified(&self) -> Result<Arc<SingleCertAndKey>> {
        let found = keyfob::discover()?;
        let token = cli::token(&found, self.token.as_deref(), Some(&self.key))?;
        let all = cli::unlock(&token)?.identities()?;
        let me = match Uri::looks_like(&self.key) {
            true => all.uri(&self.key.parse()?).only()?,
            false => all.label(&self.key).only()?,
        };
        let intermediates: std::result::Result<Vec<_>, _> =
            self.intermediate.iter().map(Certificate::read).collect();
        let certified = me
            .with_prompt(cli::prompt())
            .certified_key(&intermediates?)?;
        Ok(Arc::new(certified.into()))
    }
}

fn roots(file: &Path) -> Result<RootCertStore> {
    let unreadable = |error| format!("{}: {error}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?)?;
    }
    Ok(roots)
}
