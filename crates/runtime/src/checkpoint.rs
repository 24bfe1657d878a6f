//! `checkpoint`: has criu save a container's processes, and removes the container unless it is to go on.

use crate::Runtime;
use crate::cgroup::Cgroup;
use crate::criu::{
    self, Criu, Directories, Dumped, Kind as Asked, Options, Streams, Surroundings, Table,
};
use crate::error::{Error, For, Kind, Result};
use crate::request::CheckpointRequest;
use crate::state::State as Stored;
use crate::{host, setting};
use lockstep_abi::inode::{S_IFDIR, S_IFMT};
use lockstep_kernel::file;
use lockstep_oci::runtime::{NamespaceType, Spec};
use lockstep_oci::state::Status;
use lockstep_plan::cgroup::Version;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// criu's log beside the images.
const LOG: &str = "dump.log";

impl Runtime<'_> {
    /// Saves a container to a directory. If that fails it runs on; if it succeeds it is gone, unless it was to stay.
    pub fn checkpoint(&self, mut request: CheckpointRequest) -> Result<()> {
        let directory = self.root.container(&request.id)?;
        let stored = self.stored(&directory)?;
        let proc = setting::open_proc()?;
        let (Status::Running, Some(init)) = directory.status()? else {
            let status = self.info(&request.id)?.status;
            let text = format!("Container cannot be checkpointed in {status} state");
            return Err(Error::new(Kind::WrongState, text));
        };
        self.criu_is_possible(&stored, proc.as_fd())?;
        // Before it has gone: it could not be restored.
        for pid in Cgroup::open(&stored.cgroup).pids()? {
            criu::check_label(proc.as_fd(), &stored.spec, &pid.to_string())?;
        }
        let directories = Directories::open(&request.criu, true, LOG)?;
        if let Some(parent) = &request.parent {
            check_parent(&directories.images, parent)?;
        }
        let mut options =
            self.dump_options(&request, &stored, init.pid, &directories, proc.as_fd())?;
        let asked = match request.pre_dump {
            true => Asked::PreDump,
            false => Asked::Dump,
        };
        let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDWR, 0)
            .during(|| "/dev/null".into())?;
        let criu = Criu::start(
            &request.criu,
            &directories,
            &Surroundings {
                streams: [null.as_fd(); 3],
                passed: Vec::new(),
                tasks: Vec::new(),
                cgroup: None,
                no_new_privs: false,
                last: &|| Ok(()),
            },
        )?;
        criu.need(request.pre_dump, request.criu.lazy_pages)?;
        criu.lock_network(&request.criu, &mut options);
        criu.order(asked, &options, self.warn, &mut |moment| {
            match moment.name {
                "status-ready" => request.status.take().map_or(Ok(()), |status| {
                    file::write_fd(&status, &[0]).during(|| "--status-fd".into())
                }),
                // All is saved and nobody killed: what is refused now runs on.
                "post-dump" => criu::check_saved_label(directories.images.as_fd(), &stored.spec),
                _ => Ok(()),
            }
        })?;
        if request.leave_running || request.pre_dump {
            return Ok(());
        }
        // criu has killed what it saved.
        self.end(&request.id, &stored, &init)?;
        self.delete_ended(&request.id, &stored, true)
    }

    /// Refuses callers and containers that criu can do nothing for.
    pub(crate) fn criu_is_possible(&self, stored: &Stored, proc: BorrowedFd<'_>) -> Result<()> {
        if self.is_rootless(|| host::in_user_namespace(proc))? {
            let text = "checkpoint and restore need root of the host";
            return Err(Error::new(Kind::Invalid, text)
                .hint("criu needs CAP_SYS_ADMIN outside of any user namespace, and --rootless not to be true"));
        }
        let v1 = stored
            .cgroup
            .dirs
            .iter()
            .any(|dir| dir.version == Version::V1);
        criu::check_fit(stored, v1)
    }

    fn dump_options(
        &self,
        request: &CheckpointRequest,
        stored: &Stored,
        pid: i32,
        directories: &Directories,
        proc: BorrowedFd<'_>,
    ) -> Result<Options> {
        use criu::field;
        let spec = &stored.spec;
        let mut options = criu::options(&request.criu, directories, &spec.annotations);
        options.number(field::PID, pid.unsigned_abs().into());
        options.text(field::ROOT, &stored.rootfs.to_string_lossy());
        options.flag(field::LEAVE_RUNNING, request.leave_running);
        options.flag(field::TCP_SKIP_IN_FLIGHT, request.tcp_skip_in_flight);
        options.flag(field::LINK_REMAP, request.link_remap);
        options.flag(
            field::TRACK_MEM,
            request.pre_dump || request.parent.is_some(),
        );
        if let Some(parent) = &request.parent {
            options.text(field::PARENT_IMG, parent);
        }
        if let Some((address, port)) = &request.page_server {
            options.numbered(field::PAGE_SERVER, address, (*port).into());
        }
        if let Some(freezer) = Cgroup::open(&stored.cgroup).freezer_path() {
            options.text(field::FREEZE_CGROUP, freezer);
        }
        for (name, key, path) in external_namespaces(spec) {
            let inode = file::stat(file::CWD, path, true)
                .during(|| path.to_owned())?
                .st_ino;
            options.text(field::EXTERNAL, &format!("{name}[{inode}]:{key}"));
        }
        if !request.pre_dump {
            let mounts = Table::of(proc, pid)?;
            let streams = Streams::of(proc, pid, &mounts)?;
            streams.leave(&mut options);
            let dumped = Dumped::of(proc, pid, spec, &mounts, &mut options)?;
            streams.write(&directories.images)?;
            dumped.write(&directories.images)?;
        }
        Ok(options)
    }
}

/// Namespaces that the container shares with whoever has made them, which criu leaves to them: criu's name, the key
/// under which it finds them again, which is runc's, and the path.
pub(crate) fn external_namespaces(spec: &Spec) -> Vec<(&'static str, &'static str, &str)> {
    let Some(linux) = &spec.linux else {
        return Vec::new();
    };
    let path = |kind: &NamespaceType| {
        let path = linux
            .namespace(kind)
            .and_then(|namespace| namespace.path.as_deref());
        path.filter(|path| !path.is_empty())
    };
    let kinds = [
        ("net", "extRootNetNS", NamespaceType::Network),
        ("pid", "extRootPidNS", NamespaceType::Pid),
    ];
    let known = kinds
        .iter()
        .filter_map(|(name, key, kind)| Some((*name, *key, path(kind)?)));
    known.collect()
}

/// The images before are named from those that are made: so they can be taken elsewhere together.
fn check_parent(images: &OwnedFd, parent: &str) -> Result<()> {
    if parent.starts_with('/') {
        return Err(Error::new(Kind::Invalid, "--parent-path must be relative"));
    }
    let found = file::stat(images, parent, true)
        .map_err(|e| Error::refused(format!("invalid --parent-path: stat {parent}"), &e))?;
    match found.st_mode & S_IFMT == S_IFDIR {
        true => Ok(()),
        false => {
            let text = format!("invalid --parent-path: {parent} is not a directory");
            Err(Error::new(Kind::Invalid, text))
        }
    }
}
