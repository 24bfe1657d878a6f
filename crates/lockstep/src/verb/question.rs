//! `plan`: what `run` would do, in the kernel's words.

use crate::argv::Arguments;
use crate::asker::Asker;
use crate::failure::Failure;
use crate::front::{self, Front, Saved};
use crate::print::{note, print};

pub(super) fn plan(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    if args.flag("why") {
        return front::explain(front, args);
    }
    let there = Saved::given(args)?;
    let foreseen = front::foresee(front, args, there.as_ref())?;
    for warning in &foreseen.warnings {
        note(&format!("note: {}", crate::escape::text(warning)));
    }
    // Their values are nobody's business here.
    let hidden = vec![b"hidden".to_vec(); foreseen.job.secrets.len()];
    let request = foreseen.job.request_with(hidden, 0)?;
    let plan = front.with_runtime_for(front.store()?, Some(&foreseen.job), |runtime| {
        let spec = foreseen.spec.clone();
        let planned = runtime.plan(&request, spec, there.map(|saved| saved.host));
        let asker = Asker::new(&foreseen.spec, &foreseen.settings);
        planned.map_err(|error| asker.name(error.into()))
    })?;
    let text = match args.flag("json") {
        true => super::json(&plan.steps)?,
        false => plan.to_string(),
    };
    print(&text)?;
    Ok(0)
}
