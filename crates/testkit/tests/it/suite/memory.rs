//! The suite of memories.

use conversant_testkit::{block_on, suite};

use super::{
    each_check_finds_its_flaw,
    flawed_memory::{Buffer, Flaw},
};

const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::GivesAnotherName, "a_load_gives_what_is_declared"),
    (Flaw::Renames, "what_is_declared_stays_the_same"),
    (Flaw::CountsLoads, "loading_changes_nothing"),
    (Flaw::SavesAgain, "a_turn_is_saved_once"),
    (Flaw::WantsATicket, "a_turn_can_be_saved_without_a_load"),
    (Flaw::WantsTwoMessages, "a_turn_of_many_messages_can_be_saved"),
    (Flaw::RefusesNul, "odd_texts_can_be_saved"),
    (Flaw::GivesNumbersForTexts, "a_load_gives_what_is_declared"),
    (Flaw::ForgetsBases, "turns_are_stored_where_it_says"),
    (Flaw::IgnoresLaterPoints, "a_conversation_goes_on_from_a_point"),
    (Flaw::DropsStaleTurns, "a_turn_of_a_cleared_conversation_is_not_saved"),
    (Flaw::DropsTurnsOfAKnownId, "another_turn_of_an_id_is_refused"),
    (Flaw::RefusesUnchecked, "what_is_checked_can_be_saved"),
    (Flaw::QuotesTurns, "errors_withhold_what_was_said"),
    (Flaw::NeedsNoMaintenance, "maintenance_is_asked_for"),
    (Flaw::SavesOverOthers, "turns_that_are_saved_at_once_are_both_there"),
    (Flaw::MaintainsOverSaves, "a_turn_that_is_saved_during_maintenance_is_there"),
    (Flaw::MaintainsAfterClears, "maintenance_during_a_clear_leaves_nothing"),
    (Flaw::StoresNowhere, "turns_are_stored_where_it_says"),
    (Flaw::StoresPartsAsWhole, "turns_are_stored_where_it_says"),
    (Flaw::StoresNoCalls, "turns_are_stored_where_it_says"),
    (Flaw::DeniesSaving, "a_memory_that_saves_says_so"),
    (Flaw::IgnoresPoints, "a_conversation_goes_on_from_a_point"),
    (Flaw::KeepsOneTurn, "clearing_forgets"),
    (Flaw::IgnoresTickets, "a_turn_of_a_cleared_conversation_is_not_saved"),
    (Flaw::MaintainsForEver, "maintenance_can_be_repeated"),
    (Flaw::MaintainsAlone, "maintenance_is_the_same_within_a_call"),
    (Flaw::LosesTurnsAtDeadlines, "a_deadline_that_is_over_loses_nothing"),
    (Flaw::HoldsWhatFailed, "loading_changes_nothing"),
    (Flaw::TakesWhileLoading, "a_dropped_load_leaves_no_trace"),
    (Flaw::SavesInHalves, "a_dropped_save_is_whole_or_not_there"),
    (Flaw::NotesTheIdFirst, "a_dropped_save_can_be_repeated"),
    (Flaw::MaintainsInHalves, "dropped_maintenance_costs_nothing"),
    (Flaw::ClearsInHalves, "a_dropped_clear_can_be_repeated"),
];

#[test]
fn each_check_of_the_memory_suite_finds_its_flaw() {
    each_check_finds_its_flaw(FLAWS, |flaw| block_on(suite::memory(|| Buffer::new(flaw))));
}

/// It may hold the conversation from a load on, until the call is saved or abandoned.
#[test]
fn calls_that_fail_are_abandoned() {
    let make = || Buffer::new(Some(Flaw::HoldsUntilAbandoned));
    let error = block_on(suite::memory(make)).unwrap_err();
    let failed: Vec<_> = error.failed().map(|(check, _)| check).collect();
    let dropped = ["a_dropped_load_leaves_no_trace", "a_dropped_save_is_whole_or_not_there"];
    assert_eq!(failed, dropped, "{error}");
}
