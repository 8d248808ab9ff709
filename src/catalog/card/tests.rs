use super::*;

/// Every card that is to be known by name, apart from the table: as it was observed, `.` standing
/// for what differs and `[…]` for a choice.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    ("3B 16 96 41 73 74 72 69 64", "IDPrime .NET"),
    ("3B 39 19 00 53 4F 4D 41 44 53 33 30 3[13]", "Kazakhstan ID card"),
    ("3B 3E 95 00 53 4F 4D 41 2D 63 30 30 37 2D 44 53 31 61", "Kazakhstan ID card"),
    ("3B 3E 95 00 53 4F 4D 41 2D 63 30 30 37 2D 44 53 31 62", "Kazakhstan ID card"),
    ("3B 5E 11 FF 45 73 74 45 49 44 20 76 65 72 20 31 2E 30", "Estonian ID card"),
    ("3B 6C 00 00 80 64 11 34 01 48 73 F7 41 C0 81 07", "Universal Electronic Card"),
    ("3B 6C 00 00 80 64 11 65 01 90 73 00 00 00 81 07", "Universal Electronic Card"),
    ("3B 6E 00 FF 45 73 74 45 49 44 20 76 65 72 20 31 2E 30", "Estonian ID card"),
    ("3B 6F 00 FF 00 56 72 75 54 6F 6B 6E 73 30 20 00 00 90 00", "Rutoken S"),
    ("3B 78 13 00 00 72 75 74 6F 6B 65 6E 6D", "Rutoken Micron"),
    ("3B 7A 13 00 00 72 75 74 6F 6B 65 6E 6D 73 63", "Rutoken Micron SC"),
    ("3B 7C 13 00 00 80 64 11 65 01 90 73 00 00 00 81 07", "Universal Electronic Card"),
    ("3B 7C 95 00 00 45 53 4D 41 52 54 47 4F 53 54 31 30", "ESMART Token GOST"),
    ("3B 7D 96 00 00 80 31 80 65 B0 83 11 17 E5 83 00 90 00", "IDPrime PIV"),
    ("3B 7D 96 00 00 80 31 80 65 B0 83 11 40 C8 83 00 90 00", "Gemalto Classic TPC"),
    ("3B 7F .. 00 00 80 31 80 65 B0 .. .. .. .. 12 0F FE 82 90 00", "IDPrime MD"),
    ("3B 7F 96 00 00 80 31 80 65 B0 84 23 27 E5 12 0F FE 82 90 00", "IDPrime MD"),
    ("3B 7F 96 00 00 80 31 80 65 B0 84 41 3D F6 12 0F FE 82 90 00", "IDPrime MD"),
    ("3B 7F 96 00 00 80 31 80 65 B0 84 61 60 FB 12 0F FD 82 90 00", "IDPrime 930 FIPS"),
    ("3B 7F 96 00 00 80 31 80 65 B0 85 03 00 EF 12 02 C1 82 90 00", "IDPrime MD"),
    ("3B 7F 96 00 00 80 31 80 65 B0 85 03 00 EF 12 0F FE 82 90 00", "IDPrime MD"),
    ("3B 7F 96 00 00 80 31 80 65 B0 85 04 01 20 12 0F FF 82 90 00", "Belgian eID"),
    ("3B 7F 96 00 00 80 31 80 65 B0 85 05 00 39 12 0F FE 82 90 00", "IDPrime 940C"),
    ("3B 7F 96 00 00 80 31 80 65 B0 85 59 56 FB 12 0F FE 82 90 00", "IDPrime 941"),
    ("3B 80 01 81", "NXP OpenPGP card"),
    ("3B 81 1F 00 CC 52", "eToken R2"),
    ("3B 88 01 4B 41 5A 54 4F 4B 45 4E 82", "Kaztoken"),
    ("3B 88 80 01 32 F3 5E 11 33 87 95 00 A6", "IDPrime 3930"),
    ("3B 88 80 01 52 74 4D 43 00 81 C1 00 61", "Rutoken 2151"),
    ("3B 88 80 01 52 74 53 43 77 81 83 20 6A", "Rutoken ECP 3.0"),
    ("3B 8B 00 52 75 74 6F 6B 65 6E 6C 74 53 44 E3", "Rutoken Lite SD"),
    ("3B 8B 01 52 74 50 49 4E 50 61 64 20 20 32 9C", "Rutoken PINPad"),
    ("3B 8B 01 52 75 74 6F 6B 65 6E 20 44 53 20 C1", "Rutoken ECP"),
    ("3B 8B 01 52 75 74 6F 6B 65 6E 20 45 43 50 A0", "Rutoken ECP"),
    ("3B 8B 01 52 75 74 6F 6B 65 6E 44 53 42 54 D7", "Rutoken ECP Bluetooth"),
    ("3B 8B 01 52 75 74 6F 6B 65 6E 6C 69 74 65 C2", "Rutoken Lite"),
    ("3B 8B 80 01 00 12 23 3F 53 65 49 44 0F 90 00 A0", "Estonian ID card"),
    ("3B 8B 80 01 00 12 42 8F 53 65 49 44 0F 90 00 71", "Latvian ID card"),
    ("3B 8C 01 80 5A 4E 69 74 72 6F 6B 65 79 20 33 7D", "Nitrokey 3"),
    ("3B 8C 80 01 50 5C 4B 71 A1 52 74 53 43 77 81 83 D9", "Rutoken ECP 3.0"),
    ("3B 8C 80 01 50 F5 6F F8 2B E1 F3 5E 11 33 81 C7 3C", "Kazakhstan ID card"),
    ("3B 8C 80 01 80 64 11 65 01 90 73 00 00 00 81 07 F9", "Universal Electronic Card"),
    ("3B 8E 80 01 80 31 80 66 B0 84 0C 01 6E FF FC 82 90 00 1E", "IDPrime FIDO Bio"),
    ("3B 8F 01 80 5D 4E 69 74 72 6F 6B 65 79 00 00 00 00 00 6A", "Nitrokey 3"),
    ("3B 8F 80 01 80 31 80 65 B0 .. .. .. .. 12 0F FE 82 90 00 ..", "IDPrime MD"),
    ("3B 8F 80 01 80 31 80 65 B0 84 23 27 E5 12 0F FE 82 90 00 7E", "IDPrime MD"),
    ("3B 8F 80 01 80 31 80 65 B0 84 61 60 FB 12 0F FD 82 90 00 66", "IDPrime 3930"),
    ("3B 8F 80 01 80 31 80 65 B0 84 65 66 FB 12 0F FC 82 90 00 65", "IDPrime 3930"),
    ("3B 8F 80 01 80 31 80 65 B0 85 03 00 EF 12 0F FE 82 90 00 72", "IDPrime MD"),
    ("3B 8F 80 01 80 31 80 65 B0 85 59 56 FB 12 0F FC 82 90 00 68", "IDPrime 3940"),
    ("3B 8F 80 01 80 31 D8 53 65 49 44 64 B0 85 05 10 12 23 3F 16", "Estonian ID card"),
    ("3B 8F 80 01 80 91 E1 31 80 65 B0 83 11 17 E5 83 00 90 00 E9", "IDPrime PIV"),
    ("3B 8F 80 01 80 91 E1 31 D8 65 B2 8C 01 02 22 73 C4 41 E0 7B", "Belgian eID"),
    ("3B 97 96 00 80 73 F7 C1 80 81 05", "ESMART Token"),
    ("3B 98 13 40 0A A5 03 01 01 01 AD 13 11", "Belgian eID"),
    ("3B 98 18 81 31 FE 43 30 41 56 54 00 00 00 07 F9", "SecureToken"),
    ("3B 98 30 40 0A A5 03 01 01 01 AD 13 11", "Belgian eID"),
    ("3B 98 94 40 0A A5 03 01 01 01 AD 13 10", "Belgian eID"),
    ("3B 98 95 40 FF D0 00 48 01 01 AD 13 21", "Belgian eID"),
    ("3B 98 96 00 4B 41 5A 54 4F 4B 45 4E", "Kaztoken SC"),
    ("3B 98 96 00 80 31 C0 72 F7 41 81 07", "Rutoken Magistra"),
    ("3B 9C 94 80 11 40 52 75 74 6F 6B 65 6E 45 43 50 73 63 C3", "Rutoken ECP SC"),
    ("3B 9C 96 00 52 75 74 6F 6B 65 6E 45 43 50 73 63", "Rutoken ECP SC"),
    ("3B 9C 97 80 11 40 52 75 74 6F 6B 65 6E 45 43 50 73 63 C0", "Rutoken ECP 3.0"),
    ("3B 9D 18 81 31 FC 35 80 31 C0 69 4D 54 43 4F 53 73 02 05 05 D3", "Lithuanian ID card"),
    ("3B 9D 18 81 31 FC 35 80 31 C0 69 4D 54 43 4F 53 73 02 06 04 D1", "Lithuanian ID card"),
    ("3B 9E 96 00 80 31 C0 65 4D 47 00 00 00 72 F7 41 81 07", "Magistra"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 01 00 11 71 DF 00 00 .. .. .. ..", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 10 04 31 71 DF 00 00 00 00 00 26", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 10 04 31 71 DF 00 00 03 6A 82 CD", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 10 04 31 71 DF 00 00 39 00 00 1F", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 10 06 31 71 DF 00 00 00 00 00 24", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 10 11 31 71 DF 00 00 03 90 00 A0", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 10 11 31 71 DF 00 00 46 00 00 75", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 10 52 39 71 DF 00 00 00 00 00 78", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 10 52 39 71 DF 00 00 03 90 00 EB", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 20 03 25 71 DF 00 00 00 00 00 05", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 20 03 25 71 DF 00 00 03 90 00 96", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 23 00 25 71 C3 9F 00 00 00 00 86", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 33 02 25 71 DF 00 00 03 90 00 84", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 34 00 25 71 DF 00 00 03 6A 82 F9", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 40 08 18 71 DF 00 00 00 00 00 53", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 40 23 18 71 DF 00 00 00 00 00 78", "ePass2003"),
    ("3B 9F 95 81 31 FE 9F 00 66 46 53 05 51 00 33 71 DF 00 00 00 00 00 61", "ePass2003"),
    ("3B B7 18 00 81 31 70 43 10 43 4E 54 52 56 32 53", "SecureToken"),
    ("3B BE 18 00 00 42 06 11 00 00 00 00 00 00 00 00 00 90 00", "eToken nano 192K"),
    ("3B BE 96 00 00 42 06 21 00 00 00 00 00 00 00 00 00 90 00", "ESMART Token"),
    ("3B D5 18 00 81 31 3A 7D 80 73 C8 21 10 30", "eToken PRO 72K"),
    ("3B D5 18 00 81 31 FE 7D 80 73 C8 21 10 F4", "eToken Java"),
    ("3B DA 11 FF 81 B1 FE 55 1F 03 00 31 84 73 80 01 80 00 90 00 E4", "Gnuk"),
    ("3B DA 11 FF 81 B1 FE 55 1F 03 00 31 84 73 80 01 80 05 90 00 E1", "Nitrokey Start"),
    ("3B DA 18 FF 81 91 FE 1F C3 80 64 12 11 11 10 73 C0 C1 80 1B", "Belarus ID card"),
    ("3B DA 18 FF 81 B1 FE 75 1F 03 00 31 C5 73 C0 01 40 00 90 00 0C", "OpenPGP card 2"),
    ("3B DA 18 FF 81 B1 FE 75 1F 03 00 31 F5 73 C0 01 60 00 90 00 1C", "OpenPGP card 3"),
    ("3B DB 96 00 80 B1 FE 45 1F 83 00 12 42 8F 53 65 49 44 0F 90 00 20", "Latvian ID card"),
    ("3B DB 96 00 80 B1 FE 45 1F 83 45 53 54 4F 4E 49 41 2D 65 49 44 55", "Estonian ID card"),
    ("3B DC 18 FF 81 11 FE 80 73 C8 21 13 66 01 06 01 30 80 01 8D", "JaCarta LT"),
    ("3B DC 18 FF 81 91 FE 1F C3 80 73 C8 21 13 66 01 06 11 59 00 01 28", "JaCarta PKI"),
    ("3B DC 96 00 80 B1 FE 45 1F 83 00 12 42 8F 54 65 49 44 32 0F 90 00 12", "Latvian ID card"),
    ("3B DE 18 FF C0 80 B1 FE 45 1F 03 45 73 74 45 49 44 20 76 65 72 20 31 2E 30 2B", "Estonian ID card"),
    ("3B DE 98 FF 81 91 FE 1F C3 80 31 81 54 48 53 4D 31 73 80 21 40 81 07 92", "Nitrokey HSM 2"),
    ("3B DF 96 00 80 B1 FE 45 1F 83 80 73 BC 91 80 F9 A0 00 00 00 77 80 08 02 01 A4", "Latvian ID card"),
    ("3B E2 00 FF C1 10 31 FE 55 C8 02 9C", "eToken PRO"),
    ("3B F8 13 00 00 81 31 FE 15 59 75 62 69 6B 65 79 34 D4", "YubiKey 4"),
    ("3B F9 18 00 FF 81 31 FE 45 50 56 5F 4A 33 41 30 34 30 40", "YubiKey NEO"),
    ("3B FA 13 00 FF 81 31 80 45 00 31 C1 73 C0 01 00 00 90 00 B1", "OpenPGP card 1"),
    ("3B FA 18 00 00 80 31 FE 45 FE 65 49 44 20 2F 20 50 4B 49 03", "Estonian ID card"),
    ("3B FA 18 00 FF 80 31 FE 45 00 31 80 73 94 41 00 00 90 00 90", "Kazakhstan ID card"),
    ("3B FB 18 00 00 81 31 FE 45 4A 33 48 31 34 35 43 37 58 33 30 C6", "COTECH OpenPGP card"),
    ("3B FC 13 00 00 81 31 FE 15 59 75 62 69 6B 65 79 4E 45 4F 72 33 E1", "YubiKey NEO"),
    ("3B FD 13 00 00 81 31 FE 15 80 73 C0 21 C0 57 59 75 62 69 4B 65 79 40", "YubiKey 5"),
    ("3B FD 13 00 00 81 31 FE 45 41 37 30 30 36 43 47 20 32 34 32 52 31 D6", "YubiKey NEO"),
    ("3B FE 18 00 00 80 31 FE 45 45 73 74 45 49 44 20 76 65 72 20 31 2E 30 A8", "Estonian ID card"),
    ("3B FE 18 00 00 80 31 FE 45 80 31 80 66 40 90 A4 16 2A 00 83 01 90 00 E1", "Estonian ID card"),
    ("3B FE 18 00 00 80 31 FE 45 80 31 80 66 40 90 A4 16 2A 00 83 0F 90 00 EF", "Estonian ID card"),
    ("3B FE 94 00 FF 80 B1 FA 45 1F 03 45 73 74 45 49 44 20 76 65 72 20 31 2E 30 43", "Estonian ID card"),
    ("3B FE 96 00 FF C0 0A 31 FE 4D 45 73 74 45 49 44 20 76 65 72 20 31 2E 30 9B", "Estonian ID card"),
    ("3B FF .. 00 00 81 31 .. 43 80 31 80 65 B0 .. .. .. .. 12 0F FE 82 90 00 ..", "IDPrime MD"),
    ("3B FF 18 00 FF 81 31 FE 45 00 31 C5 73 C0 01 80 54 76 15 02 01 05 90 00 74", "Sigilance OpenPGP card"),
    ("3B FF 94 00 00 81 31 FE 43 80 31 80 65 B0 84 61 60 FB 12 0F FD 82 90 00 0E", "IDPrime 930 FIPS"),
    ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 84 56 51 10 12 01 78 82 90 00 6A", "eToken 5300"),
    ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 84 61 60 FB 12 0F FD 82 90 00 0C", "IDPrime 930 FIPS"),
    ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 84 65 66 FB 12 01 78 82 90 00 85", "eToken 5110+ FIPS"),
    ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 84 65 66 FB 12 0F FC 82 90 00 0F", "IDPrime 3930"),
    ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 85 05 00 39 12 0F FE 82 90 00 C8", "IDPrime 3940"),
    ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 85 59 56 FB 12 0F FC 82 90 00 02", "IDPrime 3940"),
    ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 85 59 56 FB 12 0F FE 82 90 00 00", "eToken 5110 CC"),
    ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 88 66 6B 39 12 01 78 82 90 00 45", "eToken Fusion NFC"),
    ("3B FF 97 00 00 81 31 FE 43 80 31 80 65 B0 84 61 60 FB 12 0F FD 82 90 00 0D", "IDPrime 3930"),
];

const READER: &str = "Virtual PCD 00 00";

fn name_of(atr: &[u8]) -> Option<String> {
    CardModel::identify(atr, READER).map(|model| model.name().to_owned())
}

/// Cards that the pattern fits: with a right checksum, where it leaves one open.
fn examples(pattern: &str, random: &mut Random) -> Vec<Vec<u8>> {
    let choice = match pattern.split_once('[') {
        Some((before, rest)) => {
            let (choices, after) = rest.split_once(']').unwrap();
            let choices = choices.chars();
            choices.map(|one| format!("{before}{one}{after}")).collect()
        }
        None => vec![pattern.to_owned()],
    };
    let fill = |pattern: &String| {
        let mut digit = |char| match char {
            '.' => char::from_digit(u32::from(random.byte()) % 16, 16).unwrap(),
            other => other,
        };
        let text: String = pattern.chars().map(&mut digit).collect();
        let mut bytes: Vec<u8> = text
            .split(' ')
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        let wrong = matches!(Atr::try_from(&*bytes), Ok(atr) if atr.checksum() == Checksum::Wrong);
        if wrong && pattern.ends_with("..") {
            *bytes.last_mut().unwrap() ^= bytes[1..].iter().fold(0, |sum, byte| sum ^ byte);
        }
        bytes
    };
    choice.iter().map(fill).collect()
}

/// The same in every run: xorshift64*.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    }
}

#[test]
fn every_card_has_its_name() {
    let mut random = Random(7);
    for (pattern, name) in NAMES {
        for atr in examples(pattern, &mut random) {
            assert_eq!(name_of(&atr).as_deref(), Some(*name), "{pattern}");
        }
    }
    assert_eq!(NAMES.len(), 129);
}

#[test]
fn random_and_truncated_answers_have_no_false_name() {
    let mut random = Random(1);
    let mut tried = 0;
    for length in (0..40).cycle().take(2_000) {
        let mut atr: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        // Half of them begin as an answer to reset does, so that the parser goes on.
        if let Some(first) = atr.first_mut().filter(|_| length % 2 == 0) {
            *first = 0x3b;
        }
        assert_eq!(name_of(&atr), None, "{atr:02X?}");
        tried += 1;
    }
    for (pattern, name) in NAMES {
        for atr in examples(pattern, &mut random) {
            for length in 0..atr.len() {
                let found = name_of(&atr[..length]);
                // Where only a check byte is gone that nobody needs, the name is still the same.
                let spare = length + 1 == atr.len() && found.as_deref() == Some(*name);
                assert!(
                    found.is_none() || spare,
                    "{pattern} cut to {length}: {found:?}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried >= 4_000, "{tried}");
}

#[test]
fn a_spoilt_answer_fits_no_pattern_and_no_part() {
    // The pattern leaves the check byte open, but it has to be right.
    let masked: Atr = "3B FF 00 00 00 81 31 00 43 80 31 80 65 B0 01 02 03 04 12 0F FE 82 90 00 1D"
        .parse()
        .unwrap();
    assert_eq!(masked.checksum(), Checksum::Right);
    assert_eq!(name_of(masked.as_bytes()).as_deref(), Some("IDPrime MD"));
    let mut spoilt = masked.as_bytes().to_vec();
    *spoilt.last_mut().unwrap() ^= 1;
    assert_eq!(name_of(&spoilt), None);
    // An unknown Rutoken, by its historical bytes, and the same with a wrong check byte.
    let atr = |last| {
        // TD1 says T=1, and that TA2 follows.
        let mut atr = b"\x3b\x8b\x11\x41Rutoken ECP".to_vec();
        atr.push(last);
        atr
    };
    let right = atr(0xa0 ^ 0x01 ^ 0x11 ^ 0x41);
    assert_eq!(name_of(&right).as_deref(), Some("Rutoken ECP"));
    assert_eq!(name_of(&atr(0)), None);
}

#[test]
fn the_whole_answer_comes_before_a_pattern_and_that_before_the_parts() {
    let identify = |atr: &str, reader| {
        let atr: Atr = atr.parse().unwrap();
        CardModel::identify(atr.as_bytes(), reader).map(|model| model.name().to_owned())
    };
    // A pattern of IDPrime MD fits it, too.
    let idprime = "3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 85 59 56 FB 12 0F FE 82 90 00 00";
    assert_eq!(
        identify(idprime, "Rutoken ECP 0").as_deref(),
        Some("eToken 5110 CC")
    );
    // Its historical bytes are those of a Rutoken ECP SC.
    let nfc = "3B 9C 97 80 11 40 52 75 74 6F 6B 65 6E 45 43 50 73 63 C0";
    assert_eq!(identify(nfc, "").as_deref(), Some("Rutoken ECP 3.0"));
    let unknown = "3B 02 14 50";
    assert_eq!(identify(unknown, READER), None);
    let by_reader = |reader| identify(unknown, reader);
    assert_eq!(
        by_reader("Aktiv Rutoken ECP 00 00").as_deref(),
        Some("Rutoken ECP")
    );
    assert_eq!(
        by_reader("Aktiv Rutoken lite 00 00").as_deref(),
        Some("Rutoken Lite")
    );
    assert_eq!(
        by_reader("Yubico YubiKey OTP+CCID").as_deref(),
        Some("YubiKey")
    );
    assert_eq!(by_reader("Aktiv Rutoken SCR 3001 Reader"), None);
    // A mute token in a reader of its own.
    let mute = CardModel::identify(&[], "Aladdin R.D. JaCarta 00 00").unwrap();
    assert_eq!(mute.name(), "JaCarta");
}

#[test]
fn added_models_come_first_and_are_replaced_by_name() {
    let atr = [0x3b, 0x04, 0xde, 0xad, 0xbe, 0xef];
    let model = || CardModel::new("Test card").with_family("YubiKey");
    let by_mask = model().with_atr("3B 04 DE AD .. ..").unwrap();
    by_mask.with_module("libfirst.so").add_to_catalog();
    let found = CardModel::identify(&atr, READER).unwrap();
    assert_eq!((found.name(), found.family()), ("Test card", "YubiKey"));
    assert_eq!(found.modules()[0], "libfirst.so");
    assert_eq!(found.modules().len(), 3);
    let by_part = model().with_historical_bytes(&atr[2..]).unwrap();
    by_part.with_vendor("Second").add_to_catalog();
    assert_eq!(
        CardModel::identify(&atr, READER).unwrap().vendor(),
        "Second"
    );
    let short = model().with_historical_bytes(b"abc");
    assert_eq!(short, Err(AtrError::TooFew { length: 3 }));
    assert_eq!(model().with_atr("3"), Err(AtrError::HalfByte));
    let long = "..".repeat(34);
    assert_eq!(
        model().with_atr(&long),
        Err(AtrError::TooLong { length: 34 })
    );
}

#[test]
fn the_table_is_sound() {
    for card in CARDS {
        for atr in card.atrs {
            assert!(atr.parse::<Pattern>().is_ok(), "{atr}");
        }
        let known = !card.atrs.is_empty() || !card.historical.is_empty();
        assert!(known && !card.vendor.is_empty(), "{}", card.name);
        for part in card.historical {
            assert!(part.len() >= FEWEST_HISTORICAL, "{}", card.name);
        }
        let twice = CARDS.iter().filter(|other| other.name == card.name).count();
        assert_eq!(twice, 1, "{}", card.name);
    }
}

#[test]
fn drivers_are_found_by_family_the_makers_before_opensc() {
    let files = |name: &str| {
        let all = CardModel::all();
        let model = all.iter().find(|model| model.name() == name).unwrap();
        let drivers = model.drivers().map(|driver| driver.windows[0]);
        drivers.collect::<Vec<_>>()
    };
    assert_eq!(
        files("Rutoken ECP SC"),
        ["rtPKCS11ECP.dll", "opensc-pkcs11.dll"]
    );
    assert_eq!(files("Rutoken S"), ["rtPKCS11.dll", "opensc-pkcs11.dll"]);
    assert_eq!(files("Rutoken ECP 3.0"), ["rtPKCS11ECP.dll"]);
    assert_eq!(files("YubiKey 5"), ["libykcs11.dll", "opensc-pkcs11.dll"]);
    assert_eq!(files("Kaztoken"), [""; 0]);
}
