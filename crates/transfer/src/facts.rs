//! The facts that a memory knows of a session, a user or a group.

use std::time::Duration;

use conversant_core::{ChatHistory, HistoryError, Note, Range, Scope, SessionId, Value, Version};
use serde_json::{Map, Value as Json};

use crate::error::TransferError;

/// The time for which a change locks the facts, as the memories that write them do.
const LOCK: Duration = Duration::from_secs(10);

/// The most attempts of a copy whose lock expires each time before it is stored.
const MAX_ATTEMPTS: usize = 8;

/// Copies the facts of a user or a group from one history to another: those that memories wrote,
/// and those that a person corrected. Names that the other history has already keep their text
/// there, so that a copy can be repeated.
///
/// [`copy`](crate::copy) copies the facts of sessions; [`Scope::Session`] has none here.
///
/// # Errors
/// - [`HistoryError::Busy`] if a memory is changing the facts.
/// - [`HistoryError::Unsupported`] if the other history has no notes.
/// - The errors of the histories.
///
/// # Examples
///
/// ```
/// use conversant_core::UserId;
/// use conversant_memory::{Facts, InMemoryHistory};
/// use conversant_transfer::copy_facts;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (old, new) = (InMemoryHistory::new(), InMemoryHistory::new());
/// let ada = UserId::new("ada")?;
/// Facts::of_user(old.clone(), ada.clone()).set("Lisbon", "Ada lives there.").await?;
///
/// copy_facts(&old, &new, &ada.clone().into()).await?;
/// let text = Facts::of_user(new, ada).get("Lisbon").await?;
/// assert_eq!(text.as_deref(), Some("Ada lives there."));
/// # Ok(())
/// # }
/// ```
pub async fn copy_facts(
    from: &dyn ChatHistory,
    to: &dyn ChatHistory,
    scope: &Scope,
) -> Result<(), TransferError> {
    let id = match scope {
        Scope::User(user) => SessionId::from_stored(format!("conversant:user:{user}")),
        Scope::Group(group) => SessionId::from_stored(format!("conversant:group:{group}")),
        _ => return Ok(()),
    };
    // Ids of users and groups are shorter than those of sessions.
    let Ok(id) = id else { return Ok(()) };
    copy(from, to, &id).await.map_err(TransferError::History)
}

/// Copies the facts of a session. Returns whether the other history has a place for all of them.
pub(crate) async fn copy_of_session(
    from: &dyn ChatHistory,
    to: &dyn ChatHistory,
    session: &SessionId,
) -> Result<bool, HistoryError> {
    match copy(from, to, session).await {
        Ok(()) => Ok(true),
        Err(HistoryError::Unsupported { .. } | HistoryError::TooLarge { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn copy(
    from: &dyn ChatHistory,
    to: &dyn ChatHistory,
    session: &SessionId,
) -> Result<(), HistoryError> {
    let note = match from.note(session, Note::FACTS).await {
        Ok(note) => note,
        Err(HistoryError::Unsupported { .. }) => None,
        Err(error) => return Err(error),
    };
    let Some(note) = note else { return Ok(()) };
    let described = described(from, session, &note).await?;
    let facts = facts(note.body);
    if facts.is_empty() {
        return Ok(());
    }
    let lease = to.lease(&Note::facts_lock(session), LOCK).await?;
    let mut stored = Ok(false);
    for _ in 0..MAX_ATTEMPTS {
        stored = store(to, session, facts.clone(), described).await;
        if !matches!(stored, Ok(false)) {
            break;
        }
    }
    if let Some(lease) = lease {
        // A lease that is not released expires.
        let _ = to.release(&lease).await;
    }
    if stored? { Ok(()) } else { Err(HistoryError::Busy) }
}

/// Returns the version up to which the turns of a session are described in its facts.
async fn described(
    history: &dyn ChatHistory,
    session: &SessionId,
    facts: &Note,
) -> Result<Version, HistoryError> {
    if facts.covers.messages > 0 {
        return Ok(facts.covers);
    }
    let note = history.note(session, Note::DESCRIBED).await?;
    Ok(note.map_or(facts.covers, |note| note.covers))
}

/// Adds facts. Returns `false` if others were stored meanwhile.
async fn store(
    to: &dyn ChatHistory,
    session: &SessionId,
    mut facts: Map<String, Json>,
    covers: Version,
) -> Result<bool, HistoryError> {
    let known = to.note(session, Note::FACTS).await?;
    let version = to.load(session, Range::LastMessages(0)).await?.version;
    let described = match &known {
        Some(known) => described(to, session, known).await?,
        // The turns that are described already, as far as they were copied.
        None if covers.messages < version.messages => Version::new(version.epoch, covers.messages),
        None => version,
    };
    let before = known.as_ref().map(|known| self::facts(known.body.clone())).unwrap_or_default();
    if facts.keys().all(|name| before.contains_key(name)) {
        return Ok(true);
    }
    for (name, text) in before {
        facts.shift_remove(&name);
        facts.insert(name, text);
    }
    let note = Note::new(Json::Object(facts), Version::new(version.epoch, 0));
    match to.replace_note(session, Note::FACTS, known.as_ref(), &note).await {
        Ok(false) | Err(HistoryError::Stale { .. }) => return Ok(false),
        Err(HistoryError::Unsupported { .. }) => to.put_note(session, Note::FACTS, &note).await?,
        Ok(true) => {}
        Err(error) => return Err(error),
    }
    if described.messages > 0 {
        to.put_note(session, Note::DESCRIBED, &Note::new("", described)).await?;
    }
    Ok(true)
}

fn facts(body: Value) -> Map<String, Json> {
    match body {
        Value::Data(data) => data.as_object().cloned().unwrap_or_default(),
        _ => Map::new(),
    }
}
