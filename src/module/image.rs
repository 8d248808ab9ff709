//! Why a file cannot be loaded as a module, told in better words than the system's loader has.
//!
//! On systems with ELF libraries, the header is read: System V ABI, "ELF Header". On macOS and
//! Windows only a missing file, or something that is no file, is told apart; the loader tells the
//! rest.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Looks at the file without running anything in it. `Ok` does not promise that it loads: what it
/// depends on may be missing.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn examine(path: &Path) -> Result<(), ImageFault> {
    // Before it is opened: opening a pipe would wait for a writer.
    let metadata = fs::metadata(path).map_err(from_io)?;
    if !metadata.is_file() {
        return Err(ImageFault::NotAFile);
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(HEAD).read_to_end(&mut head))
        .map_err(from_io)?;
    if cfg!(any(windows, target_vendor = "apple")) {
        return Ok(());
    }
    examine_elf(&head, metadata.len())
}

/// What is wrong with a module's file.
#[derive(Debug)]
pub(crate) enum ImageFault {
    /// There is no such file, or a link that leads nowhere.
    Missing,
    /// A folder, a device or a pipe.
    NotAFile,
    /// It is there and cannot be read.
    Unreadable(io::Error),
    /// No library that could be loaded here.
    NotALibrary {
        /// What it is instead, as in "it is a …".
        found: &'static str,
    },
    /// A library for another machine.
    OtherArchitecture {
        /// What the file was made for, such as "32-bit x86".
        file: String,
        /// What this process is.
        ours: String,
    },
}

fn from_io(error: io::Error) -> ImageFault {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ImageFault::Missing,
        _ => ImageFault::Unreadable(error),
    }
}

/// The length of a 64-bit ELF header; a 32-bit one is 52.
const HEAD: u64 = 64;

fn examine_elf(head: &[u8], length: u64) -> Result<(), ImageFault> {
    let not_a_library = |found| Err(ImageFault::NotALibrary { found });
    if !head.starts_with(b"\x7fELF") {
        return not_a_library(guess(head));
    }
    let Some(header) = Header::read(head) else {
        return not_a_library("library cut short, or damaged");
    };
    // Before the architecture: a cut file is worth nothing on any machine.
    if header.tables_end > length {
        return not_a_library("library cut short, or damaged");
    }
    let ours = Machine::ours();
    let same_machine = ours.code.is_none() || header.machine.code == ours.code;
    if (header.machine.wide, header.machine.big_endian) != (ours.wide, ours.big_endian)
        || !same_machine
    {
        return Err(ImageFault::OtherArchitecture {
            file: header.machine.name(),
            ours: ours.name(),
        });
    }
    match header.kind {
        ET_DYN => Ok(()),
        ET_EXEC => not_a_library("program"),
        ET_REL => not_a_library("compiled object that was never linked"),
        ET_CORE => not_a_library("core dump"),
        _ => not_a_library("file of unknown ELF type"),
    }
}

const ET_REL: u16 = 1;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const ET_CORE: u16 = 4;

/// What a file without an ELF header is, by its first bytes.
fn guess(head: &[u8]) -> &'static str {
    const MACH_O: [&[u8]; 3] = [
        b"\xcf\xfa\xed\xfe",
        b"\xce\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe",
    ];
    if head.is_empty() {
        "empty file"
    } else if head.starts_with(b"MZ") {
        "Windows library"
    } else if MACH_O.iter().any(|magic| head.starts_with(magic)) {
        "macOS library"
    } else if head.starts_with(b"!<arch>\n") {
        "static library"
    } else if head
        .iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
    {
        "text file"
    } else {
        "file of another kind"
    }
}

struct Header {
    machine: Machine,
    kind: u16,
    /// Where the program headers end, without which nothing is loaded.
    tables_end: u64,
}

impl Header {
    /// `None` if the header is too short or says nonsense.
    fn read(head: &[u8]) -> Option<Self> {
        let wide = match head.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let big_endian = match head.get(5)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let number = |at: usize, length: usize| -> Option<u64> {
            let bytes = head.get(at..at.checked_add(length)?)?;
            let push = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
            Some(if big_endian {
                bytes.iter().fold(0, push)
            } else {
                bytes.iter().rev().fold(0, push)
            })
        };
        let half = |at| number(at, 2).and_then(|half| u16::try_from(half).ok());
        let (tables, entry_size, entries) = if wide {
            (number(32, 8)?, half(54)?, half(56)?)
        } else {
            (number(28, 4)?, half(42)?, half(44)?)
        };
        let size = u64::from(entry_size).checked_mul(u64::from(entries))?;
        Some(Self {
            machine: Machine {
                wide,
                big_endian,
                code: Some(half(18)?),
            },
            kind: half(16)?,
            tables_end: tables.checked_add(size)?,
        })
    }
}

/// What a library runs on.
struct Machine {
    /// 64-bit.
    wide: bool,
    big_endian: bool,
    /// `e_machine`; `None` where this crate does not know its own.
    code: Option<u16>,
}

impl Machine {
    fn ours() -> Self {
        Self {
            wide: cfg!(target_pointer_width = "64"),
            big_endian: cfg!(target_endian = "big"),
            code: MACHINES
                .iter()
                .find(|machine| machine.arch == std::env::consts::ARCH)
                .map(|machine| machine.code),
        }
    }

    fn name(&self) -> String {
        let bits = if self.wide { "64-bit" } else { "32-bit" };
        let Some(code) = self.code else {
            return format!("{bits} {}", std::env::consts::ARCH);
        };
        let Some(machine) = MACHINES.iter().find(|machine| machine.code == code) else {
            return format!("{bits} machine number {code}");
        };
        let order = match (machine.both_orders, self.big_endian) {
            (false, _) => "",
            (true, true) => " big-endian",
            (true, false) => " little-endian",
        };
        if machine.wide == self.wide {
            format!("{}{order}", machine.name)
        } else {
            format!("{bits} {}{order}", machine.name)
        }
    }
}

struct KnownMachine {
    code: u16,
    /// Rust's name for it.
    arch: &'static str,
    name: &'static str,
    /// Whether it is 64-bit as a rule, so that its name says enough.
    wide: bool,
    /// Whether libraries of either byte order are about.
    both_orders: bool,
}

const fn known(
    code: u16,
    arch: &'static str,
    name: &'static str,
    wide: bool,
    both_orders: bool,
) -> KnownMachine {
    KnownMachine {
        code,
        arch,
        name,
        wide,
        both_orders,
    }
}

/// `e_machine` codes, from the ELF registry.
static MACHINES: [KnownMachine; 11] = [
    known(3, "x86", "32-bit x86", false, false),
    known(8, "mips", "MIPS", false, true),
    known(8, "mips64", "MIPS", true, true),
    known(20, "powerpc", "32-bit PowerPC", false, false),
    known(21, "powerpc64", "PowerPC64", true, true),
    known(22, "s390x", "s390x", true, false),
    known(40, "arm", "32-bit ARM", false, false),
    known(62, "x86_64", "x86-64", true, false),
    known(183, "aarch64", "aarch64", true, false),
    known(243, "riscv64", "RISC-V 64", true, false),
    known(258, "loongarch64", "LoongArch64", true, false),
];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::temp_dir::TempDir;

    fn header(class: u8, order: u8, kind: u16, machine: u16) -> Vec<u8> {
        let mut head = vec![0; 64];
        head[..6].copy_from_slice(&[0x7F, b'E', b'L', b'F', class, order]);
        let half = |value: u16| match order {
            2 => value.to_be_bytes(),
            _ => value.to_le_bytes(),
        };
        head[16..18].copy_from_slice(&half(kind));
        head[18..20].copy_from_slice(&half(machine));
        head
    }

    fn ours(kind: u16) -> Vec<u8> {
        let machine = Machine::ours();
        header(
            1 + u8::from(machine.wide),
            1 + u8::from(machine.big_endian),
            kind,
            machine.code.unwrap(),
        )
    }

    fn examine_bytes(bytes: &[u8]) -> Result<(), ImageFault> {
        let dir = TempDir::new("image");
        examine(&dir.file("lib.so", bytes))
    }

    #[test]
    fn a_real_library_is_one() {
        let module = crate::catalog::System::Linux
            .folders()
            .into_iter()
            .map(|folder| folder.join("libc.so.6"))
            .find(|path| path.exists())
            .unwrap();
        examine(&module).unwrap();
        examine_bytes(&ours(ET_DYN)).unwrap();
    }

    #[test]
    fn no_file() {
        let dir = TempDir::new("image");
        let file = dir.file("file", "x");
        for path in [dir.path().join("none"), file.join("below")] {
            assert!(matches!(examine(&path), Err(ImageFault::Missing)));
        }
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(examine(&link), Err(ImageFault::Missing)));
        for path in [dir.path(), Path::new("/dev/null")] {
            assert!(matches!(examine(path), Err(ImageFault::NotAFile)));
        }
    }

    #[test]
    fn no_library() {
        let cut = &ours(ET_DYN)[..40];
        let mut lost_tables = ours(ET_DYN);
        lost_tables[32..40].fill(0x7F);
        for (bytes, what) in [
            (&b""[..], "empty file"),
            (b"INPUT ( /usr/lib/real.so )\n", "text file"),
            (b"MZ\x90\x00", "Windows library"),
            (b"\xcf\xfa\xed\xfe\x07", "macOS library"),
            (b"\x00\x01\x02", "file of another kind"),
            (b"\x7fELF", "library cut short, or damaged"),
            (cut, "library cut short, or damaged"),
            (&lost_tables, "library cut short, or damaged"),
            (&header(7, 1, ET_DYN, 62), "library cut short, or damaged"),
            (&ours(ET_EXEC), "program"),
            (&ours(ET_REL), "compiled object that was never linked"),
        ] {
            match examine_bytes(bytes) {
                Err(ImageFault::NotALibrary { found }) => assert_eq!(found, what),
                other => panic!("{what}: {other:?}"),
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn another_architecture() {
        for (head, name) in [
            (header(1, 1, ET_DYN, 3), "32-bit x86"),
            (header(2, 1, ET_DYN, 183), "aarch64"),
            (header(1, 1, ET_DYN, 40), "32-bit ARM"),
            (header(1, 1, ET_DYN, 62), "32-bit x86-64"),
            (header(2, 2, ET_DYN, 21), "PowerPC64 big-endian"),
            (header(2, 1, ET_DYN, 999), "64-bit machine number 999"),
        ] {
            match examine_bytes(&head) {
                Err(ImageFault::OtherArchitecture { file, ours }) => {
                    assert_eq!((file.as_str(), ours.as_str()), (name, "x86-64"));
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = examine_elf(&tail, 64);
            let _ = examine_elf(&[b"\x7fELF\x02\x01", &tail[..]].concat(), 64);
        }
    }
}
