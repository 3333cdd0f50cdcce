//! What a client written by hand depends on. There is no code: `cargo xtask bench` counts its crates.
