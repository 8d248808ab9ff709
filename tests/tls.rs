//! TLS with keys on a token: rustls at our end, `openssl s_server` and `s_client` at the other.

#[path = "tls/example.rs"]
mod example;
#[path = "tls/failures.rs"]
mod failures;
#[path = "support/fault.rs"]
mod fault;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

use cryptoki::object::Attribute;
use der::{Decode, Encode};
use keyfob::{Certificate, Identity, Pin, Search, Unlocked};
use peer::{Desk, Peer, accept, fact};
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, SupportedKxGroup};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, NamedGroup, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned, SupportedProtocolVersion,
};
use softhsm::{Kind, Leaf, PIN, SoftHsm, run};
use spki::SubjectPublicKeyInfoOwned;

/// Which key is used by which version; which signature schemes OpenSSL takes, if not its usual
/// ones; and the digest and signature that it then says were used.
#[rustfmt::skip]
const MATRIX: &[(&str, &SupportedProtocolVersion, Option<&str>, &str, &str)] = &[
    ("rsa2048", &TLS12, None,                   "SHA256", "RSA-PSS"),
    ("rsa2048", &TLS13, None,                   "SHA256", "RSA-PSS"),
    ("rsa2048", &TLS12, Some("RSA-PSS+SHA384"), "SHA384", "RSA-PSS"),
    ("rsa2048", &TLS13, Some("RSA-PSS+SHA512"), "SHA512", "RSA-PSS"),
    ("rsa2048", &TLS12, Some("RSA+SHA256"),     "SHA256", "RSA"),
    ("rsa2048", &TLS12, Some("RSA+SHA384"),     "SHA384", "RSA"),
    ("rsa2048", &TLS12, Some("RSA+SHA512"),     "SHA512", "RSA"),
    // A key whose certificate says that it is for RSA-PSS alone.
    ("pss",     &TLS13, None,                   "SHA256", "RSA-PSS"),
    ("p256",    &TLS12, None,                   "SHA256", "ECDSA"),
    ("p256",    &TLS13, None,                   "SHA256", "ECDSA"),
    ("p384",    &TLS12, None,                   "SHA384", "ECDSA"),
    ("p384",    &TLS13, None,                   "SHA384", "ECDSA"),
    ("p521",    &TLS12, None,                   "SHA512", "ECDSA"),
    ("p521",    &TLS13, None,                   "SHA512", "ECDSA"),
    ("ed25519", &TLS12, None,                   "UNDEF",  "ed25519"),
    ("ed25519", &TLS13, None,                   "UNDEF",  "ed25519"),
    // A key that wants its PIN for each signature, with a prompt to ask for it.
    ("always",  &TLS13, None,                   "SHA256", "ECDSA"),
];

#[test]
fn a_client_with_each_key_is_believed_by_openssl() {
    let bench = SoftHsm::start();
    let (desk, fob) = (Desk::new(bench.folder()), unlocked(&bench));
    for (label, version, schemes, digest, signature) in MATRIX {
        if (*label, *version) == ("p521", &TLS12) {
            continue; // by itself, below
        }
        let me = identity(&fob, label);
        let schemes = schemes.map(|schemes| ["-client_sigalgs", schemes]);
        let server = desk.server(schemes.as_ref().map_or(&[], |options| &options[..]));
        let mut stream = our_client(&desk, version, me.certified_key(&[]).unwrap(), &server);
        let answered = ask(&mut stream, "hello");
        drop(stream);
        let said = server.finish();
        let answered = answered.unwrap_or_else(|error| panic!("{label}: {error}: {said}"));
        assert_eq!(answered, "olleh", "{label}");
        believed(&said, label, version, digest, signature);
    }
}

#[test]
fn a_server_with_each_key_is_believed_by_openssl() {
    let bench = SoftHsm::start();
    let (desk, fob) = (Desk::new(bench.folder()), unlocked(&bench));
    for (label, version, schemes, digest, signature) in MATRIX {
        let me = identity(&fob, label);
        let schemes = schemes.map(|schemes| ["-sigalgs", schemes]);
        let options = schemes.as_ref().map_or(&[] as &[_], |options| &options[..]);
        let (mut stream, mut client) =
            our_server(&desk, version, me.certified_key(&[]).unwrap(), options);
        client.send("ping");
        assert_eq!(answer(&mut stream, "pong").unwrap(), "ping", "{label}");
        assert_eq!(client.receive(), "pong", "{label}");
        let said = client.finish();
        believed(&said, label, version, digest, signature);
    }
}

/// Under TLS 1.2 OpenSSL takes an ECDSA certificate only on a curve that the client also names for
/// key exchange, and rustls's own providers do not name P-521. Where one does, all is well.
#[test]
fn a_client_with_p521_under_tls12_depends_on_the_provider() {
    let bench = SoftHsm::start();
    let (desk, fob) = (Desk::new(bench.folder()), unlocked(&bench));
    let certified = identity(&fob, "p521").certified_key(&[]).unwrap();
    for (named, verdict) in [(false, "wrong curve"), (true, "Verification: OK")] {
        let mut provider = rustls::crypto::ring::default_provider();
        if named {
            provider.kx_groups.push(&P521);
        }
        let server = desk.server(&[]);
        let mut stream = our_client_with(provider, &desk, &TLS12, certified.clone(), &server);
        assert_eq!(ask(&mut stream, "hello").is_ok(), named);
        drop(stream);
        let said = server.finish();
        assert!(said.contains(verdict), "{said}");
    }
}

/// A group that can be named. OpenSSL chooses the first, which is another.
#[derive(Debug)]
struct P521;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        unimplemented!("it is only named")
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

/// What OpenSSL said of the handshake.
#[track_caller]
fn believed(
    said: &str,
    label: &str,
    version: &SupportedProtocolVersion,
    digest: &str,
    signature: &str,
) {
    let number = match version.version {
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "TLSv1.3",
    };
    assert_eq!(fact(said, "Protocol version"), number, "{label}: {said}");
    assert_eq!(fact(said, "Verification"), "OK", "{label}: {said}");
    let subject = format!("CN = Test {label}");
    assert_eq!(fact(said, "Peer certificate"), subject, "{said}");
    assert_eq!(fact(said, "Hash used"), digest, "{label}: {said}");
    assert_eq!(fact(said, "Signature type"), signature, "{label}: {said}");
}

/// The peer knows the root alone; the way to it goes with the certificate.
#[test]
fn intermediates_are_sent() {
    let bench = SoftHsm::start();
    let (desk, fob) = (Desk::new(bench.folder()), unlocked(&bench));
    let me = identity(&fob, "p256");
    let intermediate = intermediate(&desk);
    for (intermediates, verdict) in [
        (&[intermediate][..], "Verification: OK"),
        (&[], "unable to get local issuer certificate"),
    ] {
        let certified = me.certified_key(intermediates).unwrap();
        let (mut stream, mut client) = our_server(&desk, &TLS13, certified, &[]);
        client.send("ping");
        let answered = answer(&mut stream, "pong").is_ok();
        drop(stream);
        let said = client.finish();
        assert!(said.contains(verdict), "{said}");
        assert_eq!(answered, !intermediates.is_empty());

        let server = desk.server(&[]);
        let certified = me.certified_key(intermediates).unwrap();
        let mut stream = our_client(&desk, &TLS13, certified, &server);
        let answered = ask(&mut stream, "hello").is_ok();
        drop(stream);
        let said = server.finish();
        assert!(said.contains(verdict), "{said}");
        assert_eq!(answered, !intermediates.is_empty());
    }
}

/// A certificate for the tests' CA by a root made now, which is what the peer then believes.
fn intermediate(desk: &Desk) -> Certificate {
    let ca = Certificate::read(desk.ca()).unwrap();
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=root"])
        .arg("-keyout")
        .arg(desk.file("root.key"))
        .arg("-out")
        .arg(desk.ca()));
    let public = desk.file("ca.pub");
    fs::write(&public, ca.public_key().unwrap().to_pem()).unwrap();
    let extensions = desk.file("ca.extensions");
    fs::write(&extensions, "basicConstraints=critical,CA:TRUE").unwrap();
    let intermediate = desk.file("intermediate.pem");
    run(Command::new("openssl")
        .args(["x509", "-new", "-subj", "/CN=keyfob test CA"])
        .args(["-days", "30", "-set_serial", "7"])
        .arg("-force_pubkey")
        .arg(public)
        .arg("-extfile")
        .arg(extensions)
        .arg("-CA")
        .arg(desk.ca())
        .arg("-CAkey")
        .arg(desk.file("root.key"))
        .arg("-out")
        .arg(&intermediate));
    Certificate::read(intermediate).unwrap()
}

/// What rustls asks before it takes a key with a certificate.
#[test]
fn keys_match_their_certificates_and_no_others() {
    let bench = SoftHsm::start();
    let fob = unlocked(&bench);
    let labels: Vec<_> = MATRIX.iter().map(|row| row.0).collect();
    for label in &labels {
        let certified = identity(&fob, label).certified_key(&[]).unwrap();
        certified.keys_match().unwrap();
    }
    let p256 = identity(&fob, "p256").certified_key(&[]).unwrap();
    let other = identity(&fob, "always").certified_key(&[]).unwrap();
    assert!(
        CertifiedKey::new(p256.cert, other.key)
            .keys_match()
            .is_err()
    );
    // By itself an ECDSA key does not know its public half, which is no contradiction.
    let alone = fob.key("p256").unwrap().tls_key().unwrap();
    assert!(rustls::sign::SigningKey::public_key(&alone).is_none());
}

// --- Our end -------------------------------------------------------------------------------------

/// A token with all that the tests need.
fn fill(bench: &SoftHsm) {
    bench.token("tls", |token| {
        token.identity(Kind::Rsa(2048), "rsa2048", &[1]);
        token.identity(Kind::P256, "p256", &[2]);
        token.identity(Kind::P384, "p384", &[3]);
        token.identity(Kind::P521, "p521", &[4]);
        token.identity(Kind::Ed25519, "ed25519", &[5]);
        let always = [Attribute::AlwaysAuthenticate(true)];
        let spki = token.key_with(Kind::P256, "always", &[6], &always);
        token.certificate(&Leaf::new("CN=Test always").issue(&spki), "always", &[6]);
        let spki = token.key(Kind::Rsa(2048), "pss", &[7]);
        let mut spki = SubjectPublicKeyInfoOwned::from_der(&spki).unwrap();
        spki.algorithm.oid = der::asn1::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
        spki.algorithm.parameters = None;
        let certificate = Leaf::new("CN=Test pss").issue(&spki.to_der().unwrap());
        token.certificate(&certificate, "pss", &[7]);
        token.key(Kind::P256, "bare", &[8]);
        let spki = softhsm::ca();
        token.certificate(&spki, "keyless", &[9]);
    });
}

fn unlocked(bench: &SoftHsm) -> Unlocked {
    fill(bench);
    let found = Search::new().module(bench.module()).named_only().run();
    let token = found.unwrap().select("tls").unwrap();
    token.unlock(&PIN.into()).unwrap()
}

fn identity(fob: &Unlocked, label: &str) -> Identity {
    let me = fob.identities().unwrap().label(label).only().unwrap();
    me.with_prompt(Arc::new(|_: &_| Ok(Pin::from(PIN))))
}

/// A client that believes the peer's own certificate.
fn our_client(
    desk: &Desk,
    version: &'static SupportedProtocolVersion,
    certified: CertifiedKey,
    server: &Peer,
) -> StreamOwned<ClientConnection, TcpStream> {
    let provider = rustls::crypto::ring::default_provider();
    our_client_with(provider, desk, version, certified, server)
}

fn our_client_with(
    provider: CryptoProvider,
    desk: &Desk,
    version: &'static SupportedProtocolVersion,
    certified: CertifiedKey,
    server: &Peer,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let peer = CertificateDer::from_pem_file(desk.certificate()).unwrap();
    roots.add(peer).unwrap();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(config.into(), name).unwrap();
    StreamOwned::new(connection, server.connect())
}

/// A server, with OpenSSL as its client.
fn our_server(
    desk: &Desk,
    version: &'static SupportedProtocolVersion,
    certified: CertifiedKey,
    options: &[&str],
) -> (StreamOwned<ServerConnection, TcpStream>, Peer) {
    let config = ServerConfig::builder_with_protocol_versions(&[version])
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = desk.client(listener.local_addr().unwrap(), options);
    let connection = ServerConnection::new(config.into()).unwrap();
    let stream = StreamOwned::new(connection, accept(&listener));
    (stream, client)
}

/// Sends a line and returns the one that comes back. The first use makes the handshake.
fn ask(stream: &mut (impl Read + Write), line: &str) -> io::Result<String> {
    writeln!(stream, "{line}")?;
    stream.flush()?;
    receive(stream)
}

/// Waits for a line, and answers it.
fn answer(stream: &mut (impl Read + Write), line: &str) -> io::Result<String> {
    let asked = receive(stream)?;
    writeln!(stream, "{line}")?;
    stream.flush()?;
    Ok(asked)
}

fn receive(stream: &mut impl Read) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
