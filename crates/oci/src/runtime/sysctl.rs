//! Names of kernel parameters: how the configuration spells them, which namespace owns them, and the
//! file below `/proc/sys` they stand for.
//!
//! One place decides all three, so that what validation allowed is the very file that is written.

use std::fmt;

/// A kernel parameter by its components, as `net`, `ipv4`, `conf`, `eth0.1`, `forwarding`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Vec<String>);

/// The namespace that has its own value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The ipc namespace.
    Ipc,
    /// The network namespace.
    Network,
    /// The uts namespace.
    Uts,
    /// None: a write would change the host.
    Host,
}

impl Name {
    /// Splits a name as sysctl(8) does: the first separator, dot or slash, separates throughout, and
    /// the other of the two is part of a component (`net/ipv4/conf/eth0.1/forwarding`,
    /// `net.ipv4.conf.eth0/1.forwarding`).
    ///
    /// `None` if a component is empty, `.`, `..` or contains a NUL byte: such a name would lead to
    /// a file other than the one whose namespace was checked.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let slashed = text
            .find(['.', '/'])
            .is_some_and(|at| text.as_bytes()[at] == b'/');
        let components: Vec<String> = if slashed {
            text.split('/').map(str::to_owned).collect()
        } else {
            text.split('.').map(|part| part.replace('/', ".")).collect()
        };
        let good =
            |part: &String| !matches!(part.as_str(), "" | "." | "..") && !part.contains('\0');
        components.iter().all(good).then_some(Self(components))
    }

    /// The components in order.
    #[must_use]
    pub fn components(&self) -> &[String] {
        &self.0
    }

    /// Path of the file, relative to `/proc/sys`.
    #[must_use]
    pub fn path(&self) -> String {
        self.0.join("/")
    }

    /// Which namespace has its own value.
    #[must_use]
    pub fn owner(&self) -> Owner {
        let parts: Vec<&str> = self.0.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["net", _, ..] => Owner::Network,
            ["fs", "mqueue", _, ..]
            | [
                "kernel",
                "msgmax" | "msgmnb" | "msgmni" | "sem" | "shmall" | "shmmax" | "shmmni"
                | "shm_rmid_forced",
            ] => Owner::Ipc,
            ["kernel", "hostname" | "domainname"] => Owner::Uts,
            _ => Owner::Host,
        }
    }
}

impl fmt::Display for Name {
    /// The dotted form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dotted: Vec<String> = self.0.iter().map(|part| part.replace('.', "/")).collect();
        f.write_str(&dotted.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, Owner};

    #[test]
    fn both_spellings_are_one_file() {
        for text in [
            "net.ipv4.conf.eth0/1.forwarding",
            "net/ipv4/conf/eth0.1/forwarding",
        ] {
            let name = Name::parse(text).expect("a good name");
            assert_eq!(name.path(), "net/ipv4/conf/eth0.1/forwarding");
            assert_eq!(name.to_string(), "net.ipv4.conf.eth0/1.forwarding");
            assert_eq!(name.owner(), Owner::Network);
        }
    }

    #[test]
    fn no_name_leads_out_of_its_namespace() {
        // In the dotted form a slash stands for a dot: `net.//.kernel.shmmax` would be `net/../kernel/shmmax`.
        for text in [
            "net.//.kernel.shmmax",
            "net/../kernel/shmmax",
            "net..x",
            "/net/x",
            ".net",
            "net.",
            "",
            "net./.x",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn owners() {
        for (text, owner) in [
            ("kernel.shm_rmid_forced", Owner::Ipc),
            ("kernel/sem", Owner::Ipc),
            ("fs.mqueue.msg_max", Owner::Ipc),
            ("fs.mqueue", Owner::Host),
            ("kernel.hostname", Owner::Uts),
            ("kernel.core_pattern", Owner::Host),
            ("vm.swappiness", Owner::Host),
            ("net", Owner::Host),
            ("network.x", Owner::Host),
            ("kernel.sem.x", Owner::Host),
        ] {
            assert_eq!(Name::parse(text).expect(text).owner(), owner, "{text}");
        }
    }
}
