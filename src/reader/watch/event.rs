use std::fmt;

use crate::reader::Card;

/// Something that happened to readers and tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReaderEvent {
    /// A reader was plugged in, or was there when the watch began.
    ReaderAdded {
        /// Its name.
        reader: String,
    },
    /// A reader was plugged out. What was in it was reported removed before.
    ReaderRemoved {
        /// Its name.
        reader: String,
    },
    /// A token was put in, or was there when the watch began.
    TokenInserted {
        /// The name of the reader that it is in.
        reader: String,
        /// What it is. Where it was gone again before anyone looked, it has no answer to reset.
        card: Card,
    },
    /// A token was pulled out.
    TokenRemoved {
        /// The name of the reader that it was in.
        reader: String,
        /// What it was.
        card: Card,
    },
    /// The system's smart card service has ended. It is waited for.
    ServiceStopped,
    /// The system's smart card service is back.
    ServiceStarted,
}

impl fmt::Display for ReaderEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReaderAdded { reader } => write!(f, "reader added: {reader}"),
            Self::ReaderRemoved { reader } => write!(f, "reader removed: {reader}"),
            Self::TokenInserted { reader, card } => {
                write!(f, "token inserted: {card} in {reader}")
            }
            Self::TokenRemoved { reader, card } => {
                write!(f, "token removed: {card} from {reader}")
            }
            Self::ServiceStopped => f.write_str("the smart card service has stopped"),
            Self::ServiceStarted => f.write_str("the smart card service is back"),
        }
    }
}
