//! Measures conversant and a client written by hand: `cargo xtask bench` builds and runs it.

use conversant_core::BoxError;

fn main() -> Result<(), BoxError> {
    bench::run(&[])
}
