//! A case: certificates and CRLs, and what is to be said of them, by keyfob and by OpenSSL.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyfob::Certificate;
use keyfob::trust::{Chain, ChainError, Purpose, Revocation, Trust};

use crate::authority::{Authorities, CrlOrder, Order, text};

const DAY: i64 = 24 * 60 * 60;

/// `root` issues `inter`, which issues `leaf`, and then all that is changed.
pub struct Case<'a> {
    name: &'a str,
    orders: Vec<Order<'a>>,
    crls: Vec<CrlOrder<'a>>,
    anchors: Vec<&'a str>,
    given: Vec<&'a str>,
    signer: &'a str,
    purpose: Purpose,
    configure: fn(&mut Trust),
    openssl: Vec<&'a str>,
    /// From now, in days.
    at: i64,
    /// Where OpenSSL says otherwise, why it does.
    differs: Option<&'a str>,
    /// Why OpenSSL is not asked.
    unasked: Option<&'a str>,
}

/// What came of a case.
pub struct Judged {
    pub outcome: Result<Chain, ChainError>,
    pub made: Authorities,
}

pub fn case(name: &str) -> Case<'_> {
    Case {
        name,
        orders: vec![
            Order::authority("root", "", ""),
            Order::authority("inter", "root", ""),
            Order::signer("leaf", "inter", ""),
        ],
        crls: Vec::new(),
        anchors: vec!["root"],
        given: vec!["inter"],
        signer: "leaf",
        purpose: Purpose::Signing,
        configure: |_| {},
        openssl: Vec::new(),
        at: 1,
        differs: None,
        unasked: None,
    }
}

impl<'a> Case<'a> {
    /// Other extensions of `root`, `inter` or `leaf`: those named replace what is there.
    pub fn change(mut self, name: &str, extensions: &str) -> Self {
        let order = self.orders.iter_mut().find(|order| order.name == name);
        let order = order.expect("a certificate of the case");
        // Sections stay at the end.
        order.extensions.push_str(extensions);
        order.extensions.push('\n');
        self
    }

    /// One more certificate, or another in place of the one with this name; made after all others.
    pub fn order(mut self, order: Order<'a>) -> Self {
        self.orders.retain(|known| known.name != order.name);
        self.orders.push(order);
        self
    }

    pub fn edit(mut self, name: &str, edit: impl FnOnce(Order<'a>) -> Order<'a>) -> Self {
        let order = self.orders.iter_mut().find(|order| order.name == name);
        let order = order.expect("a certificate of the case");
        *order = edit(order.clone());
        self
    }

    /// A CRL; revocation is then asked of OpenSSL for the whole chain, and demanded of keyfob.
    pub fn crl(mut self, order: CrlOrder<'a>) -> Self {
        self.crls.push(order);
        self
    }

    /// Good CRLs of `root` and `inter`.
    pub fn crls(self) -> Self {
        self.crl(CrlOrder::new("root-crl", "root"))
            .crl(CrlOrder::new("inter-crl", "inter"))
    }

    pub fn anchors(mut self, names: &[&'a str]) -> Self {
        self.anchors = names.to_vec();
        self
    }

    pub fn given(mut self, names: &[&'a str]) -> Self {
        self.given = names.to_vec();
        self
    }

    pub fn signer(mut self, name: &'a str) -> Self {
        self.signer = name;
        self
    }

    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    pub fn trust(mut self, configure: fn(&mut Trust)) -> Self {
        self.configure = configure;
        self
    }

    /// More options for `openssl verify`.
    pub fn openssl(mut self, options: &[&'a str]) -> Self {
        self.openssl.extend(options);
        self
    }

    pub fn at_days(mut self, days: i64) -> Self {
        self.at = days;
        self
    }

    /// OpenSSL gives the other answer, and why that is so.
    pub fn differs(mut self, why: &'a str) -> Self {
        self.differs = Some(why);
        self
    }

    /// OpenSSL is not asked, and why.
    pub fn unasked(mut self, why: &'a str) -> Self {
        self.unasked = Some(why);
        self
    }

    /// Both accept it.
    #[track_caller]
    pub fn good(self) -> Judged {
        let (name, judged) = (self.name, self.judge());
        if let Err(error) = &judged.outcome {
            panic!("{name}: refused: {error}");
        }
        judged
    }

    /// Both refuse it; keyfob for this reason, by its name, and for this certificate.
    #[track_caller]
    pub fn bad(self, reason: &str, who: &str) -> Judged {
        let (name, judged) = (self.name, self.judge());
        match &judged.outcome {
            Ok(chain) => panic!("{name}: accepted: {:?}", chain.certificates()),
            Err(error) => {
                let said = format!("{:?}", error.reason);
                assert!(said.starts_with(reason), "{name}: {error} ({said})");
                let path = judged.made.path(&format!("{who}.pem"));
                let culprit = Certificate::read(path).expect("sound");
                assert_eq!(error.certificate, culprit, "{name}: {error}");
            }
        }
        judged
    }

    #[track_caller]
    fn judge(self) -> Judged {
        let made = Authorities::new(self.name);
        for order in &self.orders {
            made.issue(order);
        }
        let read = |name: &str| {
            Certificate::read(made.path(&format!("{name}.pem"))).expect("a sound certificate")
        };
        let mut trust = Trust::new();
        for name in &self.anchors {
            trust.anchor(&read(name));
        }
        for order in &self.crls {
            trust.crls_from(made.crl(order)).expect("a sound CRL");
        }
        if !self.crls.is_empty() {
            trust.revocation(Revocation::Required);
        }
        (self.configure)(&mut trust);
        let given: Vec<_> = self.given.iter().map(|name| read(name)).collect();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs();
        let at = now.saturating_add_signed(self.at * DAY);
        let time = UNIX_EPOCH + Duration::from_secs(at);
        let outcome = trust.check(&read(self.signer), &given, self.purpose, time);

        if self.unasked.is_none() {
            let (accepted, said) = self.ask_openssl(&made, at);
            let ours = (self.name, &outcome);
            match self.differs {
                None => assert_eq!(outcome.is_ok(), accepted, "{ours:?}; openssl: {said}"),
                Some(why) => assert_ne!(
                    outcome.is_ok(),
                    accepted,
                    "{ours:?}: OpenSSL says the same, and not ({why}): {said}"
                ),
            }
        }
        Judged { outcome, made }
    }

    fn ask_openssl(&self, made: &Authorities, at: u64) -> (bool, String) {
        let bundle = |file: &str, names: &[&str], extension: &str| {
            let read = |name: &&str| {
                fs::read_to_string(made.path(&format!("{name}.{extension}"))).expect("a file")
            };
            let path = made.path(file);
            fs::write(&path, names.iter().map(read).collect::<String>()).expect("written");
            path
        };
        let anchors = bundle("anchors", &self.anchors, "pem");
        let given = bundle("given", &self.given, "pem");
        let signer = made.path(&format!("{}.pem", self.signer));
        let at = at.to_string();
        let purpose = match self.purpose {
            Purpose::Signing => "smimesign",
            Purpose::TimeStamping => "timestampsign",
            _ => "any",
        };
        let mut arguments = vec!["verify", "-no-CApath", "-no-CAstore", "-auth_level", "2"];
        arguments.extend([
            "-attime",
            &at,
            "-purpose",
            purpose,
            "-CAfile",
            text(&anchors),
        ]);
        if !self.given.is_empty() {
            arguments.extend(["-untrusted", text(&given)]);
        }
        let crls: Vec<_> = self.crls.iter().map(|order| order.name).collect();
        let crls = bundle("crls", &crls, "crl");
        if !self.crls.is_empty() {
            arguments.extend(["-crl_check_all", "-CRLfile", text(&crls)]);
        }
        arguments.extend(&self.openssl);
        arguments.push(text(&signer));
        let output = made.output(&arguments);
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }
}
