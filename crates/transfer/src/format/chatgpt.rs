//! ChatGPT's data export: a list of conversations, each with a tree of messages.
//!
//! `mapping` has the nodes by their ids, each with its `parent`, its `children` and a `message` or
//! null. `current_node` is the newest message of the branch that the user sees. This format is
//! imported only: nothing reads it but ChatGPT's own export.
//!
//! The current branch is read first. The others are read one path at a time, each from the turn in
//! which it leaves those before it, with the number that the turn has, so that a turn has the same
//! id at every import.

mod message;
mod tree;

use std::{collections::HashMap, time::SystemTime};

use conversant_core::Role;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use self::{
    message::{Reader, time},
    tree::Tree,
};
use crate::{
    conversation::{Conversation, OtherBranches, OtherPath, Place, Taken},
    event::{OmissionReason, Omitted},
};

/// The most paths of other branches that are read of a conversation. Further branches are reported
/// as left out.
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
    let start = Start { before: created_at, ..Start::default() };
    let positions = read_path(&tree, &path, start, &mut conversation);
    let mut branches = Vec::new();
    let mut paths = 0;
    for other in tree.other_branches(&positions) {
        let reason = OmissionReason::Branch { messages: other.messages };
        let node = Some(other.node).filter(|node| is_plain(node)).map(str::to_owned);
        let omitted = Omitted { message: other.position, node, reason };
        let leaves: Vec<_> = other.leaves.iter().map(|&leaf| leaf.to_owned()).collect();
        paths += leaves.len();
        match other.position {
            Some(_) if paths <= MAX_PATHS => {
                branches.push(OtherBranch { omitted, leaves });
            }
            _ => conversation.omitted.push(omitted),
        }
    }
    if !branches.is_empty() {
        let own = |(node, position): &(&str, u64)| ((*node).to_owned(), *position);
        let read = positions.iter().map(own).collect();
        let starts = starts(&positions, &conversation.messages, start);
        let starts = starts.map(|(node, start)| (node.to_owned(), start)).collect();
        let nodes = entry.mapping;
        let others = Branches { nodes, created_at, branches, read, starts };
        conversation.others = Some(Box::new(others));
    }
    Ok(conversation)
}

/// Where a path is read from.
#[derive(Clone, Copy, Default)]
struct Start {
    place: Place,
    /// The number of messages before it.
    position: u64,
    /// The time of the message before it.
    before: Option<SystemTime>,
}

/// Reads the messages of a path from a root or a turn on, and returns its nodes, each with the
/// number of messages up to it.
fn read_path<'t>(
    tree: &Tree<'t>,
    path: &[&'t str],
    start: Start,
    conversation: &mut Conversation,
) -> Vec<(&'t str, u64)> {
    let mut reader = Reader::new(conversation);
    let mut position = start.position;
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
    let mut before = start.before;
    for taken in &mut conversation.messages {
        before = taken.created_at.or(before);
        taken.created_at = before;
    }
    positions
}

/// Returns the nodes with which the turns of a path begin that a person begins. All that is read
/// after such a node does not depend on the messages before it.
fn starts<'p, 't: 'p>(
    positions: &'p [(&'t str, u64)],
    messages: &'p [Taken],
    start: Start,
) -> impl Iterator<Item = (&'t str, Start)> + 'p {
    let mut nodes = positions.iter();
    let (mut next, mut is_within) = (start, false);
    messages.iter().filter_map(move |taken| {
        let found = if *taken.message.role() == Role::Human {
            next.place.turns += u64::from(is_within);
            next.position = taken.position.saturating_sub(1);
            nodes.find(|(_, position)| *position == taken.position).map(|(node, _)| (*node, next))
        } else {
            None
        };
        (next.before, is_within) = (taken.created_at, true);
        found
    })
}

/// The other branches of a tree.
struct Branches {
    nodes: Map<String, Json>,
    created_at: Option<SystemTime>,
    branches: Vec<OtherBranch>,
    /// The nodes of the current branch, each with the number of messages up to it.
    read: HashMap<String, u64>,
    /// The nodes with which its turns begin.
    starts: HashMap<String, Start>,
}

struct OtherBranch {
    /// The omission that is reported if the branch is left out.
    omitted: Omitted,
    /// The last nodes of its paths.
    leaves: Vec<String>,
}

impl OtherBranches for Branches {
    fn omitted(self: Box<Self>) -> Vec<Omitted> {
        self.branches.into_iter().map(|branch| branch.omitted).collect()
    }

    fn paths(&self) -> Box<dyn Iterator<Item = OtherPath> + Send + '_> {
        let tree = Tree::new(&self.nodes);
        let mut known: HashMap<&str, u64> =
            self.read.iter().map(|(node, position)| (node.as_str(), *position)).collect();
        let mut begun: HashMap<&str, Start> =
            self.starts.iter().map(|(node, start)| (node.as_str(), *start)).collect();
        let leaves = self.branches.iter().flat_map(|branch| &branch.leaves);
        Box::new((1..).zip(leaves).map(move |(number, leaf)| {
            let path = tree.path_since(leaf, |node| begun.contains_key(node));
            let begins = path.first().and_then(|first| begun.get(first).copied());
            let start = begins.unwrap_or(Start { before: self.created_at, ..Start::default() });
            let mut read = Conversation::default();
            let positions = read_path(&tree, &path, start, &mut read);
            let shared = positions.iter().rev().find_map(|(node, _)| known.get(node).copied());
            let own = Start { place: Place { path: number, ..start.place }, ..start };
            for (node, start) in starts(&positions, &read.messages, own) {
                begun.entry(node).or_insert(start);
            }
            known.extend(positions);
            OtherPath {
                start: start.place,
                shared: shared.unwrap_or_default(),
                messages: read.messages,
                omitted: read.omitted,
            }
        }))
    }
}

/// Returns whether an id can be shown: it may be anything in a file that was made up.
fn is_plain(id: &str) -> bool {
    id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
