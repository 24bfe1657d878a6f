//! The forms in which producers write "not set": a missing key, JSON null, the empty string, once a -1.
//!
//! Most engines are Go programs whose encoder writes `null` for an empty slice and whose decoder cannot
//! tell an empty string from a missing one. Read in one place, all mean the same to the rest of us.

use serde::{Deserialize, Deserializer};

/// JSON null reads as the default of `T`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// JSON null and the empty string read as `None`.
pub(crate) fn empty_as_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<String>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()).map(T::from))
}

/// JSON null and the largest number, which is a signed -1 in unsigned clothes, read as `None`.
pub(crate) fn minus_one_as_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    Ok(Option::<u64>::deserialize(deserializer)?.filter(|number| *number != u64::MAX))
}

/// Whether a bool has the value that a missing key means.
// serde hands skip predicates a reference.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}
