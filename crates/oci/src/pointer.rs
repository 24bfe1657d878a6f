//! JSON pointers (RFC 6901): where in a document something stands.
//!
//! Every error and warning of this crate names its place in this form, so plans and explanations can
//! refer to the same place. The borrowed form costs nothing while all is well.

use std::fmt;

/// A place on the way down a document; displays as `/linux/devices/0/path`, the root as nothing.
#[derive(Debug, Clone, Copy)]
pub enum Pointer<'a> {
    /// The whole document.
    Root,
    /// A member of an object.
    Key(&'a Pointer<'a>, &'a str),
    /// An element of an array.
    Index(&'a Pointer<'a>, usize),
}

impl Pointer<'_> {
    /// The member `key` of the object that stands here.
    #[must_use]
    pub const fn key<'a>(&'a self, key: &'a str) -> Pointer<'a> {
        Pointer::Key(self, key)
    }

    /// The element `index` of the array that stands here.
    #[must_use]
    pub const fn index(&self, index: usize) -> Pointer<'_> {
        Pointer::Index(self, index)
    }
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(parent, key) => {
                write!(f, "{parent}/")?;
                key.split('~').enumerate().try_for_each(|(nth, part)| {
                    if nth > 0 {
                        f.write_str("~0")?;
                    }
                    f.write_str(&part.replace('/', "~1"))
                })
            }
            Self::Index(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pointer;

    #[test]
    fn escapes_as_the_rfc_says() {
        let root = Pointer::Root;
        let annotations = root.key("annotations");
        assert_eq!(annotations.key("a/b~c").to_string(), "/annotations/a~1b~0c");
        assert_eq!(root.key("mounts").index(3).to_string(), "/mounts/3");
        assert_eq!(root.to_string(), "");
        assert_eq!(root.key("").to_string(), "/");
    }
}
