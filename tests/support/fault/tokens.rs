//! What tokens say of themselves, their PINs, and whether they are there.

use cryptoki_sys::{CK_FLAGS, CK_MECHANISM_TYPE, CK_RV, CK_SLOT_ID, CK_ULONG};

use super::{Fault, hex};

impl Fault {
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens {
            fault: self,
            slot: String::new(),
        }
    }

    pub fn token(&self, slot: CK_SLOT_ID) -> Tokens<'_> {
        Tokens {
            fault: self,
            slot: format!(" slot={slot}"),
        }
    }

    /// Flags of every token.
    pub fn token_flags(&self, set: CK_FLAGS, clear: CK_FLAGS) {
        self.tokens().flags(set, clear);
    }
}

/// All tokens, or the one in a slot.
pub struct Tokens<'a> {
    fault: &'a Fault,
    slot: String,
}

/// A user PIN's counter.
pub struct PinCounter {
    pub tries: CK_ULONG,
    pub left: CK_ULONG,
    /// No flags until a login has failed, as OpenSC does.
    pub hidden: bool,
}

impl Tokens<'_> {
    pub fn flags(&self, set: CK_FLAGS, clear: CK_FLAGS) {
        self.say(&format!("token-info set-flags={set} clear-flags={clear}"));
    }

    /// `min-pin`, `max-pin`, `sessions`, `max-sessions`, `rw-sessions` or `max-rw-sessions`.
    #[track_caller]
    pub fn number(&self, field: &str, value: CK_ULONG) {
        self.say(&format!("token-info {field}={value}"));
    }

    /// `label`, `manufacturer`, `model`, `serial` or `time`; any bytes, padded with blanks.
    #[track_caller]
    pub fn text(&self, field: &str, bytes: &[u8]) {
        self.say(&format!("token-info {field}={}", hex(bytes)));
    }

    pub fn pin_counter(&self, counter: PinCounter) {
        let PinCounter {
            tries,
            left,
            hidden,
        } = counter;
        let hidden = if hidden { " hidden" } else { "" };
        self.say(&format!("pin tries={tries} left={left}{hidden}"));
    }

    /// A PIN pad, on which this PIN is typed; `None`: nothing, NULL is forwarded.
    pub fn pad(&self, pin: Option<&str>) {
        let pin = pin.map(|pin| format!(" pin={}", hex(pin.as_bytes())));
        self.say(&format!("pad{}", pin.unwrap_or_default()));
    }

    /// Pulled out; its sessions answer CKR_DEVICE_REMOVED. Of one token, as are the rest.
    #[track_caller]
    pub fn remove(&self) {
        self.say("remove");
    }

    /// Pulled out with its reader, or a USB token: the slot is gone too.
    #[track_caller]
    pub fn remove_with_reader(&self) {
        self.say("remove reader");
    }

    #[track_caller]
    pub fn insert(&self) {
        self.say("insert");
    }

    /// Back in another slot.
    #[track_caller]
    pub fn insert_as(&self, slot: CK_SLOT_ID) {
        self.say(&format!("insert as={slot}"));
    }

    #[track_caller]
    pub fn lose_sessions(&self, code: CK_RV) {
        self.say(&format!("lose-sessions code={code}"));
    }

    /// By somebody else in this process; nothing tells.
    #[track_caller]
    pub fn log_out(&self) {
        self.say("log-out");
    }

    #[track_caller]
    pub fn add_mechanism(&self, mechanism: CK_MECHANISM_TYPE, flags: CK_FLAGS) {
        self.say(&format!("mechanism add {mechanism} set-flags={flags}"));
    }

    #[track_caller]
    pub fn drop_mechanism(&self, mechanism: CK_MECHANISM_TYPE) {
        self.say(&format!("mechanism drop {mechanism}"));
    }

    #[track_caller]
    pub fn mechanism_sizes(&self, mechanism: CK_MECHANISM_TYPE, min: CK_ULONG, max: CK_ULONG) {
        self.say(&format!("mechanism {mechanism} min={min} max={max}"));
    }

    #[track_caller]
    fn say(&self, command: &str) {
        self.fault.command(&format!("{command}{}", self.slot));
    }
}
