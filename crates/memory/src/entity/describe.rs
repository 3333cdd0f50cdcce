//! Describing the entities of the turns that are not covered.

use std::{mem, time::Duration};

use conversant_core::{
    BoxError, HistoryError, MaintainContext, Messages, Slice, Value, Version, clock::Instant, vars,
};
use serde_json::{Map, Value as Json};

use super::{
    EntityMemory,
    pending::{MAX_TURNS, Pending},
};
use crate::{
    conversation::{derived_state::is_lost, note::Covered, turn_boundaries::turns},
    facts::Rewritten,
    llm::{attempts::Attempts, entity_extractor::human_text, limits::count_fitting_questions},
    sync::lock,
};

/// The number of times that a description is written whose fact changes meanwhile. After that the
/// change stays as it is.
const MAX_REWRITES: usize = 2;

/// Turns that are described at once.
struct Piece {
    messages: Messages,
    turns: usize,
    /// The version that they reach, and how far the conversation is described with them.
    covered: Covered,
    /// Whether no turns follow them.
    is_last: bool,
    /// The names in them, if they are known.
    names: Option<Vec<String>>,
}

impl EntityMemory {
    /// Describes what is new in the turns that are not covered.
    pub(super) async fn describe(
        &self,
        attempts: &mut Attempts,
        context: MaintainContext<'_>,
    ) -> Result<(), BoxError> {
        let mut written = None;
        loop {
            let note = self.note().await?;
            self.adopt(note.as_ref()).await?;
            let (known, uncovered) = self.read(note).await?;
            if uncovered.messages.is_empty() || is_lost(&uncovered, written) {
                return Ok(());
            }
            let all = turns(&uncovered.messages);
            let ends = |turn: usize| all.get(turn).map_or(usize::MAX, |turn| turn.end);
            let fits = count_fitting_questions(&uncovered.messages);
            let fits = fits.min(ends(MAX_TURNS - 1)).max(ends(0));
            let pending = self.pending(&uncovered, attempts).await?;
            let pending = pending.filter(|(messages, _)| *messages <= fits);
            let fits = pending.as_ref().map_or(fits, |(messages, _)| *messages);
            let (new, tried) = attempts.next_messages(&all, fits);
            let names = pending.filter(|(messages, _)| new == (0..*messages));
            let covered = Covered::up_to(&uncovered, new.end);
            let piece = Piece {
                messages: uncovered.messages.slice(new.clone()),
                turns: tried,
                covered,
                is_last: new.end == uncovered.messages.len(),
                names: names.map(|(_, names)| names),
            };
            match self.describe_turns(known, piece, &uncovered, attempts, context).await {
                Ok(()) if attempts.succeeded() => written = Some(covered),
                Ok(()) => {}
                Err(error) => {
                    if attempts.failed(error, tried, all.len())? {
                        let session = &self.conversation.session;
                        self.state.write(session, Value::from(""), covered).await?;
                        written = Some(covered);
                    }
                }
            }
            if written == Some(covered) {
                self.have_covered(covered.end.messages, uncovered.version);
                if covered.end == uncovered.version {
                    return Ok(());
                }
            }
        }
    }

    /// Returns the names in the first of the turns that are not covered, and the number of their
    /// messages, if they are known.
    async fn pending(
        &self,
        uncovered: &Slice,
        attempts: &Attempts,
    ) -> Result<Option<(usize, Vec<String>)>, HistoryError> {
        let pending = lock(&self.pending).clone().filter(|_| !attempts.is_narrowed());
        let Some(Pending { seen, names, .. }) = &pending else { return Ok(None) };
        let Some(messages) = pending.as_ref().and_then(|pending| pending.messages(uncovered))
        else {
            return Ok(None);
        };
        let is_current =
            seen.matches(uncovered.version) || self.conversation.session.has(*seen).await?;
        Ok(is_current.then(|| (messages, names.clone())))
    }

    /// Notes that the turns up to an end are described.
    fn have_covered(&self, end: u64, seen: Version) {
        let mut pending = lock(&self.pending);
        // A turn that was saved meanwhile may have a name that was known before.
        let has_more = pending.as_ref().is_some_and(|pending| pending.is_after(end));
        *pending = (!has_more).then(|| Pending::nothing(end, seen));
    }

    /// Rewrites the description of each name in some turns.
    async fn describe_turns(
        &self,
        mut known: Map<String, Json>,
        piece: Piece,
        uncovered: &Slice,
        attempts: &Attempts,
        context: MaintainContext<'_>,
    ) -> Result<(), BoxError> {
        let Piece { messages, turns, covered, is_last, names } = piece;
        let (input, deadline) = (human_text(&messages, attempts.bytes()), context.deadline);
        let history = match attempts.is_narrowed() || !is_last {
            true => self.transcript(&messages, attempts.bytes()),
            false => self.transcript(&self.recent().await?.messages, attempts.bytes()),
        };
        let mut names = match names {
            Some(names) => names,
            None => {
                let names = self.extractor.extract(&history, &input, turns, context).await?;
                if !attempts.is_narrowed() && !attempts.is_probe() {
                    let pending = Pending::of(uncovered, messages.len(), names.clone());
                    *lock(&self.pending) = Some(pending);
                }
                names
            }
        };
        if attempts.is_probe() {
            return Ok(());
        }
        let mut longest = Duration::ZERO;
        for _ in 0..MAX_REWRITES {
            let (mut rewritten, mut corrected) = (Vec::with_capacity(names.len()), Vec::new());
            for name in names {
                // A call that the deadline ends takes the descriptions with it that are not stored.
                let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
                if left.is_some_and(|left| left <= longest.saturating_mul(2)) {
                    let kept = self.keep(mem::take(&mut rewritten), covered, deadline).await?;
                    corrected.extend(kept);
                }
                let before = known.get(&name).and_then(Json::as_str).map(str::to_owned);
                let variables = vars! {
                    "entity" => name.as_str(),
                    "summary" => before.as_deref().unwrap_or_default(),
                    "history" => history.as_str(),
                    "input" => input.as_str(),
                };
                let started = deadline.map(|_| Instant::now());
                match self.writer.call_for_text(&variables, context).await {
                    Ok(after) => {
                        let after = after.trim().to_owned();
                        rewritten.push(Rewritten { name, before, after });
                    }
                    Err(error) => {
                        // If they cannot be stored, they are written again.
                        self.keep(rewritten, covered, deadline).await.ok();
                        return Err(error);
                    }
                }
                longest = longest.max(started.map_or(Duration::ZERO, |started| started.elapsed()));
            }
            let epoch = covered.end.epoch;
            let stored = self.store(rewritten, epoch, Some(covered), deadline).await?;
            (known, names) = stored;
            names.extend(corrected);
            if names.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Stores descriptions of some of the names in turns, before the others are described. Returns
    /// the names of those that were corrected while they were rewritten.
    async fn keep(
        &self,
        rewritten: Vec<Rewritten>,
        covered: Covered,
        deadline: Option<Instant>,
    ) -> Result<Vec<String>, HistoryError> {
        if rewritten.is_empty() {
            return Ok(Vec::new());
        }
        let described: Vec<_> = rewritten.iter().map(|rewritten| rewritten.name.clone()).collect();
        let (_, corrected) = self.store(rewritten, covered.end.epoch, None, deadline).await?;
        let mut pending = lock(&self.pending);
        // A turn that was saved meanwhile may have one of the names too.
        *pending = pending.take().filter(|pending| !pending.is_after(covered.end.messages));
        if let Some(pending) = pending.as_mut() {
            let is_left = |name: &String| corrected.contains(name) || !described.contains(name);
            pending.names.retain(is_left);
        }
        Ok(corrected)
    }
}
