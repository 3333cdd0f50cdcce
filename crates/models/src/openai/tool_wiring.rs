//! Checks the tools that are set once, when an adapter is built.

use conversant_core::{CallOptions, ModelError, ToolChoice, nearest, nearest_hint};

/// Checks that each tool has a name of its own and takes an object, and that the choice is one of
/// them. Without tools, the choice is for those of the calls.
///
/// # Errors
/// [`ModelError::Config`], if the tools are wired wrongly.
pub(super) fn check(options: &CallOptions) -> Result<(), ModelError> {
    let names = || options.tools.iter().map(|tool| tool.name.as_str());
    for (index, name) in names().enumerate() {
        if name.trim().is_empty() {
            return Err(ModelError::config("a tool has no name"));
        }
        if names().take(index).any(|other| other == name) {
            return Err(ModelError::config(format!("two tools are named `{name}`")));
        }
    }
    if let Some(tool) = options.tools.iter().find(|tool| !tool.allows_object()) {
        let what = format!("the schema of tool `{}` allows no object", tool.name);
        return Err(ModelError::config(format!("{what}; start with `{{\"type\": \"object\"}}`")));
    }
    if let Some(ToolChoice::Tool(name)) = &options.tool_choice
        && !options.tools.is_empty()
        && !names().any(|known| known == name)
    {
        let hint = nearest_hint(nearest(name, names()));
        let what = format!("`tool_choice` names `{name}`, which is none of the tools{hint}");
        return Err(ModelError::config(what));
    }
    Ok(())
}
