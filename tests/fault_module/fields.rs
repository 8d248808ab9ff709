//! Changes to the info structures of PKCS#11: flags, numbers and padded text.

use std::iter;

use cryptoki_sys::{CK_FLAGS, CK_SLOT_ID, CK_ULONG};

use crate::options::Options;

type Number<I> = fn(&mut I) -> &mut CK_ULONG;
type Text<I> = fn(&mut I) -> &mut [u8];

/// How the fields of `I` are called in commands.
pub(crate) struct Table<I: 'static> {
    pub(crate) flags: fn(&mut I) -> &mut CK_FLAGS,
    pub(crate) numbers: &'static [(&'static str, Number<I>)],
    pub(crate) texts: &'static [(&'static str, Text<I>)],
}

#[derive(Clone)]
enum Change<I> {
    Flags {
        field: fn(&mut I) -> &mut CK_FLAGS,
        set: CK_FLAGS,
        clear: CK_FLAGS,
    },
    Number(Number<I>, CK_ULONG),
    Text(Text<I>, Vec<u8>),
}

/// The changes of one command.
#[derive(Clone)]
pub(crate) struct Changes<I> {
    slot: Option<CK_SLOT_ID>, // as the real module calls it; None: all
    list: Vec<Change<I>>,
}

impl<I> Table<I> {
    pub(crate) fn read(&self, options: &mut Options) -> Result<Changes<I>, String> {
        let slot = options.slot()?;
        let set = options.number("set-flags")?.unwrap_or(0);
        let clear = options.number("clear-flags")?.unwrap_or(0);
        let mut list = vec![Change::Flags {
            field: self.flags,
            set,
            clear,
        }];
        for (name, field) in self.numbers {
            list.extend(
                options
                    .number(name)?
                    .map(|value| Change::Number(*field, value)),
            );
        }
        for (name, field) in self.texts {
            list.extend(
                options
                    .bytes(name)?
                    .map(|value| Change::Text(*field, value)),
            );
        }
        Ok(Changes { slot, list })
    }
}

impl<I> Changes<I> {
    pub(crate) fn slot(&self) -> Option<CK_SLOT_ID> {
        self.slot
    }

    pub(crate) fn concern(&self, slot: CK_SLOT_ID) -> bool {
        self.slot.is_none_or(|only| only == slot)
    }

    pub(crate) fn apply(&self, info: &mut I) {
        for change in &self.list {
            match change {
                Change::Flags { field, set, clear } => {
                    let flags = field(info);
                    *flags = (*flags & !clear) | set;
                }
                Change::Number(field, value) => *field(info) = *value,
                Change::Text(field, text) => {
                    let padded = text.iter().chain(iter::repeat(&b' '));
                    field(info)
                        .iter_mut()
                        .zip(padded)
                        .for_each(|(to, from)| *to = *from);
                }
            }
        }
    }
}
