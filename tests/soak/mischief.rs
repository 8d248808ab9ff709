//! What happens to the token while the service signs, at random moments.

use std::thread;
use std::time::Duration;

use cryptoki_sys::{CK_SLOT_ID, CKR_DEVICE_ERROR, CKR_SESSION_HANDLE_INVALID};

use crate::fault::Fault;
use crate::random::Random;
use crate::service::Service;
use crate::watchdog::Watchdog;

/// Signatures between two losses, on average.
const BETWEEN: u64 = 1_000;

pub struct Mischief<'a> {
    fault: &'a Fault,
    service: &'a Service,
    random: &'a Random,
    watchdog: &'a Watchdog,
    slot: CK_SLOT_ID,
    next: u64,
    losses: u64,
    deaths: u64,
}

impl<'a> Mischief<'a> {
    pub fn new(
        fault: &'a Fault,
        service: &'a Service,
        random: &'a Random,
        watchdog: &'a Watchdog,
        slot: CK_SLOT_ID,
    ) -> Self {
        Self {
            fault,
            service,
            random,
            watchdog,
            slot,
            next: BETWEEN,
            losses: 0,
            deaths: 0,
        }
    }

    /// How often the login was lost.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// How often the daemon died.
    pub fn deaths(&self) -> u64 {
        self.deaths
    }

    /// Goes on until so many were signed.
    pub fn until(&mut self, signed: u64) {
        while self.service.signed() < signed && !self.service.is_astray() {
            if self.service.signed() < self.next {
                thread::sleep(Duration::from_micros(200));
                continue;
            }
            self.watchdog.at(format!("{} are signed", self.next));
            match self.random.within(1..=20) {
                1 => self.dies(),
                2 => {
                    let slot = self.slot;
                    // The sessions, and a moment later the login.
                    self.losses += 2;
                    self.fault
                        .token(slot)
                        .lose_sessions(CKR_SESSION_HANDLE_INVALID);
                }
                _ => self.comes_and_goes(signed),
            }
            self.goes_on();
            // Apart from the threads, so that no signature of theirs is between the two.
            self.next = self.service.signed() + self.random.within(BETWEEN / 2..=BETWEEN * 3 / 2);
        }
    }

    fn comes_and_goes(&mut self, signed: u64) {
        let token = self.fault.token(self.slot);
        self.losses += 1;
        match self.random.one_in(2) {
            true => token.remove(),
            false => token.remove_with_reader(),
        }
        if self.random.one_in(20) {
            self.dies();
        }
        let away = self.service.errors() + self.random.within(0..=40);
        // Nobody is left to be told once so many are signed.
        while self.service.errors() < away
            && self.service.signed() < signed
            && !self.service.is_astray()
        {
            thread::sleep(Duration::from_micros(200));
        }
        match self.random.one_in(2) {
            true => token.insert(),
            false => {
                self.slot = self.random.within(5_000..=5_099) as CK_SLOT_ID;
                token.insert_as(self.slot);
            }
        }
    }

    /// Every call fails until the module is initialised again, as p11-kit's client has it.
    fn dies(&mut self) {
        self.losses += 1;
        self.deaths += 1;
        self.fault.command(&format!(
            "rule C_Initialize then clear-rules\nrule {ALL} return={CKR_DEVICE_ERROR}"
        ));
    }

    /// Waits until it signs again. What is done to a token that is being initialised would not be
    /// the service's fault.
    fn goes_on(&self) {
        while !self.service.sign(b"is it there again?") && !self.service.is_astray() {}
    }
}

/// All that is called but C_Initialize and C_Finalize.
const ALL: &str = "C_GetInfo,C_GetSlotList,C_GetSlotInfo,C_GetTokenInfo,C_GetMechanismInfo,\
    C_OpenSession,C_CloseSession,C_GetSessionInfo,C_Login,C_Logout,C_FindObjectsInit,C_FindObjects,\
    C_FindObjectsFinal,C_GetAttributeValue,C_SignInit,C_Sign";
