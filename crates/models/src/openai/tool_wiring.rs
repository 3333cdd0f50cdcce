//! Checks the tools that are set once, when an adapter is built.

use conversant_core::{CallOptions, ToolChoice, nearest, nearest_hint};

use super::faults::Faults;

/// Checks that each tool has a name of its own and takes an object, and that the choice is one of
/// them. Without tools, the choice is for those of the calls.
pub(super) fn check(options: &CallOptions, faults: &mut Faults) {
    let names = || options.tools.iter().map(|tool| tool.name.as_str());
    for (index, name) in names().enumerate() {
        if name.trim().is_empty() {
            faults.add(format!("tool {} of {} has no name", index + 1, options.tools.len()));
        } else if names().take(index).any(|other| other == name) {
            faults.add(format!("two tools are named `{name}`"));
        }
    }
    for tool in options.tools.iter().filter(|tool| !tool.allows_object()) {
        let what = format!("the schema of tool `{}` allows no object", tool.name);
        faults.add(format!("{what}; start with `{{\"type\": \"object\"}}`"));
    }
    if let Some(ToolChoice::Tool(name)) = &options.tool_choice
        && !options.tools.is_empty()
        && !names().any(|known| known == name)
    {
        let hint = nearest_hint(nearest(name, names()));
        faults.add(format!("`tool_choice` names `{name}`, which is none of the tools{hint}"));
    }
}
