//! tiktoken-rs, against which tokens are counted.

use conversant_core::BoxError;
use tiktoken_rs::CoreBPE;

use crate::{
    measure::{Running, Sample},
    work::{System, Work},
    workload::prose_and_code,
};

/// tiktoken-rs, with its tables.
pub(crate) struct TiktokenRs(&'static CoreBPE);

impl TiktokenRs {
    pub(crate) fn make(_: &str) -> Result<Box<dyn System>, BoxError> {
        Ok(Box::new(Self(tiktoken_rs::o200k_base_singleton())))
    }
}

impl System for TiktokenRs {
    fn burst(&mut self, work: Work, n: usize, times: usize) -> Vec<Sample> {
        if work != Work::Tokens {
            return Vec::new();
        }
        let messages = prose_and_code(n).expect("the project's files are there");
        let count = |_| {
            let running = Running::start();
            let count: usize = messages.iter().map(|text| self.0.encode_ordinary(text).len()).sum();
            let sample = running.stop(1);
            assert!(count > 0, "there is text");
            sample
        };
        (0..times).map(count).collect()
    }
}
