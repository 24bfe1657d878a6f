//! From a command line to the container that it would make: the same as in `create`, and nothing is made.

use lockstep_oci::runtime::Spec;
use lockstep_supervisor::Job;

use super::create::{Place, job, prepare};
use super::image::Opened;
use super::{Eyes, Front, Saved, launch, neighbour};
use crate::argv::Arguments;
use crate::failure::Failure;
use crate::resolve::{self, Caller, Image, Resolved};
use crate::stored::Images;
use crate::why::Setting;

/// Stands for an id that is not chosen yet.
const NO_ID: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// `--why`: every setting of the container that the command line would make; nothing is made.
pub(crate) fn explain(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let Imagined { resolved, .. } = imagine(front, args, Saved::given(args)?.as_ref())?;
    crate::print::print(&crate::why::table(&resolved.settings, &resolved.warnings))?;
    Ok(0)
}

/// What a command line asks of the runtime, for a container that is not made.
pub(crate) struct Foreseen {
    pub(crate) spec: Spec,
    pub(crate) job: Job,
    pub(crate) settings: Vec<Setting>,
    pub(crate) warnings: Vec<String>,
}

/// Foresees what a supervisor would be told, here or on the host that is given.
pub(crate) fn foresee(
    front: &Front,
    args: &Arguments,
    there: Option<&Saved>,
) -> Result<Foreseen, Failure> {
    let Imagined {
        image,
        caller,
        resolved,
    } = imagine(front, args, there)?;
    let store = front.store()?;
    let path = store.path_of(NO_ID);
    let place = Place {
        id: NO_ID,
        path: &path,
    };
    let mut job = job(store, place, args, (&image, &caller, &resolved))?;
    job.users = crate::users::will_be_lent(args, &caller, &resolved.spec)?;
    launch::find_sources(store, &mut job)?;
    // They are there when the plan begins, as a user namespace is that the command lends.
    drop(launch::take_mounts(&mut job, caller.is_root_of_host()));
    Ok(Foreseen {
        spec: resolved.spec,
        job,
        settings: resolved.settings,
        warnings: resolved.warnings,
    })
}

/// A container that is not made, resolved: its id and block are any.
struct Imagined {
    image: Image,
    caller: Caller,
    resolved: Resolved,
}

fn imagine(front: &Front, args: &Arguments, there: Option<&Saved>) -> Result<Imagined, Failure> {
    let typed = &*super::image::typed(args)?;
    // Images are this host's, whoever asks.
    let here = front.caller()?.clone();
    let at = front.locations()?;
    let images = Images::new(&at, &here).with_ids(resolve::image_ids(args, &here)?);
    let image = super::open_image(typed, &images)?;
    let layers = match &image {
        Opened::Plain(_) => Vec::new(),
        Opened::Stored(image) => images.layers(image)?,
    };
    let image = image.with_layers(typed, layers);
    let caller = crate::caller::with(args, there.map_or(here, Saved::caller))?;
    let eyes = Eyes::new(&image, front, &at);
    let block = match resolve::wants_block(args, &caller)? {
        true => Some(crate::container::FIRST_BLOCK),
        false => neighbour::block(&eyes, args)?.map(|(block, _)| block),
    };
    let resolved = prepare(front, &eyes, args, (&image, &caller), (NO_ID, block, None))?;
    Ok(Imagined {
        image,
        caller,
        resolved,
    })
}
