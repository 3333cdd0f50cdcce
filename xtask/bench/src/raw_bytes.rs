//! A stream whose bytes are not looked at: what is left of its cost then is the transport's.

use conversant_core::BoxError;
use futures_util::StreamExt;
use tokio::runtime::Runtime;

use crate::{
    floor::Client,
    measure::{FirstToken, Running, Sample},
    work::{System, Work},
    workload::{MODEL, PACED_MODEL, runtime},
};

/// The bytes that reqwest gives.
pub(crate) struct RawBytes {
    client: Client,
    runtime: Runtime,
}

impl RawBytes {
    pub(crate) fn make(base_url: &str) -> Result<Box<dyn System>, BoxError> {
        Ok(Box::new(Self { client: Client::new(base_url)?, runtime: runtime()? }))
    }
}

impl System for RawBytes {
    fn burst(&mut self, work: Work, n: usize, times: usize) -> Vec<Sample> {
        let mut samples = Vec::new();
        self.runtime.block_on(async {
            for _ in 0..times {
                samples.push(match work {
                    Work::Stream => {
                        let running = Running::start();
                        let mut bytes = self.client.open(MODEL).await;
                        let mut length = 0;
                        while let Some(piece) = bytes.next().await {
                            length += piece.len();
                        }
                        let sample = running.stop(n);
                        assert!(length > n * 100, "the stream is cut off");
                        sample
                    }
                    Work::FirstToken => {
                        let mut first = FirstToken::start();
                        let mut bytes = self.client.open(PACED_MODEL).await;
                        while bytes.next().await.is_some() {
                            first.is_here();
                        }
                        first.stop()
                    }
                    _ => break,
                });
            }
        });
        samples
    }
}
