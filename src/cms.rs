//! Signed documents: CMS SignedData (RFC 5652) and CAdES (ETSI EN 319 122), made and checked.
