//! The tree of a conversation: its current branch, and the others.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

/// A tree of messages.
pub(super) struct Tree<'t> {
    nodes: &'t Map<String, Json>,
    /// The children of each node, in the order of the file, by what they name as their parent.
    children: HashMap<&'t str, Vec<&'t str>>,
    /// The nodes without a parent.
    roots: Vec<&'t str>,
}

/// A branch that is not the current one.
pub(super) struct OtherBranch<'t> {
    /// Its first node.
    pub(super) node: &'t str,
    /// The position in the current branch that its first message would have.
    pub(super) position: Option<u64>,
    pub(super) messages: u64,
    /// The nodes without children.
    pub(super) leaves: Vec<&'t str>,
}

impl<'t> Tree<'t> {
    pub(super) fn new(nodes: &'t Map<String, Json>) -> Self {
        let mut children: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut roots = Vec::new();
        for (id, node) in nodes {
            match node.get("parent").and_then(Json::as_str).filter(|id| nodes.contains_key(*id)) {
                Some(parent) => children.entry(parent).or_default().push(id.as_str()),
                None => roots.push(id.as_str()),
            }
        }
        Self { nodes, children, roots }
    }

    /// Returns the message of a node.
    pub(super) fn message(&self, node: &str) -> Option<&'t Json> {
        self.nodes.get(node)?.get("message").filter(|message| message.is_object())
    }

    /// Returns the nodes from a root to the current node. If the file names none, the current node
    /// is the newest: the last child of the last child, from the largest tree's root on.
    pub(super) fn path_to(&self, current: Option<&str>) -> Option<Vec<&'t str>> {
        let current = current.and_then(|id| self.nodes.get_key_value(id));
        let mut node = match current {
            Some((id, _)) => id.as_str(),
            None => self.newest()?,
        };
        let mut branch = vec![node];
        while let Some(parent) = self.parent(node) {
            // More steps than nodes: the parents lead in a circle.
            if branch.len() >= self.nodes.len() {
                return None;
            }
            branch.push(parent);
            node = parent;
        }
        branch.reverse();
        Some(branch)
    }

    /// Returns the nodes from one that is known, or a root, to a node of the tree.
    pub(super) fn path_since(
        &self,
        node: &'t str,
        is_known: impl Fn(&str) -> bool,
    ) -> Vec<&'t str> {
        let mut branch = vec![node];
        let mut node = node;
        while let Some(parent) = self.parent(node).filter(|_| !is_known(node)) {
            // More steps than nodes: the parents lead in a circle.
            if branch.len() >= self.nodes.len() {
                break;
            }
            branch.push(parent);
            node = parent;
        }
        branch.reverse();
        branch
    }

    fn newest(&self) -> Option<&'t str> {
        let messages = |root: &str| self.count(root, &mut HashSet::new()).0;
        // Of roots of the same size, the first.
        let mut node = *self.roots.iter().rev().max_by_key(|root| messages(root))?;
        // Parents are unique, so that no node is met twice.
        while let Some(child) = self.children.get(node).and_then(|children| children.last()) {
            node = child;
        }
        Some(node)
    }

    /// Counts the messages from a node on, lists the nodes without children, and adds the nodes to
    /// those that were seen.
    fn count<'s>(&self, node: &'s str, seen: &mut HashSet<&'s str>) -> (u64, Vec<&'s str>)
    where
        't: 's,
    {
        let mut messages = 0;
        let mut leaves = Vec::new();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if seen.insert(node) {
                messages += u64::from(self.message(node).is_some());
                match self.children.get(node) {
                    Some(children) => open.extend(children.iter().rev()),
                    None => leaves.push(node),
                }
            }
        }
        (messages, leaves)
    }

    fn parent(&self, node: &str) -> Option<&'t str> {
        let parent = self.nodes.get(node)?.get("parent")?.as_str()?;
        self.nodes.get_key_value(parent).map(|(id, _)| id.as_str())
    }

    /// Returns the branches that leave the current one, and those that are not connected with it.
    /// `current` has the nodes of the current branch, each with the number of messages up to it.
    pub(super) fn other_branches(&self, current: &[(&'t str, u64)]) -> Vec<OtherBranch<'t>> {
        let mut seen: HashSet<&str> = current.iter().map(|(node, _)| *node).collect();
        let mut branches = Vec::new();
        let mut add = |node: &'t str, position| {
            let (messages, leaves) = self.count(node, &mut seen);
            if messages > 0 {
                branches.push(OtherBranch { node, position, messages, leaves });
            }
        };
        for (node, position) in current {
            for &child in self.children.get(node).into_iter().flatten() {
                add(child, Some(position + 1));
            }
        }
        for &root in &self.roots {
            add(root, None);
        }
        // What is left is a circle.
        for node in self.nodes.keys() {
            add(node, None);
        }
        branches
    }
}
