//! Filling in a mustache template.

use std::borrow::Cow;

use conversant_core::{MissingVariable, PromptError};

use super::{
    node::{Name, Node},
    view::View,
    work::{NODE, PASS, Work},
};
use crate::{
    partials::Values,
    work_limit::{MAX_OUTPUT_BYTES, WorkLimit},
};

pub(super) fn render(nodes: &[Node], values: &Values<'_>) -> Result<String, PromptError> {
    let mut renderer =
        Renderer { nodes, values, scopes: Vec::new(), work: Work::new(), out: String::new() };
    renderer.run(0, nodes.len())?;
    Ok(renderer.out)
}

struct Renderer<'r, 'v> {
    nodes: &'r [Node],
    values: &'v Values<'v>,
    /// The values of the open sections, the innermost last.
    scopes: Vec<View<'v>>,
    work: Work,
    out: String,
}

impl<'v> Renderer<'_, 'v> {
    /// Renders the nodes from `index` to before `end`. Sections nest no deeper than the parser lets
    /// them.
    fn run(&mut self, mut index: usize, end: usize) -> Result<(), PromptError> {
        while index < end {
            let Some(node) = self.nodes.get(index) else { break };
            index += 1;
            self.work.spend(NODE)?;
            match node {
                Node::Text(text) => self.push(text)?,
                Node::Variable { name, escape } => {
                    let found = match self.find(name)? {
                        // The truth of a condition is not shown, but the value around it.
                        Some(view) if *escape && *name == Name::Dot && view.is_true() => {
                            self.scopes.iter().rev().nth(1).copied()
                        }
                        found => found,
                    };
                    let view = found.ok_or_else(|| self.missing(name))?;
                    self.work.spend(view.parts().saturating_mul(NODE))?;
                    let text = view.text();
                    if *escape {
                        self.push(&escaped(&text))?;
                    } else {
                        self.push(&text)?;
                    }
                }
                Node::Section { name, inverted, end } => {
                    let view = self.find(name)?.unwrap_or(View::Nothing);
                    match (inverted, view.items()) {
                        (true, _) if view.is_false() => self.body(View::True, index, *end)?,
                        (true, _) => {}
                        (false, Some(items)) => {
                            for item in items.views() {
                                self.body(item, index, *end)?;
                            }
                        }
                        (false, None) => self.body(view, index, *end)?,
                    }
                    index = *end;
                }
            }
        }
        Ok(())
    }

    /// Renders a section's body once, unless its value counts as false.
    fn body(&mut self, scope: View<'v>, start: usize, end: usize) -> Result<(), PromptError> {
        self.work.spend(PASS)?;
        if scope.is_false() {
            return Ok(());
        }
        self.scopes.push(scope);
        let done = self.run(start, end);
        self.scopes.pop();
        done
    }

    /// Looks a name up: in the open sections from the inside out, then among the variables.
    fn find(&mut self, name: &Name) -> Result<Option<View<'v>>, WorkLimit> {
        let Name::Path(path) = name else { return Ok(self.scopes.last().copied()) };
        for scope in self.scopes.iter().rev() {
            if let Some(found) = scope.walk(path, &mut self.work)? {
                return Ok(Some(found));
            }
        }
        let Some((first, rest)) = path.split_first() else { return Ok(None) };
        match self.values.get(first) {
            Some(value) => View::Variable(value).walk(rest, &mut self.work),
            None => Ok(None),
        }
    }

    fn push(&mut self, text: &str) -> Result<(), PromptError> {
        if text.len() > MAX_OUTPUT_BYTES - self.out.len() {
            return Err(WorkLimit::Output.into());
        }
        self.out.push_str(text);
        Ok(())
    }

    fn missing(&self, name: &Name) -> PromptError {
        let name = name.to_string();
        let missing = vec![MissingVariable::new(&name, self.values.names())];
        PromptError::MissingVariables { missing }
    }
}

/// Returns text with `&`, `"`, `<` and `>` escaped for HTML.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '"', '<', '>']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}
