//! The chat: its service over sockets, and its page in a browser.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    missing_docs
)]

mod access;
mod browser;
mod client;
mod connections;
mod dictated;
mod page;
mod pictures;
mod program;
mod service;
mod support;
mod text;
mod unsaved;
mod weights;

conversant_harness::tests! {
    access {
        the_page_is_accessible,
        all_is_done_with_the_keyboard,
    }
    connections {
        a_thousand_half_open_connections_do_not_hold_the_service,
        a_connection_ends_with_its_lifetime,
        a_stream_outlives_the_lifetime_of_its_connection,
    }
    page {
        two_turns_are_there_after_a_reload,
        an_answer_that_is_stopped_keeps_its_part,
        what_is_typed_is_kept,
        two_windows_show_the_same,
        a_lost_connection_is_taken_up_where_it_was,
        a_question_waits_for_the_service,
        a_model_that_fails_is_asked_again,
        an_answer_that_is_not_saved_is_shown_and_saved_again,
        questions_are_edited_and_branches_chosen,
        tools_and_reasoning_are_shown_where_they_happen,
        two_hundred_conversations_are_listed_and_searched,
        a_conversation_of_ten_thousand_turns_opens_at_its_end,
        a_turn_has_its_time,
        texts_are_copied_as_they_were_written,
        what_others_do_is_shown,
        the_theme_is_kept,
    }
    pictures {
        the_readme_shows_this_page,
        the_page_fits_at_all_widths,
    }
    program {
        what_cannot_be_used_is_one_line,
        #[cfg(unix)]
        the_log_has_no_words_of_a_server,
        #[cfg(unix)]
        the_program_ends_when_it_is_interrupted,
    }
    service {
        an_answer_is_streamed_and_stored,
        a_question_that_is_sent_again_is_asked_once,
        a_reader_takes_the_stream_up_where_it_was,
        a_page_that_comes_late_hears_the_answer_from_its_beginning,
        a_stop_keeps_the_part_that_has_come,
        a_failure_is_reported_and_what_came_before_it_is_kept,
        an_answer_that_cannot_be_saved_is_saved_later,
        an_answer_that_can_never_be_saved_holds_up_no_other,
        a_question_in_the_place_of_another_is_a_branch,
        a_conversation_is_renamed_found_and_deleted,
        the_end_of_the_service_keeps_what_has_come,
        requests_of_other_sites_are_refused,
        requests_that_are_not_valid_are_refused,
        two_hundred_streams_at_once_lose_nothing,
        a_turn_that_is_saved_twice_ends_once,
        a_deletion_ends_no_answer,
        errors_of_the_store_say_what_to_do,
    }
    text {
        hostile_text_is_text,
        markdown_is_shown_as_elements,
        long_texts_are_shown_like_short_ones,
    }
    unsaved {
        a_change_says_what_to_do_first,
        a_deletion_is_not_undone_by_a_save,
        the_end_prints_what_is_not_saved,
    }
    weights {
        a_model_on_this_machine_remembers_a_name,
    }
}
