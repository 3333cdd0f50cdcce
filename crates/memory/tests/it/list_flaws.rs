//! Each check of the suite of listed histories finds a flaw.

use std::sync::Arc;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Point, Range, SessionCursor, SessionFilter,
    SessionId, SessionInfo, SessionPage, Slice, Turn, TurnId, UsageTotals, Version, async_trait,
};
use conversant_memory::InMemoryHistory;
use conversant_testkit::suite;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    KeepsTheTimeOfAppends,
    KeepsRemovedTitles,
    HasOneLabelValue,
    ListsWrittenSessionsOnly,
    BeginsAnEpochWithATitle,
    TrimsTexts,
    AcceptsAnyLabel,
    ListsById,
    PagesByNumber,
    IgnoresLabels,
    CountsRepetitions,
    CountsMessages,
    ForgetsLabelsWithTurns,
    OnlyClears,
    DeletesAllAtOnce,
    TakesEmptyFiltersForAll,
    CountsForksTwice,
    FindsAnyWord,
    /// Not a flaw: it has no operations but those of lists.
    HasListsAlone,
}

const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::KeepsTheTimeOfAppends, "a_session_is_described"),
    (Flaw::KeepsRemovedTitles, "a_title_is_set_replaced_and_removed"),
    (Flaw::HasOneLabelValue, "labels_are_set_replaced_and_removed"),
    (Flaw::ListsWrittenSessionsOnly, "a_new_chat_is_listed_before_its_first_turn"),
    (Flaw::BeginsAnEpochWithATitle, "a_new_chat_outlasts_the_deletion_of_others"),
    (Flaw::TrimsTexts, "odd_titles_come_back_as_they_were"),
    (Flaw::AcceptsAnyLabel, "titles_and_labels_have_limits"),
    (Flaw::ListsById, "sessions_are_listed_by_their_last_use"),
    (Flaw::PagesByNumber, "no_session_is_listed_twice"),
    (Flaw::IgnoresLabels, "a_filter_selects_by_labels_and_times"),
    (Flaw::CountsRepetitions, "usage_is_summed"),
    (Flaw::CountsMessages, "the_size_is_that_of_the_turns"),
    (Flaw::ForgetsLabelsWithTurns, "clearing_keeps_labels_and_times"),
    (Flaw::OnlyClears, "deleting_takes_title_and_labels"),
    (Flaw::DeletesAllAtOnce, "sessions_are_deleted_by_filter"),
    (Flaw::TakesEmptyFiltersForAll, "an_empty_filter_deletes_nothing"),
    (Flaw::CountsForksTwice, "branches_are_counted_once"),
    (Flaw::FindsAnyWord, "words_are_found"),
];

/// The in-memory history with a flaw.
struct Flawed {
    flaw: Flaw,
    store: InMemoryHistory,
}

impl Flawed {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Returns a session as the flawed history shows it.
    async fn shown(&self, mut info: SessionInfo) -> Result<SessionInfo, HistoryError> {
        match self.flaw {
            Flaw::CountsMessages => info.bytes = info.turns,
            Flaw::CountsForksTwice => info.bytes += info.turns * 100,
            Flaw::HasOneLabelValue => {
                let value = info.labels.values().next().cloned().unwrap_or_default();
                info.labels.values_mut().for_each(|label| label.clone_from(&value));
            }
            _ => {}
        }
        if self.has(Flaw::CountsRepetitions) && !info.totals.is_empty() {
            let turns = self.store.turns(&info.session, Range::All).await?;
            info.totals = turns.iter().map(UsageTotals::of_turn).fold(info.totals, |a, b| a + b);
        }
        Ok(info)
    }
}

#[async_trait]
impl ChatHistory for Flawed {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.store.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        if self.has(Flaw::KeepsTheTimeOfAppends) {
            let turn = turn.clone().with_id(TurnId::random());
            return self.store.append(session, &turn, expect).await;
        }
        self.store.append(session, turn, expect).await
    }

    fn check(&self, session: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        self.store.check(session, messages)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        if self.has(Flaw::ForgetsLabelsWithTurns) {
            return self.store.delete(session).await;
        }
        self.store.clear(session).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        if self.has(Flaw::HasListsAlone) {
            return Err(HistoryError::Unsupported { what: "turns" });
        }
        self.store.turns(session, range).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        if self.has(Flaw::HasListsAlone) {
            return Err(HistoryError::Unsupported { what: "deleting sessions" });
        }
        if self.has(Flaw::OnlyClears) {
            return self.store.clear(session).await;
        }
        self.store.delete(session).await
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        if self.has(Flaw::HasListsAlone) { None } else { self.store.at(point) }
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.store.set_tip(session, tip, expect).await
    }

    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        self.store.fork(session, point, into).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        match self.store.session_info(session).await? {
            Some(info) if self.has(Flaw::ListsWrittenSessionsOnly) && info.turns == 0 => Ok(None),
            Some(info) => self.shown(info).await.map(Some),
            None => Ok(None),
        }
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        let mut filter = filter.clone();
        if self.has(Flaw::IgnoresLabels) {
            filter.labels.remove("user");
        }
        if self.has(Flaw::FindsAnyWord) {
            let first = filter.words().next().map(str::to_owned);
            filter.text = first;
        }
        let mut page = self.store.list_sessions(&filter, after, limit).await?;
        if self.has(Flaw::ListsById) {
            page.sessions.sort_by(|a, b| a.session.cmp(&b.session));
        }
        if let (true, Some(after)) = (self.has(Flaw::PagesByNumber), after) {
            // The place is that of the session now, not that at which the page before ended.
            let moved = self.store.session_info(after.session()).await?;
            let after = moved.as_ref().map(SessionCursor::after);
            page = self.store.list_sessions(&filter, after.as_ref(), limit).await?;
        }
        let mut sessions = Vec::new();
        for info in page.sessions {
            sessions.push(self.shown(info).await?);
        }
        page.sessions = sessions;
        Ok(page)
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        if self.has(Flaw::BeginsAnEpochWithATitle) {
            self.store.clear(session).await?;
        }
        match title {
            None if self.has(Flaw::KeepsRemovedTitles) => Ok(()),
            Some(title) if self.has(Flaw::TrimsTexts) && !title.trim().is_empty() => {
                self.store.set_title(session, Some(title.trim())).await
            }
            title => self.store.set_title(session, title).await,
        }
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        match self.store.set_label(session, name, value).await {
            Err(_) if self.has(Flaw::AcceptsAnyLabel) => Ok(()),
            outcome => outcome,
        }
    }

    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        match self.store.delete_sessions(filter, limit).await {
            Ok(2) if self.has(Flaw::DeletesAllAtOnce) => {
                Ok(2 + self.store.delete_sessions(filter, usize::MAX).await?)
            }
            Err(HistoryError::EmptyFilter) if self.has(Flaw::TakesEmptyFiltersForAll) => Ok(0),
            outcome => outcome,
        }
    }
}

#[tokio::test]
async fn each_check_finds_its_flaw() {
    let good = suite::listed_history(InMemoryHistory::new).await.unwrap();
    let checks: Vec<&str> = FLAWS.iter().map(|(_, check)| *check).collect();
    assert_eq!(good.passed().collect::<Vec<_>>(), checks, "a flaw for each check");
    for (flaw, check) in FLAWS {
        let make = || Flawed { flaw: *flaw, store: InMemoryHistory::new() };
        let error = suite::listed_history(make).await.unwrap_err();
        assert!(error.failed().any(|(name, _)| name == *check), "{flaw:?} by {check}:\n{error}");
    }
}

#[tokio::test]
async fn a_store_that_has_lists_alone_fails_no_check() {
    let make = || Flawed { flaw: Flaw::HasListsAlone, store: InMemoryHistory::new() };
    let report = suite::listed_history(make).await.unwrap();
    let skipped: Vec<&str> = report.skipped().map(|(check, _)| check).collect();
    let expected = ["deleting_takes_title_and_labels", "branches_are_counted_once"];
    assert_eq!(skipped, expected, "{report}");
}
