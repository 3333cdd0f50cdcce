//! The settings of a model, and their limits.

use crate::model_file_error::ModelFileError;

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampling {
    pub(crate) temperature: f32,
    pub(crate) top_p: f32,
    pub(crate) seed: Option<u64>,
}

/// The settings of a model.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) sampling: Sampling,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) stop: Vec<String>,
    pub(crate) context: Option<usize>,
    pub(crate) threads: usize,
    pub(crate) cache_bytes: usize,
    pub(crate) name: Option<String>,
}

/// The largest context that is used unless it is set, in tokens. Keys and values of the small
/// models take about 50 KB for each token.
pub(crate) const DEFAULT_CONTEXT: usize = 4096;

/// The limit of an answer unless it is set, in tokens. Small models may not end by themselves.
pub(crate) const DEFAULT_MAX_TOKENS: u32 = 512;

/// The memory for the keys and values of earlier conversations unless it is set: 256 MiB.
pub(crate) const DEFAULT_CACHE_BYTES: usize = 256 << 20;

/// The largest number of threads.
const MAX_THREADS: usize = 256;

impl Default for Settings {
    fn default() -> Self {
        Self {
            sampling: Sampling { temperature: 0.0, top_p: 1.0, seed: None },
            max_tokens: Some(DEFAULT_MAX_TOKENS),
            stop: Vec::new(),
            context: None,
            threads: 1,
            cache_bytes: DEFAULT_CACHE_BYTES,
            name: None,
        }
    }
}

impl Settings {
    /// Checks the settings that do not depend on the file.
    pub(crate) fn check(&self) -> Result<(), ModelFileError> {
        let Sampling { temperature, top_p, .. } = self.sampling;
        let faults = [
            ("temperature", !(0.0..=100.0).contains(&temperature), "it must be from 0 to 100"),
            ("top_p", !(top_p > 0.0 && top_p <= 1.0), "it must be above 0, and at most 1"),
            ("max_tokens", self.max_tokens == Some(0), "it must be at least 1"),
            ("threads", !(1..=MAX_THREADS).contains(&self.threads), "it must be from 1 to 256"),
            ("context", self.context.is_some_and(|tokens| tokens < 2), "it must be at least 2"),
        ];
        match faults.into_iter().find(|(_, is_wrong, _)| *is_wrong) {
            Some((setting, _, what)) => {
                Err(ModelFileError::Setting { setting, what: what.to_owned() })
            }
            None => Ok(()),
        }
    }
}
