//! Measures conversant and a client written by hand: `cargo xtask bench` builds and runs it.

mod cold;
mod conversant;
mod floor;
mod report;
mod serve;

use bench::work::{System, Work};
use clap::{Parser, Subcommand};
use conversant_core::BoxError;
use tokio::runtime::Builder;

use self::{
    conversant::Conversant,
    floor::{Floor, TiktokenRs},
    report::{Measured, Report},
    serve::Server,
};

/// Measures conversant and a client written by hand, side by side.
#[derive(Parser)]
struct Options {
    /// Measures as little as tells something.
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

/// What this program does in a process of its own.
#[derive(Subcommand)]
enum Process {
    /// Is the server.
    #[command(hide = true)]
    Serve,
    /// Formats one prompt, and tells the CPU that the process has taken until then.
    #[command(hide = true)]
    Cold,
}

fn main() -> Result<(), BoxError> {
    // Before anything else: this one is about the start of the process.
    if std::env::args().nth(1).as_deref() == Some("cold") {
        return cold::format();
    }
    let options = Options::parse();
    match options.process {
        Some(Process::Serve) => Ok(serve::serve()?),
        Some(Process::Cold) | None => measure(&options),
    }
}

fn measure(options: &Options) -> Result<(), BoxError> {
    // The client written by hand takes the process's own; conversant brings one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::start()?;
    let base_url = server.base_url.as_str();
    let runtime = || Builder::new_current_thread().enable_all().build();
    let mut systems: Vec<Box<dyn System>> = vec![
        Box::new(Floor::new(base_url, runtime()?)?),
        Box::new(Conversant::new(base_url, runtime()?)?),
        Box::new(TiktokenRs(tiktoken_rs::o200k_base_singleton())),
    ];
    let mut report = Report::default();
    for work in Work::ALL {
        if options.only.as_ref().is_some_and(|only| !work.name().contains(only.as_str())) {
            continue;
        }
        for &n in work.sizes() {
            let measured = alternate(&mut systems, work, n, samples(work, n, options.quick));
            if options.json {
                measured.print_json(work, n)?;
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

/// Returns how many samples are taken. The least of them counts, and a sample of many calls takes long enough to be disturbed less.
fn samples(work: Work, n: usize, quick: bool) -> usize {
    let (full, least) = match work {
        Work::Call | Work::Completion if n >= 2_000 => (60, 20),
        Work::Call | Work::Completion => (200, 40),
        Work::Conversation => (20, 3),
        Work::Concurrent | Work::Stream => (30, 10),
        Work::FormatString | Work::FormatChat => (30, 10),
        Work::Tokens => (20, 5),
    };
    if quick { least } else { full }
}

/// Lets the systems do a work in turns: each round all of them, from the first to the last and then back.
fn alternate(systems: &mut [Box<dyn System>], work: Work, n: usize, samples: usize) -> Measured {
    let mut measured = Measured::new(systems.iter().map(|system| system.name()));
    // The first ones open connections and fill caches.
    for round in 0..samples + 2 {
        let mut order: Vec<_> = (0..systems.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            if measured.is_slow(index, round) {
                continue;
            }
            if let Some(sample) = systems[index].sample(work, n)
                && round >= 2
            {
                measured.add(index, sample);
            }
        }
    }
    measured
}
