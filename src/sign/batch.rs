use std::fmt;
use std::num::NonZero;
use std::sync::Mutex;
use std::thread;

use crate::Error;
use crate::identity::Identity;
use crate::key::PrivateKey;
use crate::scheme::{Scheme, Signature};
use crate::sync::lock;

/// Many messages to be signed with one key; see [`PrivateKey::batch`].
pub struct Batch<'a> {
    key: PrivateKey,
    scheme: Scheme,
    threads: NonZero<usize>,
    progress: Option<&'a (dyn Fn(usize) + Sync)>,
}

/// As many as most tokens have any use for.
const THREADS: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(3);

impl PrivateKey {
    /// Signs many messages, on several threads.
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::{Pin, Scheme};
    /// # let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
    /// let bills = ["the first", "the second"];
    /// let key = fob.key("p256")?;
    /// let batch = key.batch(Scheme::EcdsaP256Sha256).progress(&|done| println!("{done} signed"));
    /// for (bill, signature) in bills.iter().zip(batch.sign(bills)) {
    ///     match signature {
    ///         Ok(signature) => println!("{bill}: {} bytes", signature.as_bytes().len()),
    ///         Err(error) => println!("{bill}: {error}"),
    ///     }
    /// }
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn batch<'a>(&self, scheme: Scheme) -> Batch<'a> {
        Batch {
            key: self.clone(),
            scheme,
            threads: THREADS,
            progress: None,
        }
    }
}

impl Identity {
    /// Signs many messages. See [`PrivateKey::batch`].
    ///
    /// # Errors
    /// [`Error::Sign`] where the key is hidden or absent.
    pub fn batch<'a>(&self, scheme: Scheme) -> Result<Batch<'a>, Error> {
        Ok(self.signing_key()?.batch(scheme))
    }
}

impl<'a> Batch<'a> {
    /// How many threads sign at once: four, unless this says otherwise. A smart card does one thing
    /// at a time; an HSM gains by more.
    #[must_use]
    pub fn threads(self, threads: NonZero<usize>) -> Self {
        Self { threads, ..self }
    }

    /// Is called after each message, with the number of those that are done, by whichever thread
    /// has done it.
    #[must_use]
    pub fn progress(self, progress: &'a (dyn Fn(usize) + Sync)) -> Self {
        Self {
            progress: Some(progress),
            ..self
        }
    }

    /// Signs each message. The answers have the messages' order; one that cannot be signed hides no
    /// other.
    ///
    /// A message is asked of the iterator when a thread is free for it, so that not all need be in
    /// memory at once.
    pub fn sign<M: AsRef<[u8]>>(
        &self,
        messages: impl IntoIterator<Item = M, IntoIter: Send>,
    ) -> Vec<Result<Signature, Error>> {
        let messages = Mutex::new(messages.into_iter());
        let answers = Mutex::new(Answers::default());
        let work = || {
            loop {
                // The number is given under the lock, so that it is the message's own.
                let mut messages = lock(&messages);
                let Some(message) = messages.next() else {
                    return;
                };
                let number = lock(&answers).begin();
                drop(messages);
                let answer = self.key.sign(self.scheme, message.as_ref());
                let done = lock(&answers).end(number, answer);
                if let Some(progress) = self.progress {
                    progress(done);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.threads.get() {
                scope.spawn(work);
            }
            work();
        });
        let answers = answers.into_inner();
        let answers = answers.unwrap_or_else(std::sync::PoisonError::into_inner);
        answers.all.into_iter().flatten().collect()
    }
}

#[derive(Default)]
struct Answers {
    all: Vec<Option<Result<Signature, Error>>>,
    done: usize,
}

impl Answers {
    fn begin(&mut self) -> usize {
        self.all.push(None);
        self.all.len() - 1
    }

    fn end(&mut self, number: usize, answer: Result<Signature, Error>) -> usize {
        if let Some(place) = self.all.get_mut(number) {
            *place = Some(answer);
        }
        self.done += 1;
        self.done
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("key", &self.key)
            .field("scheme", &self.scheme)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
