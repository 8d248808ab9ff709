//! The parameter sets of RFC 4357 section 11.4, RFC 7836 appendix A and RFC 9215 section 4.

use super::curve::Curve;

/// A parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    /// The size of its keys, and of its digests.
    pub bits: usize,
    /// As OpenSSL's engine has it.
    pub name: &'static str,
    oid: &'static str,
    numbers: &'static Numbers,
}

/// p, a, q, and the coordinates of the base point.
type Numbers = [&'static str; 5];

pub const SETS: [Set; 12] = [
    Set::new(256, "A", "1.2.643.2.2.35.1", &CRYPTOPRO_A),
    Set::new(256, "B", "1.2.643.2.2.35.2", &CRYPTOPRO_B),
    Set::new(256, "C", "1.2.643.2.2.35.3", &CRYPTOPRO_C),
    Set::new(256, "XA", "1.2.643.2.2.36.0", &CRYPTOPRO_A),
    Set::new(256, "XB", "1.2.643.2.2.36.1", &CRYPTOPRO_C),
    Set::new(256, "TCA", "1.2.643.7.1.2.1.1.1", &TC26_256_A),
    Set::new(256, "TCB", "1.2.643.7.1.2.1.1.2", &CRYPTOPRO_A),
    Set::new(256, "TCC", "1.2.643.7.1.2.1.1.3", &CRYPTOPRO_B),
    Set::new(256, "TCD", "1.2.643.7.1.2.1.1.4", &CRYPTOPRO_C),
    Set::new(512, "A", "1.2.643.7.1.2.1.2.1", &TC26_512_A),
    Set::new(512, "B", "1.2.643.7.1.2.1.2.2", &TC26_512_B),
    Set::new(512, "C", "1.2.643.7.1.2.1.2.3", &TC26_512_C),
];

impl Set {
    const fn new(
        bits: usize,
        name: &'static str,
        oid: &'static str,
        numbers: &'static Numbers,
    ) -> Self {
        Self {
            bits,
            name,
            oid,
            numbers,
        }
    }

    pub fn named(bits: usize, name: &str) -> Self {
        let mut sets = SETS.into_iter();
        let set = sets.find(|set| (set.bits, set.name) == (bits, name));
        set.expect("OpenSSL's engine has it")
    }

    /// By what [`params`](Self::params) gives.
    pub fn of(params: &[u8]) -> Option<Self> {
        SETS.into_iter().find(|set| set.params() == params)
    }

    /// What CKA_GOSTR3410_PARAMS holds.
    pub fn params(self) -> Vec<u8> {
        oid(self.oid)
    }

    /// RFC 9215 section 4: the sets of 2001 go with the digest's name, the newer ones without.
    pub fn spki(self, public: &[u8]) -> Vec<u8> {
        let key = match self.bits {
            256 => "1.2.643.7.1.1.1.1",
            _ => "1.2.643.7.1.1.1.2",
        };
        match self.oid.starts_with("1.2.643.2.2.") {
            true => spki(key, &[self.oid, "1.2.643.7.1.1.2.2"], public),
            false => spki(key, &[self.oid], public),
        }
    }

    /// By the names of Kazakhstan, which has no others than tc26-256-A and tc26-512-A.
    pub fn kazakh_spki(self, public: &[u8]) -> Vec<u8> {
        match self.bits {
            256 => spki("1.2.398.3.10.1.1.2.1", &["1.2.398.3.10.1.1.2.1.1"], public),
            _ => spki("1.2.398.3.10.1.1.2.2", &["1.2.398.3.10.1.1.2.2.1"], public),
        }
    }

    /// Whether a signature, as [`Key::sign`](super::Key::sign) makes it, is right.
    pub fn verifies(self, public: &[u8], digest: &[u8], signature: &[u8]) -> bool {
        self.curve().verifies(public, digest, signature)
    }

    pub(super) fn curve(self) -> Curve {
        Curve::new(*self.numbers)
    }
}

fn spki(key: &str, parameters: &[&str], public: &[u8]) -> Vec<u8> {
    let parameters: Vec<u8> = parameters.iter().flat_map(|one| oid(one)).collect();
    let algorithm = tlv(0x30, &[oid(key), tlv(0x30, &parameters)].concat());
    let public = tlv(0x03, &[vec![0], tlv(0x04, public)].concat());
    tlv(0x30, &[algorithm, public].concat())
}

fn oid(text: &str) -> Vec<u8> {
    let oid: der::asn1::ObjectIdentifier = text.parse().expect("an object identifier");
    tlv(0x06, oid.as_bytes())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u8; // a key is the longest
    let head = match length {
        0..0x80 => vec![tag, length],
        _ => vec![tag, 0x81, length],
    };
    [&head, content].concat()
}

const CRYPTOPRO_A: Numbers = [
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFD97",
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFD94",
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF6C611070995AD10045841B09B761B893",
    "1",
    "8D91E471E0989CDA27DF505A453F2B7635294F2DDF23E3B122ACC99C9E9F1E14",
];

const CRYPTOPRO_B: Numbers = [
    "8000000000000000000000000000000000000000000000000000000000000C99",
    "8000000000000000000000000000000000000000000000000000000000000C96",
    "800000000000000000000000000000015F700CFFF1A624E5E497161BCC8A198F",
    "1",
    "3FA8124359F96680B83D1C3EB2C070E5C545C9858D03ECFB744BF8D717717EFC",
];

const CRYPTOPRO_C: Numbers = [
    "9B9F605F5A858107AB1EC85E6B41C8AACF846E86789051D37998F7B9022D759B",
    "9B9F605F5A858107AB1EC85E6B41C8AACF846E86789051D37998F7B9022D7598",
    "9B9F605F5A858107AB1EC85E6B41C8AA582CA3511EDDFB74F02F3A6598980BB9",
    "0",
    "41ECE55743711A8C3CBF3783CD08C0EE4D4DC440D4641A8F366E550DFDB3BB67",
];

const TC26_256_A: Numbers = [
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFD97",
    "C2173F1513981673AF4892C23035A27CE25E2013BF95AA33B22C656F277E7335",
    "400000000000000000000000000000000FD8CDDFC87B6635C115AF556C360C67",
    "91E38443A5E82C0D880923425712B2BB658B9196932E02C78B2582FE742DAA28",
    "32879423AB1A0375895786C4BB46E9565FDE0B5344766740AF268ADB32322E5C",
];

const TC26_512_A: Numbers = [
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\
     FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFDC7",
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\
     FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFDC4",
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\
     27E69532F48D89116FF22B8D4E0560609B4B38ABFAD2B85DCACDB1411F10B275",
    "3",
    "7503CFE87A836AE3A61B8816E25450E6CE5E1C93ACF1ABC1778064FDCBEFA921\
     DF1626BE4FD036E93D75E6A50E3A41E98028FE5FC235F5B889A589CB5215F2A4",
];

const TC26_512_B: Numbers = [
    "8000000000000000000000000000000000000000000000000000000000000000\
     000000000000000000000000000000000000000000000000000000000000006F",
    "8000000000000000000000000000000000000000000000000000000000000000\
     000000000000000000000000000000000000000000000000000000000000006C",
    "8000000000000000000000000000000000000000000000000000000000000001\
     49A1EC142565A545ACFDB77BD9D40CFA8B996712101BEA0EC6346C54374F25BD",
    "2",
    "1A8F7EDA389B094C2C071E3647A8940F3C123B697578C213BE6DD9E6C8EC7335\
     DCB228FD1EDF4A39152CBCAAF8C0398828041055F94CEEEC7E21340780FE41BD",
];

const TC26_512_C: Numbers = [
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\
     FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFDC7",
    "DC9203E514A721875485A529D2C722FB187BC8980EB866644DE41C68E1430645\
     46E861C0E2C9EDD92ADE71F46FCF50FF2AD97F951FDA9F2A2EB6546F39689BD3",
    "3FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\
     C98CDBA46506AB004C33A9FF5147502CC8EDA9E7A769A12694623CEF47F023ED",
    "E2E31EDFC23DE7BDEBE241CE593EF5DE2295B7A9CBAEF021D385F7074CEA043A\
     A27272A7AE602BF2A7B9033DB9ED3610C6FB85487EAE97AAC5BC7928C1950148",
    "F5CE40D95B5EB899ABBCCFF5911CB8577939804D6527378B8C108C3D2090FF9B\
     E18E2D33E3021ED2EF32D85822423B6304F726AA854BAE07D0396E9A9ADDC40F",
];
