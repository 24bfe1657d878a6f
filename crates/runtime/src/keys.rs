//! Keys that leave a terminal without ending what runs on it.

/// Looks for a sequence of keys in what is typed, and holds back what may be its beginning.
#[derive(Debug)]
pub struct Keys<'a> {
    sequence: &'a [u8],
    matched: usize,
}

impl<'a> Keys<'a> {
    /// An empty sequence is never typed.
    pub fn new(sequence: &'a [u8]) -> Keys<'a> {
        Keys {
            sequence,
            matched: 0,
        }
    }

    /// What goes to the program, and whether the sequence is complete behind it; what is typed after that is lost.
    pub fn take(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(typed.len());
        for byte in typed {
            if self.sequence.get(self.matched) == Some(byte) {
                self.matched += 1;
                if self.matched == self.sequence.len() {
                    self.matched = 0;
                    return (out, true);
                }
                continue;
            }
            // It was something else after all.
            out.extend_from_slice(&self.sequence[..self.matched]);
            self.matched = usize::from(self.sequence.first() == Some(byte));
            if self.matched == 0 {
                out.push(*byte);
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn a_beginning_that_leads_nowhere_is_typed_after_all() {
        let mut keys = Keys::new(&[16, 17]);
        assert_eq!(keys.take(b"ab"), (b"ab".to_vec(), false));
        assert_eq!(keys.take(&[16]), (vec![], false));
        assert_eq!(keys.take(b"x"), (vec![16, b'x'], false));
        assert_eq!(keys.take(&[16, 16]), (vec![16], false));
        assert_eq!(keys.take(&[17]), (vec![], true));
        assert_eq!(Keys::new(&[]).take(&[16, 17]), (vec![16, 17], false));
    }

    #[test]
    fn what_is_typed_before_the_keys_is_not_lost() {
        assert_eq!(
            Keys::new(&[16, 17]).take(b"two\n\x10\x11three"),
            (b"two\n".to_vec(), true)
        );
    }
}
