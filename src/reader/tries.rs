//! Asking a card how often its PIN can still be wrong: VERIFY without a PIN, which spends no try.

use std::ffi::CString;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use super::ReaderError;
use super::service::{self, Connection, Protocol};
use crate::CardModel;
use crate::catalog::card::TriesQuestion;
use crate::sync::lock;

/// How long another program may have the card for itself before nobody waits for the answer.
///
/// Signatures take less. Programs that never let go (yubikey-agent) must not stop a list of tokens.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the card in one reader. What goes wrong is logged, and then nothing is known.
#[derive(Default)]
pub(crate) struct Asker {
    /// The answer that was given up waiting for, with the thread that still waits for the card.
    late: Mutex<Option<Receiver<Option<u8>>>>,
}

impl Asker {
    /// The tries left, if the card in the reader is still of this model and tells.
    ///
    /// The service waits without end for a transaction of another program, and takes nothing back.
    /// So a thread waits for it, never more than one, and this for the thread, not for ever.
    pub(crate) fn tries_left(
        &self,
        reader: &str,
        model: &CardModel,
        question: &'static TriesQuestion,
    ) -> Option<u8> {
        // Held meanwhile: two who ask at once take turns.
        let mut late = lock(&self.late);
        if let Some(answer) = late.take()
            && answer.try_recv() == Err(TryRecvError::Empty)
        {
            log::debug!("{reader}: another program still has the card for itself");
            *late = Some(answer);
            return None;
        }
        let (send, answer) = mpsc::sync_channel(1);
        let (name, model) = (reader.to_owned(), model.clone());
        let until = Instant::now() + PATIENCE;
        let asking = move || {
            let ask = || {
                ask(&name, &model, question, until).inspect_err(|error| {
                    log::debug!("{name}: the tries left cannot be asked for: {error}");
                })
            };
            // Once more: another program may have reset the card in between.
            let tries = ask().or_else(|_| ask()).ok().flatten();
            // Nobody may be waiting any longer.
            let _ = send.send(tries);
        };
        let thread = thread::Builder::new().name("keyfob tries".to_owned());
        if let Err(error) = thread.spawn(asking) {
            log::debug!("{reader}: the tries left cannot be asked for: {error}");
            return None;
        }
        match answer.recv_timeout(PATIENCE) {
            Ok(tries) => tries,
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                log::debug!("{reader}: another program has the card for itself");
                *late = Some(answer);
                None
            }
        }
    }
}

fn ask(
    reader: &str,
    model: &CardModel,
    question: &TriesQuestion,
    until: Instant,
) -> Result<Option<u8>, ReaderError> {
    let Ok(name) = CString::new(reader) else {
        return Ok(None);
    };
    let context = service::establish()?;
    let mut connection = Connection::shared(&context, &name)
        .map_err(|code| ReaderError::of("SCardConnect", code))?;
    // So as not to come between the commands of another program.
    let card = connection
        .transaction()
        .map_err(|code| ReaderError::of("SCardBeginTransaction", code))?;
    let status = card
        .status2_owned()
        .map_err(|code| ReaderError::of("SCardStatus", code))?;
    let is_it = CardModel::identify(status.atr(), reader).as_ref() == Some(model);
    let Some(protocol) = status.protocol2() else {
        return Ok(None);
    };
    if !is_it || Instant::now() >= until {
        return Ok(None);
    }
    let mut room = [0; pcsc::MAX_BUFFER_SIZE];
    tries_left(question, |command| {
        let mut command = command.to_vec();
        // T=0 has no command without a length (ISO 7816-3, section 12.2.2).
        if protocol == Protocol::T0 && command.len() == 4 {
            command.push(0);
        }
        card.transmit(&command, &mut room)
            .map(<[u8]>::to_vec)
            .map_err(|code| ReaderError::of("SCardTransmit", code))
    })
}

/// The conversation with the card.
///
/// Its application is selected only where the question is not understood, which says that another
/// one is selected. To select it again must not end a login (NIST SP 800-73-4, part 2, section
/// 3.1.1), but on some cards does; and a program that uses another application of the card has to
/// select that anew.
fn tries_left<E>(
    question: &TriesQuestion,
    mut send: impl FnMut(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Option<u8>, E> {
    let verify = |pin| [0x00, 0x20, 0x00, pin];
    let mut answer = Answer::of(&send(&verify(question.pin))?);
    if answer == Answer::NotUnderstood
        && let Some(name) = question.application
    {
        let select = [&[0x00, 0xA4, 0x04, 0x00, name.len() as u8], name].concat();
        let selected = send(&select)?;
        if !matches!(*selected, [.., 0x90, 0x00] | [.., 0x61, _]) {
            return Ok(None);
        }
        answer = Answer::of(&send(&verify(question.pin))?);
    }
    let Answer::Left(tries) = answer else {
        return Ok(None);
    };
    // Where there are two, it is not known which of them the module uses.
    if let Some(other) = question.other_pin
        && Answer::of(&send(&verify(other))?) != Answer::NotUnderstood
    {
        return Ok(None);
    }
    Ok(Some(tries))
}

/// What VERIFY without a PIN is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Left(u8),
    /// Somebody is logged in, or the count is written otherwise (`63 0x` of a YubiKey NEO).
    Nothing,
    NotUnderstood,
}

impl Answer {
    /// Of the status bytes (ISO 7816-4, section 5.6).
    fn of(answer: &[u8]) -> Self {
        match *answer {
            [0x63, count @ 0xC0..=0xCF] => Self::Left(count & 0x0F),
            [0x69, 0x83] => Self::Left(0),
            [0x90, 0x00] | [0x63, _] => Self::Nothing,
            _ => Self::NotUnderstood,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(family: &str, manufacturer: &str) -> &'static TriesQuestion {
        let models = CardModel::all().into_iter();
        let mut models = models.filter(|model| model.family() == family);
        let question = models.find_map(|model| model.tries_question(manufacturer));
        question.unwrap()
    }

    fn rutoken() -> &'static TriesQuestion {
        question("Rutoken ECP", "Aktiv Co.")
    }

    fn piv() -> &'static TriesQuestion {
        question("YubiKey", "piv_II")
    }

    /// The tries that these answers tell, and the commands that were sent, by instruction and P2.
    fn told(question: &TriesQuestion, answers: &[&[u8]]) -> (Option<u8>, Vec<(u8, u8)>) {
        let mut sent = Vec::new();
        let mut answers = answers.iter();
        let told = tries_left(question, |command: &[u8]| {
            sent.push((command[1], command[3]));
            answers.next().map(|answer| answer.to_vec()).ok_or(())
        });
        assert!(answers.next().is_none(), "too few were asked: {sent:x?}");
        (told.unwrap(), sent)
    }

    #[test]
    fn the_status_bytes_tell() {
        for (answer, meaning) in [
            (&[0x63, 0xC5][..], Answer::Left(5)),
            (&[0x63, 0xC1], Answer::Left(1)),
            (&[0x63, 0xC0], Answer::Left(0)),
            (&[0x63, 0xCF], Answer::Left(15)),
            (&[0x69, 0x83], Answer::Left(0)),
            (&[0x90, 0x00], Answer::Nothing),
            (&[0x63, 0x00], Answer::Nothing),
            (&[0x63, 0x03], Answer::Nothing),
            (&[0x63, 0xD3], Answer::Nothing),
            (&[0x69, 0x82], Answer::NotUnderstood),
            (&[0x6A, 0x88], Answer::NotUnderstood),
            (&[0x6F, 0x86], Answer::NotUnderstood),
            (&[0x90, 0xC3], Answer::NotUnderstood),
            (&[0x01, 0x63, 0xC3], Answer::NotUnderstood),
            (&[0x63], Answer::NotUnderstood),
            (&[], Answer::NotUnderstood),
        ] {
            assert_eq!(Answer::of(answer), meaning, "{answer:x?}");
        }
    }

    #[test]
    fn a_rutoken_is_asked_once() {
        for (answer, tries) in [
            (&[0x63, 0xC4], Some(4)),
            (&[0x69, 0x83], Some(0)),
            (&[0x90, 0x00], None),
            (&[0x6D, 0x00], None),
        ] {
            assert_eq!(told(rutoken(), &[answer]), (tries, vec![(0x20, 0x02)]));
        }
    }

    const LEFT: &[u8] = &[0x63, 0xC3];
    const NO_SUCH_PIN: &[u8] = &[0x6A, 0x88];

    #[test]
    fn piv_is_selected_only_where_it_is_not() {
        let (this, global) = ((0x20, 0x80), (0x20, 0x00));
        let answers = [LEFT, NO_SUCH_PIN];
        assert_eq!(told(piv(), &answers), (Some(3), vec![this, global]));
        for nothing in [[0x90, 0x00], [0x63, 0x03]] {
            assert_eq!(told(piv(), &[&nothing]), (None, vec![this]));
        }
        let sent = vec![this, (0xA4, 0x00), this, global];
        for done in [&[0x61, 0x11][..], &[0x90, 0x00], &[0x4F, 0x90, 0x00]] {
            let answers = [&[0x6D, 0x00], done, LEFT, NO_SUCH_PIN];
            assert_eq!(told(piv(), &answers), (Some(3), sent.clone()));
        }
        // Not there, or switched off.
        let answers = [&[0x6D, 0x00][..], &[0x6A, 0x82]];
        assert_eq!(told(piv(), &answers).0, None);
    }

    #[test]
    fn a_piv_card_with_a_second_pin_tells_nothing() {
        for other in [&[0x63, 0xC3], &[0x69, 0x83], &[0x90, 0x00]] {
            assert_eq!(told(piv(), &[LEFT, other]).0, None);
        }
    }

    #[test]
    fn no_command_carries_a_pin() {
        for question in [rutoken(), piv()] {
            let answers = [NO_SUCH_PIN, &[0x90, 0x00], LEFT, NO_SUCH_PIN];
            let mut answers = answers.iter();
            let told = tries_left(question, |command: &[u8]| {
                assert!(command[1] == 0xA4 || command.len() == 4, "{command:x?}");
                answers.next().map(|answer| answer.to_vec()).ok_or(())
            });
            assert!(told.is_ok());
        }
    }
}
