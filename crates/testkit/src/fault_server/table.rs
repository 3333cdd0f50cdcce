//! The table of faults, by row of the project's fault matrix.
//!
//! A fault is one line where possible: its row, its name, the server's steps. Rows 1 to 4, 82 and
//! 83 are missing: no server causes them (refused connections, names, TLS, proxies, clocks).

mod body;
mod connection;
mod entry;
mod redirect;
mod status;
mod stream;
mod stream_end;

use std::sync::LazyLock;

use super::fault::Fault;

/// Returns the table: every fault of a model call that a server can cause.
///
/// The table is for chat completions. A client's test lists the expected outcome for each name, and
/// fails for a name that is not in its list.
///
/// # Examples
///
/// ```
/// use conversant_testkit::faults;
///
/// let hangs: Vec<_> = faults().iter().filter(|fault| fault.name().starts_with("hang")).collect();
/// assert!(hangs.len() > 2);
/// ```
#[must_use]
pub fn faults() -> &'static [Fault] {
    static FAULTS: LazyLock<Vec<Fault>> = LazyLock::new(all);
    &FAULTS
}

fn all() -> Vec<Fault> {
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
