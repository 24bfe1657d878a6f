//! BTF, the kernel's own description of its types and functions (Documentation/bpf/btf.rst): which number a name has.
//!
//! bpf(2) takes that number for whatever is attached to a function of the kernel.

/// What a name stands for: `BTF_KIND_*` of linux/btf.h.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// A typedef.
    Typedef = 8,
    /// A function.
    Function = 12,
}

/// `BTF_MAGIC` as the first bytes of a little-endian kernel's.
const MAGIC: [u8; 2] = [0x9f, 0xeb];
/// Size of the part that every type has, `struct btf_type`.
const TYPE: usize = 12;

/// The number of a named type in the content of `/sys/kernel/btf/vmlinux`; none where there is no such name, or the
/// content is of another form, or has a kind of type whose size is not known here.
#[must_use]
pub fn find(btf: &[u8], kind: Kind, name: &str) -> Option<u32> {
    let number = |at: usize| {
        let bytes = btf.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let size = |at: usize| number(at).and_then(|n| usize::try_from(n).ok());
    if btf.get(..2)? != MAGIC {
        return None;
    }
    // struct btf_header: the sections count from its end.
    let header = size(4)?;
    let section = |at: usize| {
        let start = header.checked_add(size(at)?)?;
        btf.get(start..start.checked_add(size(at + 4)?)?)
            .map(|bytes| (start, bytes))
    };
    let ((types, all), (_, texts)) = (section(8)?, section(16)?);
    let is_named = |offset: usize| {
        let text = texts.get(offset..)?.strip_prefix(name.as_bytes())?;
        (text.first() == Some(&0)).then_some(())
    };
    let (mut at, end) = (types, types + all.len());
    // Number 0 is void, which has no entry.
    let mut id = 1;
    while at < end {
        let info = number(at + 4)?;
        let (of, length) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        if of == kind as u32 && is_named(size(at)?).is_some() {
            return Some(id);
        }
        at = at.checked_add(TYPE + trailing(of, length)?)?;
        id += 1;
    }
    None
}

/// Bytes behind a type, by its kind and the length that it has.
fn trailing(kind: u32, length: usize) -> Option<usize> {
    Some(match kind {
        // Pointer, forward, typedef, volatile, const, restrict, function, float, type tag.
        2 | 7..=12 | 16 | 18 => 0,
        // Integer, variable, declaration tag.
        1 | 14 | 17 => 4,
        // Array.
        3 => 12,
        // Structure, union, section of data, enumeration of 64 bits.
        4 | 5 | 15 | 19 => length * 12,
        // Enumeration, prototype.
        6 | 13 => length * 8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An integer, a structure of two members, a typedef, a prototype and a function.
    fn sample() -> Vec<u8> {
        let texts = b"\0int\0pair\0name\0deed\0";
        let types: [&[u32]; 5] = [
            &[1, 1 << 24, 4, 0x20],                  // int
            &[5, 4 << 24 | 2, 8, 1, 1, 0, 1, 1, 32], // pair
            &[10, 8 << 24, 2],                       // name
            &[0, 13 << 24 | 1, 0, 1, 1],             // prototype
            &[15, 12 << 24 | 1, 4],                  // deed
        ];
        let types: Vec<u8> = types
            .concat()
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        let mut all = vec![0x9f, 0xeb, 1, 0];
        let header = [24, 0, types.len(), types.len(), texts.len()];
        all.extend(header.iter().flat_map(|&n| (n as u32).to_le_bytes()));
        all.extend(types);
        all.extend(texts);
        all
    }

    #[test]
    fn names_have_numbers() {
        let btf = sample();
        assert_eq!(find(&btf, Kind::Typedef, "name"), Some(3));
        assert_eq!(find(&btf, Kind::Function, "deed"), Some(5));
        // Of another kind, the beginning of a name, and no name.
        assert_eq!(find(&btf, Kind::Function, "name"), None);
        assert_eq!(find(&btf, Kind::Function, "dee"), None);
        assert_eq!(find(&btf, Kind::Typedef, "nothing"), None);
    }

    #[test]
    fn what_is_cut_short_has_none() {
        let btf = sample();
        for length in 0..btf.len() {
            assert_eq!(
                find(&btf[..length], Kind::Function, "deed"),
                None,
                "{length}"
            );
        }
        let mut other = btf;
        other[0] = 0;
        assert_eq!(find(&other, Kind::Function, "deed"), None);
    }
}
