//! The parts that the entries of the table are made of.

use crate::fault_server::{fault::Fault, step::Step};

/// Returns the fault of a whole answer.
pub(super) fn fault(row: u16, name: &'static str, script: impl IntoIterator<Item = Step>) -> Fault {
    Fault { row, ..Fault::new(name, script) }
}

/// Returns the fault of a response: the request is read, and the connection is kept open.
pub(super) fn reply(row: u16, name: &'static str, response: Step) -> Fault {
    fault(row, name, [Step::WaitForRequest, response])
}

/// Returns the fault of a stream: the request is read, the head is sent, and then `then`.
pub(super) fn stream(row: u16, name: &'static str, then: impl IntoIterator<Item = Step>) -> Fault {
    let script = [Step::WaitForRequest, Step::stream_head()].into_iter().chain(then);
    fault(row, name, script).streamed()
}

impl Fault {
    pub(super) fn streamed(mut self) -> Self {
        self.streamed = true;
        self
    }

    pub(super) fn says(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    /// Answers well on the next attempt.
    pub(super) fn then_ok(self) -> Self {
        let text = self.text;
        self.then([Step::WaitForRequest, Step::ok(text)])
    }

    /// Streams well on the next attempt.
    pub(super) fn then_stream(self) -> Self {
        self.then([
            Step::WaitForRequest,
            Step::stream_head(),
            Step::delta("he"),
            Step::delta("llo"),
            Step::finish("stop"),
            Step::done(),
            Step::last_chunk(),
        ])
    }
}
