//! Which names an authority may certify (RFC 5280 section 4.2.1.10).

use std::net::IpAddr;

use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;

use super::error::ChainReason;
use super::names::NameKey;
use super::node::Node;
use super::search::Budget;
use crate::cert::name;

const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";

/// Whether `node` has only names that `authority`, somewhere above it, may certify.
pub(super) fn check(node: &Node, authority: &Node, budget: &mut Budget) -> Result<(), ChainReason> {
    let Some(constraints) = authority.name_constraints() else {
        return Ok(());
    };
    let permitted = constraints
        .permitted_subtrees
        .as_deref()
        .unwrap_or_default();
    let excluded = constraints.excluded_subtrees.as_deref().unwrap_or_default();
    let all = || permitted.iter().chain(excluded);
    // RFC 5280 leaves no other values.
    if all().any(|subtree| subtree.minimum != 0 || subtree.maximum.is_some()) {
        return Err(refused(
            &node.certificate.subject(),
            "a depth is no rule that is known here",
        ));
    }
    for name in names(node) {
        budget.spend_names(permitted.len() + excluded.len())?;
        let matched =
            |subtree: &&GeneralSubtree| name.form_of(&subtree.base).map(|rule| rule.verdict());
        let of_form = permitted.iter().filter_map(|subtree| matched(&subtree));
        let mut any = false;
        let mut within = false;
        for verdict in of_form {
            any = true;
            within |= verdict == Verdict::Within;
        }
        if any && !within {
            return Err(refused(
                &name.text(),
                "it is outside of what that one may certify",
            ));
        }
        let mut forbidden = excluded.iter().filter_map(|subtree| matched(&subtree));
        if forbidden.any(|verdict| verdict != Verdict::Outside) {
            return Err(refused(
                &name.text(),
                "it is in what that one may not certify",
            ));
        }
    }
    Ok(())
}

fn refused(name: &str, why: &'static str) -> ChainReason {
    ChainReason::NameNotAllowed {
        name: name.to_owned(),
        why,
    }
}

/// A name that a certificate has.
enum Named<'a> {
    /// The subject.
    Subject(&'a Node),
    /// An e-mail address in the subject, which RFC 5280 section 4.2.1.10 has obey the same rules.
    Email(String),
    Alternative(&'a GeneralName),
}

fn names(node: &Node) -> impl Iterator<Item = Named<'_>> {
    let tbs = node.certificate.as_x509().tbs_certificate();
    let subject = (!node.subject.is_empty()).then_some(Named::Subject(node));
    let emails = tbs
        .subject()
        .iter()
        .filter(|pair| pair.oid.to_string() == EMAIL_ADDRESS);
    let emails = emails.map(|pair| Named::Email(name::text(&pair.value).unwrap_or_default()));
    subject
        .into_iter()
        .chain(emails)
        .chain(node.alternative_names().iter().map(Named::Alternative))
}

/// A name beside a subtree of the same form.
enum Rule<'a> {
    Directory(NameKey, NameKey),
    Email(&'a str, &'a str),
    Host(&'a str, &'a str),
    Uri(&'a str, &'a str),
    Address(&'a [u8], &'a [u8]),
    /// A form that cannot be compared: the rule is not known to be kept.
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Within,
    Outside,
    /// The name or the subtree cannot be read: within nothing, and out of nothing.
    Unreadable,
}

impl Named<'_> {
    /// The two side by side, if they are of one form.
    fn form_of<'a>(&'a self, base: &'a GeneralName) -> Option<Rule<'a>> {
        use GeneralName as Base;
        Some(match (self, base) {
            (Self::Subject(node), Base::DirectoryName(base)) => {
                Rule::Directory(node.subject.clone(), NameKey::new(base))
            }
            (Self::Email(email), Base::Rfc822Name(base)) => Rule::Email(email, base.as_str()),
            (Self::Alternative(name), base) => match (name, base) {
                (Base::DirectoryName(name), Base::DirectoryName(base)) => {
                    Rule::Directory(NameKey::new(name), NameKey::new(base))
                }
                (Base::Rfc822Name(name), Base::Rfc822Name(base)) => {
                    Rule::Email(name.as_str(), base.as_str())
                }
                (Base::DnsName(name), Base::DnsName(base)) => {
                    Rule::Host(name.as_str(), base.as_str())
                }
                (Base::UniformResourceIdentifier(name), Base::UniformResourceIdentifier(base)) => {
                    Rule::Uri(name.as_str(), base.as_str())
                }
                (Base::IpAddress(name), Base::IpAddress(base)) => {
                    Rule::Address(name.as_bytes(), base.as_bytes())
                }
                (Base::OtherName(_), Base::OtherName(_))
                | (Base::EdiPartyName(_), Base::EdiPartyName(_))
                | (Base::RegisteredId(_), Base::RegisteredId(_)) => Rule::Other,
                _ => return None,
            },
            _ => return None,
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Subject(node) => node.certificate.subject(),
            Self::Email(email) => email.clone(),
            Self::Alternative(GeneralName::DirectoryName(name)) => name::to_rfc4514(name),
            Self::Alternative(
                GeneralName::Rfc822Name(name)
                | GeneralName::DnsName(name)
                | GeneralName::UniformResourceIdentifier(name),
            ) => name.to_string(),
            Self::Alternative(GeneralName::IpAddress(bytes)) => {
                address(bytes.as_bytes()).map_or_else(|| "an address".into(), |ip| ip.to_string())
            }
            Self::Alternative(_) => "a name of a form that is not known here".into(),
        }
    }
}

impl Rule<'_> {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Directory(name, base) => when(name.is_within(base)),
            Self::Email(name, base) => email(name, base),
            Self::Host(name, base) => when(is_host_within(name, base)),
            Self::Uri(name, base) => match host_of(name) {
                Some(host) => when(is_strictly_within(host, base)),
                None => Verdict::Unreadable,
            },
            Self::Address(name, base) => ip(name, base),
            Self::Other => Verdict::Unreadable,
        }
    }
}

fn when(within: bool) -> Verdict {
    match within {
        true => Verdict::Within,
        false => Verdict::Outside,
    }
}

/// The base is a mailbox, a host, or a domain after a dot.
fn email(address: &str, base: &str) -> Verdict {
    let Some((local, host)) = address.rsplit_once('@') else {
        return Verdict::Unreadable;
    };
    if local.is_empty() || host.is_empty() {
        return Verdict::Unreadable;
    }
    when(match base.rsplit_once('@') {
        Some((base_local, base_host)) => {
            local == base_local && trimmed(host).eq_ignore_ascii_case(trimmed(base_host))
        }
        None => is_strictly_within(host, base),
    })
}

/// The base is a domain, and stands for all that is below it too. With a dot before it, as some
/// write it, it stands for that alone. The empty base is the root, and stands for every name.
fn is_host_within(host: &str, base: &str) -> bool {
    let (host, base) = (trimmed(host), trimmed(base));
    base.is_empty() || host.eq_ignore_ascii_case(base) || {
        let domain = base.strip_prefix('.').unwrap_or(base);
        is_below(host, domain)
    }
}

/// The base is one host or, after a dot, all below a domain. The empty base stands for every host.
fn is_strictly_within(host: &str, base: &str) -> bool {
    let (host, base) = (trimmed(host), trimmed(base));
    match base.strip_prefix('.') {
        _ if base.is_empty() => true,
        Some(domain) => is_below(host, domain),
        None => host.eq_ignore_ascii_case(base),
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    let Some(split) = host.len().checked_sub(domain.len() + 1) else {
        return false;
    };
    let (host, domain) = (host.as_bytes(), domain.as_bytes());
    split > 0
        && host.get(split) == Some(&b'.')
        && host
            .get(split + 1..)
            .is_some_and(|end| end.eq_ignore_ascii_case(domain))
}

/// Without the dot that says that a name is whole.
fn trimmed(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// The host of a URI with an authority (RFC 3986 section 3.2); an address is none.
fn host_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let readable = !host.is_empty()
        && !host.contains(['[', ']', '%', '\\'])
        && host.parse::<IpAddr>().is_err();
    readable.then_some(host)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// The base is an address and a mask.
fn ip(address: &[u8], base: &[u8]) -> Verdict {
    if ![4, 16].contains(&address.len()) || ![8, 32].contains(&base.len()) {
        return Verdict::Unreadable;
    }
    let (network, mask) = base.split_at(base.len() / 2);
    if address.len() != network.len() {
        return Verdict::Outside;
    }
    let bytes = address.iter().zip(network).zip(mask);
    when(
        bytes
            .into_iter()
            .all(|((byte, network), mask)| byte & mask == network & mask),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (host, base, within) in [
            ("example.com", "example.com", true),
            ("A.Example.COM", "example.com", true),
            ("a.b.example.com.", "example.com", true),
            ("badexample.com", "example.com", false),
            (".example.com", "example.com", false),
            ("com", "example.com", false),
            ("a.example.com", ".example.com", true),
            ("example.com", ".example.com", false),
            ("anything", "", true),
        ] {
            assert_eq!(is_host_within(host, base), within, "{host} {base}");
        }
    }

    #[test]
    fn mailboxes() {
        for (address, base, verdict) in [
            ("a@example.com", "example.com", Verdict::Within),
            ("a@EXAMPLE.com", "example.com", Verdict::Within),
            ("a@b.example.com", "example.com", Verdict::Outside),
            ("a@b.example.com", ".example.com", Verdict::Within),
            ("a@example.com", ".example.com", Verdict::Outside),
            ("a@example.com", "a@example.com", Verdict::Within),
            ("A@example.com", "a@example.com", Verdict::Outside),
            ("a@x@example.com", "example.com", Verdict::Within),
            ("a@example.com", "", Verdict::Within),
            ("example.com", "example.com", Verdict::Unreadable),
            ("@example.com", "example.com", Verdict::Unreadable),
        ] {
            assert!(email(address, base) == verdict, "{address} {base}");
        }
    }

    #[test]
    fn hosts_of_uris() {
        for (uri, host) in [
            ("http://host.example/a?b#c", Some("host.example")),
            ("https://user:pass@host.example:8443", Some("host.example")),
            ("ldap://host.example?x", Some("host.example")),
            ("mailto:a@b.example", None),
            ("http://", None),
            ("http://192.0.2.1/", None),
            ("http://[2001:db8::1]:443/", None),
            ("http://a%2eexample/", None),
            ("http://a\\@b.example/", Some("b.example")),
        ] {
            assert_eq!(host_of(uri), host, "{uri}");
        }
    }

    #[test]
    fn addresses() {
        let network = [192, 0, 2, 0, 255, 255, 255, 0];
        assert!(ip(&[192, 0, 2, 9], &network) == Verdict::Within);
        assert!(ip(&[192, 0, 3, 9], &network) == Verdict::Outside);
        assert!(ip(&[0; 16], &network) == Verdict::Outside);
        assert!(ip(&[0; 5], &network) == Verdict::Unreadable);
        assert!(ip(&[0; 4], &[0; 7]) == Verdict::Unreadable);
        assert!(ip(&[0; 16], &[0; 32]) == Verdict::Within);
    }
}
