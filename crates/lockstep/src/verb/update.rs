//! `update`: other limits for containers, and another restart policy.

use lockstep_oci::runtime::Resources;
use lockstep_runtime::{ContainerId, RdtUpdate};

use crate::argv::Arguments;
use crate::asker::Asker;
use crate::container::{Directory, Record, Restart, Status};
use crate::failure::Failure;
use crate::front::{self, Front};
use crate::resolve;

pub(super) fn update(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let mut changed = Resources::default();
    let given = resolve::limits(args, &mut changed)?;
    let restart = args.text("restart")?.map(Restart::parse).transpose()?;
    if given.is_empty() && restart.is_none() {
        return Err(Failure::new("no limit was given").hint("lockstep update --help lists them"));
    }
    super::each(args, |typed| {
        let store = front.store()?;
        let directory = store.locate(typed)?;
        let record = directory.edit(|record| {
            if let Some(restart) = restart {
                if restart != Restart::No && record.auto_remove {
                    return Err(Failure::new("--rm and --restart exclude each other"));
                }
                record.restart = restart;
            }
            match given.is_empty() {
                true => Ok(()),
                false => limit(front, args, (&directory, record), &changed),
            }
        })?;
        front::begin_keeping(front, &directory, &record)?;
        Ok(true)
    })
}

/// Other limits for now, if it runs, and for the next start.
fn limit(
    front: &Front,
    args: &Arguments,
    (directory, record): (&Directory, &Record),
    changed: &Resources,
) -> Result<(), Failure> {
    let mut spec = directory.spec()?;
    let id = ContainerId::parse(&directory.id)?;
    if let Status::Running(_) = directory.status()? {
        let asker = Asker::new(&spec, &record.settings).or(args, "/linux/resources");
        front.with_runtime_asked(asker, |runtime| {
            let none = RdtUpdate::default();
            Ok(runtime.update(&id, changed, "command line", &none)?)
        })?;
    }
    let linux = spec.linux.get_or_insert_default();
    merge(linux.resources.get_or_insert_default(), changed);
    directory.reconfigure(&spec)
}

/// What was given replaces what was there, field by field.
fn merge(old: &mut Resources, new: &Resources) {
    if let Some(pids) = &new.pids {
        old.pids = Some(pids.clone());
    }
    if let Some(memory) = &new.memory {
        let all = old.memory.get_or_insert_default();
        all.limit = memory.limit.or(all.limit);
        all.swap = memory.swap.or(all.swap);
        all.reservation = memory.reservation.or(all.reservation);
    }
    if let Some(cpu) = &new.cpu {
        let all = old.cpu.get_or_insert_default();
        all.shares = cpu.shares.or(all.shares);
        all.quota = cpu.quota.or(all.quota);
        all.period = cpu.period.or(all.period);
        all.cpus = cpu.cpus.clone().or(all.cpus.take());
        all.mems = cpu.mems.clone().or(all.mems.take());
    }
    if let Some(io) = &new.block_io {
        let all = old.block_io.get_or_insert_default();
        all.weight = io.weight.or(all.weight);
    }
}
