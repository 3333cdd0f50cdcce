//! The program: its options, and who does what how often.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use conversant_core::BoxError;

use crate::{
    check, cold,
    conversant::Conversant,
    floor::Floor,
    hello, peak,
    place::Place,
    raw_bytes::RawBytes,
    report::{Measured, Report},
    serve::{self, Server},
    tiktoken_rs::TiktokenRs,
    work::{Named, System, Work},
};

/// The systems that are always measured.
const SYSTEMS: &[Named] = &[
    ("floor", Floor::make),
    ("conversant", Conversant::make),
    ("raw_bytes", RawBytes::make),
    ("tiktoken-rs", TiktokenRs::make),
];

/// The number of rounds that only open connections and fill caches.
const WARM_UP: usize = 2;
/// The number of times that a short work is done in a row. The first does not count: its caches are
/// those of the preparation.
const BURST: usize = 3;

/// Measures conversant and other clients, side by side.
#[derive(Parser)]
struct Options {
    /// Measures only as much as makes the results meaningful.
    #[arg(long)]
    quick: bool,
    /// Prints one line of JSON for each work, size and system.
    #[arg(long)]
    json: bool,
    /// Measures only the works whose name contains this text.
    #[arg(long)]
    only: Option<String>,
    #[command(subcommand)]
    process: Option<Process>,
}

/// The tasks of this program that run in another process.
#[derive(Subcommand)]
enum Process {
    /// Is the server.
    #[command(hide = true)]
    Serve {
        /// Keeps the last request.
        #[arg(long)]
        keep: bool,
    },
    /// Formats one prompt, and reports the CPU of the process until then.
    #[command(hide = true)]
    Cold,
    /// Has one system hold concurrent conversations, and reports the process's peak memory.
    #[command(hide = true)]
    Peak { system: String, base_url: String },
    /// Builds a package in an empty folder, and reports its footprint.
    #[command(hide = true)]
    Weigh {
        package: String,
        folder: PathBuf,
        #[arg(long)]
        features: Vec<String>,
    },
}

/// Runs the program, which measures these systems too.
///
/// # Errors
/// If a work fails, or its result cannot be written.
pub fn run(others: &[Named]) -> Result<(), BoxError> {
    // Before anything else: this one is about the start of the process.
    if std::env::args().nth(1).as_deref() == Some("cold") {
        return cold::format();
    }
    let options = Options::parse();
    // Who brings no provider of its own takes the process's.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let systems: Vec<_> = SYSTEMS.iter().chain(others).copied().collect();
    match &options.process {
        Some(Process::Serve { keep }) => Ok(serve::serve(*keep)?),
        Some(Process::Peak { system, base_url }) => peak::converse(&systems, system, base_url),
        Some(Process::Weigh { package, folder, features }) => {
            hello::weigh(package, features, folder)
        }
        Some(Process::Cold) | None => measure(&options, &systems),
    }
}

fn measure(options: &Options, named: &[Named]) -> Result<(), BoxError> {
    check::check(named)?;
    let server = Server::start()?;
    let make = |(name, make): &Named| Ok((*name, make(&server.base_url)?));
    let mut systems = named.iter().map(make).collect::<Result<Vec<_>, BoxError>>()?;
    let mut report = Report::default();
    let place = Place::find();
    for work in Work::ALL {
        if options.only.as_ref().is_some_and(|only| !work.name().contains(only.as_str())) {
            continue;
        }
        // The JSON is of CPU alone.
        if options.json && work.is_timed() {
            continue;
        }
        if let Some(place) = &place {
            place.put(&server, work);
        }
        for &n in work.sizes() {
            let mut measured = alternate(&mut systems, work, n, samples(work, n, options.quick));
            if options.json {
                measured.print_json(work, n)?;
            } else if work == Work::Concurrent {
                measured.peaks =
                    peak::measure(named.iter().map(|(name, _)| *name), &server.base_url)?;
            }
            report.add(work, n, measured);
        }
    }
    if !options.json {
        print!("{report}");
        println!("{}", cold::measure()?);
    }
    Ok(())
}

/// Returns the number of samples. The least counts; a sample of many calls is long enough to be
/// disturbed less.
const fn samples(work: Work, n: usize, quick: bool) -> usize {
    let (full, least) = match work {
        Work::Call | Work::Completion if n >= 2_000 => (200, 60),
        Work::Call | Work::Completion => (600, 200),
        Work::Conversation => (20, 10),
        Work::FirstToken => (60, 20),
        Work::Concurrent | Work::Stream => (30, 10),
        Work::FormatString | Work::FormatChat => (30, 10),
        Work::Tokens => (20, 5),
    };
    if quick { least } else { full }
}

/// Lets the systems do a work in turns: all of them in each round, alternately forwards and
/// backwards.
fn alternate(
    systems: &mut [(&'static str, Box<dyn System>)],
    work: Work,
    n: usize,
    samples: usize,
) -> Measured {
    let mut measured = Measured::new(systems.iter().map(|(name, _)| *name));
    let (times, left_out) = if work.is_short() { (BURST, 1) } else { (1, 0) };
    for round in 0..WARM_UP + samples.div_ceil(times - left_out) {
        let mut order: Vec<_> = (0..systems.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            if measured.can_do_without(index, round) {
                continue;
            }
            let Some((_, system)) = systems.get_mut(index) else { continue };
            let burst = system.burst(work, n, times);
            if round < WARM_UP {
                measured.warmed_up(index, &burst);
            } else {
                burst.into_iter().skip(left_out).for_each(|sample| measured.add(index, sample));
            }
        }
    }
    measured
}
