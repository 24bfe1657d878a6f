//! Images: references, layouts and archives, safe unpacking, the store, and overlay mounts of layers.
//!
//! Everything that reaches an image from outside comes through here, and nothing of it starts a container:
//! the crate cannot reach `runtime`. It reads no environment; the store's directory is an argument.
//!
//! A run of an image is: [`Store::open`], then [`Store::load`] (of a [`Source`]) or [`Store::resolve`] (of a
//! [`Name`]), [`Store::claim`] under the container's id, [`Store::layers`], [`overlay::prepare_upper`],
//! [`Overlay::mount`]. When the container is removed: [`Store::release`].
//!
//! An ordinary user's store is changed inside the user namespace whose ids the containers have
//! (`lockstep_kernel::namespace::within`), because the files belong to them: [`Owners::Kept`] where the user has
//! subordinate ids, else [`Owners::Squashed`].
//!
//! What is read here is checked against digests, not against signatures: that is for the crate that knows keys.

mod archive;
mod error;
pub mod foreign;
mod limits;
pub mod overlay;
mod pax;
mod reference;
mod source;
mod store;
mod stream;
pub mod transfer;
pub mod unpack;

pub use error::{Details, Error, Kind, Result};
pub use limits::Limits;
pub use overlay::Overlay;
pub use reference::{Name, Reference, Source, Transport};
pub use store::{
    Format, Image, Layer, Load, Progress, Pruned, Removed, Store, Usage, platform_of_host,
};
pub use unpack::{Owners, Skipped, copy};
