//! The tables. A line here is all it takes to make a module known.
//!
//! Sources are the vendors' packages and installation guides. Kaztoken, AKEY, the Kazakhstan
//! identity card and ViPNet have no file name that is publicly known: their users name the module.

/// A vendor's PKCS#11 module.
///
/// The file names of one system are one module under several names, the likeliest first. A bare
/// name is looked for in the system's usual folders, an absolute path where it says, with `*` for
/// any one folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Driver {
    /// What to install to have it.
    pub(crate) name: &'static str,
    pub(crate) serves: Serves,
    /// The token families that it serves: those of `card/table.rs`, and others.
    pub(crate) drives: &'static [&'static str],
    pub(crate) linux: &'static [&'static str],
    pub(crate) macos: &'static [&'static str],
    pub(crate) windows: &'static [&'static str],
    /// Left alone unless this environment variable is set: without it, the module has no tokens.
    pub(crate) needs_env: Option<&'static str>,
}

/// Where a module is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serves {
    /// Where a card is present of a family that it drives.
    ItsCards,
    /// There, and where a card is present that is not known by name.
    UnknownCards,
    /// Everywhere: it has tokens that are in no reader.
    NoCard,
}

/// The known modules, vendors' own before OpenSC, which drives many of the same tokens and knows
/// less of them.
pub(crate) static DRIVERS: [Driver; 13] = [
    Driver {
        name: "librtpkcs11ecp",
        serves: Serves::ItsCards,
        drives: &[
            "Rutoken ECP",
            "Rutoken ECP 2.0",
            "Rutoken ECP 3.0",
            "Rutoken ECP Bluetooth",
            "Rutoken PINPad",
            "Rutoken 2151",
            "Rutoken Lite",
        ],
        linux: &[
            "librtpkcs11ecp.so",
            "/opt/aktivco/rutokenecp/*/librtpkcs11ecp.so",
        ],
        macos: &["/Library/Frameworks/rtpkcs11ecp.framework/rtpkcs11ecp"],
        windows: &["rtPKCS11ECP.dll"],
        needs_env: None,
    },
    Driver {
        name: "rtPKCS11",
        serves: Serves::ItsCards,
        drives: &["Rutoken S"],
        linux: &[],
        macos: &[],
        windows: &["rtPKCS11.dll"],
        needs_env: None,
    },
    Driver {
        name: "JaCarta Unified Client",
        serves: Serves::ItsCards,
        drives: &["JaCarta PKI", "JaCarta GOST", "JaCarta LT", "JaCarta"],
        linux: &["libjcPKCS11-2.so"],
        macos: &["/Library/Frameworks/jcPKCS11-2.framework/jcPKCS11-2"],
        windows: &["jcPKCS11-2.dll"],
        needs_env: None,
    },
    // Old clients of JaCarta PKI.
    Driver {
        name: "libASEPKCS",
        serves: Serves::ItsCards,
        drives: &["JaCarta PKI"],
        linux: &["libASEPKCS.so"],
        macos: &[],
        windows: &[],
        needs_env: None,
    },
    Driver {
        name: "SafeNet Authentication Client",
        serves: Serves::ItsCards,
        drives: &["eToken", "eToken PRO"],
        linux: &["libeToken.so", "libeTPkcs11.so"],
        macos: &["libeTPkcs11.dylib"],
        windows: &["eTPKCS11.dll"],
        needs_env: None,
    },
    Driver {
        name: "SafeNet Authentication Client",
        serves: Serves::ItsCards,
        drives: &["eToken 5110 CC", "IDPrime"],
        linux: &["libIDPrimePKCS11.so"],
        macos: &["libIDPrimePKCS11.dylib"],
        windows: &["IDPrimePKCS1164.dll"],
        needs_env: None,
    },
    Driver {
        name: "ESMART PKI Client",
        serves: Serves::ItsCards,
        drives: &["ESMART Token"],
        linux: &["libisbc_pkcs11_main.so"],
        macos: &[],
        windows: &["isbc_pkcs11_main.dll"],
        needs_env: None,
    },
    Driver {
        name: "CryptoPro CSP",
        serves: Serves::NoCard,
        drives: &["CryptoPro CSP"],
        linux: &["/opt/cprocsp/lib/*/libcppkcs11.so"],
        macos: &[],
        windows: &[],
        needs_env: None,
    },
    Driver {
        name: "ykcs11",
        serves: Serves::ItsCards,
        drives: &["YubiKey"],
        linux: &["libykcs11.so.2", "libykcs11.so"],
        macos: &["libykcs11.dylib"],
        windows: &["libykcs11.dll"],
        needs_env: None,
    },
    Driver {
        name: "OpenSC",
        serves: Serves::UnknownCards,
        drives: &[
            "Rutoken ECP",
            "Rutoken Lite",
            "Rutoken S",
            "PIV",
            "ePass2003",
            "OpenPGP",
            "YubiKey",
            "Nitrokey 3",
            "SmartCard-HSM",
            "eToken PRO",
            "IDPrime",
            "Belgian eID",
            "Estonian ID card",
            "Latvian ID card",
            "Lithuanian ID card",
        ],
        linux: &["opensc-pkcs11.so"],
        macos: &["opensc-pkcs11.so"],
        windows: &["opensc-pkcs11.dll"],
        needs_env: None,
    },
    Driver {
        name: "SoftHSM",
        serves: Serves::NoCard,
        drives: &["SoftHSM 2"],
        linux: &["softhsm/libsofthsm2.so", "libsofthsm2.so"],
        macos: &["softhsm/libsofthsm2.so"],
        windows: &["softhsm2-x64.dll"],
        needs_env: None,
    },
    Driver {
        name: "tpm2-pkcs11",
        serves: Serves::NoCard,
        drives: &["TPM 2.0"],
        linux: &["libtpm2_pkcs11.so.1", "libtpm2_pkcs11.so"],
        macos: &[],
        windows: &[],
        needs_env: None,
    },
    // Tokens of another machine.
    Driver {
        name: "p11-kit",
        serves: Serves::NoCard,
        drives: &["p11-kit server"],
        linux: &["p11-kit-client.so"],
        macos: &[],
        windows: &[],
        needs_env: Some("P11_KIT_SERVER_ADDRESS"),
    },
];

/// What sets the tokens apart that fit every condition given.
pub(super) struct Quirk {
    /// How `CK_TOKEN_INFO.model` begins.
    pub(super) model: Option<&'static str>,
    /// How `CK_TOKEN_INFO.manufacturerID` begins.
    pub(super) manufacturer: Option<&'static str>,
    /// A part of the module's file name, in lower case.
    pub(super) module_file: Option<&'static str>,
    /// PIN flags are shown only once a login has failed in the process.
    pub(super) pin_flags_after_failure: bool,
}

pub(super) static QUIRKS: [Quirk; 3] = [
    // OpenSC asks the card for the tries left only when a PIN is refused.
    Quirk {
        model: None,
        manufacturer: None,
        module_file: Some("opensc-pkcs11"),
        pin_flags_after_failure: true,
    },
    // tpm2-pkcs11 sets none of these flags ever; its fourth wrong PIN is answered by a lock.
    Quirk {
        model: None,
        manufacturer: None,
        module_file: Some("libtpm2_pkcs11"),
        pin_flags_after_failure: true,
    },
    // OpenSC behind p11-kit's proxy or client, which have other file names.
    Quirk {
        model: Some("PKCS#15"),
        manufacturer: None,
        module_file: None,
        pin_flags_after_failure: true,
    },
];

/// How the file names begin of modules whose tokens are another machine's, or may be: p11-kit's client
/// and its proxy, which goes by its library's name.
pub(super) const REMOTE: [&str; 3] = ["p11-kit-client", "p11-kit-proxy", "libp11-kit"];

/// How the file names begin of modules that say that they can be called by several threads at once, and
/// cannot. When a connection breaks, p11-kit tells one of the threads that wait for an answer, and the
/// others wait for ever: those are in [`REMOTE`]. tpm2-pkcs11 enters sessions into its table without a
/// lock, so that two threads can be given one. Neither loses by it: the other side does one thing at a
/// time.
pub(super) const RACY: [&str; 1] = ["libtpm2_pkcs11"];

/// Debian's folder for this architecture's libraries.
pub(super) const MULTIARCH: Option<&str> = if cfg!(target_arch = "x86_64") {
    Some("x86_64-linux-gnu")
} else if cfg!(target_arch = "aarch64") {
    Some("aarch64-linux-gnu")
} else if cfg!(target_arch = "x86") {
    Some("i386-linux-gnu")
} else if cfg!(target_arch = "arm") {
    Some("arm-linux-gnueabihf")
} else if cfg!(target_arch = "riscv64") {
    Some("riscv64-linux-gnu")
} else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
    Some("powerpc64le-linux-gnu")
} else if cfg!(target_arch = "s390x") {
    Some("s390x-linux-gnu")
} else if cfg!(target_arch = "loongarch64") {
    Some("loongarch64-linux-gnu")
} else {
    None
};
