//! Adds turns to the index of the search that were stored before there was one.

use conversant_core::{HistoryError, Message, Turn};
use deadpool_postgres::Client;
use tokio_postgres::{Row, types::Type};

use super::{
    columns::{column, signed},
    query::Parameter,
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
    search::search_texts,
};

/// The session of a turn is that of its branch, or of none if only forks have the turn.
const UNINDEXED: &str = "SELECT t.session, t.first, t.messages, \
    (SELECT s.id FROM conversant_sessions s WHERE s.key = coalesce( \
        (SELECT b.session FROM conversant_branches b WHERE b.key = t.session), t.session)) \
    FROM conversant_turns t WHERE NOT EXISTS (SELECT FROM conversant_search x \
    WHERE x.session = t.session AND x.first = t.first) LIMIT $1";

const INDEX: &str = "SELECT conversant_index_turn($1, $2, $3)";

/// Turns that are not indexed, at most `max`.
pub(crate) struct Unindexed {
    pub(crate) max: u64,
}

/// A turn that is not indexed.
pub(crate) struct UnindexedTurn {
    branch: i64,
    first: i64,
    /// The messages as JSON. One that is null is damaged.
    messages: Vec<Option<String>>,
    session: Option<String>,
}

impl UnindexedTurn {
    /// Returns what to index of the turn, with the error if it cannot be decoded. It is then
    /// indexed without words, so that it does not keep others out.
    pub(crate) fn decoded(self) -> (IndexTurn, Option<HistoryError>) {
        let Self { branch, first, messages, session } = self;
        let name = session.as_deref().unwrap_or("that only its forks have");
        let decode = |json: &Option<String>| {
            let json = json.as_deref().unwrap_or_default();
            Message::from_stored_json(json, format_args!("a message of session {name}"))
        };
        let (texts, error) = match messages.iter().map(decode).collect::<Result<Vec<_>, _>>() {
            Ok(messages) => (search_texts(&Turn::new(messages)), None),
            Err(error) => (vec![String::new()], Some(error)),
        };
        (IndexTurn { branch, first, texts }, error)
    }
}

/// A turn to index.
pub(crate) struct IndexTurn {
    branch: i64,
    first: i64,
    texts: Vec<String>,
}

impl Operation for Unindexed {
    type Output = Vec<UnindexedTurn>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Self::Output, Failure> {
        let rows = client.query_typed(UNINDEXED, &[(&signed(self.max), Type::INT8)]).await?;
        let turn = |row: &Row| {
            Ok(UnindexedTurn {
                branch: column(row, 0)?,
                first: column(row, 1)?,
                messages: column(row, 2)?,
                session: column(row, 3)?,
            })
        };
        rows.iter().map(turn).collect::<Result<_, Failure>>()
    }
}

impl Operation for IndexTurn {
    type Output = ();

    async fn run(&self, client: &mut Client, _: Limit) -> Result<(), Failure> {
        let parameters: [Parameter<'_>; 3] = [
            (&self.branch, Type::INT8),
            (&self.first, Type::INT8),
            (&self.texts, Type::TEXT_ARRAY),
        ];
        client.query_typed(INDEX, &parameters).await?;
        Ok(())
    }
}
