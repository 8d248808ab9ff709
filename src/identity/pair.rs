//! Pairing keys with certificates: by `CKA_ID`, then by public key, never by label.

use std::collections::HashMap;
use std::sync::Arc;

use super::list::Labelled;
use super::{Identity, KeyStatus};
use crate::Error;
use crate::cert::Certificate;
use crate::key::{Access, PrivateKey};
use crate::public_key::PublicKey;

/// No token has as many. Keys and certificates that all have the same `CKA_ID`, and no public key that
/// can be read, would make their product.
const MAX_IDENTITIES: usize = 1 << 16;

impl Access {
    pub(super) fn pair(
        &self,
        keys: Vec<PrivateKey>,
        public_keys: Vec<Labelled<Option<PublicKey>>>,
        certificates: Vec<Labelled<Certificate>>,
    ) -> Result<Vec<Identity>, Error> {
        let certified: Vec<Option<PublicKey>> = certificates
            .iter()
            .map(|certificate| certificate.object.public_key().ok())
            .collect();
        let by_public = Index::of(public_keys.iter().map(|one| (one.names().1, &one.object)));
        let ids = certificates.iter().map(|one| one.names().1);
        let by_certificate = Index::of(ids.zip(&certified));
        let mut public_used = vec![false; public_keys.len()];
        let mut certificate_used = vec![false; certificates.len()];
        let mut identities = Vec::new();

        for mut key in keys {
            if key.public_key().is_none() {
                let shown = by_public.with_id(key.id()).iter();
                let mut shown = shown.filter_map(|at| public_keys.get(*at)?.object.as_ref());
                if let Some(found) = shown.find(|found| key.key_type().could_be(found.key_type())) {
                    key = key.with_public_key(found.clone());
                }
            }
            mark(&mut public_used, by_public.with_key(key.public_key()));
            let fits = |at: &&usize| {
                let certified = certified.get(**at).and_then(Option::as_ref);
                match (key.public_key(), certified) {
                    (Some(own), Some(certified)) => own == certified,
                    (None, Some(certified)) => key.key_type().could_be(certified.key_type()),
                    (_, None) => true,
                }
            };
            let mine = by_certificate.with_id(key.id()).iter().filter(fits);
            let mut mine: Vec<usize> = mine.copied().collect();
            if mine.is_empty() {
                mine = by_certificate.with_key(key.public_key()).to_vec();
            }
            if identities.len() + mine.len() > MAX_IDENTITIES {
                return Err(self.token().slot().too_many_objects());
            }
            mark(&mut certificate_used, &mine);
            for at in &mine {
                let certificate = certificates.get(*at).zip(certified.get(*at));
                identities.push(self.identity(Some(key.clone()), certificate, None));
            }
            if mine.is_empty() {
                identities.push(self.identity(Some(key), None, None));
            }
        }

        let rest = certificates.iter().zip(&certified).zip(&certificate_used);
        for (certificate, _) in rest.filter(|(_, used)| !**used) {
            mark(&mut public_used, by_public.with_key(certificate.1.as_ref()));
            identities.push(self.identity(None, Some(certificate), None));
        }

        // Before login, a public key is all that shows of a key without a certificate.
        if self.is_locked_out() {
            let rest = public_keys.iter().zip(&public_used);
            for (public, _) in rest.filter(|(_, used)| !**used) {
                identities.push(self.identity(None, None, Some(public)));
            }
        }
        Ok(identities)
    }

    fn identity(
        &self,
        key: Option<PrivateKey>,
        certified: Option<(&Labelled<Certificate>, &Option<PublicKey>)>,
        public: Option<&Labelled<Option<PublicKey>>>,
    ) -> Identity {
        let certificate = certified.map(|(certificate, _)| certificate);
        let public_key = key
            .as_ref()
            .and_then(|key| key.public_key().cloned())
            .or_else(|| certified.and_then(|(_, public_key)| public_key.clone()))
            .or_else(|| public.and_then(|public| public.object.clone()));
        // Of a key of which the token shows no more, the certificate tells what to verify with.
        #[cfg(feature = "gost")]
        let key = key.map(|key| match (key.public_key(), &public_key) {
            (None, Some(certified)) if key.wants_judge() => key.checked_by(certified.clone()),
            _ => key,
        });
        let names = [
            key.as_ref().map(PrivateKey::names),
            certificate.map(Labelled::names),
            public.map(Labelled::names),
        ];
        let label = names.iter().flatten().map(|(label, _)| *label);
        let id = names.iter().flatten().map(|(_, id)| *id);
        Identity {
            token: self.token().clone(),
            key_status: match (&key, self.is_locked_out()) {
                (Some(_), _) => KeyStatus::Visible,
                (None, true) => KeyStatus::Hidden,
                (None, false) => KeyStatus::Absent,
            },
            public_key,
            certificate: certificate.map(|certificate| certificate.object.clone()),
            label: first(label, str::is_empty),
            id: first(id, <[u8]>::is_empty),
            key,
        }
    }
}

/// Where objects stand in their list. To look at each of them for each other would take for ever where
/// a token shows very many.
struct Index<'a> {
    by_id: HashMap<&'a [u8], Vec<usize>>,
    by_key: HashMap<&'a PublicKey, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn of(objects: impl Iterator<Item = (&'a Arc<[u8]>, &'a Option<PublicKey>)>) -> Self {
        let (mut by_id, mut by_key) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (at, (id, key)) in objects.enumerate() {
            // An empty id is none.
            if !id.is_empty() {
                by_id.entry(&**id).or_default().push(at);
            }
            if let Some(key) = key {
                by_key.entry(key).or_default().push(at);
            }
        }
        Self { by_id, by_key }
    }

    fn with_id(&self, id: &[u8]) -> &[usize] {
        self.by_id.get(id).map_or(&[], Vec::as_slice)
    }

    fn with_key(&self, key: Option<&PublicKey>) -> &[usize] {
        let found = key.and_then(|key| self.by_key.get(key));
        found.map_or(&[], Vec::as_slice)
    }
}

fn mark(used: &mut [bool], places: &[usize]) {
    for at in places {
        if let Some(used) = used.get_mut(*at) {
            *used = true;
        }
    }
}

/// The first that is not empty.
fn first<'a, T: ?Sized + 'a>(
    mut all: impl Iterator<Item = &'a Arc<T>>,
    is_empty: fn(&T) -> bool,
) -> Arc<T>
where
    Arc<T>: Default,
{
    let found = all.find(|one| !is_empty(one));
    found.cloned().unwrap_or_default()
}
