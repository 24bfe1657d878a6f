//! What the fuzz targets and the property tests do with a text, and what must hold.
//!
//! One file for both, so that the smoke run on a stable toolchain is the same test as the long one.

use lockstep_oci::json;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a text as one kind of document. What is read is written and read again without a difference;
/// what is not read has an error with a text and a place in the text.
///
/// # Panics
///
/// One of these does not hold.
pub(crate) fn document<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(
    text: &[u8],
) -> Option<T> {
    let read: json::Document<T> = match json::parse(text) {
        Ok(read) => read,
        Err(error) => {
            assert!(
                !error.reason.is_empty() && !error.to_string().is_empty(),
                "{error:?}"
            );
            assert!(
                error.pointer.is_empty() || error.pointer.starts_with('/'),
                "{error:?}"
            );
            assert!(error.line <= text.len() + 1, "{error:?}");
            return None;
        }
    };
    let written = serde_json::to_vec(&read.value).expect("a document serialises");
    let again: json::Document<T> = json::parse(&written).expect("what was written is read");
    assert_eq!(again.value, read.value);
    assert_eq!(again.unknown, Vec::<String>::new());
    Some(read.value)
}
