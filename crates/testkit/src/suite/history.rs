//! The suite of histories.

mod basic;
mod branch;
mod concurrent;
mod content;
mod dropped;
mod dropped_branch;
mod expect;
mod export;
mod fork;
mod lease;
mod listed;
mod note;
mod random_tree;
mod range;
mod reopened;
mod session;
mod session_driver;
mod session_list;
mod shared;
mod tip;
mod view;
mod withheld;
mod without_messages;

use conversant_core::ChatHistory;

pub use self::{reopened::reopened_history, shared::shared_history};
use super::{
    check::run,
    report::{Running, SuiteError, SuiteReport},
};

/// Checks that a history fulfils the contract of [`ChatHistory`].
///
/// `make` is called once for each check, and may return handles to the same store. Every check uses
/// sessions with new random names and does not delete them. Checks of optional operations (notes,
/// leases, lists, …) are skipped where the history does not have them. Messages are compared: a
/// store that changes them on purpose, such as one that redacts them, is tested without the change.
///
/// # Errors
///
/// [`SuiteError`] with all checks that failed.
///
/// # Examples
///
/// A history that stores nothing fails:
///
/// ```
/// use conversant_core::{
///     ChatHistory, Expect, HistoryError, Range, SessionId, Slice, Turn, Version, async_trait,
/// };
/// use conversant_testkit::{block_on, suite};
///
/// struct Forgetful;
///
/// #[async_trait]
/// impl ChatHistory for Forgetful {
///     async fn load(&self, _: &SessionId, _: Range) -> Result<Slice, HistoryError> {
///         Ok(Slice::default())
///     }
///     async fn append(&self, _: &SessionId, _: &Turn, _: Expect) -> Result<Version, HistoryError> {
///         Ok(Version::default())
///     }
///     async fn clear(&self, _: &SessionId) -> Result<(), HistoryError> {
///         Ok(())
///     }
/// }
///
/// let error = block_on(suite::history(|| Forgetful)).unwrap_err();
/// assert!(error.failed().any(|(check, _)| check == "a_turn_is_loaded_as_it_was_appended"));
/// ```
pub async fn history<H: ChatHistory>(make: impl Fn() -> H) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("history");
    run!(running, &make() =>
        basic::a_new_session_is_empty,
        basic::a_turn_is_loaded_as_it_was_appended,
        basic::turns_stay_in_the_order_of_appending,
        basic::the_version_counts_messages,
        basic::loading_changes_nothing,
        basic::a_turn_is_appended_once,
        basic::a_repeated_append_succeeds_whatever_it_expects,
        basic::another_turn_of_an_id_is_refused,
        basic::the_same_turn_of_another_call_is_stored_once,
        basic::clearing_empties_and_starts_an_epoch,
        basic::a_cleared_turn_can_be_appended_again,
        expect::any_is_always_met,
        expect::the_same_epoch_allows_newer_turns,
        expect::exactly_allows_nothing_newer,
        expect::a_stale_append_stores_nothing,
        expect::a_new_session_can_be_expected,
        expect::clearing_an_empty_session_starts_an_epoch,
        range::last_turns_are_whole,
        range::last_messages_are_as_many,
        range::last_bytes_fit,
        range::after_a_version_comes_the_rest,
        range::after_another_epoch_comes_all,
        range::every_range_tells_the_version,
        range::the_first_messages_are_those_it_begins_with,
        range::a_long_session_is_loaded_whole,
        range::a_session_of_many_turns_is_loaded_whole,
        range::after_a_version_past_the_end_comes_nothing,
        without_messages::a_turn_without_messages_is_not_stored,
        session::sessions_never_mix,
        session::clearing_one_session_leaves_the_others,
        export::turns_are_loaded_as_they_were_appended,
        export::a_turn_that_a_range_cuts_is_left_out,
        export::sessions_are_listed_in_their_order,
        without_messages::a_session_without_turns_is_not_listed,
        export::a_deleted_session_is_gone,
        export::a_turn_of_a_deleted_session_is_stale,
        export::a_deletion_leaves_the_sessions_that_are_new,
        content::odd_texts_come_back_as_they_were,
        content::every_kind_of_message_comes_back_as_it_was,
        content::a_turn_of_many_messages_is_whole,
        content::a_large_message_comes_back_or_is_refused,
        withheld::errors_withhold_what_was_said,
        dropped::a_dropped_append_is_whole_or_not_there,
        dropped::a_dropped_append_can_be_repeated,
        dropped::a_dropped_load_leaves_no_trace,
        dropped::a_dropped_clear_is_whole_or_not_done,
        concurrent::concurrent_appends_are_one_order,
        concurrent::one_of_many_exact_appends_wins,
        concurrent::one_turn_appended_by_many_is_there_once,
        concurrent::one_of_many_turns_with_an_id_is_acknowledged,
        concurrent::loads_see_whole_turns_only,
        concurrent::sessions_are_written_side_by_side,
        note::a_note_is_loaded_as_it_was_put,
        note::a_note_covers_what_it_says,
        note::a_large_note_is_stored,
        note::a_note_of_what_is_not_there_is_stale,
        note::notes_are_told_apart_by_name_and_session,
        note::a_note_is_no_message,
        note::clearing_takes_the_notes,
        note::a_note_of_an_old_epoch_is_not_stored,
        note::a_session_without_turns_has_notes,
        note::a_note_is_replaced_if_it_is_the_one_that_was_read,
        note::one_of_many_replacements_wins,
        lease::a_session_is_leased_to_one,
        lease::a_released_session_can_be_leased,
        lease::a_lease_ends_with_its_time,
        lease::an_old_lease_releases_nobody_else,
    );
    running.finish()
}

/// Checks that a history whose versions name their last turn
/// ([`Version::tip`](conversant_core::Version::tip)) notices that its store was emptied, restored
/// or replaced. Run it in addition to [`history()`].
///
/// # Errors
/// [`SuiteError`], which names all checks that failed.
pub async fn versioned_history<H: ChatHistory>(
    make: impl Fn() -> H,
) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("versioned history");
    run!(running, &make() =>
        tip::a_version_names_its_last_turn,
        tip::after_another_conversation_comes_all,
        tip::an_append_to_another_conversation_is_stale,
        tip::a_note_keeps_the_tip_that_it_covers,
    );
    running.finish()
}

/// Checks that a history keeps the turns of a session as a tree
/// ([`ChatHistory::at`](conversant_core::ChatHistory::at)): answers that are given again, questions
/// that are asked in another form, undone turns, forks, and writers that branch at once. Run it in
/// addition to [`history()`] and [`versioned_history()`].
///
/// The history has to have [`at`](ChatHistory::at), [`set_tip`](ChatHistory::set_tip),
/// [`alternatives`](ChatHistory::alternatives) and [`fork`](ChatHistory::fork). A store that has to
/// copy the turns of a fork fails `a_dropped_fork_is_whole_or_not_there`, and says so in its
/// documentation.
///
/// # Errors
/// [`SuiteError`], which names all checks that failed.
pub async fn branched_history<H: ChatHistory>(
    make: impl Fn() -> H,
) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("branched history");
    run!(running, &make() =>
        branch::an_answer_is_given_again,
        branch::the_first_question_is_asked_again,
        branch::a_turn_is_undone_and_done_again,
        branch::an_unknown_turn_is_an_error,
        branch::a_stale_tip_is_not_moved,
        branch::after_a_version_of_another_branch_comes_all,
        branch::a_turn_of_a_branch_that_was_left_follows_it,
        branch::a_turn_of_another_branch_is_stored_once,
        branch::another_turn_of_an_id_is_refused_on_any_branch,
        branch::ranges_are_of_one_path,
        branch::a_fork_is_a_session_of_its_own,
        branch::a_fork_outlives_its_source,
        branch::clearing_takes_all_branches,
        branch::a_note_of_a_branch_that_was_left_is_not_loaded,
        branch::a_note_without_a_tip_is_of_the_branch_that_had_it,
        branch::two_writers_at_one_point_both_branch,
        random_tree::a_tree_is_as_it_was_grown,
        fork::later_turns_of_the_source_are_not_in_a_fork,
        fork::a_fork_begins_a_session_without_turns,
        fork::turns_are_whole_on_any_branch,
        view::a_repeated_append_moves_the_view,
        view::a_stale_append_at_a_point_stores_nothing,
        view::a_note_is_stored_at_the_tip,
        view::a_note_is_replaced_at_the_tip,
        view::a_view_has_another_identity,
        dropped_branch::a_dropped_append_at_a_point_is_whole_or_not_there,
        dropped_branch::a_dropped_move_of_the_tip_is_whole_or_not_done,
        dropped_branch::a_dropped_fork_is_whole_or_not_there,
        without_messages::a_turn_without_messages_is_no_point,
    );
    running.finish()
}

/// Checks that a history lists its sessions
/// ([`ChatHistory::list_sessions`](conversant_core::ChatHistory::list_sessions)): titles, labels,
/// times, sums, pages, filters, search, and deletion by filter. Run it in addition to
/// [`history()`]. The checks of search, sums, branches and [`delete`](ChatHistory::delete) are
/// skipped where the history does not have them. It has to have the other operations of
/// [lists](ChatHistory#lists-of-sessions).
///
/// # Errors
/// [`SuiteError`], which names all checks that failed.
pub async fn listed_history<H: ChatHistory>(
    make: impl Fn() -> H,
) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("listed history");
    run!(running, &make() =>
        listed::a_session_is_described,
        listed::a_title_is_set_replaced_and_removed,
        listed::labels_are_set_replaced_and_removed,
        listed::a_new_chat_is_listed_before_its_first_turn,
        listed::a_new_chat_outlasts_the_deletion_of_others,
        listed::odd_titles_come_back_as_they_were,
        listed::titles_and_labels_have_limits,
        listed::sessions_are_listed_by_their_last_use,
        listed::no_session_is_listed_twice,
        listed::a_filter_selects_by_labels_and_times,
        listed::usage_is_summed,
        listed::the_size_is_that_of_the_turns,
        listed::clearing_keeps_labels_and_times,
        listed::deleting_takes_title_and_labels,
        listed::sessions_are_deleted_by_filter,
        listed::an_empty_filter_deletes_nothing,
        listed::branches_are_counted_once,
        listed::words_are_found,
    );
    running.finish()
}
