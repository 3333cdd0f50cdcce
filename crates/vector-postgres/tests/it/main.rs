//! Tests of the store through its public API, against a server. Without one, the tests are
//! ignored; see `server.rs`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod documents;
mod faults;
mod indexed;
mod server;
mod store;

conversant_harness::tests! {
    faults {
        damaged_rows_are_errors_that_quote_nothing,
        a_connection_that_broke_is_replaced,
        a_server_that_restarts_is_waited_for,
        a_server_that_falls_silent_is_waited_for,
        an_exhausted_pool_is_told,
        a_locked_table_is_waited_for_within_the_limit,
        a_database_that_is_read_only_is_told,
        connecting_tells_what_is_wrong_without_the_password,
        a_runtime_is_needed_to_connect,
    }
    indexed {
        an_index_finds_the_nearest,
        a_large_collection_is_searched_by_the_index,
        what_the_index_does_not_find_is_found,
        settings_of_indexes_are_checked_before_connecting,
    }
    store {
        a_search_finds_what_the_store_in_memory_finds,
        documents_outlive_the_store,
        the_suite,
        writers_of_two_stores_share_a_collection,
        a_memory_over_it,
        turns_of_groups_and_shared_documents_are_found_where_they_were_together,
    }
}
