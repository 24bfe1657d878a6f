//! SIGKILL at every call of every process of a verb: `delete --force` leaves nothing, the id works again.

use crate::stepper::Disturbance;
use crate::walk::Kind;

pub(crate) const KIND: Kind = Kind {
    name: "kill",
    disturbances: &[Disturbance::Kill],
    // Whatever a killed command says and leaves is right, as long as it can be removed.
    judge: |_, _, _, _| None,
    again: true,
};
