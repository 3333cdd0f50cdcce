//! Tests of the encrypted history through its public API.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod forks;
mod keys;
mod labels;
mod own_store;
#[cfg(target_os = "linux")]
mod read_only;
mod secrets;
mod sizes;
mod suites;
mod support;
mod tampering;
mod unreadable;

conversant_harness::tests! {
    forks {
        a_fork_that_stops_is_continued_by_the_same_call,
        a_whole_fork_is_not_extended,
    }
    keys {
        keys_are_rotated,
        blinded_sessions_are_listed_and_copied,
        a_copy_without_keys_has_the_facts,
        names_of_notes_are_blinded_with_the_sessions,
        derived_values_never_change,
        records_of_the_first_version_are_read,
        a_key_is_read_as_it_was_written,
    }
    labels {
        the_most_labels_are_changed_after_a_rotation,
        a_key_that_was_added_twice_keeps_labels,
        a_session_that_changes_before_its_deletion_stays,
        another_session_takes_the_place_of_one_that_changes,
        a_change_that_stops_halfway_leaves_the_value_of_before_or_the_new_one,
        a_copy_keeps_the_names_that_fit,
    }
    own_store {
        a_store_without_branches_is_encrypted,
        a_turn_is_compared_with_the_stored_one,
    }
    #[cfg(target_os = "linux")]
    read_only {
        operations,
        files_that_cannot_be_written_are_read_and_left_alone,
    }
    secrets {
        files_contain_no_word,
        debug_shows_no_key,
    }
    sizes {
        what_is_checked_can_be_appended,
        a_message_grows_as_is_documented,
        the_largest_note_is_stored,
        a_turn_without_messages_is_not_stored,
        a_range_of_bytes_is_exact,
        two_writers_have_one_order,
        two_first_turns_have_one_order_after_a_deletion,
    }
    suites {
        in_memory,
        with_branches,
        with_lists,
        lists_outlive_a_rotation,
        altered_names_are_errors,
        in_sqlite,
        in_files,
        in_postgres,
        in_redis,
    }
    tampering {
        each_byte_of_a_record_counts,
        each_byte_of_a_stored_message_counts,
        each_byte_of_a_note_counts,
        turns_that_are_not_in_their_place_are_refused,
        turns_of_an_earlier_conversation_are_refused,
        turns_of_another_session_are_refused,
        the_facts_of_a_turn_are_authentic,
        a_wrong_key_is_told_apart_from_an_altered_record,
        a_plain_history_is_refused,
        a_session_without_its_last_turns_is_stale,
        errors_say_what_is_wrong_and_quote_nothing,
    }
    unreadable {
        a_title_that_cannot_be_decrypted_hides_no_session,
        a_label_that_cannot_be_decrypted_keeps_no_other_session,
        an_id_that_cannot_be_decrypted_hides_no_other_session,
    }
}
