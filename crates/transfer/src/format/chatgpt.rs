//! ChatGPT's data export: a list of conversations, each with a tree of messages.
//!
//! `mapping` has the nodes by their ids, each with its `parent`, its `children` and a `message` or
//! null. `current_node` is the newest message of the branch that the user sees. This format is
//! imported only: nothing reads it but ChatGPT's own export.

mod message;
mod tree;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use self::{
    message::{Reader, time},
    tree::Tree,
};
use crate::{
    conversation::Conversation,
    event::{OmissionReason, Omitted},
};

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
    let Some(branch) = tree.branch(entry.current_node.as_str()) else {
        conversation.omitted.push(Omitted::whole(OmissionReason::InvalidTree));
        return Ok(conversation);
    };
    let mut reader = Reader::new(&mut conversation);
    let mut position = 0;
    let mut positions = Vec::new();
    for node in &branch {
        if let Some(message) = tree.message(node) {
            position += 1;
            reader.read(position, message);
        }
        positions.push((*node, position));
    }
    reader.finish();
    for other in tree.other_branches(&positions) {
        let reason = OmissionReason::Branch { messages: other.messages };
        let node = Some(other.node).filter(|node| is_plain(node)).map(str::to_owned);
        conversation.omitted.push(Omitted { message: other.position, node, reason });
    }
    // A message without a time is as old as the one before it.
    let mut before = created_at;
    for taken in &mut conversation.messages {
        before = taken.created_at.or(before);
        taken.created_at = before;
    }
    Ok(conversation)
}

/// Returns whether an id can be shown: it may be anything in a file that was made up.
fn is_plain(id: &str) -> bool {
    id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
