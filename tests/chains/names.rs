//! Name constraints (RFC 5280 section 4.2.1.10).

use crate::authority_case::{Case, case};

fn constrained<'a>(name: &'a str, constraints: &str, names: &str) -> Case<'a> {
    let names = match names {
        "" => String::new(),
        names => format!("subjectAltName={names}"),
    };
    case(name)
        .change("inter", &format!("nameConstraints=critical,{constraints}"))
        .change("leaf", &names)
}

#[test]
fn hosts_mailboxes_uris_and_addresses() {
    let good = |name, constraints, names| constrained(name, constraints, names).good();
    let bad = |name, constraints, names| {
        constrained(name, constraints, names).bad("NameNotAllowed", "leaf")
    };
    good("dns", "permitted;DNS:example.com", "DNS:a.example.com");
    good("dns-itself", "permitted;DNS:example.com", "DNS:EXAMPLE.com");
    bad("dns-other", "permitted;DNS:example.com", "DNS:example.org");
    bad(
        "dns-suffix",
        "permitted;DNS:example.com",
        "DNS:badexample.com",
    );
    bad(
        "dns-one-of-two",
        "permitted;DNS:example.com",
        "DNS:example.com,DNS:example.org",
    );
    good(
        "dns-one-rule-of-two",
        "permitted;DNS:example.com,permitted;DNS:example.org",
        "DNS:example.org",
    );
    bad(
        "dns-excluded",
        "excluded;DNS:example.com",
        "DNS:a.example.com",
    );
    good(
        "dns-not-excluded",
        "excluded;DNS:example.com",
        "DNS:example.org",
    );
    bad(
        "dns-both",
        "permitted;DNS:example.com,excluded;DNS:a.example.com",
        "DNS:b.a.example.com",
    );
    good("dns-dot", "permitted;DNS:.example.com", "DNS:a.example.com");
    bad(
        "dns-dot-itself",
        "permitted;DNS:.example.com",
        "DNS:example.com",
    );
    // The empty name is the root of all, as the zero bits of an address are.
    bad(
        "dns-everything-excluded",
        "DER:30:06:A1:04:30:02:82:00",
        "DNS:example.com",
    );
    good(
        "dns-other-form",
        "permitted;DNS:example.com",
        "email:a@example.org",
    );

    good(
        "email-host",
        "permitted;email:example.com",
        "email:a@example.com",
    );
    bad(
        "email-below-host",
        "permitted;email:example.com",
        "email:a@b.example.com",
    );
    good(
        "email-domain",
        "permitted;email:.example.com",
        "email:a@b.example.com",
    );
    bad(
        "email-domain-itself",
        "permitted;email:.example.com",
        "email:a@example.com",
    );
    good(
        "email-mailbox",
        "permitted;email:a@example.com",
        "email:a@example.com",
    );
    bad(
        "email-other-mailbox",
        "permitted;email:a@example.com",
        "email:b@example.com",
    );
    bad(
        "email-excluded",
        "excluded;email:example.com",
        "email:a@EXAMPLE.com",
    );

    good(
        "uri",
        "permitted;URI:.example.com",
        "URI:http://a.example.com/x",
    );
    good(
        "uri-host",
        "permitted;URI:example.com",
        "URI:https://example.com:8443",
    );
    bad(
        "uri-below-host",
        "permitted;URI:example.com",
        "URI:http://a.example.com/",
    );
    bad(
        "uri-excluded",
        "excluded;URI:.example.com",
        "URI:http://a.example.com/",
    );
    bad(
        "uri-without-host",
        "permitted;URI:.example.com",
        "URI:mailto:a@example.com",
    );

    good("ip", "permitted;IP:192.0.2.0/255.255.255.0", "IP:192.0.2.7");
    bad(
        "ip-other",
        "permitted;IP:192.0.2.0/255.255.255.0",
        "IP:192.0.3.7",
    );
    bad(
        "ip-excluded",
        "excluded;IP:192.0.2.0/255.255.255.0",
        "IP:192.0.2.7",
    );
    bad(
        "ip-other-version",
        "permitted;IP:192.0.2.0/255.255.255.0",
        "IP:2001:db8::1",
    );
    good(
        "ip6",
        "permitted;IP:2001:db8::/ffff:ffff::",
        "IP:2001:db8::1",
    );
}

#[test]
fn directory_names() {
    let named = |name, constraints: &str, subject: &str| {
        case(name)
            .change(
                "inter",
                &format!("nameConstraints=critical,{constraints}\n[d]\nC=RU\nO=Roga"),
            )
            .edit("leaf", |order| order.subject(subject))
    };
    named("dir", "permitted;dirName:d", "/C=RU/O=Roga/CN=Ivan").good();
    named("dir-case", "permitted;dirName:d", "/C=ru/O=ROGA/CN=Ivan").good();
    named("dir-other", "permitted;dirName:d", "/C=RU/O=Kopyta/CN=Ivan")
        .bad("NameNotAllowed", "leaf");
    named("dir-shorter", "permitted;dirName:d", "/C=RU").bad("NameNotAllowed", "leaf");
    named("dir-excluded", "excluded;dirName:d", "/C=RU/O=Roga/CN=Ivan")
        .bad("NameNotAllowed", "leaf");
    named(
        "dir-not-excluded",
        "excluded;dirName:d",
        "/C=RU/O=Kopyta/CN=Ivan",
    )
    .good();
    // The same name in another string type is the same name.
    case("dir-excluded-as-bmp")
        .change(
            "inter",
            "nameConstraints=critical,excluded;dirName:d\n[d]\nO=Roga",
        )
        .edit("leaf", |mut order| {
            order.strings = "MASK:0x800";
            order.subject("/O=roga/CN=Ivan")
        })
        .bad("NameNotAllowed", "leaf");
    case("email-in-subject")
        .change(
            "inter",
            "nameConstraints=critical,permitted;email:example.com",
        )
        .edit("leaf", |order| {
            order.subject("/CN=Ivan/emailAddress=ivan@example.org")
        })
        .bad("NameNotAllowed", "leaf");
    case("email-in-subject-permitted")
        .change(
            "inter",
            "nameConstraints=critical,permitted;email:example.com",
        )
        .edit("leaf", |order| {
            order.subject("/CN=Ivan/emailAddress=ivan@example.com")
        })
        .good();
}

#[test]
fn all_authorities_above_have_a_say() {
    let two = |name, of_root: &str, of_inter: &str, names: &str| {
        constrained(name, of_inter, names)
            .change("root", &format!("nameConstraints=critical,{of_root}"))
    };
    two(
        "both",
        "permitted;DNS:example.com",
        "permitted;DNS:a.example.com",
        "DNS:a.example.com",
    )
    .good();
    two(
        "inner",
        "permitted;DNS:example.com",
        "permitted;DNS:a.example.com",
        "DNS:b.example.com",
    )
    .bad("NameNotAllowed", "leaf");
    two(
        "widened",
        "permitted;DNS:a.example.com",
        "permitted;DNS:example.com",
        "DNS:b.example.com",
    )
    .bad("NameNotAllowed", "leaf");
    two(
        "forms",
        "permitted;email:example.com",
        "permitted;DNS:example.com",
        "DNS:example.com,email:a@example.com",
    )
    .good();
    // An authority's own name counts, but not where it has issued itself.
    case("authority-itself")
        .change(
            "root",
            "nameConstraints=critical,permitted;dirName:d\n[d]\nO=Roga",
        )
        .edit("leaf", |order| order.subject("/O=Roga/CN=Ivan"))
        .bad("NameNotAllowed", "inter");
    case("unknown-form")
        .change("inter", "nameConstraints=critical,permitted;RID:1.2.3")
        .change("leaf", "subjectAltName=RID:1.2.3.4")
        .bad("NameNotAllowed", "leaf");
    case("unknown-form-unused")
        .change("inter", "nameConstraints=critical,permitted;RID:1.2.3")
        .good();
}
