//! What can be wrong with a PKCS#11 URI.

/// Why a string is no PKCS#11 URI.
///
/// Neither the string nor any value in it is repeated here, since it may hold a PIN: an error names
/// the attribute, or tells the place as a count of bytes from the start of the string.
///
/// # Example
/// ```
/// use keyfob::{Uri, UriError};
///
/// let error = "pkcs11:token=a;token=b".parse::<Uri>().unwrap_err();
/// assert!(matches!(&error, UriError::Duplicate { attribute } if attribute == "token"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// The string does not begin with `pkcs11:`.
    #[error("not a PKCS#11 URI: it must begin with \"pkcs11:\"")]
    Scheme,
    /// Something between separators is not `name=value` (RFC 7512, section 2.3).
    #[error(
        "the PKCS#11 URI has no name=value at byte {position}: separate attributes with one ';' \
         before the '?' and with one '&' after it"
    )]
    NotAnAttribute {
        /// Where it stands, in bytes from the start.
        position: usize,
    },
    /// An attribute's name has a character other than a letter, a digit, `-` or `_`.
    #[error(
        "the attribute name at byte {position} of the PKCS#11 URI is not made of letters, digits, \
         '-' and '_' alone: correct it, or percent-encode the value before it"
    )]
    Name {
        /// Where the name begins, in bytes from the start.
        position: usize,
    },
    /// A path attribute, or a standard query attribute, is there twice (RFC 7512, section 2.3).
    #[error("the PKCS#11 URI has the attribute \"{attribute}\" more than once: leave one")]
    Duplicate {
        /// The attribute's name.
        attribute: String,
    },
    /// A path attribute stands in the query, or a query attribute in the path.
    #[error("the PKCS#11 URI has \"{attribute}\" on the wrong side of the '?': move it {hint}")]
    Misplaced {
        /// The attribute's name.
        attribute: String,
        /// Where it belongs.
        hint: &'static str,
    },
    /// A value has a character that must be percent-encoded (RFC 7512, section 2.3).
    #[error(
        "the value of \"{attribute}\" in the PKCS#11 URI has a character at byte {position} that \
         must be percent-encoded: write a space as %20, '/' as %2F, '%' as %25, and so on"
    )]
    Unencoded {
        /// The attribute's name.
        attribute: String,
        /// Where the character stands, in bytes from the start.
        position: usize,
    },
    /// A `%` is not followed by two hexadecimal digits (RFC 3986, section 2.1).
    #[error(
        "the value of \"{attribute}\" in the PKCS#11 URI has a '%' at byte {position} without two \
         hexadecimal digits after it: write '%' itself as %25"
    )]
    Escape {
        /// The attribute's name.
        attribute: String,
        /// Where the `%` stands, in bytes from the start.
        position: usize,
    },
    /// A value that is text is not UTF-8 when percent-decoded.
    #[error(
        "the value of \"{attribute}\" in the PKCS#11 URI is not UTF-8 text: percent-encode its \
         UTF-8 bytes (only \"id\" and \"pin-value\" may hold any bytes)"
    )]
    NotText {
        /// The attribute's name.
        attribute: String,
    },
    /// A value is not what its attribute takes.
    #[error("the value of \"{attribute}\" in the PKCS#11 URI is not {expected}: correct it")]
    Value {
        /// The attribute's name.
        attribute: String,
        /// What the attribute takes.
        expected: &'static str,
    },
    /// Both `pin-source` and `pin-value` are there (RFC 7512, section 2.4).
    #[error("the PKCS#11 URI has both \"pin-source\" and \"pin-value\": leave one")]
    TwoPins,
}
