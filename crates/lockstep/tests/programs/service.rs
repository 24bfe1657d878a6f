//! What is asked of every server: to answer, log, stop when it is asked to, come back with its data and after a crash.

use crate::player::Player;
use crate::stage::until;

pub(crate) struct Service<'a> {
    /// Options of `run`, image, program.
    pub(crate) run: &'a [&'a str],
    /// A client, executed inside, and a part of what it prints.
    pub(crate) ask: (&'a [&'a str], &'a str),
    /// A part of the log, once it has been asked.
    pub(crate) log: &'a str,
    /// How it ends when it is asked to stop.
    pub(crate) code: &'a str,
}

impl Service<'_> {
    /// The whole life of it; `check` looks closer while it runs.
    pub(crate) fn live(&self, t: &Player, check: impl Fn(&Player)) {
        let expects = ![self.ask.1, self.log].contains(&"");
        assert!(expects, "everything has an empty part: nothing is asked");
        let start = ["run", "-d", "--name", "s", "--restart", "on-failure:3"];
        t.call(&[&start, self.run].concat()).text();
        self.answers(t);
        check(t);
        assert!(
            until(|| self.logged(t).contains(self.log)),
            "no {:?} in {}",
            self.log,
            self.logged(t)
        );
        t.crash("s");
        self.answers(t);
        let count = t.field("s", "{{.RestartCount}}");
        assert_eq!(count, "1", "{}", self.logged(t));
        let begun = std::time::Instant::now();
        t.call(&["stop", "-t", "30", "s"]).text();
        assert!(begun.elapsed().as_secs() < 25, "it had to be killed");
        assert_eq!(
            t.field("s", "{{.State.Status}} {{.State.ExitCode}}"),
            format!("exited {}", self.code),
            "{}",
            self.logged(t)
        );
        t.call(&["start", "s"]).text();
        self.answers(t);
        t.call(&["rm", "-f", "s"]).text();
    }

    /// What it has written, to either stream.
    fn logged(&self, t: &Player) -> String {
        let output = t.call(&["logs", "s"]);
        output.stdout + &output.stderr
    }

    #[track_caller]
    fn answers(&self, t: &Player) {
        let ask = [&["exec", "s"], self.ask.0].concat();
        let mut last = None;
        let heard = until(|| {
            let output = t.call(&ask);
            let heard = output.code == 0 && output.stdout.contains(self.ask.1);
            last = Some(output);
            heard
        });
        assert!(heard, "{last:?}, log: {}", self.logged(t));
    }
}

/// A client of HTTP on the container's own loopback, in Python.
pub(crate) const GET: &str = "import urllib.request as u; \
    print(u.urlopen('http://127.0.0.1:8080/hello', timeout=5).read().decode())";
