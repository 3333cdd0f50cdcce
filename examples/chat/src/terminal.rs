//! The abilities of the terminal.

use std::io::IsTerminal;

/// Returns whether answers are coloured: at a terminal, unless `NO_COLOR` is set.
pub fn has_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}
