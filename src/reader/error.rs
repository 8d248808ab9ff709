use super::service::Code;

/// Why readers cannot be seen, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// The system's smart card service does not run.
    #[error("the smart card service does not run; {}", START)]
    NoService,
    /// The service ended while it was used.
    #[error("the smart card service has stopped; {}", START)]
    ServiceStopped,
    /// This user must not use the service.
    #[error(
        "this user has no right to use the smart card service; on Linux, polkit decides: log in \
         at the machine itself, or have a rule in /etc/polkit-1/rules.d allow the actions \
         org.debian.pcsc-lite.access_pcsc and access_card"
    )]
    NoPermission,
    /// The service runs, and has no reader.
    #[error("no reader and no token is plugged in; plug one in")]
    NoReader,
    /// There are readers, and no card is in any.
    #[error("no card is in any reader; put one in")]
    NoCard,
    /// The service has no more room for programs or connections.
    #[error("the smart card service is too busy; close other programs that use it and try again")]
    Busy,
    /// A reader is not there (any more).
    #[error("the reader \"{reader}\" is not there; plug it in")]
    UnknownReader {
        /// Its name.
        reader: String,
    },
    /// The service answered with an error that has no better name here.
    #[error("the smart card service answered {function} with: {message} ({code:#010x})")]
    Other {
        /// The PC/SC function.
        function: &'static str,
        /// Its code (`SCARD_…`).
        code: u32,
        /// What the service calls it.
        message: String,
    },
}

/// How the service is started.
const START: &str = if cfg!(windows) {
    "start \"Smart Card\" (SCardSvr) in services.msc, and see that a reader is plugged in: Windows \
     runs it only then"
} else if cfg!(target_vendor = "apple") {
    "plug the reader in again: macOS starts it by itself"
} else {
    "start it with \"systemctl start pcscd.socket\", or install the package pcscd (pcsc-lite)"
};

impl ReaderError {
    pub(super) fn of(function: &'static str, code: Code) -> Self {
        match code {
            Code::NoService if is_socket_denied() => Self::NoPermission,
            Code::NoService => Self::NoService,
            Code::ServiceStopped | Code::Shutdown | Code::CommError => Self::ServiceStopped,
            // libpcsclite says so of a connection that broke.
            Code::SecurityViolation => Self::ServiceStopped,
            Code::NoAccess => Self::NoPermission,
            Code::NoMemory | Code::ServerTooBusy => Self::Busy,
            code => Self::Other {
                function,
                code: code as u32,
                message: code.to_string(),
            },
        }
    }
}

/// Whether pcscd's socket is there and refuses this user. Its library tells no difference between
/// that and no service.
fn is_socket_denied() -> bool {
    #[cfg(all(unix, not(target_vendor = "apple")))]
    {
        use std::io::ErrorKind::PermissionDenied;
        use std::os::unix::net::UnixStream;
        let socket = std::env::var_os("PCSCLITE_CSOCK_NAME");
        let socket = socket.unwrap_or_else(|| "/run/pcscd/pcscd.comm".into());
        UnixStream::connect(socket).is_err_and(|error| error.kind() == PermissionDenied)
    }
    #[cfg(not(all(unix, not(target_vendor = "apple"))))]
    {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_to_do() {
        let message = |code| ReaderError::of("SCardEstablishContext", code).to_string();
        assert!(message(Code::NoService).contains("pcscd"));
        assert!(message(Code::ServiceStopped).contains("has stopped; start it"));
        assert!(ReaderError::NoPermission.to_string().contains("polkit"));
        assert!(message(Code::InvalidValue).contains("SCardEstablishContext"));
    }
}
