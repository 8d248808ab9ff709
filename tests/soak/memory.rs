//! What is in memory, and what of it SoftHSM loses by itself.

use std::fs;
use std::ops::Sub;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;

use crate::softhsm::{PIN, SoftHsm};

/// In bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What was asked for and not given back, by this program and its modules.
    pub heap: i64,
    /// The pages that the process has.
    pub resident: i64,
}

impl Memory {
    /// To be asked while no thread does anything.
    pub fn now() -> Self {
        // SAFETY: both only look at the allocator's own state, under its locks.
        let info = unsafe {
            libc::malloc_trim(0);
            libc::mallinfo2()
        };
        let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
        let resident = status.lines().find_map(|line| {
            let size = line.strip_prefix("VmRSS:")?.strip_suffix("kB")?;
            size.trim().parse::<i64>().ok()
        });
        Self {
            heap: (info.uordblks + info.hblkhd) as i64,
            resident: resident.expect("it is told in KiB") << 10,
        }
    }
}

impl Sub for Memory {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            heap: self.heap - earlier.heap,
            resident: self.resident - earlier.resident,
        }
    }
}

/// In bytes of the heap.
pub struct Lost {
    for_signatures: i64,
    for_lives: i64,
}

/// Signatures, and lives from C_Initialize to C_Finalize, that are measured.
const SIGNATURES: u64 = 5_000;
const LIVES: u64 = 20;

impl Lost {
    /// What so many cost, and nothing where memory was given back.
    pub fn by(&self, signatures: u64, lives: u64) -> i64 {
        let signatures = self.for_signatures.max(0) * signatures as i64 / SIGNATURES as i64;
        signatures + self.for_lives.max(0) * lives as i64 / LIVES as i64
    }
}

/// By a loop of calls with nothing of keyfob in it.
pub fn lost_by_softhsm(bench: &SoftHsm, token: &str) -> Lost {
    let module = Pkcs11::new(bench.module()).expect("SoftHSM can be loaded");
    let live = |signatures: u64| {
        module
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .expect("SoftHSM can be initialised");
        let slots = module.get_slots_with_token().expect("it has slots");
        let slot = slots.into_iter().find(|slot| {
            let info = module.get_token_info(*slot);
            info.is_ok_and(|info| info.label() == token)
        });
        let session = module.open_ro_session(slot.expect("the token is there"));
        let session = session.expect("a session opens");
        let pin = AuthPin::new(PIN.into());
        session.login(UserType::User, Some(&pin)).expect("its PIN");
        let keys = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]);
        let key = keys.expect("objects can be searched for")[0];
        let sign = |_| {
            session
                .sign(&Mechanism::Ecdsa, key, &[7; 32])
                .expect("it signs")
        };
        (0..50).for_each(|number| drop(sign(number)));
        let before = Memory::now();
        (0..signatures).for_each(|number| drop(sign(number)));
        Memory::now() - before
    };
    let lives = |many| {
        for _ in 0..many {
            live(1);
            // By reference: the module stays loaded.
            module.clone().finalize().expect("it can be finalized");
        }
    };
    lives(2);
    let before = Memory::now();
    lives(LIVES);
    let for_lives = (Memory::now() - before).heap;
    let for_signatures = live(SIGNATURES).heap;
    module.finalize().expect("it can be finalized");
    crate::say(&format!(
        "SoftHSM alone: {for_signatures} bytes lost in {SIGNATURES} signatures, {for_lives} in {LIVES} lives"
    ));
    Lost {
        for_signatures,
        for_lives,
    }
}
