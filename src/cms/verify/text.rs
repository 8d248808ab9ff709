//! The report as a text for people.

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use super::{Report, SignerReport, TimestampReport};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "the document is {}", self.verdict())?;
        list(f, 1, &self.problems, &self.warnings)?;
        for signer in &self.signers {
            write_signer(f, 1, "signed by", signer)?;
        }
        Ok(())
    }
}

fn write_signer(
    f: &mut Formatter<'_>,
    level: usize,
    what: &str,
    signer: &SignerReport,
) -> fmt::Result {
    let margin = margin(level);
    let name = one_line(&signer.name());
    writeln!(f, "{margin}{what} {name}: {}", signer.verdict())?;
    let inner = level + 1;
    let line = |f: &mut Formatter<'_>, name: &str, value: &dyn Display| {
        writeln!(f, "{margin}  {name:<10}{value}")
    };
    if let Some(certificate) = &signer.certificate {
        line(f, "issuer", &one_line(&certificate.issuer()))?;
        line(f, "serial", &certificate.serial_hex())?;
    }
    if let Some(scheme) = signer.scheme {
        line(f, "scheme", &scheme)?;
    }
    line(f, "content", &word(signer.digest_right))?;
    line(f, "signature", &word(signer.signature_right))?;
    if let Some(time) = signer.claimed_time {
        line(f, "claimed", &Moment(time))?;
    }
    if let Some(time) = signer.stamped_time {
        line(f, "stamped", &Moment(time))?;
    }
    list(f, inner, &signer.problems, &signer.warnings)?;
    if let Some(chain) = &signer.chain {
        line(
            f,
            "trusted",
            &format_args!("by {}", one_line(&chain.anchor().subject())),
        )?;
        for warning in chain.warnings() {
            writeln!(f, "{margin}  warning: {}", one_line(&warning.to_string()))?;
        }
    }
    for stamp in &signer.timestamps {
        write_stamp(f, inner, stamp)?;
    }
    for other in &signer.counter_signatures {
        write_signer(f, inner, "counter-signed by", other)?;
    }
    Ok(())
}

fn write_stamp(f: &mut Formatter<'_>, level: usize, stamp: &TimestampReport) -> fmt::Result {
    let margin = margin(level);
    write!(f, "{margin}time stamp")?;
    if let Some(time) = stamp.time {
        write!(f, " of {}", Moment(time))?;
    }
    writeln!(f, ": {}", stamp.verdict())?;
    list(f, level + 1, &stamp.problems, &[])?;
    match &stamp.authority {
        Some(authority) => write_signer(f, level + 1, "by", authority),
        None => Ok(()),
    }
}

fn list(
    f: &mut Formatter<'_>,
    level: usize,
    problems: &[super::Problem],
    warnings: &[super::Warning],
) -> fmt::Result {
    let margin = margin(level);
    for problem in problems {
        writeln!(f, "{margin}problem: {}", one_line(&problem.to_string()))?;
    }
    for warning in warnings {
        writeln!(f, "{margin}warning: {}", one_line(&warning.to_string()))?;
    }
    Ok(())
}

fn margin(level: usize) -> String {
    "  ".repeat(level)
}

fn word(right: Option<bool>) -> &'static str {
    match right {
        Some(true) => "right",
        Some(false) => "WRONG",
        None => "undecided",
    }
}

/// A stranger's text, which must neither break the line nor move the terminal's cursor.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// A time as RFC 3339 writes it.
struct Moment(SystemTime);

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match der::DateTime::from_system_time(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => f.write_str("a time out of range"),
        }
    }
}
