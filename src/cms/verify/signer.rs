//! One signature checked: of a document, of another signature, of a time stamp.

use std::cell::Cell;
use std::time::SystemTime;

use super::algorithms::{self, Algorithm};
use super::content::Subject;
use super::named::{Attributes, CONTENT_TYPE, MESSAGE_DIGEST};
use super::report::SignerReport;
use super::{Policy, Problem, Verdict, Warning, certificates, timestamp};
use crate::cms::attributes::{COUNTER_SIGNATURE, SIGNATURE_TIME_STAMP};
use crate::cms::read::{MOST_SIGNERS, SignerInfo};
use crate::trust::{Purpose, Trust, Weakness};
use crate::{Certificate, DigestAlgorithm, Error, KeyType, Scheme, VerifyError};

/// What the checks of all signatures of a document share.
pub(super) struct Context<'a> {
    pub(super) policy: &'a Policy,
    pub(super) trust: Option<&'a Trust>,
    pub(super) at: SystemTime,
    /// The document's and the caller's.
    pub(super) certificates: &'a [Certificate],
    /// How many signatures more are checked.
    pub(super) left: &'a Cell<usize>,
}

impl Context<'_> {
    /// Checks a signer of a document, or a counter-signer.
    pub(super) fn check(&self, signer: &SignerInfo, subject: &Subject<'_>) -> SignerReport {
        let mut check = Check::new(self, signer);
        check.signature(subject);
        check.unsigned_attributes();
        check.chain(Purpose::Signing);
        check.report
    }

    /// Checks the authority of a time stamp, at the time of the check.
    pub(super) fn check_authority(
        &self,
        signer: &SignerInfo,
        subject: &Subject<'_>,
    ) -> SignerReport {
        let mut check = Check::new(self, signer);
        check.signature(subject);
        // RFC 3161 section 2.4.2.
        if !check.report.is_cades {
            let attribute = "signing-certificate";
            check.problem(Problem::AttributeMissing { attribute });
        }
        check.chain(Purpose::TimeStamping);
        check.report
    }
}

struct Check<'a> {
    context: &'a Context<'a>,
    signer: &'a SignerInfo,
    report: SignerReport,
}

impl<'a> Check<'a> {
    fn new(context: &'a Context<'a>, signer: &'a SignerInfo) -> Self {
        let report = SignerReport {
            named: signer.id.to_string(),
            certificate: None,
            scheme: None,
            signature: signer.signature.clone(),
            claimed_time: None,
            stamped_time: None,
            is_cades: false,
            digest_right: None,
            signature_right: None,
            chain: None,
            timestamps: Vec::new(),
            counter_signatures: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        Self {
            context,
            signer,
            report,
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.report.problems.push(problem);
    }

    /// Digest, attributes, certificate and signature.
    fn signature(&mut self, subject: &Subject<'_>) {
        let left = self.context.left;
        let Some(fewer) = left.get().checked_sub(1) else {
            let limit = MOST_SIGNERS;
            return self.problem(Problem::TooManySignatures { limit });
        };
        left.set(fewer);

        let digest = algorithms::digest(&self.signer.digest_algorithm);
        let digest = digest.and_then(|digest| self.not_too_weak(digest));
        let digest = digest.map_err(|problem| self.problem(problem)).ok();
        self.attributes(subject, digest);
        let found = certificates::of_signer(self.signer, self.context.certificates, |one| {
            digest.is_some_and(|digest| matches!(self.verified(one, digest, subject), Ok(Some(_))))
        });
        let Some(certificate) = found.cloned() else {
            let signer = self.report.named.clone();
            return self.problem(Problem::CertificateMissing { signer });
        };
        self.key_strength(&certificate);
        self.signing_certificate(&certificate);
        self.claimed_time(&certificate);
        if let Some(digest) = digest {
            match self.verified(&certificate, digest, subject) {
                Ok(right) => {
                    self.report.scheme = self.scheme(&certificate, digest);
                    self.report.signature_right = right.map(|_| true);
                }
                Err(problem) => {
                    if let Problem::BadSignature { scheme } = &problem {
                        self.report.scheme = Some(*scheme);
                        self.report.signature_right = Some(false);
                    }
                    self.problem(problem);
                }
            }
        }
        self.report.certificate = Some(certificate);
    }

    fn scheme(&self, certificate: &Certificate, digest: DigestAlgorithm) -> Option<Scheme> {
        let key = certificate.public_key().ok()?;
        let algorithm = algorithms::signature(self.signer, digest, &key).ok()?;
        Some(algorithm.scheme)
    }

    /// Verifies the signature with the key of a certificate. `None`: there is nothing to verify it
    /// against, for which there is a problem already.
    fn verified(
        &self,
        certificate: &Certificate,
        digest: DigestAlgorithm,
        subject: &Subject<'_>,
    ) -> Result<Option<()>, Problem> {
        let signer = self.signer;
        let key = certificate.public_key().map_err(unusable)?;
        let algorithm = algorithms::signature(signer, digest, &key)?;
        let Algorithm { scheme, salt_len } = algorithm;
        let hash = |message: &[u8]| match salt_len {
            Some(salt_len) => {
                let digest = digest.digest(message);
                key.verify_digest_with_salt(scheme, salt_len, &digest, &signer.signature)
            }
            None => key.verify(scheme, message, &signer.signature),
        };
        let verified = match &signer.signed {
            Some(attributes) => hash(&attributes.der),
            None if scheme.digest_algorithm().is_none() => match subject.whole() {
                Some(whole) => hash(whole),
                None if subject.digest(digest).is_none() => return Ok(None),
                None => {
                    let limit = super::WHOLE_LEN;
                    return Err(Problem::ContentTooLong { scheme, limit });
                }
            },
            None => match (subject.digest(digest), salt_len) {
                (None, _) => return Ok(None),
                (Some(digest), None) => key.verify_digest(scheme, &digest, &signer.signature),
                (Some(digest), Some(salt_len)) => {
                    key.verify_digest_with_salt(scheme, salt_len, &digest, &signer.signature)
                }
            },
        };
        match verified {
            Ok(()) => Ok(Some(())),
            Err(Error::Verify(VerifyError::BadSignature { .. })) => {
                Err(Problem::BadSignature { scheme })
            }
            Err(error) => Err(unusable(error)),
        }
    }

    /// What the signed attributes say, or that there are none.
    fn attributes(&mut self, subject: &Subject<'_>, digest: Option<DigestAlgorithm>) {
        let computed = digest.and_then(|digest| subject.digest(digest));
        if computed.is_none() {
            self.no_digest(subject, digest);
        }
        let Some(signed) = &self.signer.signed else {
            self.without_attributes(subject);
            return;
        };
        let attributes = Attributes(&signed.list);

        match (attributes.content_type(), subject) {
            (Err(problem), _) => self.problem(problem),
            (Ok(Some(signed)), Subject::Content(found, _)) if signed != *found => {
                let found = *found;
                self.problem(Problem::ContentTypeMismatch { signed, found });
            }
            (Ok(None), Subject::Content(..)) => {
                let attribute = CONTENT_TYPE;
                self.problem(Problem::AttributeMissing { attribute });
            }
            // RFC 5652 section 11.4.
            (Ok(Some(_)), Subject::Signature(_)) => {
                let attribute = CONTENT_TYPE;
                self.problem(Problem::AttributeMisplaced { attribute });
            }
            _ => {}
        }
        match (attributes.message_digest(), digest, computed) {
            (Err(problem), ..) => self.problem(problem),
            (Ok(None), ..) => {
                let attribute = MESSAGE_DIGEST;
                self.problem(Problem::AttributeMissing { attribute });
            }
            (Ok(Some(signed)), Some(algorithm), Some(computed)) => {
                self.report.digest_right = Some(signed == computed);
                if signed != computed {
                    self.problem(Problem::DigestMismatch { algorithm });
                }
            }
            _ => {}
        }
        match attributes.signing_time() {
            Ok(time) => self.report.claimed_time = time,
            Err(problem) => self.problem(problem),
        }
        for attribute in attributes.misplaced_among_signed() {
            self.problem(Problem::AttributeMisplaced { attribute });
        }
    }

    /// Why the content has no digest.
    fn no_digest(&mut self, subject: &Subject<'_>, digest: Option<DigestAlgorithm>) {
        match (subject, digest) {
            (Subject::Content(_, None), _) => self.problem(Problem::ContentMissing),
            (Subject::Content(_, Some(_)), Some(algorithm)) => {
                self.problem(Problem::DigestNotAnnounced { algorithm });
            }
            // That the digest is not known, or too weak, is a problem already.
            _ => {}
        }
    }

    fn without_attributes(&mut self, subject: &Subject<'_>) {
        self.report.warnings.push(Warning::NoSignedAttributes);
        if self.context.policy.cades {
            let attribute = MESSAGE_DIGEST;
            self.problem(Problem::AttributeMissing { attribute });
        }
        if let Subject::Content(found, _) = subject
            && *found != super::DATA
        {
            let found = *found;
            self.problem(Problem::AttributesNeeded { found });
        }
        if subject.looks_like_attributes() {
            self.problem(Problem::AttributesAsContent);
        }
    }

    /// That the signing-certificate attributes mean this certificate (RFC 5035 section 3).
    fn signing_certificate(&mut self, certificate: &Certificate) {
        let Some(signed) = &self.signer.signed else {
            return;
        };
        let bound = Attributes(&signed.list).signing_certificate(certificate);
        self.report.is_cades = bound.is_there;
        if !bound.is_there {
            self.report.warnings.push(Warning::NoSigningCertificate);
            if self.context.policy.cades {
                let attribute = "signing-certificate";
                self.problem(Problem::AttributeMissing { attribute });
            }
        } else if bound.by_sha1_alone {
            self.report.warnings.push(Warning::SigningCertificateBySha1);
        }
        self.report.problems.extend(bound.problems);
    }

    fn claimed_time(&mut self, certificate: &Certificate) {
        let Some(claimed) = self.report.claimed_time else {
            return;
        };
        if !certificate.is_valid_at(claimed) {
            self.report.warnings.push(Warning::ClaimedOutsideValidity);
        }
        if claimed > self.context.at {
            self.report.warnings.push(Warning::ClaimedTooLate);
        }
    }

    fn not_too_weak(&mut self, digest: DigestAlgorithm) -> Result<DigestAlgorithm, Problem> {
        let what = digest.to_string();
        match super::weakness(digest) {
            Some(weakness) if !self.context.policy.allows(weakness) => {
                Err(Problem::TooWeak { what, weakness })
            }
            Some(weakness) => {
                self.report.warnings.push(Warning::Weak { what, weakness });
                Ok(digest)
            }
            None => Ok(digest),
        }
    }

    fn key_strength(&mut self, certificate: &Certificate) {
        let Ok(key) = certificate.public_key() else {
            return;
        };
        let key = key.key_type();
        if matches!(key, KeyType::Rsa { bits } if bits < 2048) {
            let (what, weakness) = (format!("the key of type {key}"), Weakness::ShortRsa);
            match self.context.policy.allows(weakness) {
                true => self.report.warnings.push(Warning::Weak { what, weakness }),
                false => self.problem(Problem::TooWeak { what, weakness }),
            }
        }
    }

    /// Time stamps and counter-signatures.
    fn unsigned_attributes(&mut self) {
        let attributes = Attributes(&self.signer.unsigned);
        for attribute in attributes.misplaced_among_unsigned() {
            self.problem(Problem::AttributeMisplaced { attribute });
        }
        for token in attributes.values(SIGNATURE_TIME_STAMP) {
            let stamp = timestamp::check(self.context, token, &self.signer.signature);
            self.count(stamp.verdict(), Problem::Timestamp);
            self.report.timestamps.push(stamp);
        }
        let valid = self.report.timestamps.iter();
        let valid = valid.filter(|stamp| stamp.verdict() == Verdict::Valid);
        self.report.stamped_time = valid.filter_map(|stamp| stamp.time()).min();
        if self.context.policy.timestamp && self.report.stamped_time.is_none() {
            self.problem(Problem::NoTimestamp);
        }
        if let (Some(claimed), Some(stamped)) = (self.report.claimed_time, self.report.stamped_time)
            && claimed > stamped
        {
            self.report.warnings.push(Warning::ClaimedTooLate);
        }
        for value in attributes.values(COUNTER_SIGNATURE) {
            self.counter_signature(value);
        }
    }

    fn counter_signature(&mut self, value: &[u8]) {
        match SignerInfo::from_ber(value) {
            // How deep they can stand in each other is limited by how deep a document can be.
            Ok(signer) => {
                let subject = Subject::Signature(&self.signer.signature);
                let report = self.context.check(&signer, &subject);
                self.count(report.verdict(), Problem::CounterSignature);
                self.report.counter_signatures.push(report);
            }
            Err(error) if !self.context.policy.signer_alone => {
                let reason = error.to_string();
                self.problem(Problem::MalformedCounterSignature { reason });
            }
            Err(_) => {}
        }
    }

    fn count(&mut self, verdict: Verdict, problem: fn(Verdict) -> Problem) {
        if verdict != Verdict::Valid && !self.context.policy.signer_alone {
            self.problem(problem(verdict));
        }
    }

    /// To an authority that is trusted, at the time that is known.
    fn chain(&mut self, purpose: Purpose) {
        let Some(certificate) = &self.report.certificate else {
            return;
        };
        let Some(trust) = self.context.trust else {
            let for_signing = certificate.allows_signing();
            if !for_signing {
                self.problem(Problem::NotForSigning);
            }
            return self.problem(Problem::NoTrust);
        };
        let at = self.report.stamped_time.unwrap_or(self.context.at);
        match trust.check(certificate, self.context.certificates, purpose, at) {
            Ok(chain) => self.report.chain = Some(chain),
            Err(error) => self.problem(Problem::Chain(error)),
        }
    }
}

fn unusable(error: Error) -> Problem {
    Problem::UnusableKey {
        reason: error.to_string(),
    }
}
