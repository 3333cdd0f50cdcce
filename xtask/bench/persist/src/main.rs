//! Measures what keeping conversations costs. Built and run by `cargo xtask bench --persist`.

mod chain;
mod floor;
mod jsonl;
mod measured;
mod memories;
mod postgres;
mod redis;
mod sessions;
mod sqlite;
mod streams;

use clap::Parser;
use conversant_core::BoxError;

use self::measured::{Effort, Measured};

/// A row: its name, and the function that measures it.
type Row = (&'static str, fn(Effort) -> Result<Vec<Measured>, BoxError>);

/// The rows, in the order of the table.
const ROWS: &[Row] = &[
    ("sqlite_window", sqlite::window),
    ("sqlite_buffer", sqlite::buffer),
    ("sqlite_buffer_new", sqlite::buffer_new),
    ("sqlite_cold", sqlite::cold),
    ("sqlite_bytes", sqlite::bytes),
    ("sqlite_many", sqlite::many),
    ("postgres_window", postgres::window),
    ("postgres_paced", postgres::paced),
    ("postgres_leased", postgres::leased),
    ("redis_window", redis::window),
    ("redis_leased", redis::leased),
    ("jsonl_append", jsonl::append),
    ("jsonl_append_async", jsonl::append_async),
    ("by_hand_append", jsonl::append_by_hand),
    ("jsonl_load", jsonl::load),
    ("jsonl_cold", jsonl::cold),
    ("jsonl_many", jsonl::many),
    ("by_hand_many", jsonl::many_by_hand),
    ("sessions_get", sessions::get),
    ("sessions_memory", sessions::memory),
    ("streams_memory", streams::memory),
    ("summaries", memories::summaries),
];

/// Measures what keeping conversations costs, next to the same drivers without conversant.
#[derive(Parser)]
struct Options {
    /// Measures only as much as makes the results meaningful.
    #[arg(long)]
    quick: bool,
    /// Prints one line of JSON for each row.
    #[arg(long)]
    json: bool,
    /// Measures only the rows whose name contains this text.
    #[arg(long)]
    only: Option<String>,
    /// Holds sessions in memory and prints the resident bytes of each. Used by `sessions_memory`.
    #[arg(long, hide = true)]
    hold: Option<sessions::Holder>,
    /// Reads slow streams and prints the resident bytes of each. Used by `streams_memory`.
    #[arg(long, hide = true, requires = "base_url")]
    read_streams: Option<streams::Reader>,
    /// The address of the server of the streams.
    #[arg(long, hide = true)]
    base_url: Option<String>,
    /// Serves slow streams. Used by `streams_memory`.
    #[arg(long, hide = true)]
    serve_streams: bool,
}

fn main() -> Result<(), BoxError> {
    let options = Options::parse();
    if let Some(holder) = options.hold {
        return sessions::hold(holder);
    }
    if options.serve_streams {
        return streams::serve();
    }
    if let (Some(reader), Some(base_url)) = (options.read_streams, &options.base_url) {
        return streams::read(reader, base_url);
    }
    let effort = if options.quick { Effort::Quick } else { Effort::Full };
    if !options.json {
        println!("{}", measured::HEAD);
    }
    for (name, measure) in ROWS {
        if options.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        for measured in measure(effort)? {
            if options.json {
                println!("{}", measured.json(name)?);
            } else {
                println!("{}", measured.line(name));
            }
        }
    }
    Ok(())
}
