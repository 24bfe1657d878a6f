//! The walked verbs: from where each begins, and what it is called with.

use crate::setting::Setting;

/// A verb of the command line, as it is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Run,
    Create,
    Start,
    Exec,
    Kill,
    Pause,
    Resume,
    Update,
    State,
    List,
    Ps,
    Events,
    Delete,
    DeleteForce,
}

/// What there must be of the container before the verb is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Begin {
    Nothing,
    Created,
    Running,
    Paused,
}

impl Verb {
    pub(crate) const ALL: [Verb; 14] = [
        Verb::Run,
        Verb::Create,
        Verb::Start,
        Verb::Exec,
        Verb::Kill,
        Verb::Pause,
        Verb::Resume,
        Verb::Update,
        Verb::State,
        Verb::List,
        Verb::Ps,
        Verb::Events,
        Verb::Delete,
        Verb::DeleteForce,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Verb::Run => "run",
            Verb::Create => "create",
            Verb::Start => "start",
            Verb::Exec => "exec",
            Verb::Kill => "kill",
            Verb::Pause => "pause",
            Verb::Resume => "resume",
            Verb::Update => "update",
            Verb::State => "state",
            Verb::List => "list",
            Verb::Ps => "ps",
            Verb::Events => "events",
            Verb::Delete => "delete",
            Verb::DeleteForce => "delete-force",
        }
    }

    /// Whether it can do something there: what acts on a cgroup needs one.
    pub(crate) fn works(self, setting: Setting) -> bool {
        let on_cgroup = matches!(
            self,
            Verb::Pause | Verb::Resume | Verb::Update | Verb::Ps | Verb::Events
        );
        // Only who makes a process has to do with agents.
        (setting.has_cgroup() || !on_cgroup) && (!setting.has_agents() || self.births())
    }

    pub(crate) fn begin(self) -> Begin {
        match self {
            Verb::Run | Verb::Create => Begin::Nothing,
            Verb::Start | Verb::Delete => Begin::Created,
            Verb::Resume | Verb::DeleteForce => Begin::Paused,
            _ => Begin::Running,
        }
    }

    /// Whether it makes a container: then a failed one must leave none.
    pub(crate) fn makes(self) -> bool {
        matches!(self, Verb::Run | Verb::Create)
    }

    /// Whether a process of it becomes the container's.
    pub(crate) fn births(self) -> bool {
        self.makes() || matches!(self, Verb::Start | Verb::Exec)
    }

    /// Its arguments; `resources` is a file for `update`, `console` the socket that gets the terminal.
    pub(crate) fn arguments<'a>(
        self,
        id: &'a str,
        bundle: &'a str,
        resources: &'a str,
        console: Option<&'a str>,
    ) -> Vec<&'a str> {
        let mut words = self.without_terminal(id, bundle, resources);
        if let Some(socket) = console {
            let terminal: &[_] = match self {
                Verb::Create => &["--console-socket", socket],
                Verb::Run => &["--detach", "--console-socket", socket],
                Verb::Exec => &["--detach", "--tty", "--console-socket", socket],
                _ => &[],
            };
            words.splice(1..1, terminal.iter().copied());
        }
        words
    }

    fn without_terminal<'a>(
        self,
        id: &'a str,
        bundle: &'a str,
        resources: &'a str,
    ) -> Vec<&'a str> {
        match self {
            Verb::Run => vec!["run", "--bundle", bundle, id],
            Verb::Create => vec!["create", "--bundle", bundle, id],
            Verb::Start => vec!["start", id],
            Verb::Exec => vec!["exec", id, "/bin/true"],
            Verb::Kill => vec!["kill", id, "KILL"],
            Verb::Pause => vec!["pause", id],
            Verb::Resume => vec!["resume", id],
            Verb::Update => vec!["update", "--resources", resources, id],
            Verb::State => vec!["state", id],
            Verb::List => vec!["list"],
            Verb::Ps => vec!["ps", id],
            Verb::Events => vec!["events", "--stats", id],
            Verb::Delete => vec!["delete", id],
            Verb::DeleteForce => vec!["delete", "--force", id],
        }
    }
}
