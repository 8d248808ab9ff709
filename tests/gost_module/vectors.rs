//! The tests' own arithmetic, by the standard's examples.

use num_bigint::BigUint;
use streebog::{Digest, Streebog256};

use crate::gost::curve::Curve;
use crate::gost::{Key, SETS, Set};
use crate::softhsm::unhex;

/// RFC 7091 section 7.
#[test]
fn the_example_of_256_bits() {
    let curve = Curve::new([
        "8000000000000000000000000000000000000000000000000000000000000431",
        "7",
        "8000000000000000000000000000000150FE8A1892976154C59CFC193ACCF5B3",
        "2",
        "08E2A8A0E65147D4BD6316030E16D19C85C97F0A9CA267122B96ABBCEA7E8FC8",
    ]);
    Example {
        d: "7A929ADE789BB9BE10ED359DD39A72C11B60961F49397EEE1D19CE9891EC3B28",
        x: "7F2B49E270DB6D90D8595BEC458B50C58585BA1D4E9B788F6689DBD8E56FD80B",
        y: "26F1B489D6701DD185C8413A977B3CBBAF64D1C593D26627DFFB101A87FF77DA",
        e: "2DFBC1B372D89A1188C09C52E0EEC61FCE52032AB1022E8E67ECE6672B043EE5",
        nonce: "77105C9B20BCD3122823C8CF6FCC7B956DE33814E95B7FE64FED924594DCEAB3",
        s: "01456C64BA4642A1653C235A98A60249BCD6D3F746B631DF928014F6C5BF9C40",
        r: "41AA28D2F1AB148280CD9ED56FEDA41974053554A42767B83AD043FD39DC0493",
    }
    .holds(&curve);
}

/// GOST R 34.10-2012 appendix A.2.
#[test]
fn the_example_of_512_bits() {
    let curve = Curve::new([
        "4531ACD1FE0023C7550D267B6B2FEE80922B14B2FFB90F04D4EB7C09B5D2D15D\
         F1D852741AF4704A0458047E80E4546D35B8336FAC224DD81664BBF528BE6373",
        "7",
        "4531ACD1FE0023C7550D267B6B2FEE80922B14B2FFB90F04D4EB7C09B5D2D15D\
         A82F2D7ECB1DBAC719905C5EECC423F1D86E25EDBE23C595D644AAF187E6E6DF",
        "24D19CC64572EE30F396BF6EBBFD7A6C5213B3B3D7057CC825F91093A68CD762\
         FD60611262CD838DC6B60AA7EEE804E28BC849977FAC33B4B530F1B120248A9A",
        "2BB312A43BD2CE6E0D020613C857ACDDCFBF061E91E5F2C3F32447C259F39B2C\
         83AB156D77F1496BF7EB3351E1EE4E43DC1A18B91B24640B6DBB92CB1ADD371E",
    ]);
    Example {
        d: "0BA6048AADAE241BA40936D47756D7C93091A0E8514669700EE7508E508B1020\
            72E8123B2200A0563322DAD2827E2714A2636B7BFD18AADFC62967821FA18DD4",
        x: "115DC5BC96760C7B48598D8AB9E740D4C4A85A65BE33C1815B5C320C854621DD\
            5A515856D13314AF69BC5B924C8B4DDFF75C45415C1D9DD9DD33612CD530EFE1",
        y: "37C7C90CD40B0F5621DC3AC1B751CFA0E2634FA0503B3D52639F5D7FB72AFD61\
            EA199441D943FFE7F0C70A2759A3CDB84C114E1F9339FDF27F35ECA93677BEEC",
        e: "3754F3CFACC9E0615C4F4A7C4D8DAB531B09B6F9C170C533A71D147035B0C591\
            7184EE536593F4414339976C647C5D5A407ADEDB1D560C4FC6777D2972075B8C",
        nonce: "0359E7F4B1410FEACC570456C6801496946312120B39D019D455986E364F3658\
                86748ED7A44B3E794434006011842286212273A6D14CF70EA3AF71BB1AE679F1",
        s: "1081B394696FFE8E6585E7A9362D26B6325F56778AADBC081C0BFBE933D52FF5\
            823CE288E8C4F362526080DF7F70CE406A6EEB1F56919CB92A9853BDE73E5B4A",
        r: "2F86FA60A081091A23DD795E1E3C689EE512A3C82EE0DCC2643C78EEA8FCACD3\
            5492558486B20F1C9EC197C90699850260C93BCBCD9C5C3317E19344E173AE36",
    }
    .holds(&curve);
}

struct Example {
    d: &'static str,
    x: &'static str,
    y: &'static str,
    e: &'static str,
    nonce: &'static str,
    s: &'static str,
    r: &'static str,
}

impl Example {
    fn holds(&self, curve: &Curve) {
        let number = |hex: &str| BigUint::from_bytes_be(&unhex(hex));
        let backwards = |hex: &str| unhex(hex).into_iter().rev().collect::<Vec<_>>();
        let public = [backwards(self.x), backwards(self.y)].concat();
        assert_eq!(curve.public(&number(self.d)), public);
        let digest = backwards(self.e);
        let signature = curve.sign(&number(self.d), &number(self.nonce), &digest);
        assert_eq!(signature, [unhex(self.s), unhex(self.r)].concat());
        assert!(curve.verifies(&public, &digest, &signature));
    }
}

/// RFC 7836 appendix B.
#[test]
fn two_keys_agree_as_in_the_example() {
    let set = Set::named(512, "A");
    let [ann, bob] = [
        "c990ecd972fce84ec4db022778f50fcac726f46708384b8d458304962d7147f8\
         c2db41cef22c90b102f2968404f9b9be6d47c79692d81826b32b8daca43cb667",
        "48c859f7b6f11585887cc05ec6ef1390cfea739b1a18c0d4662293ef63b79e3b\
         8014070b44918590b4b996acfea4edfbbbcccc8c06edd8bf5bda92a51392d0db",
    ]
    .map(|d| Key::from_bytes(set, &unhex(d)));
    let agreed = "c9a9a77320e2cc559ed72dce6f47e2192ccea95fa648670582c054c0ef36c221";
    let ukm = unhex("1d80603c8544c727");
    for (own, other) in [(&ann, &bob), (&bob, &ann)] {
        let point = own.agree(&other.public(), &ukm).expect("both are keys");
        assert_eq!(Streebog256::digest(&point).to_vec(), unhex(agreed));
    }
    let mut off = bob.public();
    off[0] ^= 1;
    assert_eq!(ann.agree(&off, &ukm), None);
}

/// The numbers of each set are right: a base point or an order that is wrong in one bit signs
/// nothing that verifies.
#[test]
fn every_set_signs_and_verifies() {
    for set in SETS {
        let [key, another] = [b"seed", b"deed"].map(|seed| Key::from_seed(set, seed));
        let digest = vec![7; set.bits / 8];
        let signature = key.sign(&digest);
        assert_eq!(signature.len(), set.bits / 4, "{}", set.name);
        assert!(set.verifies(&key.public(), &digest, &signature));
        assert!(!set.verifies(&another.public(), &digest, &signature));
        assert!(!set.verifies(&key.public(), &vec![8; set.bits / 8], &signature));
        for at in [0, signature.len() - 1] {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert!(!set.verifies(&key.public(), &digest, &changed));
        }
        assert!(set.params().len() > 8 && key.spki().len() > 90);
    }
}
