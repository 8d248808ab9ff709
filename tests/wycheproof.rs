//! Project Wycheproof's vectors: every valid signature is accepted, every invalid one refused.
//!
//! Vectors for algorithms that are not ours are listed by name, and the numbers of files and
//! vectors that run are fixed below, so that none is dropped unseen. See them with
//! `cargo test --test wycheproof -- --nocapture`.

use std::collections::BTreeMap;

use keyfob::{Curve, DigestAlgorithm, KeyType, PublicKey, Scheme, Signature};
use wycheproof::{HashFunction, Mgf, TestResult};

#[test]
fn rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut tally = Tally::default();
    for name in TestName::all() {
        let set = TestSet::load(name).expect("the vectors are read");
        let file = tally.file(format!("{name:?}"));
        for group in &set.test_groups {
            let Some(scheme) = digest(group.hash).map(|digest| match digest {
                DigestAlgorithm::Sha256 => Scheme::RsaPkcs1Sha256,
                DigestAlgorithm::Sha384 => Scheme::RsaPkcs1Sha384,
                _ => Scheme::RsaPkcs1Sha512,
            }) else {
                file.leave_out(format!("{:?}", group.hash), group.tests.len());
                continue;
            };
            let key = PublicKey::from_spki_der(&group.der).expect("the key is read");
            assert!(scheme.fits(&key.key_type()));
            for test in &group.tests {
                let accepted = accepts(test.tc_id, &key, scheme, &test.msg, &test.sig);
                file.check(test.tc_id, &test.comment, test.result, accepted);
            }
        }
    }
    tally.expect(Expected {
        files: 12,
        files_left_out: 12,
        valid: 89,
        invalid: 3_005,
        acceptable: 12,
        left_out: 3_096,
    });
}

#[test]
fn rsa_pss() {
    use wycheproof::rsa_pss_verify::{Test, TestName, TestSet};
    let mut tally = Tally::default();
    for name in TestName::all() {
        let set = TestSet::load(name).expect("the vectors are read");
        let file = tally.file(format!("{name:?}"));
        for group in &set.test_groups {
            let key = PublicKey::from_spki_der(&group.der).expect("the key is read");
            let same_digest = digest(group.hash).map(|digest| match digest {
                DigestAlgorithm::Sha256 => Scheme::RsaPssSha256,
                DigestAlgorithm::Sha384 => Scheme::RsaPssSha384,
                _ => Scheme::RsaPssSha512,
            });
            let ours = same_digest.filter(|scheme| {
                let digest = scheme.digest_algorithm().expect("PSS has a digest");
                group.mgf == Mgf::Mgf1
                    && group.mgf_hash == Some(group.hash)
                    && group.salt_size == digest.output_len()
            });
            let Some(scheme) = ours else {
                // Right by their own parameters, these are wrong by those of our scheme.
                let valid = |test: &&Test| test.result == TestResult::Valid;
                for test in group.tests.iter().filter(valid) {
                    let accepted = same_digest.is_some_and(|scheme| {
                        accepts(test.tc_id, &key, scheme, &test.msg, &test.sig)
                    });
                    assert!(!accepted, "{name:?} {}", test.tc_id);
                }
                let parameters = format!(
                    "{:?}, {:?} {:?}, salt {}",
                    group.hash, group.mgf, group.mgf_hash, group.salt_size
                );
                file.leave_out(parameters, group.tests.len());
                continue;
            };
            for test in &group.tests {
                let accepted = accepts(test.tc_id, &key, scheme, &test.msg, &test.sig);
                file.check(test.tc_id, &test.comment, test.result, accepted);
            }
        }
    }
    tally.expect(Expected {
        files: 11,
        files_left_out: 15,
        valid: 775,
        invalid: 411,
        acceptable: 0,
        left_out: 2_311,
    });
}

#[test]
fn ecdsa() {
    use wycheproof::ecdsa::{TestGroupTypeId, TestName, TestSet};
    let mut tally = Tally::default();
    for name in TestName::all() {
        let set = TestSet::load(name).expect("the vectors are read");
        let file = tally.file(format!("{name:?}"));
        for group in &set.test_groups {
            let key = PublicKey::from_spki_der(&group.der).expect("the key is read");
            let scheme = match (key.key_type(), digest(group.hash)) {
                (KeyType::Ec(curve), Some(digest)) => ecdsa_scheme(curve, digest),
                (key_type, _) => {
                    file.leave_out(format!("{key_type}, {:?}", group.hash), group.tests.len());
                    continue;
                }
            };
            for test in &group.tests {
                let accepted = match group.test_type {
                    TestGroupTypeId::Ecdsa => {
                        accepts(test.tc_id, &key, scheme, &test.msg, &test.sig)
                    }
                    TestGroupTypeId::EcdsaP1363 => Signature::from_raw(scheme, &test.sig)
                        .is_ok_and(|signature| {
                            assert_eq!(signature.to_raw(), test.sig.as_slice());
                            accepts(test.tc_id, &key, scheme, &test.msg, signature.as_bytes())
                        }),
                    TestGroupTypeId::EcdsaBitcoin => unreachable!("only for secp256k1"),
                };
                file.check(test.tc_id, &test.comment, test.result, accepted);
            }
        }
    }
    tally.expect(Expected {
        files: 11,
        files_left_out: 62,
        valid: 2_305,
        invalid: 2_303,
        acceptable: 0,
        left_out: 25_295,
    });
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut tally = Tally::default();
    for name in TestName::all() {
        let set = TestSet::load(name).expect("the vectors are read");
        let file = tally.file(format!("{name:?}"));
        for group in &set.test_groups {
            let key = PublicKey::from_spki_der(&group.der).expect("the key is read");
            if key.key_type() != KeyType::Ed25519 {
                file.leave_out(key.key_type().to_string(), group.tests.len());
                continue;
            }
            for test in &group.tests {
                let accepted = accepts(test.tc_id, &key, Scheme::Ed25519, &test.msg, &test.sig);
                file.check(test.tc_id, &test.comment, test.result, accepted);
            }
        }
    }
    tally.expect(Expected {
        files: 1,
        files_left_out: 1,
        valid: 88,
        invalid: 63,
        acceptable: 0,
        left_out: 87,
    });
}

/// Whether the signature is accepted; for every eighth, the three ways to ask must agree.
fn accepts(id: usize, key: &PublicKey, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
    let whole = key.verify(scheme, message, signature).is_ok();
    if id % 8 != 1 {
        return whole;
    }
    let streamed = key.verify_reader(scheme, message, signature).is_ok();
    assert_eq!(whole, streamed);
    if let Some(algorithm) = scheme.digest_algorithm() {
        let digest = algorithm.digest(message);
        assert_eq!(whole, key.verify_digest(scheme, &digest, signature).is_ok());
    }
    whole
}

fn digest(hash: HashFunction) -> Option<DigestAlgorithm> {
    match hash {
        HashFunction::Sha2_256 => Some(DigestAlgorithm::Sha256),
        HashFunction::Sha2_384 => Some(DigestAlgorithm::Sha384),
        HashFunction::Sha2_512 => Some(DigestAlgorithm::Sha512),
        _ => None,
    }
}

fn ecdsa_scheme(curve: Curve, digest: DigestAlgorithm) -> Scheme {
    let is_it = |scheme: &&Scheme| {
        scheme.fits(&KeyType::Ec(curve)) && scheme.digest_algorithm() == Some(digest)
    };
    *Scheme::ALL.iter().find(is_it).expect("nine of them")
}

/// What ran, and what did not.
#[derive(Default)]
struct Tally {
    files: Vec<File>,
}

#[derive(Default)]
struct File {
    name: String,
    valid: usize,
    invalid: usize,
    acceptable: usize,
    acceptable_accepted: usize,
    left_out: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

#[derive(Debug, Default, PartialEq)]
struct Expected {
    /// Files of which at least one group ran.
    files: usize,
    /// Files of which none did.
    files_left_out: usize,
    valid: usize,
    invalid: usize,
    acceptable: usize,
    /// Vectors with parameters that are not ours.
    left_out: usize,
}

impl Tally {
    fn file(&mut self, name: String) -> &mut File {
        self.files.push(File {
            name,
            ..File::default()
        });
        self.files.last_mut().expect("just added")
    }

    fn expect(self, expected: Expected) {
        let mut ran = Expected::default();
        let mut wrong = Vec::new();
        for file in self.files {
            if file.ran() > 0 {
                ran.files += 1;
                println!(
                    "{}: {} valid accepted, {} invalid refused, {} of {} acceptable accepted",
                    file.name, file.valid, file.invalid, file.acceptable_accepted, file.acceptable
                );
            } else {
                ran.files_left_out += 1;
            }
            for (parameters, vectors) in file.left_out {
                println!("{}: left out: {parameters} ({vectors} vectors)", file.name);
                ran.left_out += vectors;
            }
            ran.valid += file.valid;
            ran.invalid += file.invalid;
            ran.acceptable += file.acceptable;
            wrong.extend(file.wrong);
        }
        println!("{ran:?}");
        assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
        assert_eq!(ran, expected);
    }
}

impl File {
    fn check(&mut self, id: usize, comment: &str, result: TestResult, accepted: bool) {
        match result {
            TestResult::Valid => self.valid += 1,
            TestResult::Invalid => self.invalid += 1,
            TestResult::Acceptable => {
                self.acceptable += 1;
                self.acceptable_accepted += usize::from(accepted);
                return;
            }
        }
        if accepted != (result == TestResult::Valid) {
            let name = &self.name;
            self.wrong
                .push(format!("{name} {id} ({comment}): {result:?}"));
        }
    }

    fn leave_out(&mut self, parameters: String, vectors: usize) {
        *self.left_out.entry(parameters).or_default() += vectors;
    }

    fn ran(&self) -> usize {
        self.valid + self.invalid + self.acceptable
    }
}
