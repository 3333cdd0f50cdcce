//! The table of faults, by row of the project's fault matrix.
//!
//! A fault is one line where it can be: its row, its name, what the server does. Rows 1 to 4, 82
//! and 83 are not here: no server causes them (refused connections, names, TLS, proxies, clocks).

mod body;
mod connection;
mod redirect;
mod status;
mod stream;
mod stream_end;

use super::{Fault, Step};

pub(super) fn all() -> Vec<Fault> {
    let mut faults = [
        connection::faults(),
        body::faults(),
        status::faults(),
        redirect::faults(),
        stream::faults(),
        stream_end::faults(),
    ]
    .concat();
    faults.sort_by_key(Fault::row);
    faults
}

/// A fault of an answer that is asked for whole.
fn fault(row: u16, name: &'static str, script: impl IntoIterator<Item = Step>) -> Fault {
    Fault { row, ..Fault::new(name, script) }
}

/// A fault that is a response: the request is read, and the connection kept.
fn reply(row: u16, name: &'static str, response: Step) -> Fault {
    fault(row, name, [Step::WaitForRequest, response])
}

/// A fault of a stream: the request is read, and the head sent; `then` is up to the fault.
fn stream(row: u16, name: &'static str, then: impl IntoIterator<Item = Step>) -> Fault {
    let script = [Step::WaitForRequest, Step::stream_head()].into_iter().chain(then);
    fault(row, name, script).streamed()
}

impl Fault {
    fn streamed(mut self) -> Self {
        self.streamed = true;
        self
    }

    fn says(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    /// Answers well on the next attempt.
    fn then_ok(self) -> Self {
        let text = self.text;
        self.then([Step::WaitForRequest, Step::ok(text)])
    }

    /// Streams well on the next attempt.
    fn then_stream(self) -> Self {
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
