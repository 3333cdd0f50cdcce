//! ChatGPT's data export: a list of conversations, each with a tree of messages.
//!
//! `mapping` has the nodes by their ids, each with its `parent`, its `children` and a `message` or
//! null. `current_node` is the newest message of the branch that the user sees. This format is
//! imported only: nothing reads it but ChatGPT's own export.
//!
//! The current branch is read first. The others are read one at a time, each from the root on, so
//! that the turns which it shares with the current one have the same ids.

mod message;
mod tree;

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use self::{
    message::{Reader, time},
    tree::Tree,
};
use crate::{
    conversation::{Conversation, OtherBranches, OtherPath},
    event::{OmissionReason, Omitted},
};

/// The most paths of other branches that are read of a conversation, each from its start on.
/// Further branches are reported as left out.
const MAX_PATHS: usize = 256;

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    conversation_id: Json,
    #[serde(default)]
    id: Json,
    #[serde(default)]
    title: Json,
    #[serde(default)]
    create_time: Json,
    #[serde(default)]
    current_node: Json,
    mapping: Map<String, Json>,
}

/// Reads a conversation.
pub(crate) fn read(text: &[u8]) -> Result<Conversation, serde_json::Error> {
    let entry: Entry = serde_json::from_slice(text)?;
    let id = [&entry.conversation_id, &entry.id].into_iter().find_map(Json::as_str);
    let created_at = time(&entry.create_time);
    let mut conversation = Conversation {
        id: id.map(str::to_owned),
        title: entry.title.as_str().filter(|title| !title.is_empty()).map(str::to_owned),
        created_at,
        ..Conversation::default()
    };
    if entry.mapping.is_empty() {
        return Ok(conversation);
    }
    let tree = Tree::new(&entry.mapping);
    let Some(path) = tree.path_to(entry.current_node.as_str()) else {
        conversation.omitted.push(Omitted::whole(OmissionReason::InvalidTree));
        return Ok(conversation);
    };
    let positions = read_path(&tree, &path, created_at, &mut conversation);
    let mut branches = Vec::new();
    let mut paths = 0;
    for other in tree.other_branches(&positions) {
        let reason = OmissionReason::Branch { messages: other.messages };
        let node = Some(other.node).filter(|node| is_plain(node)).map(str::to_owned);
        let omitted = Omitted { message: other.position, node, reason };
        let leaves: Vec<_> = other.leaves.iter().map(|&leaf| leaf.to_owned()).collect();
        paths += leaves.len();
        match other.position {
            Some(position) if paths <= MAX_PATHS => {
                branches.push(OtherBranch { omitted, shared: position - 1, leaves });
            }
            _ => conversation.omitted.push(omitted),
        }
    }
    if !branches.is_empty() {
        let nodes = entry.mapping;
        conversation.others = Some(Box::new(Branches { nodes, created_at, branches }));
    }
    Ok(conversation)
}

/// Reads the messages of a path from a root on, and returns its nodes, each with the number of
/// messages up to it.
fn read_path<'t>(
    tree: &Tree<'t>,
    path: &[&'t str],
    created_at: Option<SystemTime>,
    conversation: &mut Conversation,
) -> Vec<(&'t str, u64)> {
    let mut reader = Reader::new(conversation);
    let mut position = 0;
    let mut positions = Vec::with_capacity(path.len());
    for node in path {
        if let Some(message) = tree.message(node) {
            position += 1;
            reader.read(position, message);
        }
        positions.push((*node, position));
    }
    reader.finish();
    // A message without a time is as old as the one before it.
    let mut before = created_at;
    for taken in &mut conversation.messages {
        before = taken.created_at.or(before);
        taken.created_at = before;
    }
    positions
}

/// The other branches of a tree.
struct Branches {
    nodes: Map<String, Json>,
    created_at: Option<SystemTime>,
    branches: Vec<OtherBranch>,
}

struct OtherBranch {
    /// The omission that is reported if the branch is left out.
    omitted: Omitted,
    /// The number of messages that it shares with the current branch.
    shared: u64,
    /// The last nodes of its paths.
    leaves: Vec<String>,
}

impl OtherBranches for Branches {
    fn omitted(self: Box<Self>) -> Vec<Omitted> {
        self.branches.into_iter().map(|branch| branch.omitted).collect()
    }

    fn paths(&self) -> Box<dyn Iterator<Item = OtherPath> + Send + '_> {
        let tree = Tree::new(&self.nodes);
        let leaves = self
            .branches
            .iter()
            .flat_map(|branch| branch.leaves.iter().map(|leaf| (branch.shared, leaf.as_str())));
        Box::new(leaves.filter_map(move |(shared, leaf)| {
            let path = tree.path_to(Some(leaf))?;
            let mut read = Conversation::default();
            read_path(&tree, &path, self.created_at, &mut read);
            Some(OtherPath { shared, messages: read.messages, omitted: read.omitted })
        }))
    }
}

/// Returns whether an id can be shown: it may be anything in a file that was made up.
fn is_plain(id: &str) -> bool {
    id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
