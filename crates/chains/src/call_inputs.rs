//! The inputs and the options of a call.

use conversant_core::{CallOptions, Variables};

use crate::{chain::RunContext, pending::PendingTurn, resumed::Resumed};

/// The inputs and the options of a call, and the part of its turn that is done.
pub(crate) struct CallInputs {
    pub(crate) variables: Variables,
    pub(crate) options: CallOptions,
    pub(crate) resumed: Resumed,
    /// Whether the turn may be stored already: the caller has given its id.
    pub(crate) may_be_stored: bool,
}

impl CallInputs {
    pub(crate) fn new(variables: Variables, options: CallOptions) -> Self {
        let may_be_stored = options.turn_id.is_some();
        Self { variables, options, resumed: Resumed::default(), may_be_stored }
    }

    /// Returns the inputs of a call that continues a turn.
    pub(crate) fn of_pending(pending: PendingTurn, options: CallOptions) -> Self {
        let (variables, resumed) = pending.into_parts();
        Self { variables, options, resumed, may_be_stored: true }
    }

    /// Makes these the inputs of a step of a call, whose turn id comes from the call's.
    pub(crate) fn of_step(mut self, context: &RunContext) -> Self {
        self.resumed = context.resumed().clone();
        self.may_be_stored = context.may_be_stored();
        self
    }
}
