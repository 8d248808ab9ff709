//! The commands, one a line: a name, then words, `key=value`s and flags in any order.
//!
//! A number is decimal or 0x…; CODE is a CKR_ number. BYTES is text without blanks, or
//! hex:00ff…; a text field shorter than its place is padded with blanks. ID is a slot as
//! callers see it at that moment; without `slot=ID` a command is for all. What is said stays
//! until `reset`. OBJECTS is any of `class=N id=BYTES object=HANDLE`, all of which must fit.
//!
//! ```text
//! reset                     all of the following undone; counts and log empty
//! forward [PATH]            the module to forward to; without PATH: which it is
//!
//! count [FUNCTION]          calls of one function; without: every function called, and its calls
//! total                     calls of all functions together
//! reset-counts
//! log start [LIMIT]         keeps the names of the last LIMIT (1000) calls
//! log                       these names
//! init-args                 what C_Initialize was given last: `never`, `null` or `flags=… mutexes=… reserved=…`
//! sessions                  how many are open
//! watch-inside              looks from now on who is in which session, and really closes lost sessions
//! clashes                   calls since then that PKCS#11 does not allow beside others: in a
//!                           session in use, in a module that cannot lock, beside C_Finalize
//! pin-lengths               the PINs received: the function and their length or `null`
//! slot-of LABEL             the slot of the real token with this label
//!
//! rule FUNCTIONS [nth=N | nth=N..M | from=N] [arg0=N …] [return=CODE | after=CODE] [delay=MS]
//!      [hold] [then COMMAND]
//!     FUNCTIONS is a name, names with commas, or *. On the N-th call from now (default: every
//!     one) whose arguments are as given (arg0 … arg4; pointers only compare with 0):
//!     answer CODE without forwarding; forward and answer CODE after it; wait MS; wait for
//!     `release`; obey COMMAND just before the call returns.
//! release                   lets held calls go
//! held                      how many are held
//! clear-rules               rules alone undone
//!
//! locking refuse|allow      C_Initialize with OS locking answers CKR_CANT_LOCK
//! token-info [slot=ID] [set-flags=N] [clear-flags=N] [min-pin=N] [max-pin=N] [sessions=N]
//!      [max-sessions=N] [rw-sessions=N] [max-rw-sessions=N] [label=BYTES]
//!      [manufacturer=BYTES] [model=BYTES] [serial=BYTES] [time=BYTES]
//! slot-info [slot=ID] [set-flags=N] [clear-flags=N] [description=BYTES] [manufacturer=BYTES]
//! broken-slot id=ID [slot-info=CODE] [token-info=CODE] [last]
//!     one more slot, first in the list or last; C_GetSlotInfo answers slot-info (CKR_OK),
//!     all else token-info (CKR_DEVICE_ERROR)
//! slot-list [count=N] [filled=N] [grow=TIMES] [repeat=N]
//!     false counts when asked for the size and after filling; a new slot after each of the
//!     next TIMES calls; the slots over again, with new ids, until there are N
//! remove slot=ID [code=CODE] [reader]
//!     the token is pulled out, the reader with it: the login is gone, sessions answer CODE
//!     (CKR_DEVICE_REMOVED) and, after `insert` and C_GetSlotList, CKR_SESSION_HANDLE_INVALID
//! insert slot=ID [as=ID]    the token is back, perhaps in another slot
//! lose-sessions slot=ID [code=CODE]   (CKR_SESSION_HANDLE_INVALID) the login with them
//! log-out slot=ID           the login is gone, and nothing tells: somebody else in this process was it
//! events on|off             C_WaitForSlotEvent tells of remove and insert; off: forwarded
//!
//! pin tries=N [left=N] [slot=ID] [hidden] [last=CODE]
//!     counts wrong user PINs and shows COUNT_LOW, FINAL_TRY, LOCKED; a good login refills.
//!     hidden: no flag until a login has failed. The PIN that locks answers CODE (CKR_PIN_LOCKED)
//! pad [slot=ID] [pin=BYTES] [new-pin=BYTES] [so-pin=BYTES]
//!     shows PROTECTED_AUTHENTICATION_PATH and "types" these where a PIN is NULL; a rule on
//!     C_Login makes the person cancel
//!
//! attribute TYPE [OBJECTS] refuse=CODE|value=BYTES|length=N
//!     refused (others in the same call are answered); another value; a length alone
//! ec-point bare|wrapped [OBJECTS]     CKA_EC_POINT so, for private keys too
//! attributes-singly [code=CODE]       more than one attribute a call: CODE (CKR_FUNCTION_FAILED)
//! find [hide OBJECTS] [sort] [reverse] [endless | repeat=N] [chunk=N] [count=N] [numbered]
//!     leaves out; in the order of their ids; turns round; begins anew for ever, or with new
//!     handles until N are given; gives at most N a call; claims N found; handles are numbers from 1
//!     in the order in which objects are found, and begin anew when the login or the module ends
//! sign null|flip|late|forward [length=N] [size=N]
//!     null: C_SignInit and C_Sign do nothing but answer 64 bytes, at once; flip: one bit is
//!     wrong; late: C_Sign looks again at the mechanism's parameter, and answers
//!     CKR_MECHANISM_INVALID if it has changed; length, size: claimed with the signature, and
//!     when asked for its size
//! gost-key params=BYTES label=BYTES id=BYTES [seed=BYTES]
//!     one more GOST key pair on every token, or another in place of the one with this label, under
//!     its handles; with this CKA_GOSTR3410_PARAMS, made of the seed (the label). It signs by the
//!     mechanisms of GOST R 34.10-2012 that `mechanism add` offers
//! gost [swapped] [reversed] [wrapped] [params=TYPE] [names-digest]
//!     signatures of these keys are r‖s in place of s‖r; then all their bytes are in reverse; public
//!     keys are in an OCTET STRING; keys of 512 bits have their set in attribute TYPE; a mechanism
//!     that hashes wants the digest's object identifier as its parameter, and else none
//! mechanism add|drop CODE | CODE [slot=ID] [min=N] [max=N] [set-flags=N] [clear-flags=N]
//! mechanism-list [count=N] [filled=N]
//!
//! mutate seed=N [one-in=N] [functions=NAMES] | mutate off
//!     of these functions (all), one call in N (8) is answered wrongly, as the seed says: another
//!     code, or another count, length, handle, value or field, never beyond the room that there
//!     was. Calls take turns meanwhile. `find sort` beside it makes a seed give the same twice.
//! mutations [log | kinds]
//!     how many were made: function, kind, count; log: the first of them in order; kinds: all
//!     functions and kinds that there are
//! ```

use crate::functions::Function;
use crate::options::Options;
use crate::{
    attributes, call, events, find, forward, gost_digests, gost_keys, inside, mechanisms,
    mutations, pin, rules, sessions, signing, slots, token,
};

/// Obeys the lines in turn, up to the first that fails.
pub(crate) fn obey(lines: &str) -> Result<String, String> {
    let mut answers = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let answer = one(line).map_err(|error| format!("{line}: {error}"))?;
        answers.extend(Some(answer).filter(|answer| !answer.is_empty()));
    }
    Ok(answers.join("\n"))
}

fn one(line: &str) -> Result<String, String> {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut options = Options::new(rest);
    match name {
        "forward" => return forward::command(options),
        "count" => return count(options),
        "log" => return log(options),
        "mutations" => return mutations::list(options),
        "slot-of" => {
            let label = options.needed_word("the label")?;
            options.done()?;
            return token::labelled(label).map(|slot| slot.to_string());
        }

        "rule" => {
            let functions = options.needed_word("the function")?;
            rules::add(functions, options)
        }
        "locking" => choose(options, ["refuse", "allow"]).map(forward::refuse_locking),
        "token-info" => token::change(options),
        "slot-info" => slots::change_info(options),
        "broken-slot" => slots::add_broken(options),
        "slot-list" => slots::change_list(options),
        "remove" => slots::remove(options),
        "insert" => slots::insert(options),
        "lose-sessions" => slots::lose_sessions(options),
        "log-out" => slots::log_out(options),
        "events" => choose(options, ["on", "off"]).map(events::turn),
        "pin" => pin::set_policy(options),
        "pad" => pin::set_pad(options),
        "attribute" => attributes::add(options),
        "ec-point" => attributes::shape_ec_point(options),
        "attributes-singly" => attributes::one_at_a_time(options),
        "find" => find::command(options),
        "sign" => signing::command(options),
        "gost-key" => gost_keys::add(options),
        "gost" => gost_keys::command(options),
        "mechanism" => mechanisms::command(options),
        "mechanism-list" => mechanisms::change_list(options),
        "mutate" => mutations::command(options),

        _ => {
            options.done()?;
            return without_words(name);
        }
    }
    .map(|()| String::new())
}

fn without_words(name: &str) -> Result<String, String> {
    match name {
        "total" => {
            return Ok(call::counts()
                .map(|(_, count)| count)
                .sum::<u64>()
                .to_string());
        }
        "init-args" => return Ok(forward::last_args()),
        "sessions" => return Ok(sessions::count().to_string()),
        "pin-lengths" => return Ok(pin::lengths()),
        "clashes" => return Ok(inside::clashes()),
        "held" => return Ok(rules::held().to_string()),

        "reset" => reset(),
        "watch-inside" => inside::start(),
        "reset-counts" => call::reset_counts(),
        "release" => rules::release(),
        "clear-rules" => rules::clear(),
        _ => return Err("there is no such command".into()),
    }
    Ok(String::new())
}

/// Everything but the module that is forwarded to and the sessions that are open there.
fn reset() {
    rules::clear();
    call::start_log(0);
    call::reset_counts();
    events::turn(false);
    inside::reset();
    forward::reset();
    token::reset();
    slots::reset();
    pin::reset();
    attributes::reset();
    find::reset();
    signing::reset();
    gost_keys::reset();
    gost_digests::reset();
    mechanisms::reset();
    mutations::reset();
}

fn count(mut options: Options) -> Result<String, String> {
    let name = options.word();
    options.done()?;
    if let Some(name) = name {
        return Ok(call::count(Function::named(name)?).to_string());
    }
    let lines: Vec<_> = call::counts()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    Ok(lines.join("\n"))
}

fn log(mut options: Options) -> Result<String, String> {
    if !options.flag("start") {
        options.done()?;
        return Ok(call::log());
    }
    let limit = options.word().map_or(Ok(1000), str::parse);
    options.done()?;
    call::start_log(limit.map_err(|error| format!("the limit: {error}"))?);
    Ok(String::new())
}

/// Whether it is the first of two words.
fn choose(mut options: Options, [yes, no]: [&str; 2]) -> Result<bool, String> {
    let word = options.needed_word(&format!("{yes} or {no}"))?;
    options.done()?;
    match word {
        word if word == yes => Ok(true),
        word if word == no => Ok(false),
        word => Err(format!("{word} is neither {yes} nor {no}")),
    }
}
