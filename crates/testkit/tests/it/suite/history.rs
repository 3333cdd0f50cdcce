//! The suites of histories.

use conversant_core::{
    ChatHistory, Expect, HistoryError, Range, SessionId, Slice, Turn, Version, async_trait,
};
use conversant_testkit::{block_on, suite};

use super::{each_check_finds_its_flaw, flawed_history::History, history_flaw::HistoryFlaw};

const FLAWS: &[(HistoryFlaw, &str)] = &[
    (HistoryFlaw::GreetsNewSessions, "a_new_session_is_empty"),
    (HistoryFlaw::LosesAnswers, "a_turn_is_loaded_as_it_was_appended"),
    (HistoryFlaw::SortsById, "turns_stay_in_the_order_of_appending"),
    (HistoryFlaw::CountsTurns, "the_version_counts_messages"),
    (HistoryFlaw::ForgetsOnLoad, "loading_changes_nothing"),
    (HistoryFlaw::AppendsAgain, "a_turn_is_appended_once"),
    (HistoryFlaw::ChecksBeforeIds, "a_repeated_append_succeeds_whatever_it_expects"),
    (HistoryFlaw::TakesIdsForTurns, "another_turn_of_an_id_is_refused"),
    (HistoryFlaw::ComparesCalls, "the_same_turn_of_another_call_is_stored_once"),
    (HistoryFlaw::KeepsTheEpoch, "clearing_empties_and_starts_an_epoch"),
    (HistoryFlaw::RemembersClearedTurns, "a_cleared_turn_can_be_appended_again"),
    (HistoryFlaw::AnyMeansFirstEpoch, "any_is_always_met"),
    (HistoryFlaw::SameEpochMeansExactly, "the_same_epoch_allows_newer_turns"),
    (HistoryFlaw::IgnoresExpect, "exactly_allows_nothing_newer"),
    (HistoryFlaw::StoresThenComplains, "a_stale_append_stores_nothing"),
    (HistoryFlaw::KnowsNoNewSession, "a_new_session_can_be_expected"),
    (HistoryFlaw::TurnsAreTwoMessages, "last_turns_are_whole"),
    (HistoryFlaw::GivesTheOldest, "last_messages_are_as_many"),
    (HistoryFlaw::CountsBytesOfText, "last_bytes_fit"),
    (HistoryFlaw::AfterIncludesOne, "after_a_version_comes_the_rest"),
    (HistoryFlaw::AfterIgnoresEpochs, "after_another_epoch_comes_all"),
    (HistoryFlaw::AfterTheEndIsAll, "after_a_version_past_the_end_comes_nothing"),
    (HistoryFlaw::VersionOfTheSlice, "every_range_tells_the_version"),
    (HistoryFlaw::BeginsAfterTheFirst, "the_first_messages_are_those_it_begins_with"),
    (HistoryFlaw::LoadsAPage, "a_long_session_is_loaded_whole"),
    (HistoryFlaw::MisplacesTurns, "last_turns_are_whole"),
    (HistoryFlaw::IgnoresCase, "sessions_never_mix"),
    (HistoryFlaw::FoldsSeparators, "sessions_never_mix"),
    (HistoryFlaw::ClearsEverything, "clearing_one_session_leaves_the_others"),
    (HistoryFlaw::ExportsNothings, "a_turn_without_messages_is_not_stored"),
    (HistoryFlaw::StoresNothings, "a_turn_without_messages_is_not_stored"),
    (HistoryFlaw::ListsNotes, "a_session_without_turns_is_not_listed"),
    (HistoryFlaw::ForgetsBases, "turns_are_loaded_as_they_were_appended"),
    (HistoryFlaw::GivesCutTurns, "a_turn_that_a_range_cuts_is_left_out"),
    (HistoryFlaw::ListsUnsorted, "sessions_are_listed_in_their_order"),
    (HistoryFlaw::OnlyClears, "a_deleted_session_is_gone"),
    (HistoryFlaw::BeginsEpochsAgain, "a_turn_of_a_deleted_session_is_stale"),
    (HistoryFlaw::EndsOtherEpochs, "a_deletion_leaves_the_sessions_that_are_new"),
    (HistoryFlaw::TrimsText, "odd_texts_come_back_as_they_were"),
    (HistoryFlaw::KeepsTextOnly, "every_kind_of_message_comes_back_as_it_was"),
    (HistoryFlaw::DropsOtherFields, "every_kind_of_message_comes_back_as_it_was"),
    (HistoryFlaw::RoundsIntegers, "every_kind_of_message_comes_back_as_it_was"),
    (HistoryFlaw::RoundsFloats, "every_kind_of_message_comes_back_as_it_was"),
    (HistoryFlaw::JoinsParts, "every_kind_of_message_comes_back_as_it_was"),
    (HistoryFlaw::DropsNulls, "every_kind_of_message_comes_back_as_it_was"),
    (HistoryFlaw::KnowsItsFieldsOnly, "every_kind_of_message_comes_back_as_it_was"),
    (HistoryFlaw::KeepsTenMessages, "a_turn_of_many_messages_is_whole"),
    (HistoryFlaw::CutsLargeMessages, "a_large_message_comes_back_or_is_refused"),
    (HistoryFlaw::RefusesUnchecked, "a_large_message_comes_back_or_is_refused"),
    (HistoryFlaw::RefusesTooMuch, "a_large_message_comes_back_or_is_refused"),
    (HistoryFlaw::QuotesTurns, "errors_withhold_what_was_said"),
    (HistoryFlaw::AppendsInHalves, "a_dropped_append_is_whole_or_not_there"),
    (HistoryFlaw::NotesTheIdFirst, "a_dropped_append_can_be_repeated"),
    (HistoryFlaw::TakesWhileLoading, "a_dropped_load_leaves_no_trace"),
    (HistoryFlaw::ClearsInHalves, "a_dropped_clear_is_whole_or_not_done"),
    (HistoryFlaw::WritesBackASession, "concurrent_appends_are_one_order"),
    (HistoryFlaw::ChecksThenWrites, "one_of_many_exact_appends_wins"),
    (HistoryFlaw::LooksThenWrites, "one_turn_appended_by_many_is_there_once"),
    (HistoryFlaw::ComparesEarly, "one_of_many_turns_with_an_id_is_acknowledged"),
    (HistoryFlaw::AppendsInHalves, "loads_see_whole_turns_only"),
    (HistoryFlaw::WritesBackTheStore, "sessions_are_written_side_by_side"),
    (HistoryFlaw::ForgetsOldIds, "a_turn_is_appended_once"),
    (HistoryFlaw::ClearsTurnsAlone, "clearing_an_empty_session_starts_an_epoch"),
    (HistoryFlaw::ExportsAPage, "a_session_of_many_turns_is_loaded_whole"),
    (HistoryFlaw::RefusesPackets, "a_large_message_comes_back_or_is_refused"),
    (HistoryFlaw::SettlesLate, "a_dropped_append_is_whole_or_not_there"),
    (HistoryFlaw::NotesCoverAll, "a_note_covers_what_it_says"),
    (HistoryFlaw::NotesAreSmall, "a_large_note_is_stored"),
    (HistoryFlaw::NotesArePackets, "a_large_note_is_stored"),
    (HistoryFlaw::TakesNotesOfLater, "a_note_of_what_is_not_there_is_stale"),
    (HistoryFlaw::DeniesOldNotes, "a_note_of_what_is_not_there_is_stale"),
    (HistoryFlaw::NotesAreText, "a_note_is_loaded_as_it_was_put"),
    (HistoryFlaw::HasOneNote, "notes_are_told_apart_by_name_and_session"),
    (HistoryFlaw::NotesAreMessages, "a_note_is_no_message"),
    (HistoryFlaw::KeepsNotes, "clearing_takes_the_notes"),
    (HistoryFlaw::TakesOldNotes, "a_note_of_an_old_epoch_is_not_stored"),
    (HistoryFlaw::NotesNeedTurns, "a_session_without_turns_has_notes"),
    (HistoryFlaw::ReplacesAnyNote, "a_note_is_replaced_if_it_is_the_one_that_was_read"),
    (HistoryFlaw::ReadsThenReplaces, "one_of_many_replacements_wins"),
    (HistoryFlaw::LeasesToAll, "a_session_is_leased_to_one"),
    (HistoryFlaw::ReleasesNothing, "a_released_session_can_be_leased"),
    (HistoryFlaw::LeasesForEver, "a_lease_ends_with_its_time"),
    (HistoryFlaw::ReleasesAnybody, "an_old_lease_releases_nobody_else"),
];

#[test]
fn each_check_of_the_history_suite_finds_its_flaw() {
    each_check_finds_its_flaw(FLAWS, |flaw| {
        let history = History::new(flaw);
        block_on(suite::history(|| history.clone()))
    });
}

const FLAWS_OF_HANDLES: &[(HistoryFlaw, &str)] = &[
    (HistoryFlaw::OpensAnew, "a_conversation_outlives_its_handle"),
    (HistoryFlaw::CachesSessions, "handles_see_what_the_others_write"),
    (HistoryFlaw::CachesIds, "a_turn_is_appended_once_by_all_handles"),
    (HistoryFlaw::WritesLate, "one_of_two_handles_wins"),
    (HistoryFlaw::ForgetsEpochs, "the_epoch_outlives_its_handle"),
    (HistoryFlaw::ForgetsNotes, "notes_outlive_their_handle"),
];

#[test]
fn each_check_of_the_reopened_history_suite_finds_its_flaw() {
    each_check_finds_its_flaw(FLAWS_OF_HANDLES, |flaw| {
        let history = History::new(flaw);
        block_on(suite::reopened_history(|| history.reopen()))
    });
}

/// A history without notes and leases, and perhaps one that can't be cleared.
struct Modest {
    inner: History,
    clears: bool,
}

#[async_trait]
impl ChatHistory for Modest {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.inner.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.inner.append(session, turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        if self.clears {
            return self.inner.clear(session).await;
        }
        Err(HistoryError::Backend { source: "the disk is gone".into() })
    }
}

#[test]
fn an_error_tells_what_was_seen() {
    let error = block_on(suite::history(|| Modest { inner: History::new(None), clears: false }))
        .unwrap_err();
    insta::assert_snapshot!(error, @r"
    10 of 67 checks of the history suite failed:
      clearing_empties_and_starts_an_epoch: failed unexpectedly: cannot reach the history: the disk is gone
      a_cleared_turn_can_be_appended_again: failed unexpectedly: cannot reach the history: the disk is gone
      any_is_always_met: failed unexpectedly: cannot reach the history: the disk is gone
      a_stale_append_stores_nothing: failed unexpectedly: cannot reach the history: the disk is gone
      clearing_an_empty_session_starts_an_epoch: failed unexpectedly: cannot reach the history: the disk is gone
      after_another_epoch_comes_all: failed unexpectedly: cannot reach the history: the disk is gone
      every_range_tells_the_version: failed unexpectedly: cannot reach the history: the disk is gone
      a_turn_without_messages_is_not_stored: failed unexpectedly: cannot reach the history: the disk is gone
      clearing_one_session_leaves_the_others: failed unexpectedly: cannot reach the history: the disk is gone
      a_dropped_clear_is_whole_or_not_done: failed unexpectedly: cannot reach the history: the disk is gone
    ");
}

#[test]
fn a_report_tells_what_was_skipped() {
    let make = || Modest { inner: History::new(None), clears: true };
    let report = block_on(suite::history(make)).unwrap();
    let shown = report.to_string();
    let skipped: Vec<&str> = shown.lines().filter(|line| line.contains("skipped")).collect();
    assert_eq!(skipped.len(), report.skipped().count());
    insta::assert_snapshot!(skipped.join("\n"), @r"
    skipped the_first_messages_are_those_it_begins_with: no first messages
    skipped turns_are_loaded_as_they_were_appended: no turns
    skipped a_turn_that_a_range_cuts_is_left_out: no turns
    skipped sessions_are_listed_in_their_order: no lists of sessions
    skipped a_session_without_turns_is_not_listed: no notes
    skipped a_deleted_session_is_gone: no deletion
    skipped a_turn_of_a_deleted_session_is_stale: no deletion
    skipped a_deletion_leaves_the_sessions_that_are_new: no deletion
    skipped a_note_is_loaded_as_it_was_put: no notes
    skipped a_note_covers_what_it_says: no notes
    skipped a_large_note_is_stored: no notes
    skipped a_note_of_what_is_not_there_is_stale: no notes
    skipped notes_are_told_apart_by_name_and_session: no notes
    skipped a_note_is_no_message: no notes
    skipped clearing_takes_the_notes: no notes
    skipped a_note_of_an_old_epoch_is_not_stored: no notes
    skipped a_session_without_turns_has_notes: no notes
    skipped a_note_is_replaced_if_it_is_the_one_that_was_read: no notes
    skipped one_of_many_replacements_wins: no notes
    skipped a_session_is_leased_to_one: no leases
    skipped a_released_session_can_be_leased: no leases
    skipped a_lease_ends_with_its_time: no leases
    skipped an_old_lease_releases_nobody_else: no leases
    ");
}

#[test]
fn a_store_without_turns_fails_no_check_of_several_handles() {
    let inner = History::new(None);
    let handle = || Modest { inner: inner.reopen(), clears: true };
    let report = block_on(suite::shared_history(&[handle(), handle()])).unwrap();
    let skipped: Vec<_> = report.skipped().collect();
    assert_eq!(skipped.len(), 3, "{report}");
    assert!(skipped.iter().all(|(_, why)| *why == "no turns"), "{report}");
}
