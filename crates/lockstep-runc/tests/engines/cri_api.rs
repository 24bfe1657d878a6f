//! Pods and containers in CRI's words, by the field numbers of `runtime/v1/api.proto`.
//!
//! Kubernetes' kubelet makes these calls in this order; nothing else of it is needed to be a node.

use std::cell::Cell;

use crate::grpc::{self, Message, Received};
use crate::image;
use crate::shell::{same, until};

/// `NamespaceMode`: shared by the pod, the container's own, the node's, another container's.
pub(crate) const POD: u64 = 0;
/// The container's own.
pub(crate) const CONTAINER: u64 = 1;
/// The node's.
pub(crate) const NODE: u64 = 2;
/// That of the container named in `target_id`.
pub(crate) const TARGET: u64 = 3;

/// A CRI endpoint.
pub(crate) struct Api {
    /// The socket.
    pub(crate) socket: String,
    /// Parent of all pods' cgroups.
    pub(crate) cgroup: String,
    /// Where the logs of containers go.
    pub(crate) logs: std::path::PathBuf,
    serial: Cell<u64>,
}

/// What a pod asks for beside the default.
#[derive(Default)]
pub(crate) struct PodOptions {
    /// [`POD`] or [`NODE`].
    pub(crate) network: u64,
    /// [`POD`], [`CONTAINER`] or [`NODE`].
    pub(crate) pid: u64,
    /// [`POD`] or [`NODE`].
    pub(crate) ipc: u64,
    /// Privileged containers are allowed in it.
    pub(crate) privileged: bool,
    /// Names and values.
    pub(crate) sysctls: Vec<(&'static str, &'static str)>,
}

impl PodOptions {
    fn namespaces(&self) -> Message {
        Message::default()
            .number(1, self.network)
            .number(2, self.pid)
            .number(3, self.ipc)
    }
}

/// What a container asks for beside the default: messages as CRI has them.
#[derive(Default)]
pub(crate) struct ContainerOptions {
    /// `LinuxContainerResources`.
    pub(crate) resources: Message,
    /// `LinuxContainerSecurityContext` without namespaces.
    pub(crate) security: Message,
    /// `NamespaceOption`, if not the pod's.
    pub(crate) namespaces: Option<Message>,
    /// `Mount`s.
    pub(crate) mounts: Vec<Message>,
    /// `Device`s.
    pub(crate) devices: Vec<Message>,
    /// A terminal for the first process.
    pub(crate) terminal: bool,
}

impl Api {
    /// The endpoint on `socket`, with logs and cgroups of the session.
    pub(crate) fn new(socket: &str, session: &crate::session::Session) -> Api {
        Api {
            socket: socket.into(),
            cgroup: format!("/{}", session.name),
            logs: session.work.join("logs"),
            serial: Cell::new(0),
        }
    }

    /// Call a method of the runtime service.
    pub(crate) fn call(&self, method: &str, request: &Message) -> Result<Received, String> {
        grpc::call(
            &self.socket,
            &format!("/runtime.v1.RuntimeService/{method}"),
            request,
        )
    }

    /// A name that no other object has.
    fn fresh(&self, kind: &str) -> String {
        self.serial.set(self.serial.get() + 1);
        format!("{kind}{}", self.serial.get())
    }

    /// Run a pod sandbox.
    pub(crate) fn pod(&self, options: PodOptions) -> Result<Pod<'_>, String> {
        let name = self.fresh("pod");
        let metadata = Message::default()
            .text(1, &name)
            .text(2, &name)
            .text(3, "default");
        let security = Message::default()
            .message(1, &options.namespaces())
            .number(6, u64::from(options.privileged));
        let mut linux = Message::default()
            .text(1, &self.cgroup)
            .message(2, &security);
        for (key, value) in &options.sysctls {
            linux = linux.entry(3, key, value);
        }
        let mut config = Message::default()
            .message(1, &metadata)
            .text(3, &self.logs.display().to_string())
            .entry(6, "label", "kept")
            .message(8, &linux);
        if options.network == POD {
            config = config.text(2, &name);
        }
        let request = Message::default().message(1, &config);
        let id = self.call("RunPodSandbox", &request)?.text(1);
        Ok(Pod {
            api: self,
            id,
            name,
            config,
            options,
        })
    }
}

/// A pod sandbox, stopped and removed when dropped.
pub(crate) struct Pod<'a> {
    /// The endpoint.
    pub(crate) api: &'a Api,
    /// Its id.
    pub(crate) id: String,
    /// Its name, which is its hostname too.
    pub(crate) name: String,
    config: Message,
    options: PodOptions,
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        // The kubelet does the same; `nothing-left` judges the result.
        let request = Message::default().text(1, &self.id);
        drop(self.api.call("StopPodSandbox", &request));
        drop(self.api.call("RemovePodSandbox", &request));
    }
}

impl Pod<'_> {
    /// `PodSandboxStatus`.
    pub(crate) fn status(&self) -> Result<Received, String> {
        self.api
            .call("PodSandboxStatus", &Message::default().text(1, &self.id))?
            .message(1)
    }

    /// Create and start a container that runs a shell script.
    pub(crate) fn container(
        &self,
        script: &str,
        options: &ContainerOptions,
    ) -> Result<Container<'_>, String> {
        let name = self.api.fresh("container");
        let namespaces = options
            .namespaces
            .clone()
            .unwrap_or_else(|| self.options.namespaces());
        let linux = Message::default()
            .message(1, &options.resources)
            .message(2, &options.security.clone().message(3, &namespaces));
        let mut config = Message::default()
            .message(1, &Message::default().text(1, &name))
            .message(2, &Message::default().text(1, image::NAME))
            .texts(3, &["sh", "-c", script])
            .text(5, "/")
            .message(6, &Message::default().text(1, "WORD").text(2, "two words"))
            .text(11, &format!("{name}.log"))
            .number(14, u64::from(options.terminal))
            .message(15, &linux);
        for mount in &options.mounts {
            config = config.message(7, mount);
        }
        for device in &options.devices {
            config = config.message(8, device);
        }
        let request = Message::default()
            .text(1, &self.id)
            .message(2, &config)
            .message(3, &self.config);
        let id = self.api.call("CreateContainer", &request)?.text(1);
        let container = Container {
            api: self.api,
            id,
            name,
        };
        self.api
            .call("StartContainer", &Message::default().text(1, &container.id))?;
        Ok(container)
    }

    /// What a script that must succeed writes, with these options.
    pub(crate) fn inside(
        &self,
        script: &str,
        options: &ContainerOptions,
    ) -> Result<String, String> {
        let container = self.container(script, options)?;
        let code = container.end()?;
        let text = container.log()?;
        same("exit code", code, 0).map_err(|error| format!("{error}: {text}"))?;
        Ok(text.trim_end().to_owned())
    }
}

/// A container, removed when dropped.
pub(crate) struct Container<'a> {
    api: &'a Api,
    /// Its id.
    pub(crate) id: String,
    name: String,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        drop(
            self.api
                .call("RemoveContainer", &Message::default().text(1, &self.id)),
        );
    }
}

impl Container<'_> {
    fn named(&self) -> Message {
        Message::default().text(1, &self.id)
    }

    /// `ContainerStatus`.
    pub(crate) fn status(&self) -> Result<Received, String> {
        self.api.call("ContainerStatus", &self.named())?.message(1)
    }

    /// Wait for its end and have its exit code.
    pub(crate) fn end(&self) -> Result<u64, String> {
        until(|| {
            let status = self.status()?;
            same("state", status.number(3), 2)?;
            Ok(status.number(7))
        })
    }

    /// `StopContainer` with a grace period in seconds.
    pub(crate) fn stop(&self, seconds: u64) -> Result<(), String> {
        self.api
            .call("StopContainer", &self.named().number(2, seconds))
            .map(drop)
    }

    /// `UpdateContainerResources`.
    pub(crate) fn update(&self, resources: &Message) -> Result<(), String> {
        self.api
            .call(
                "UpdateContainerResources",
                &self.named().message(2, resources),
            )
            .map(drop)
    }

    /// `ContainerStats`.
    pub(crate) fn stats(&self) -> Result<Received, String> {
        self.api.call("ContainerStats", &self.named())?.message(1)
    }

    /// `ExecSync`: exit code, standard output, standard error.
    pub(crate) fn probe(
        &self,
        command: &[&str],
        seconds: u64,
    ) -> Result<(u64, String, String), String> {
        let request = self.named().texts(2, command).number(3, seconds);
        let answer = self.api.call("ExecSync", &request)?;
        Ok((answer.number(3), answer.text(1), answer.text(2)))
    }

    /// Standard output, trimmed, of a script that must succeed in it.
    pub(crate) fn exec(&self, script: &str) -> Result<String, String> {
        let (code, out, err) = self.probe(&["sh", "-c", script], 30)?;
        same("exit code", code, 0).map_err(|error| format!("{script}: {error}: {out}{err}"))?;
        Ok(out.trim_end().to_owned())
    }

    /// The address at which an exec with a terminal is waiting.
    pub(crate) fn exec_url(&self, command: &[&str]) -> Result<String, String> {
        let request = self
            .named()
            .texts(2, command)
            .number(3, 1)
            .number(4, 1)
            .number(5, 1);
        Ok(self.api.call("Exec", &request)?.text(1))
    }

    /// The lines of its log as CRI writes them: time, stream, tag, text.
    pub(crate) fn raw_log(&self) -> Result<String, String> {
        let path = self.api.logs.join(format!("{}.log", self.name));
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// What it wrote, both streams.
    pub(crate) fn log(&self) -> Result<String, String> {
        let text = self.raw_log()?;
        let lines = text
            .lines()
            .map(|line| line.splitn(4, ' ').nth(3).unwrap_or_default());
        Ok(lines.map(|line| format!("{line}\n")).collect())
    }
}
