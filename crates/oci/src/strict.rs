//! A deserialiser around another that notes ignored fields and takes objects only for structs.
//!
//! serde's derive alone skips unknown fields in silence and reads `["rootfs", true]` as a struct by the
//! order of its fields. Both would let a mistake in a configuration pass. An ignored field is noted by
//! its ordinals on the way down, not by its keys, so that a good document costs no string.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Where an ignored field stands: at each level, how many members or elements come before it.
pub(crate) type Ordinals = Vec<usize>;

/// Reads a value and gives the places of the fields that were ignored, in file order.
pub(crate) fn deserialize<'de, D, T>(inner: D) -> Result<(T, Vec<Ordinals>), D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let mut ignored = Vec::new();
    let value = T::deserialize(Strict {
        inner,
        note: Note {
            place: Place::Root,
            ignored: &mut ignored,
            object: false,
        },
    })?;
    Ok((value, ignored))
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Below(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn ordinals(&self) -> Ordinals {
        match self {
            Self::Root => Vec::new(),
            Self::Below(parent, ordinal) => {
                let mut ordinals = parent.ordinals();
                ordinals.push(*ordinal);
                ordinals
            }
        }
    }
}

/// What travels along with every deserialiser, visitor and access.
struct Note<'a> {
    place: Place<'a>,
    ignored: &'a mut Vec<Ordinals>,
    /// Whether a struct is being read, which errors call an object: its Rust name says nothing to a user.
    object: bool,
}

impl Note<'_> {
    fn below(&mut self, ordinal: usize) -> Note<'_> {
        Note {
            place: Place::Below(&self.place, ordinal),
            ignored: self.ignored,
            object: false,
        }
    }
}

struct Strict<'a, X> {
    inner: X,
    note: Note<'a>,
}

impl<'a, X> Strict<'a, X> {
    fn visitor<V>(visitor: V, note: Note<'a>) -> Strict<'a, V> {
        Strict {
            inner: visitor,
            note,
        }
    }
}

macro_rules! forward {
    ($($method:ident($($arg:ident: $type:ty),*);)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, D::Error> {
                self.inner.$method($($arg,)* Self::visitor(visitor, self.note))
            }
        )*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    forward! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        // The format's own `deserialize_struct` would also take an array.
        self.inner.deserialize_map(Self::visitor(
            visitor,
            Note {
                object: true,
                ..self.note
            },
        ))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.note.ignored.push(self.note.place.ordinals());
        self.inner.deserialize_ignored_any(visitor)
    }
}

macro_rules! visit {
    ($($method:ident($type:ty);)*) => {
        $(
            fn $method<E: serde::de::Error>(self, value: $type) -> Result<V::Value, E> {
                self.inner.$method(value)
            }
        )*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.note.object {
            f.write_str("an object")
        } else {
            self.inner.expecting(f)
        }
    }

    visit! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
        visit_f64(f64);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Strict {
            inner,
            note: self.note,
        })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Strict {
            inner,
            note: self.note,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Access {
            inner,
            note: self.note,
            ordinal: 0,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Access {
            inner,
            note: self.note,
            ordinal: 0,
        })
    }
}

struct Access<'a, A> {
    inner: A,
    note: Note<'a>,
    ordinal: usize,
}

impl<A> Access<'_, A> {
    /// The note for the next value.
    fn next(&mut self) -> (&mut A, Note<'_>) {
        let ordinal = self.ordinal;
        self.ordinal += 1;
        (&mut self.inner, self.note.below(ordinal))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Access<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let (inner, note) = self.next();
        inner.next_element_seed(Strict { inner: seed, note })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Access<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let (inner, note) = self.next();
        inner.next_value_seed(Strict { inner: seed, note })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Strict {
            inner,
            note: self.note,
        })
    }
}
