//! The history in PostgreSQL, against a server. Without one, the tests that need it are
//! ignored; see `server.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod branches;
mod connecting;
mod damaged;
mod gates;
mod killed;
mod langchain;
mod lists;
mod networked;
mod poolers;
mod schema;
mod server;
mod silent;
mod stored;
mod suite;
mod tls;

conversant_harness::tests! {
    branches {
        no_cost_grows_with_the_length,
        no_cost_grows_with_the_branches,
        what_nothing_shares_is_removed,
        removals_at_the_same_time_leave_nothing,
        a_fork_outlives_a_session_whose_time_is_up,
        an_undone_session_is_not_an_empty_one,
    }
    connecting {
        faults_are_told_without_the_password,
        a_runtime_is_needed_to_connect,
        what_the_server_refuses_is_told,
        a_right_that_lacks_is_told,
        many_may_make_the_tables_at_once,
        a_history_is_awaited_on_any_executor,
    }
    damaged {
        damaged_tables_are_reported,
        locked_tables_are_waited_for_within_the_limit,
        a_langchain_table_that_was_refilled_is_noticed,
        any_number_of_connections_is_taken,
        errors_quote_nothing_that_is_stored,
    }
    gates {
        an_operation_is_one_round_trip_and_little_more_than_its_text,
        a_call_reads_and_changes_little,
    }
    killed {
        a_killed_server_loses_nothing_that_it_acknowledged,
        a_killed_server_keeps_langchains_table,
        a_server_that_restarts_is_waited_for_within_the_limit,
        a_server_with_a_slow_disk_is_waited_for_within_the_limit,
        a_synchronous_standby_that_takes_over_has_every_turn,
    }
    langchain {
        conversations_are_shared_with_python,
        a_missing_table_is_created_unless_it_is_forbidden,
        an_index_is_known_by_its_first_column,
        rows_of_ours_are_langchains,
        what_a_table_does_not_take_is_told,
        the_suite_says_what_is_missing,
        writers_of_two_pools_have_one_order,
        what_is_appended_while_a_session_is_cleared_is_gone,
    }
    lists {
        a_search_belongs_to_the_database,
        a_damaged_turn_keeps_no_other_out_of_the_search,
        odd_labels_select_nothing,
        words_of_long_texts_are_found,
        the_index_is_completed_from_any_place,
        a_word_that_is_passed_over_deletes_nothing,
        removed_sessions_are_gone_from_the_index,
        facts_that_change_outlive_their_first_lifetime,
        a_session_that_ended_begins_without_labels,
        a_session_that_ended_is_deleted,
        a_session_in_use_is_not_deleted_as_an_old_one,
    }
    networked {
        a_history_in_postgres_is_a_networked_history,
        a_history_in_langchains_table_is_a_networked_history,
        a_locked_row_is_waited_for_within_the_limit,
        any_duration_is_a_time_limit,
        an_exhausted_pool_is_an_error_of_every_operation,
    }
    poolers {
        statements_are_prepared_unless_a_pooler_is_in_between,
        a_statement_that_the_server_lost_is_sent_with_its_text,
    }
    schema {
        programs_of_the_version_before_go_on,
        turns_of_versions_4_and_5_are_continued,
        branches_of_version_6_are_found,
        forks_have_labels_since_version_9,
        deletions_know_stop_words_since_version_10,
        a_migration_takes_as_long_as_it_needs,
        a_migration_that_is_ended_late_does_not_begin_again,
        titles_of_an_interrupted_search_are_added_later,
        a_history_in_partitioned_tables_is_a_history,
        tables_without_partitions_are_not_taken_for_partitioned_ones,
    }
    silent {
        a_silent_address_leaves_time_for_the_next,
        a_server_that_falls_silent_is_waited_for,
        a_session_is_settled_although_connections_break,
    }
    stored {
        a_session_ends_with_its_time,
        damage_is_told_and_nothing_is_changed,
        what_could_not_be_read_again_is_not_taken,
        a_session_is_read_at_its_start,
        a_long_session_is_read_at_its_end,
    }
    suite {
        a_history_in_postgres_is_a_history,
        handles_see_what_the_others_write,
        other_isolation_levels_change_nothing,
        a_store_that_was_replaced_is_noticed,
        sessions_are_listed_and_searched,
        a_session_has_branches,
        writers_of_two_pools_have_one_order,
        prepared_statements_change_nothing,
    }
    tls {
        connections_are_encrypted_and_certificates_checked,
        a_server_without_tls_is_refused_where_it_is_required,
    }
}
