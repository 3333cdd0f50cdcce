//! The synchronisation of shared messages. `xtask/loom` replaces it by loom's.

pub(crate) use std::sync::{Mutex, OnceLock};
