//! Lists sessions, by their names and for people.

use conversant_core::{
    HistoryError, SessionCursor, SessionFilter, SessionId, SessionInfo, SessionPage,
};
use conversant_history::invalid_json;
use deadpool_postgres::Client;
use tokio_postgres::{Row, types::Type};

use super::{
    columns::{column, count, millis, signed, time, totals},
    query::Parameter,
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
    search::search_words,
};

const NAMES: &str = "SELECT id FROM conversant_sessions \
    WHERE id > $1 \
    AND (messages > 0 OR branch IS NOT NULL OR title IS NOT NULL OR labels <> '{}') \
    AND coalesce(expires > clock_timestamp(), true) ORDER BY id LIMIT $2";

/// The columns of a [`SessionInfo`].
macro_rules! columns_of_info {
    () => {
        "SELECT id, title, labels::text, created_ms, used_ms, turns, bytes, totals FROM "
    };
}

const INFO: &str = concat!(
    columns_of_info!(),
    "conversant_sessions WHERE id = $1 \
    AND (messages > 0 OR branch IS NOT NULL OR title IS NOT NULL OR labels <> '{}') \
    AND coalesce(expires > clock_timestamp(), true)"
);

const LIST: &str =
    concat!(columns_of_info!(), "conversant_list($1::text::jsonb, $2, $3, $4, $5, $6, $7)");

const DELETE: &str = "SELECT conversant_delete_sessions($1::text::jsonb, $2, $3, $4, $5, $6)";

const SET_TITLE: &str = "SELECT conversant_set_title($1, $2, $3, $4, $5)";

const SET_LABEL: &str = "SELECT conversant_set_label($1, $2, $3, $4, $5, $6)";

/// The sessions after one, in byte order.
pub(crate) struct List {
    pub(crate) after: Option<SessionId>,
    pub(crate) limit: usize,
}

/// A session to describe.
pub(crate) struct Info {
    pub(crate) session: SessionId,
}

/// A page of a list of sessions.
pub(crate) struct ListPage {
    pub(crate) filter: SessionFilter,
    pub(crate) after: Option<SessionCursor>,
    pub(crate) limit: usize,
}

/// Sessions to delete by a filter, at most `limit`.
pub(crate) struct DeleteSessions {
    pub(crate) filter: SessionFilter,
    pub(crate) limit: usize,
}

/// A title to set.
pub(crate) struct SetTitle {
    pub(crate) session: SessionId,
    pub(crate) title: Option<String>,
    /// The title as it is searched, if there is a search.
    pub(crate) words: Option<String>,
    pub(crate) lifetime_ms: Option<i64>,
}

/// A label to set.
pub(crate) struct SetLabel {
    pub(crate) session: SessionId,
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) lifetime_ms: Option<i64>,
}

impl Operation for List {
    type Output = Vec<SessionId>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Vec<SessionId>, Failure> {
        // A session's name is never empty, so every name comes after the empty text.
        let after = self.after.as_ref().map_or("", SessionId::as_str);
        let limit = signed(self.limit as u64);
        let rows = client.query_typed(NAMES, &[(&after, Type::TEXT), (&limit, Type::INT8)]).await?;
        rows.iter().map(session_id).collect()
    }
}

impl Operation for Info {
    type Output = Option<SessionInfo>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Option<SessionInfo>, Failure> {
        let session = [(&self.session.as_str() as _, Type::TEXT)];
        client.query_typed_opt(INFO, &session).await?.as_ref().map(session_info).transpose()
    }
}

impl Operation for ListPage {
    type Output = SessionPage;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<SessionPage, Failure> {
        let conditions = Conditions::of(&self.filter)?;
        let after = self.after.as_ref();
        let after_ms = after.map_or(i64::MAX, |after| signed(after.last_used_millis()));
        let after_id = after.map_or("", |after| after.session().as_str());
        // One more shows whether there is a next page.
        let most = signed(self.limit as u64).saturating_add(1);
        let parameters: [Parameter<'_>; 7] = [
            (&conditions.labels, Type::TEXT),
            (&conditions.since, Type::INT8),
            (&conditions.before, Type::INT8),
            (&conditions.words, Type::TEXT_ARRAY),
            (&after_ms, Type::INT8),
            (&after_id, Type::TEXT),
            (&most, Type::INT8),
        ];
        let rows = client.query_typed(LIST, &parameters).await?;
        let sessions = rows.iter().map(session_info).collect::<Result<_, _>>()?;
        Ok(SessionPage::of(sessions, self.limit))
    }
}

impl Operation for DeleteSessions {
    type Output = usize;

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<usize, Failure> {
        let conditions = Conditions::of(&self.filter)?;
        let parameters: [Parameter<'_>; 6] = [
            (&conditions.labels, Type::TEXT),
            (&conditions.since, Type::INT8),
            (&conditions.before, Type::INT8),
            (&conditions.words, Type::TEXT_ARRAY),
            (&signed(self.limit as u64), Type::INT8),
            (&limit.deadline, Type::INT8),
        ];
        let row = client.query_typed_one(DELETE, &parameters).await?;
        Ok(usize::try_from(count(&row, 0)?).unwrap_or(usize::MAX))
    }
}

impl Operation for SetTitle {
    type Output = ();

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<(), Failure> {
        let parameters: [Parameter<'_>; 5] = [
            (&self.session.as_str(), Type::TEXT),
            (&self.title, Type::TEXT),
            (&self.words, Type::TEXT),
            (&self.lifetime_ms, Type::INT8),
            (&limit.deadline, Type::INT8),
        ];
        client.query_typed(SET_TITLE, &parameters).await?;
        Ok(())
    }
}

impl Operation for SetLabel {
    type Output = ();

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<(), Failure> {
        let parameters: [Parameter<'_>; 6] = [
            (&self.session.as_str(), Type::TEXT),
            (&self.name, Type::TEXT),
            (&self.value, Type::TEXT),
            (&signed(SessionInfo::MAX_LABELS as u64), Type::INT8),
            (&self.lifetime_ms, Type::INT8),
            (&limit.deadline, Type::INT8),
        ];
        let row = client.query_typed_one(SET_LABEL, &parameters).await?;
        if column(&row, 0)? {
            return Err(HistoryError::TooManyLabels { limit: SessionInfo::MAX_LABELS }.into());
        }
        Ok(())
    }
}

/// The conditions of a filter, as functions take them.
struct Conditions {
    /// A JSON object.
    labels: String,
    since: i64,
    before: i64,
    words: Option<Vec<String>>,
}

impl Conditions {
    fn of(filter: &SessionFilter) -> Result<Self, HistoryError> {
        let labels = serde_json::to_string(&filter.labels)
            .map_err(|_| HistoryError::Unsupported { what: "labels without a JSON form" })?;
        // Times are stored to the millisecond: a session is used before a time within one if it is
        // before the end of it.
        let before = filter.used_before.map_or(i64::MAX, |before| {
            let whole = millis(before);
            whole.saturating_add(i64::from(time(whole) < before))
        });
        let since = filter.used_since.map_or(0, |since| {
            let whole = millis(since);
            whole.saturating_add(i64::from(time(whole) < since))
        });
        let words: Vec<_> = filter.search_words()?.into_iter().map(search_words).collect();
        let words = (!words.is_empty()).then_some(words);
        Ok(Self { labels, since, before, words })
    }
}

fn session_id(row: &Row) -> Result<SessionId, Failure> {
    SessionId::from_stored(column::<String>(row, 0)?).map_err(|error| {
        let what = "found an invalid session name".to_owned();
        HistoryError::Corrupt { what, source: Some(error.into()) }.into()
    })
}

fn session_info(row: &Row) -> Result<SessionInfo, Failure> {
    let session = session_id(row)?;
    let labels = serde_json::from_str(&column::<String>(row, 2)?)
        .map_err(|error| invalid_json(&format!("the labels of session `{session}`"), &error))?;
    let mut info = SessionInfo::new(session, time(column(row, 4)?));
    info.title = column(row, 1)?;
    info.labels = labels;
    info.created_at = column::<Option<i64>>(row, 3)?.map(time);
    info.turns = count(row, 5)?;
    info.bytes = count(row, 6)?;
    info.totals = totals(row, 7)?;
    Ok(info)
}
