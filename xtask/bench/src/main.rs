//! Measures conversant and a hand-written client. Built and run by `cargo xtask bench`.

use conversant_core::BoxError;

fn main() -> Result<(), BoxError> {
    bench::run(&[])
}
