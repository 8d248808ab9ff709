//! Whether the environment may be believed.

#[cfg(unix)]
use std::fs;

/// Whether the process can do more than the user who started it, and set its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    Ordinary,
    Elevated,
    /// It cannot be told. It is to be treated as elevated.
    Unknown,
}

impl Privilege {
    /// On Linux and Android, what the kernel told the dynamic loader (`AT_SECURE`): set-uid,
    /// set-gid, file capabilities, or a security module's word. A process that may not read its own
    /// `/proc` entry is such a one. Where there is no `/proc` at all it cannot be told, which is
    /// rare (a bare chroot) and costs `KEYFOB_MODULE` only.
    ///
    /// On other Unix systems, whether the program's file is set-uid or set-gid: a coarser answer,
    /// since a process started by such a program is taken for ordinary. On Windows a process is
    /// never elevated in this sense.
    pub(crate) fn of_this_process() -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            fs::read("/proc/self/auxv").map_or(Self::Unknown, |vector| Self::of_auxv(&vector))
        }
        #[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
        {
            use std::os::unix::fs::MetadataExt;
            const SET_ID: u32 = 0o6000;
            match env::current_exe().and_then(fs::metadata) {
                Ok(program) if program.mode() & SET_ID == 0 => Self::Ordinary,
                Ok(_) => Self::Elevated,
                Err(_) => Self::Unknown,
            }
        }
        #[cfg(not(unix))]
        {
            Self::Ordinary
        }
    }

    /// Reads the auxiliary vector: pairs of native words, type and value (getauxval(3)).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn of_auxv(vector: &[u8]) -> Self {
        const AT_SECURE: usize = 23;
        const WORD: usize = size_of::<usize>();
        let word = |bytes: &[u8]| bytes.try_into().map(usize::from_ne_bytes).ok();
        for pair in vector.chunks_exact(WORD * 2) {
            let (kind, value) = pair.split_at(WORD);
            if word(kind) == Some(AT_SECURE) {
                return match word(value) {
                    Some(0) => Self::Ordinary,
                    _ => Self::Elevated,
                };
            }
        }
        Self::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::Privilege;

    #[cfg(target_os = "linux")]
    #[test]
    fn privilege_is_read_from_the_auxiliary_vector() {
        let vector = |words: &[usize]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_ne_bytes()).collect()
        };
        let of = |words: &[usize]| Privilege::of_auxv(&vector(words));
        assert_eq!(of(&[6, 4096, 23, 0, 0, 0]), Privilege::Ordinary);
        assert_eq!(of(&[6, 4096, 23, 1, 0, 0]), Privilege::Elevated);
        // 23 as a value is not the type.
        assert_eq!(of(&[6, 23, 0, 0]), Privilege::Unknown);
        assert_eq!(of(&[6, 4096, 23]), Privilege::Unknown);
        assert_eq!(of(&[]), Privilege::Unknown);
        assert_eq!(Privilege::of_this_process(), Privilege::Ordinary);
    }
}
