//! Adds turns and titles to the index of the search that were stored before there was one.

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
    search::{search_texts, search_words},
};

/// Finds turns that are not indexed among those after a place. The last of those is in each row, so
/// that the next look begins there. The session of a turn is that of its branch, or of none if only
/// forks have the turn.
const UNINDEXED: &str = "WITH page AS ( \
        SELECT t.session, t.first FROM conversant_turns t \
        WHERE (t.session, t.first) > ($1, $2) ORDER BY t.session, t.first LIMIT $3 \
    ), missing AS ( \
        SELECT p.session, p.first FROM page p WHERE NOT EXISTS ( \
            SELECT FROM conversant_search x WHERE x.session = p.session AND x.first = p.first \
        ) ORDER BY p.session, p.first LIMIT $4 \
    ) \
    SELECT e.session, e.first, m.session, m.first, t.messages, \
        (SELECT s.id FROM conversant_sessions s WHERE s.key = coalesce( \
            (SELECT b.session FROM conversant_branches b WHERE b.key = t.session), t.session)) \
    FROM (SELECT * FROM page ORDER BY session DESC, first DESC LIMIT 1) e \
    LEFT JOIN (missing m JOIN conversant_turns t ON t.session = m.session AND t.first = m.first) \
        ON true \
    ORDER BY m.session, m.first";

const INDEX: &str = "SELECT conversant_index_turn(g.session, g.first, g.texts) FROM ( \
        SELECT u.session, u.first, array_agg(u.text ORDER BY u.number) AS texts \
        FROM unnest($1, $2, $3) WITH ORDINALITY AS u (session, first, text, number) \
        GROUP BY u.session, u.first \
    ) g";

/// Finds titles that are not indexed among the sessions after one.
const UNINDEXED_TITLES: &str = "WITH page AS ( \
        SELECT s.key, s.title, s.title_words IS NULL AS is_missing FROM conversant_sessions s \
        WHERE s.key > $1 ORDER BY s.key LIMIT $2 \
    ) \
    SELECT e.key, m.key, m.title FROM (SELECT max(key) AS key FROM page) e LEFT JOIN ( \
        SELECT p.key, p.title FROM page p WHERE p.is_missing AND p.title IS NOT NULL \
        ORDER BY p.key LIMIT $3 \
    ) m ON true ORDER BY m.key";

/// A title that was changed meanwhile is passed over.
const INDEX_TITLES: &str = "UPDATE conversant_sessions s \
    SET title_words = to_tsvector((SELECT f.search FROM conversant_schema f)::regconfig, u.words) \
    FROM unnest($1, $2, $3) AS u (key, title, words) \
    WHERE s.key = u.key AND s.title = u.title AND s.title_words IS NULL";

/// The number of turns or sessions that one statement looks up.
const PAGE: i64 = 10_000;

/// The size of the texts that one statement indexes, in bytes, except for a larger turn.
const MAX_INDEXED: usize = 1 << 20;

/// A place in the order of turns: after the turn of a branch that begins with a message. The
/// default is before all turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    branch: i64,
    first: i64,
}

impl Default for Place {
    fn default() -> Self {
        Self { branch: i64::MIN, first: i64::MIN }
    }
}

/// Turns after a place that are not indexed, at most `max`.
pub(crate) struct Unindexed {
    pub(crate) after: Place,
    pub(crate) max: usize,
}

/// The turns that were found after a place.
pub(crate) struct UnindexedPage {
    /// The place up to which turns were looked up.
    pub(crate) end: Place,
    turns: Vec<UnindexedTurn>,
}

/// A turn that is not indexed.
struct UnindexedTurn {
    place: Place,
    /// The messages as JSON. One that is null is damaged.
    messages: Vec<Option<String>>,
    session: Option<String>,
}

impl UnindexedPage {
    /// Returns the number of turns.
    pub(crate) fn len(&self) -> usize {
        self.turns.len()
    }

    /// Returns what to index, some turns at a time, with the error of the first turn that cannot be
    /// decoded. It is indexed without words, so that it does not keep others out.
    pub(crate) fn decoded(self) -> (Vec<IndexTurns>, Option<HistoryError>) {
        let (mut all, mut next, mut damage) = (Vec::new(), IndexTurns::default(), None);
        for turn in self.turns {
            let place = turn.place;
            let texts = turn.texts().unwrap_or_else(|error| {
                damage.get_or_insert(error);
                vec![String::new()]
            });
            let bytes: usize = texts.iter().map(String::len).sum();
            if next.bytes > 0 && next.bytes + bytes > MAX_INDEXED {
                all.push(std::mem::take(&mut next));
            }
            next.bytes += bytes;
            for text in texts {
                next.branches.push(place.branch);
                next.firsts.push(place.first);
                next.texts.push(text);
            }
        }
        if !next.texts.is_empty() {
            all.push(next);
        }
        (all, damage)
    }
}

impl UnindexedTurn {
    fn texts(self) -> Result<Vec<String>, HistoryError> {
        let name = self.session.as_deref().unwrap_or("that only its forks have");
        let decode = |json: &Option<String>| {
            let json = json.as_deref().unwrap_or_default();
            Message::from_stored_json(json, format_args!("a message of session {name}"))
        };
        let messages = self.messages.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        Ok(search_texts(&Turn::new(messages)))
    }
}

impl Operation for Unindexed {
    /// `None` if there are no turns after the place.
    type Output = Option<UnindexedPage>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Self::Output, Failure> {
        let parameters: [Parameter<'_>; 4] = [
            (&self.after.branch, Type::INT8),
            (&self.after.first, Type::INT8),
            (&PAGE, Type::INT8),
            (&signed(self.max as u64), Type::INT8),
        ];
        let rows = client.query_typed(UNINDEXED, &parameters).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut end = Place { branch: column(row, 0)?, first: column(row, 1)? };
        let mut turns = Vec::new();
        for row in &rows {
            turns.extend(unindexed_turn(row)?);
        }
        if let Some(last) = turns.last().filter(|_| turns.len() >= self.max) {
            end = last.place;
        }
        Ok(Some(UnindexedPage { end, turns }))
    }
}

/// Reads a turn, unless the row has none.
fn unindexed_turn(row: &Row) -> Result<Option<UnindexedTurn>, Failure> {
    let Some(branch) = column(row, 2)? else { return Ok(None) };
    let place = Place { branch, first: column(row, 3)? };
    Ok(Some(UnindexedTurn { place, messages: column(row, 4)?, session: column(row, 5)? }))
}

/// Turns to index: their texts, each with the place of its turn.
#[derive(Default)]
pub(crate) struct IndexTurns {
    branches: Vec<i64>,
    firsts: Vec<i64>,
    texts: Vec<String>,
    bytes: usize,
}

impl Operation for IndexTurns {
    type Output = ();

    async fn run(&self, client: &mut Client, _: Limit) -> Result<(), Failure> {
        let parameters: [Parameter<'_>; 3] = [
            (&self.branches, Type::INT8_ARRAY),
            (&self.firsts, Type::INT8_ARRAY),
            (&self.texts, Type::TEXT_ARRAY),
        ];
        client.query_typed(INDEX, &parameters).await?;
        Ok(())
    }
}

/// Indexes titles of sessions after one, at most `max`.
pub(crate) struct IndexTitles {
    /// The session's key.
    pub(crate) after: i64,
    pub(crate) max: usize,
}

impl Operation for IndexTitles {
    /// The number of titles, and the key of the last session that was looked up, if there was one.
    type Output = (usize, Option<i64>);

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Self::Output, Failure> {
        let parameters: [Parameter<'_>; 3] = [
            (&self.after, Type::INT8),
            (&PAGE, Type::INT8),
            (&signed(self.max as u64), Type::INT8),
        ];
        let rows = client.query_typed(UNINDEXED_TITLES, &parameters).await?;
        let (mut keys, mut titles, mut words) = (Vec::<i64>::new(), Vec::new(), Vec::new());
        for row in &rows {
            if let Some(key) = column(row, 1)? {
                let title: String = column(row, 2)?;
                keys.push(key);
                words.push(search_words(&title));
                titles.push(title);
            }
        }
        let end = match keys.last() {
            Some(&last) if keys.len() >= self.max => Some(last),
            _ => rows.first().map(|row| column(row, 0)).transpose()?.flatten(),
        };
        if !keys.is_empty() {
            let parameters: [Parameter<'_>; 3] = [
                (&keys, Type::INT8_ARRAY),
                (&titles, Type::TEXT_ARRAY),
                (&words, Type::TEXT_ARRAY),
            ];
            client.execute_typed(INDEX_TITLES, &parameters).await?;
        }
        Ok((keys.len(), end))
    }
}
