//! `plan`: what `run` would do, in the kernel's words.

use lockstep_runtime::{ContainerId, CreateRequest, Supervised};

use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::{self, Front, Saved, note, print};

pub(super) fn plan(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    if args.flag("why") {
        return front::explain(front, args);
    }
    let resolved = front::resolve_only(front, args)?;
    for warning in &resolved.warnings {
        note(&format!("note: {}", crate::escape::text(warning)));
    }
    let request = CreateRequest {
        id: ContainerId::parse("plan")?,
        bundle: "/bundle".into(),
        console_socket: None,
        pid_file: None,
        pidfd_socket: None,
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 0,
        listen_fds: 0,
        notify_socket: None,
        supervised: Some(Supervised {
            owner: resolved.owner,
            memory_root: resolved.memory_root,
            overlay: None,
            idmap_root: resolved.idmap_root,
            init: args.flag("init"),
            network_defaults: resolved.network_defaults,
            held: false,
            over: Vec::new(),
            neighbours: Vec::new(),
            shared_memory: resolved
                .joined
                .iter()
                .find(|joined| joined.namespace == "ipc")
                .map(|joined| format!("/proc/{}/ns", joined.pid).into()),
            // Their values are nobody's business here, and their places are in what --why prints.
            secrets: Vec::new(),
            secret_env: Vec::new(),
        }),
    };
    let spec = resolved.spec;
    let host = Saved::given(args)?.map(|saved| saved.host);
    let plan = front.with_runtime(front.store()?, |runtime| {
        Ok(runtime.plan(&request, spec, host)?)
    })?;
    let text = match args.flag("json") {
        true => super::json(&plan.steps)?,
        false => plan.to_string(),
    };
    print(&text)?;
    Ok(0)
}
