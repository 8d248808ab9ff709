//! PKCS#11 URIs: names for tokens, and for the keys and certificates on them.
//!
//! RFC 7512. Reading is in `parse.rs`, writing in `write.rs`; what can be wrong with a URI is in
//! `error.rs`.

mod error;
mod parse;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

pub use error::UriError;

/// A PKCS#11 URI: names a token, or a key or certificate on one (RFC 7512).
///
/// A URI is a filter: each attribute in it narrows what it names, an attribute that is not in it
/// matches anything, and `pkcs11:` alone matches everything (RFC 7512, section 2.5). An attribute
/// that is there with an empty value matches an empty field only, so accessors give `Some("")`
/// for the one and `None` for the other.
///
/// - **Read** with [`str::parse`] or `TryFrom<&str>`. The scheme and the standard attribute names
///   are read in any case. Text values are percent-decoded and must be UTF-8; `id` is bytes.
/// - **Written** with `Display`: attributes in a fixed order, what has to be percent-encoded
///   encoded, `id` encoded whole. Reading it again gives an equal `Uri`, but for what is said next.
/// - **PINs are not written.** `Display` and `Debug` leave out `pin-value`, and the value of any
///   vendor attribute whose name looks like a secret's (it contains `pin`, `pass` or `secret`).
///   Both kinds are wiped from memory when the `Uri` is dropped. The string that was read is the
///   caller's: wiping it is up to them.
/// - **Compared** by attributes and their decoded values, whatever the order or the encoding in the
///   string; library version `3` is `3.0` (RFC 7512, section 2.6).
/// - **Attributes this crate does not know** are kept as vendor attributes. In the path they make
///   the URI match nothing; in the query they are ignored (RFC 7512, section 2.5).
///
/// # Example
/// ```
/// use keyfob::{ObjectType, Uri};
///
/// let uri: Uri = "pkcs11:token=Rutoken%20ECP;serial=3a1f77b2;id=%01%FF;type=private".parse()?;
/// assert_eq!(uri.token(), Some("Rutoken ECP"));
/// assert_eq!(uri.id(), Some(&[0x01, 0xFF][..]));
/// assert_eq!(uri.object_type(), Some(ObjectType::Private));
/// assert_eq!(uri.model(), None);
///
/// let same = Uri::new()
///     .with_type(ObjectType::Private)
///     .with_token("Rutoken ECP")
///     .with_serial("3a1f77b2")
///     .with_id([0x01, 0xFF]);
/// assert_eq!(same, uri);
/// assert_eq!(same.to_string(), "pkcs11:serial=3a1f77b2;token=Rutoken%20ECP;id=%01%FF;type=private");
/// # Ok::<(), keyfob::UriError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Uri {
    /// The standard text attributes, by name.
    texts: BTreeMap<&'static str, String>,
    library_version: Option<(u8, u8)>,
    slot_id: Option<u64>,
    id: Option<Vec<u8>>,
    object_type: Option<ObjectType>,
    pin_value: Option<Zeroizing<Vec<u8>>>,
    vendor_path: VendorAttributes,
    vendor_query: VendorAttributes,
}

/// Values wiped on drop, since an unknown attribute may hold a PIN. A name can come more than once
/// in the query, and the order among its values is kept.
type VendorAttributes = BTreeMap<String, Vec<Zeroizing<String>>>;

/// The path attributes that hold text.
const PATH_TEXTS: [&str; 8] = [
    "library-manufacturer",
    "library-description",
    "slot-manufacturer",
    "slot-description",
    "model",
    "manufacturer",
    "serial",
    "token",
];

/// `object` is text too, but is written after `id`.
const OBJECT: &str = "object";

/// The query attributes that hold text.
const QUERY_TEXTS: [&str; 3] = ["module-name", "module-path", "pin-source"];

impl Uri {
    /// The URI that matches everything: `pkcs11:`.
    ///
    /// # Example
    /// ```
    /// assert_eq!(keyfob::Uri::new().to_string(), "pkcs11:");
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether `text` begins as a PKCS#11 URI does, with `pkcs11:` in any case.
    ///
    /// It tells a URI from a label, a serial number or a path; it does not say that the URI is well
    /// formed.
    ///
    /// # Example
    /// ```
    /// use keyfob::Uri;
    ///
    /// assert!(Uri::looks_like("PKCS11:token=a"));
    /// assert!(!Uri::looks_like("/usr/lib/pkcs11/opensc-pkcs11.so"));
    /// ```
    #[must_use]
    pub fn looks_like(text: &str) -> bool {
        parse::without_scheme(text).is_some()
    }
}

/// An accessor and a setter for each text attribute. Their examples are alike, so a macro writes
/// them.
macro_rules! text_attributes {
    ($($(#[doc = $doc:literal])+ $name:literal in $start:literal => $get:ident, $with:ident;)+) => {
        impl Uri {
            $(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = concat!("The value of `", $name, "`, percent-decoded (RFC 7512, section 2.3).")]
                #[doc = ""]
                #[doc = "# Example"]
                #[doc = "```"]
                #[doc = concat!("let uri: keyfob::Uri = \"", $start, $name, "=My%20value\".parse()?;")]
                #[doc = concat!("assert_eq!(uri.", stringify!($get), "(), Some(\"My value\"));")]
                #[doc = "# Ok::<(), keyfob::UriError>(())"]
                #[doc = "```"]
                #[must_use]
                pub fn $get(&self) -> Option<&str> {
                    self.text($name)
                }

                text_attributes!(@setter $name in $start => $with);
            )+
        }
    };
    (@setter $name:literal in $start:literal => $with:ident) => {
        #[doc = concat!("Sets `", $name, "`, given as plain text: `Display` percent-encodes it (RFC 7512,")]
        #[doc = "section 2.3)."]
        #[doc = ""]
        #[doc = "# Example"]
        #[doc = "```"]
        #[doc = concat!("let uri = keyfob::Uri::new().", stringify!($with), "(\"My value\");")]
        #[doc = concat!("assert_eq!(uri.to_string(), \"", $start, $name, "=My%20value\");")]
        #[doc = "```"]
        #[must_use]
        pub fn $with(mut self, value: impl Into<String>) -> Self {
            self.texts.insert($name, value.into());
            self
        }
    };
}

text_attributes! {
    /// The token's label (`CK_TOKEN_INFO.label` without its padding).
    "token" in "pkcs11:" => token, with_token;
    /// The token's manufacturer (`CK_TOKEN_INFO.manufacturerID` without its padding).
    "manufacturer" in "pkcs11:" => manufacturer, with_manufacturer;
    /// The token's serial number (`CK_TOKEN_INFO.serialNumber` without its padding).
    "serial" in "pkcs11:" => serial, with_serial;
    /// The token's model (`CK_TOKEN_INFO.model` without its padding).
    "model" in "pkcs11:" => model, with_model;
    /// What the module says of the slot (`CK_SLOT_INFO.slotDescription` without its padding):
    /// commonly the reader's name.
    "slot-description" in "pkcs11:" => slot_description, with_slot_description;
    /// The slot's manufacturer (`CK_SLOT_INFO.manufacturerID` without its padding).
    "slot-manufacturer" in "pkcs11:" => slot_manufacturer, with_slot_manufacturer;
    /// The module's manufacturer (`CK_INFO.manufacturerID` without its padding).
    "library-manufacturer" in "pkcs11:" => library_manufacturer, with_library_manufacturer;
    /// What the module says of itself (`CK_INFO.libraryDescription` without its padding).
    "library-description" in "pkcs11:" => library_description, with_library_description;
    /// The label of the key or certificate (`CKA_LABEL`).
    "object" in "pkcs11:" => object, with_object;
    /// The module's name, neither a path nor a file name: p11-kit's name for it, or the file's name
    /// without the likes of `lib` and `.so`. Compare it without regard to case (RFC 7512, section
    /// 2.4).
    "module-name" in "pkcs11:?" => module_name, with_module_name;
    /// Where the PIN is to be read from: a `file:` URI, a path, or a command after `|`
    /// (RFC 7512, section 2.4). It runs code or reads files on behalf of whoever wrote the URI, so
    /// nothing acts on it unless the caller asks for that.
    "pin-source" in "pkcs11:?" => pin_source, with_pin_source;
}

impl Uri {
    text_attributes!(@setter "module-path" in "pkcs11:?" => with_module_path);

    /// The file to load the PKCS#11 module from.
    ///
    /// The value of `module-path`, percent-decoded (RFC 7512, section 2.4). It runs the code in that
    /// file, so nothing acts on it unless the caller asks for that, and a relative path is refused
    /// where it would be loaded.
    ///
    /// # Example
    /// ```
    /// # use std::path::Path;
    /// let uri: keyfob::Uri = "pkcs11:?module-path=/usr/lib/opensc-pkcs11.so".parse()?;
    /// assert_eq!(uri.module_path(), Some(Path::new("/usr/lib/opensc-pkcs11.so")));
    /// # Ok::<(), keyfob::UriError>(())
    /// ```
    #[must_use]
    pub fn module_path(&self) -> Option<&Path> {
        self.text("module-path").map(Path::new)
    }

    /// The slot's number (`CK_SLOT_ID`, decimal in the URI; RFC 7512, section 2.3).
    ///
    /// A token's slot number can change whenever a module is loaded or a reader plugged in: it is
    /// no name to keep.
    ///
    /// # Example
    /// ```
    /// let uri: keyfob::Uri = "pkcs11:slot-id=327".parse()?;
    /// assert_eq!(uri.slot_id(), Some(327));
    /// # Ok::<(), keyfob::UriError>(())
    /// ```
    #[must_use]
    pub fn slot_id(&self) -> Option<u64> {
        self.slot_id
    }

    /// Sets `slot-id` (RFC 7512, section 2.3).
    ///
    /// # Example
    /// ```
    /// assert_eq!(keyfob::Uri::new().with_slot_id(327).to_string(), "pkcs11:slot-id=327");
    /// ```
    #[must_use]
    pub fn with_slot_id(mut self, slot: u64) -> Self {
        self.slot_id = Some(slot);
        self
    }

    /// The module's version, major and minor (`CK_INFO.libraryVersion`; RFC 7512, section 2.3). A
    /// minor version that is not written is 0.
    ///
    /// # Example
    /// ```
    /// let uri: keyfob::Uri = "pkcs11:library-version=3".parse()?;
    /// assert_eq!(uri.library_version(), Some((3, 0)));
    /// # Ok::<(), keyfob::UriError>(())
    /// ```
    #[must_use]
    pub fn library_version(&self) -> Option<(u8, u8)> {
        self.library_version
    }

    /// Sets `library-version` (RFC 7512, section 2.3).
    ///
    /// # Example
    /// ```
    /// let uri = keyfob::Uri::new().with_library_version(2, 40);
    /// assert_eq!(uri.to_string(), "pkcs11:library-version=2.40");
    /// ```
    #[must_use]
    pub fn with_library_version(mut self, major: u8, minor: u8) -> Self {
        self.library_version = Some((major, minor));
        self
    }

    /// The bytes of the object's `CKA_ID` (RFC 7512, section 2.3).
    ///
    /// # Example
    /// ```
    /// let uri: keyfob::Uri = "pkcs11:id=%00%9FA".parse()?;
    /// assert_eq!(uri.id(), Some(&[0x00, 0x9F, b'A'][..]));
    /// # Ok::<(), keyfob::UriError>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    /// Sets `id`, the object's `CKA_ID`, given as bytes (RFC 7512, section 2.3).
    ///
    /// # Example
    /// ```
    /// assert_eq!(keyfob::Uri::new().with_id([0x00, 0x9F]).to_string(), "pkcs11:id=%00%9F");
    /// ```
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Vec<u8>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The object's class (`CKA_CLASS`; RFC 7512, section 2.3).
    ///
    /// # Example
    /// ```
    /// let uri: keyfob::Uri = "pkcs11:type=cert".parse()?;
    /// assert_eq!(uri.object_type(), Some(keyfob::ObjectType::Certificate));
    /// # Ok::<(), keyfob::UriError>(())
    /// ```
    #[must_use]
    pub fn object_type(&self) -> Option<ObjectType> {
        self.object_type
    }

    /// Sets `type`, the object's class (RFC 7512, section 2.3).
    ///
    /// # Example
    /// ```
    /// use keyfob::{ObjectType, Uri};
    ///
    /// assert_eq!(Uri::new().with_type(ObjectType::Private).to_string(), "pkcs11:type=private");
    /// ```
    #[must_use]
    pub fn with_type(mut self, object_type: ObjectType) -> Self {
        self.object_type = Some(object_type);
        self
    }

    /// The PIN written in the URI, percent-decoded.
    ///
    /// The value of `pin-value` (RFC 7512, section 2.4). A PIN in a URI ends up in shell histories,
    /// process lists and configuration files; nothing uses it unless the caller asks for that.
    /// `Display` and `Debug` leave it out, and it is wiped when the `Uri` is dropped. There is no
    /// setter.
    ///
    /// # Example
    /// ```
    /// let uri: keyfob::Uri = "pkcs11:token=a?pin-value=12345678".parse()?;
    /// assert_eq!(uri.pin_value(), Some(&b"12345678"[..]));
    /// assert_eq!(uri.to_string(), "pkcs11:token=a");
    /// # Ok::<(), keyfob::UriError>(())
    /// ```
    #[must_use]
    pub fn pin_value(&self) -> Option<&[u8]> {
        self.pin_value.as_ref().map(|pin| pin.as_slice())
    }

    /// The path attributes that RFC 7512 does not define, as name and percent-decoded value.
    ///
    /// Nothing on a token is known by them, so a URI that has one matches nothing (RFC 7512, section
    /// 2.5).
    ///
    /// # Example
    /// ```
    /// let uri: keyfob::Uri = "pkcs11:token=a;x-colour=dark%20blue".parse()?;
    /// assert_eq!(uri.vendor_path_attributes().collect::<Vec<_>>(), [("x-colour", "dark blue")]);
    /// # Ok::<(), keyfob::UriError>(())
    /// ```
    pub fn vendor_path_attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.vendor_path)
    }

    /// The query attributes that RFC 7512 does not define, as name and percent-decoded value. They
    /// are sorted by name; a name may come more than once, its values then in the URI's order.
    ///
    /// They do not bear on what the URI matches (RFC 7512, section 2.5).
    ///
    /// # Example
    /// ```
    /// let uri: keyfob::Uri = "pkcs11:?x-slot=b&x-slot=a".parse()?;
    /// let found: Vec<_> = uri.vendor_query_attributes().collect();
    /// assert_eq!(found, [("x-slot", "b"), ("x-slot", "a")]);
    /// # Ok::<(), keyfob::UriError>(())
    /// ```
    pub fn vendor_query_attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.vendor_query)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }
}

fn pairs(attributes: &VendorAttributes) -> impl Iterator<Item = (&str, &str)> {
    attributes.iter().flat_map(|(name, values)| {
        values
            .iter()
            .map(move |value| (name.as_str(), value.as_str()))
    })
}

/// The class of object that a URI names: its `type` attribute (RFC 7512, section 2.3).
///
/// # Example
/// ```
/// assert_eq!(keyfob::ObjectType::SecretKey.to_string(), "secret-key");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectType {
    /// `public`: a public key.
    Public,
    /// `private`: a private key.
    Private,
    /// `cert`: a certificate.
    Certificate,
    /// `secret-key`: a symmetric key.
    SecretKey,
    /// `data`: bytes of an application's own.
    Data,
}

impl ObjectType {
    const ALL: [Self; 5] = [
        Self::Public,
        Self::Private,
        Self::Certificate,
        Self::SecretKey,
        Self::Data,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Certificate => "cert",
            Self::SecretKey => "secret-key",
            Self::Data => "data",
        }
    }
}

impl fmt::Display for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
