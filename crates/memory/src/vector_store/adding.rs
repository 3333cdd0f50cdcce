//! Adding the turns of a conversation to its collection, piece by piece.

use std::{collections::HashSet, ops::Range};

use conversant_core::{
    BoxError, Document, Scope, Slice, Value, VectorStoreError, Version, clock::Instant,
};

use super::{PAGE, VectorStoreMemory};
use crate::{
    conversation::{derived_state::is_lost, note::Covered, turn_boundaries::turns},
    llm::{attempts::Attempts, limits::shortened},
};

/// The number of times that turns are added, if the conversation is moved meanwhile.
const MAX_MOVES: usize = 3;

/// The most text of a piece of several turns: 1 MiB.
const MAX_PIECE: usize = 1024 * 1024;

/// The turns that are added at once.
struct Piece {
    documents: Vec<Document>,
    /// The number of their messages.
    messages: usize,
    /// The number of turns after them.
    left: usize,
}

impl VectorStoreMemory {
    /// Adds the turns that are not in the collection yet, and returns the version of the last one.
    /// If it may have others of this session, of another branch or a cleared conversation, removes
    /// those.
    ///
    /// After each piece a note says how far the turns are in the collection, so that the next call
    /// goes on from there if the store fails, or the deadline ends this one.
    pub(super) async fn add_turns(
        &self,
        mut has_others: bool,
        attempts: &mut Attempts,
        deadline: Option<Instant>,
    ) -> Result<Version, BoxError> {
        let session = &self.conversation.session;
        let (mut moves, mut written) = (0, None);
        loop {
            let uncovered = self.state.read(session).await?.uncovered;
            let read = uncovered.version;
            if uncovered.messages.is_empty() {
                return Ok(read);
            }
            if is_lost(&uncovered, written) {
                return Err("others are adding the turns of the conversation".into());
            }
            let piece = self.next_piece(&uncovered);
            self.add(&piece, &uncovered, attempts, deadline).await?;
            self.remove_others(&uncovered, &piece, has_others).await?;
            if session.has(read).await? {
                let covered = Covered::up_to(&uncovered, piece.messages);
                self.state.write(session, Value::from(""), covered).await?;
                if covered.end == read {
                    return Ok(read);
                }
                written = Some(covered);
                continue;
            }
            // The conversation was moved to another branch meanwhile. Turns of the one that was
            // left may have replaced its own: all are added again.
            let nothing = Covered::all(Version::new(read.epoch, 0));
            self.state.write(session, Value::from(""), nothing).await?;
            (moves, has_others, written) = (moves + 1, true, None);
            if moves == MAX_MOVES {
                break;
            }
        }
        Err("the conversation was moved to another branch each time its turns were added".into())
    }

    /// Returns the first of the turns that are not covered: at least one, and as many as fit.
    fn next_piece(&self, uncovered: &Slice) -> Piece {
        let all = turns(&uncovered.messages);
        let (mut documents, mut messages, mut bytes) = (Vec::new(), 0, 0);
        for turn in all.iter().take(PAGE) {
            let document = self.turn_document(uncovered, turn);
            bytes += document.text.len();
            if bytes > MAX_PIECE && !documents.is_empty() {
                break;
            }
            documents.push(document);
            messages = turn.end;
        }
        let left = all.len() - documents.len();
        Piece { documents, messages, left }
    }

    /// Creates the document of a turn that is not covered.
    fn turn_document(&self, uncovered: &Slice, turn: &Range<usize>) -> Document {
        self.document(first_of(uncovered, turn), &uncovered.messages.slice(turn.clone()))
    }

    /// Removes documents that are not of the conversation: all others of the session, if there may
    /// be some, or those in the place of the turns that were added. Documents of later turns stay:
    /// another process may have added them, and noted it.
    async fn remove_others(
        &self,
        uncovered: &Slice,
        piece: &Piece,
        has_others: bool,
    ) -> Result<(), VectorStoreError> {
        let Piece { documents, left, .. } = piece;
        // In a collection that sessions share, all documents are listed to find them. So a session
        // with one turn is taken for a new one.
        let is_long = documents.len() + left > 1;
        let may_have_others = has_others || self.scope == Scope::Session || is_long;
        let removed = match uncovered.start() == 0 && may_have_others {
            true => {
                let turns = turns(&uncovered.messages);
                let ids = turns.iter().map(|turn| self.id(first_of(uncovered, turn)));
                self.remove_own(&ids.collect()).await
            }
            false => {
                let added = documents.iter().map(|document| document.id.as_str()).collect();
                self.remove_between(uncovered, piece.messages, &added).await
            }
        };
        match removed {
            // A store that cannot do so keeps them.
            Err(VectorStoreError::Unsupported { .. }) => Ok(()),
            removed => removed,
        }
    }

    /// Removes turns that begin inside of those that were added: a history that was restored has
    /// lost them, and has others in their place.
    async fn remove_between(
        &self,
        uncovered: &Slice,
        messages: usize,
        added: &HashSet<&str>,
    ) -> Result<(), VectorStoreError> {
        let (epoch, start) = (uncovered.version.epoch, uncovered.start());
        let places = start..start + messages as u64;
        let ids = places.map(|first| self.id(Version::new(epoch, first)));
        let ids: Vec<_> = ids.filter(|id| !added.contains(id.as_str())).collect();
        for page in ids.chunks(PAGE) {
            let page: Vec<_> = page.iter().map(String::as_str).collect();
            self.store.remove(&self.collection(), &page).await?;
        }
        Ok(())
    }

    /// Adds documents, except those that the embedding model does not accept. Of one that is too
    /// long for it, the end is cut off. The newest turn of all is the one that finds out whether
    /// the model accepts any.
    async fn add(
        &self,
        piece: &Piece,
        uncovered: &Slice,
        attempts: &mut Attempts,
        deadline: Option<Instant>,
    ) -> Result<(), BoxError> {
        let collection = self.collection();
        let mut left = piece.documents.as_slice();
        while !left.is_empty() {
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err("the deadline has passed".into());
            }
            let next = attempts.next(left.len());
            let newest = match attempts.is_probe() {
                true => turns(&uncovered.messages)
                    .last()
                    .map(|turn| [self.turn_document(uncovered, turn)]),
                false => None,
            };
            let tried = match &newest {
                Some(newest) => newest.as_slice(),
                None => left.get(next.clone()).unwrap_or_default(),
            };
            let added = match attempts.shortens() {
                true => {
                    let shortened = |document: &Document| {
                        let mut document = document.clone();
                        document.text = shortened(&document.text, attempts.bytes()).into_owned();
                        document
                    };
                    let tried: Vec<_> = tried.iter().map(shortened).collect();
                    self.store.add(&collection, &tried).await
                }
                false => self.store.add(&collection, tried).await,
            };
            let is_done = match added {
                Ok(()) => attempts.succeeded(),
                Err(error) => {
                    attempts.failed(error.into(), tried.len(), left.len() + piece.left)?
                }
            };
            if is_done {
                left = left.get(next.end..).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// Returns the version at which a turn that is not covered begins.
fn first_of(uncovered: &Slice, turn: &Range<usize>) -> Version {
    Version::new(uncovered.version.epoch, uncovered.start() + turn.start as u64)
}
