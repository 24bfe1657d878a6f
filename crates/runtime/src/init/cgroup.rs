//! The container's cgroups as it sees them.

use super::Init;
use super::mount::{change, filesystem};
use crate::error::{Error, For, Kind, Result};
use lockstep_abi::errno::Errno;
use lockstep_kernel::mount::{self, Attributes};
use lockstep_kernel::{self as kernel, file};
use lockstep_plan::step::CgroupView;
use lockstep_plan::{Downgrade, Op, RootPath, mount_options};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// What the outcome calls cgroups that are not shown, beside `/mounts/N` of what config.json asked for.
const NO_CGROUPS: &str = "/mounts";

impl Init<'_> {
    /// The container's own cgroups, by the namespace where there is one, else by binding their directories.
    pub(super) fn cgroup_mount(&mut self, op: &Op) -> Result<()> {
        let Op::CgroupMount {
            target,
            views,
            single,
            namespaced,
            own,
            attributes,
        } = op
        else {
            return Err(super::not_of_init());
        };
        if views.is_empty() && *single {
            return Err(Error::new(Kind::Kernel, "this host has no cgroups"));
        }
        let at = target.as_path().display();
        let mut trees = Vec::new();
        for view in views {
            let what = || format!("mounting cgroup {} at {at}", view.name);
            let tree = cgroup_tree(view, *namespaced).during(what)?;
            if !*own || is_own(view, &tree).during(what)? {
                trees.push((view, tree));
            }
        }
        if trees.is_empty() && *own {
            self.outcome.downgrades.push(Downgrade {
                because: NO_CGROUPS.into(),
                lost: format!(
                    "no cgroups at {at}: the container has none of its own, and its caller's tell of others"
                ),
                call: String::new(),
            });
            return Ok(());
        }
        match *single {
            true => self.unified(target, trees, attributes),
            false => self.hierarchies(target, trees, attributes),
        }
    }

    /// The one hierarchy of cgroup v2.
    fn unified(
        &mut self,
        target: &RootPath,
        trees: Vec<(&CgroupView, OwnedFd)>,
        attributes: &mount_options::Attributes,
    ) -> Result<()> {
        let what = || format!("mounting cgroups at {}", target.as_path().display());
        for (_, tree) in trees {
            if attributes.set != 0 {
                let set = Attributes {
                    set: attributes.set,
                    ..Attributes::default()
                };
                mount::set_attributes(&tree, &set, false).during(what)?;
            }
            self.attach_directory(&tree, target, false)?;
            change(tree.as_fd(), attributes).during(what)?;
        }
        Ok(())
    }

    /// Hierarchies of cgroup v1, each in its directory.
    fn hierarchies(
        &mut self,
        target: &RootPath,
        trees: Vec<(&CgroupView, OwnedFd)>,
        attributes: &mount_options::Attributes,
    ) -> Result<()> {
        let what = || format!("mounting cgroups at {}", target.as_path().display());
        let tmpfs = filesystem("tmpfs", "tmpfs", &["mode=755".into()], 0).during(what)?;
        self.attach_directory(&tmpfs, target, false)?;
        for (view, tree) in trees {
            file::mkdirat(&tmpfs, &view.name, 0o755).during(what)?;
            // By name, in a file system that was made three lines above and that nobody else has seen.
            mount::attach_at(&tree, &tmpfs, Path::new(&view.name)).during(what)?;
            file::leave_to_exec(tree);
            for link in &view.links {
                file::symlink(&view.name, &tmpfs, link).during(what)?;
            }
        }
        let all = mount_options::Attributes {
            set: 0,
            clear: 0,
            recursive_set: attributes.recursive_set | attributes.set,
            ..attributes.clone()
        };
        change(tmpfs.as_fd(), &all).during(what)?;
        file::leave_to_exec(tmpfs);
        Ok(())
    }
}

fn cgroup_tree(view: &CgroupView, namespaced: bool) -> kernel::Result<OwnedFd> {
    if namespaced {
        let options: Vec<String> = view
            .option
            .split(',')
            .filter(|o| !o.is_empty())
            .map(String::from)
            .collect();
        return filesystem(view.kind, "cgroup", &options, 0);
    }
    match mount::open_tree(file::CWD, &view.host, false, false) {
        // ENOENT: an unprivileged user's container that stayed in its caller's cgroup.
        Err(e) if e.is(&[Errno::ENOENT.0]) => {
            mount::open_tree(file::CWD, &view.caller, false, false)
        }
        other => other,
    }
}

/// Whether what is seen is the container's own cgroup: a namespace begins at whichever one its maker was in.
fn is_own(view: &CgroupView, tree: &OwnedFd) -> kernel::Result<bool> {
    let own = match file::stat(file::CWD, &view.host, false) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(false),
        other => other?,
    };
    let seen = file::fstat(tree)?;
    Ok((own.st_dev, own.st_ino) == (seen.st_dev, seen.st_ino))
}
