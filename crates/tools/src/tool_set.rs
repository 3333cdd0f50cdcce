//! The tools of a loop, by their names.

use std::{collections::HashSet, sync::Arc};

use crate::error::ToolSetError;
use conversant_core::{Tool, ToolDefinition};

/// The longest name of a tool, in bytes: OpenAI's limit.
const MAX_NAME_BYTES: usize = 64;

/// Tools with valid and unique names.
pub(crate) struct ToolSet {
    tools: Vec<Arc<dyn Tool>>,
}

impl ToolSet {
    pub(crate) fn new(tools: Vec<Arc<dyn Tool>>) -> Result<Self, ToolSetError> {
        let mut names = HashSet::new();
        let mut faults = Vec::new();
        for tool in &tools {
            let definition = tool.definition();
            let name = || definition.name.clone();
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            let is_short = (1..=MAX_NAME_BYTES).contains(&definition.name.len());
            if !is_short || !definition.name.bytes().all(is_allowed) {
                faults.push(ToolSetError::Name { name: name() });
            }
            if !definition.parameters.is_object() {
                faults.push(ToolSetError::Schema { name: name() });
            } else if !definition.allows_object() {
                faults.push(ToolSetError::NoObject { name: name() });
            }
            if !names.insert(&definition.name) {
                faults.push(ToolSetError::Duplicate { name: name() });
            }
        }
        if tools.is_empty() {
            faults.push(ToolSetError::Empty);
        }
        match faults.pop() {
            None => Ok(Self { tools }),
            Some(only) if faults.is_empty() => Err(only),
            Some(last) => {
                faults.push(last);
                Err(ToolSetError::Several { faults })
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&dyn Tool> {
        self.tools.iter().find(|tool| tool.definition().name == name).map(|tool| &**tool)
    }

    pub(crate) fn definitions(&self) -> impl Iterator<Item = &ToolDefinition> {
        self.tools.iter().map(|tool| tool.definition())
    }

    /// Returns the names for an error text: "`a`, `b`".
    pub(crate) fn names(&self) -> String {
        let names: Vec<_> =
            self.definitions().map(|definition| format!("`{}`", definition.name)).collect();
        names.join(", ")
    }
}
