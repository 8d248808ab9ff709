//! The module through bare `cryptoki`, to compare with.

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use crate::bench::Bench;

/// The module, initialised until this is dropped. keyfob must not have it loaded.
pub struct Bare {
    context: Pkcs11,
    pub slot: Slot,
}

impl Bare {
    #[track_caller]
    pub fn of(bench: &Bench<'_>) -> Self {
        let context = Pkcs11::new(&bench.module).expect("it can be loaded");
        let flags = CInitializeFlags::OS_LOCKING_OK;
        let initialised = context.initialize(CInitializeArgs::new(flags));
        initialised.expect("it can be initialised");
        let slots = context.get_slots_with_token().expect("it has slots");
        let mut slots = slots.into_iter().filter(|slot| {
            let info = context.get_token_info(*slot);
            info.is_ok_and(|info| info.label() == bench.label)
        });
        let slot = slots.next().expect("the token is there");
        Self { context, slot }
    }

    pub fn module(&self) -> &Pkcs11 {
        &self.context
    }

    #[track_caller]
    pub fn unlocked(&self, bench: &Bench<'_>) -> Session {
        let session = self.context.open_ro_session(self.slot);
        let session = session.expect("a session opens");
        let pin = AuthPin::new(bench.pin.into());
        let unlocked = session.login(UserType::User, Some(&pin));
        unlocked.expect("the PIN is right");
        session
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.context.clone().finalize();
    }
}

#[track_caller]
pub fn private_keys(session: &Session) -> Vec<ObjectHandle> {
    let class = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
    session.find_objects(&class).expect("keys are found")
}

/// One attribute, where the token has it.
pub fn attribute(
    session: &Session,
    object: ObjectHandle,
    attribute: AttributeType,
) -> Option<Attribute> {
    let values = session.get_attributes(object, &[attribute]);
    values.ok().and_then(|mut values| values.pop())
}
