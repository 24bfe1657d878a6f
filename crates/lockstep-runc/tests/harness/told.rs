//! Whoever watches a machine is told of each test that begins and ends, so that a hang has a name.

/// A test that runs.
pub(crate) struct Told(pub(crate) String);

impl Told {
    /// Says so in a line that begins with `LOCKSTEP_TEST_MARK`, where that is set.
    pub(crate) fn begin(name: &str) -> Self {
        tell("test", name);
        Self(name.to_owned())
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        tell("tested", &self.0);
    }
}

#[allow(clippy::print_stdout, reason = "that is where the watcher reads")]
fn tell(word: &str, name: &str) {
    if let Ok(mark) = std::env::var("LOCKSTEP_TEST_MARK") {
        println!("{mark} {word} {name}");
    }
}
