//! The two directions of a TLS connection at once, over a socket that blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use keyfob::Certificate;
use rustls::Connection;

use crate::cli::Result;

/// Sends standard input to the peer, and prints what the peer says, until the peer ends.
pub fn talk(mut connection: Connection, mut socket: TcpStream) -> Result<()> {
    connection.complete_io(&mut socket)?; // the handshake, in which the token signs
    if let Some(version) = connection.protocol_version() {
        eprintln!("connected by {version:?}");
    }
    if let Some([peer, ..]) = connection.peer_certificates() {
        eprintln!("the peer is {}", Certificate::from_der(peer)?.subject());
    }
    let connection = Arc::new(Mutex::new(connection));
    let (sending, to) = (Arc::clone(&connection), socket.try_clone()?);
    // Not waited for: it may be reading from the terminal when the peer ends.
    thread::spawn(move || {
        if let Err(error) = send(&sending, &to) {
            eprintln!("error: {error}");
        }
    });
    receive(&connection, &socket)
}

fn send(connection: &Mutex<Connection>, socket: &TcpStream) -> io::Result<()> {
    let mut typed = [0; 4096];
    loop {
        let count = io::stdin().read(&mut typed)?;
        let mut connection = lock(connection);
        match count {
            0 => connection.send_close_notify(),
            _ => connection.writer().write_all(&typed[..count])?,
        }
        flush(&mut connection, socket)?;
        if count == 0 {
            return Ok(());
        }
    }
}

fn receive(connection: &Mutex<Connection>, mut socket: &TcpStream) -> Result<()> {
    loop {
        let mut said = Vec::new();
        // Before the first read too: it may have come with the end of the handshake.
        let outcome = lock(connection).reader().read_to_end(&mut said);
        io::stdout().write_all(&said)?;
        io::stdout().flush()?;
        match outcome {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            ended => return Ok(ended.map(|_| ())?),
        }
        socket.peek(&mut [0])?; // waits, and the lock is free meanwhile
        let mut connection = lock(connection);
        connection.read_tls(&mut socket)?;
        let processed = connection.process_new_packets();
        flush(&mut connection, socket)?; // what the peer asked for, or what it did wrong
        processed?;
    }
}

fn flush(connection: &mut Connection, mut socket: &TcpStream) -> io::Result<()> {
    while connection.wants_write() {
        connection.write_tls(&mut socket)?;
    }
    Ok(())
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
