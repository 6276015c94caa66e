//! Stories of a whole node: its API, a panel, real programs under real keepers.
//!
//! This program is its own keeper, so it has no test harness: the verb `keeper` comes before anything else.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "all of this program is a test"
)]

#[path = "node/api.rs"]
mod api;
#[path = "node/directories.rs"]
mod directories;
#[path = "node/encoding.rs"]
mod encoding;
#[path = "node/house.rs"]
mod house;
#[path = "node/limits.rs"]
mod limits;
#[path = "node/lives.rs"]
mod lives;
#[path = "node/panel.rs"]
mod panel;
#[path = "node/power.rs"]
mod power;
#[path = "node/with_panel.rs"]
mod with_panel;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "keeper") {
        return roost_keeper::main(words);
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let mut failed = Vec::new();
    macro_rules! tell {
        ($($room:ident::$story:ident),* $(,)?) => {$(
            let name = stringify!($story);
            if wanted.is_empty() || wanted.iter().any(|word| name.contains(word)) {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
                let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on($room::$story())));
                house::end_keepers();
                println!("story {name} ... {}", if told.is_ok() { "ok" } else { "FAILED" });
                if told.is_err() {
                    failed.push(name);
                }
            }
        )*};
    }
    tell!(
        api::a_server_is_made_started_typed_at_read_and_stopped,
        api::the_secret_opens_the_api_and_nothing_else_does,
        api::what_cannot_be_done_is_said,
        api::the_journal_is_paged_and_waited_for,
        power::a_program_that_ignores_its_stop_is_killed_by_the_timer,
        power::a_crash_is_told_and_followed_by_one_start,
        directories::a_directory_that_is_not_free_is_refused_by_name,
        power::a_deleted_server_leaves_nothing,
        lives::the_next_node_takes_up_the_programs_of_the_last,
        lives::a_killed_keeper_takes_its_program_with_it,
        limits::a_server_that_takes_too_much_memory_is_ended_and_told_why,
        limits::a_server_of_the_node_s_own_user_is_kept_out_of_its_files,
        with_panel::a_server_that_is_listed_and_asked_for_is_made_once,
        with_panel::a_node_starts_without_its_panel,
        encoding::a_program_reads_and_writes_its_own_encoding,
        power::suspending_stops_a_server_and_keeps_it_down,
        with_panel::audit_rows_wait_for_a_panel_that_is_away,
        api::the_secret_is_replaced_without_a_gap,
        power::all_servers_are_stopped_each_its_own_way,
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        println!("failed: {failed:?}");
        ExitCode::FAILURE
    }
}
