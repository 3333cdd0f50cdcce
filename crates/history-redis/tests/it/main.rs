//! The history in Redis, against a server. Without one, the tests that need it are ignored; see
//! `server.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod branches;
mod connecting;
mod earlier;
mod evicted;
#[cfg(all(feature = "cluster", feature = "sentinel"))]
mod failover;
mod gates;
mod killed;
mod langchain;
#[cfg(all(feature = "cluster", feature = "sentinel"))]
mod migration;
mod networked;
mod outage;
mod server;
mod stored;
mod suite;
mod tls;

conversant_harness::tests! {
    branches {
        nothing_stays_of_forks_that_are_gone,
        facts_that_change_outlive_their_first_lifetime,
        shared_turns_expire_with_the_last_session,
        an_expired_session_can_be_forked_into,
    }
    connecting {
        faults_are_told_without_the_password,
        a_silent_server_is_told_in_the_time_to_connect,
        a_runtime_is_needed_to_connect,
        rights_and_settings_that_lack_are_told,
        a_server_that_is_read_only_is_told,
        keys_of_a_later_version_are_refused,
        a_history_is_awaited_on_any_executor,
    }
    earlier {
        a_session_of_version_1_is_read_and_continued,
        a_session_of_version_1_gets_branches,
        sessions_of_version_1_are_listed,
        damage_to_a_session_of_version_1_is_noticed,
    }
    evicted {
        a_damaged_session_is_noticed_by_every_operation,
        a_damaged_tree_is_noticed,
        numbers_that_are_none_are_noticed,
        a_list_of_another_type_leaves_nothing_half_done,
        the_list_of_sessions_is_whole_although_its_key_was_evicted,
        the_list_by_last_use_is_whole_although_its_key_was_evicted,
        a_damaged_session_keeps_no_other_from_being_deleted,
        a_list_is_completed_although_its_calls_time_out,
        a_lease_outlives_the_eviction_of_a_key,
        a_server_that_is_emptied_under_a_lease_is_noticed,
        a_server_that_evicts_shortens_nothing_unnoticed,
        errors_quote_nothing_that_is_stored,
    }
    #[cfg(all(feature = "cluster", feature = "sentinel"))]
    failover {
        a_history_in_a_cluster_is_a_history,
        a_master_of_sentinels_is_replaced,
    }
    gates {
        an_operation_takes_few_commands_of_the_server,
        alternatives_take_few_commands_with_many_branches,
        a_fork_of_forks_takes_few_commands_for_each,
        an_operation_is_one_round_trip_and_little_more_than_its_text,
    }
    killed {
        a_killed_server_loses_nothing_that_it_acknowledged,
        a_killed_server_keeps_langchains_lists,
        a_server_whose_writes_stall_is_waited_for_within_the_limit,
    }
    langchain {
        conversations_are_shared_with_python,
        rows_of_ours_are_langchains,
        what_a_list_does_not_take_is_told,
        time_to_live_is_pythons,
        the_suite_says_what_is_missing,
        writers_of_two_pools_have_one_order,
    }
    networked {
        both_histories_are_networked_histories,
        any_duration_is_a_time_limit,
    }
    outage {
        links_that_hang_are_all_replaced_by_one_operation,
        a_silent_node_of_a_cluster_costs_the_others_nothing,
        a_server_that_loads_its_data_is_waited_for,
        connections_that_the_server_has_closed_are_replaced,
        a_server_that_restarts_is_waited_for_within_the_limit,
    }
    stored {
        keys_are_named_by_their_session,
        a_session_ends_with_its_time,
        damage_is_told_and_nothing_is_changed,
        a_damaged_session_can_be_cleared,
        what_could_not_be_read_again_is_not_taken,
        a_session_is_read_at_its_start,
        a_long_session_is_read_at_its_end,
    }
    suite {
        a_history_in_redis_is_a_history,
        a_history_with_a_time_to_live_is_a_history,
        handles_see_what_the_others_write,
        a_store_that_was_replaced_is_noticed,
        turns_of_a_session_are_a_tree,
        sessions_are_listed,
        writers_of_two_pools_have_one_order,
    }
    tls {
        connections_are_encrypted_and_certificates_checked,
    }
}
