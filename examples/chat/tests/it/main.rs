//! The chat's command line, as people script it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub
)]

mod faults;
mod kept;
mod local;
mod message;
mod prompt;
mod real_server;
mod round_trips;
mod run;
#[cfg(unix)]
mod terminal;
mod weights;

conversant_harness::tests! {
    faults {
        every_fault_ends_in_an_answer_or_one_line,
    }
    kept {
        a_conversation_goes_on_in_the_next_run,
        a_file_that_is_no_database_is_told_before_any_call_and_left_alone,
        an_answer_that_cannot_be_saved_is_printed,
        a_session_that_is_none_is_wrong_usage,
    }
    local {
        a_model_that_is_not_there_is_not_downloaded_offline,
        a_file_that_is_no_model_is_named,
    }
    message {
        the_answer_alone_is_on_standard_output,
        what_is_asked_for_is_sent_and_nothing_else,
        the_transcript_is_on_standard_error,
        a_failure_is_one_clear_line_and_exit_code_1,
        a_turn_ends_within_its_timeout,
        wrong_usage_is_exit_code_2,
        tokens_appear_as_they_come_and_ctrl_c_ends_with_130,
        standard_input_is_part_of_the_question,
        commands_in_standard_input_are_not_executed,
        json_has_the_answer_and_what_belongs_to_it,
    }
    prompt {
        a_conversation_with_commands,
        a_failed_turn_leaves_no_trace_and_the_chat_goes_on,
    }
    real_server {
        text,
        a_tool_loop,
        reasoning_over_two_turns_and_a_restart,
        a_limit_is_a_finish_reason,
        embeddings,
    }
    round_trips {
        reasoning_goes_back_after_a_restart,
        output_items_go_back_after_a_restart,
        tool_calls_of_another_model_get_empty_reasoning_where_it_is_wanted,
    }
    #[cfg(unix)]
    terminal {
        the_first_line_says_which_model_which_session_and_where,
        an_answer_is_shown_as_it_comes_and_ctrl_c_stops_it_alone,
        something_moves_while_the_model_thinks,
        several_lines_are_one_message,
        lines_are_remembered_over_starts,
        the_files_of_a_user_are_the_users,
        colours_are_for_terminals_that_want_them,
        control_characters_of_a_model_are_shown,
        each_command_does_what_its_help_says,
        a_retry_that_fails_leaves_the_turn_as_it_was,
    }
    weights {
        a_name_is_remembered_over_a_restart,
    }
}
