//! One call: reads the prompt, and chooses token after token until the answer ends.

use conversant_core::{Delta, FinishReason, Message, ModelError, Reply, Usage};
use futures_channel::mpsc::UnboundedSender;

use crate::{
    llama::{Network, Sequence},
    prompt::Prompt,
    sampler::Sampler,
    settings::Sampling,
    stop_scanner::{Scanned, StopScanner},
    text_decoder::TextDecoder,
    tokenizer::Tokenizer,
};

/// The number of tokens of a prompt that are read at once. A call that was dropped ends after that
/// many.
const CHUNK: usize = 32;

/// The pieces of an answer, on their way to the caller.
pub(crate) type Pieces = UnboundedSender<Result<Delta, ModelError>>;

/// A call of the model.
pub(crate) struct Call {
    pub(crate) prompt: Prompt,
    pub(crate) stop: Vec<String>,
    pub(crate) pieces: Pieces,
}

/// The caller has gone.
pub(crate) struct CallerGone;

/// The parts of the model that a call needs.
pub(crate) struct Generation<'a> {
    pub(crate) network: &'a Network,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) name: &'a str,
    pub(crate) sampling: &'a Sampling,
    /// The largest number of tokens of an answer.
    pub(crate) max_tokens: usize,
    /// The largest number of tokens of a sequence.
    pub(crate) context: usize,
}

impl Generation<'_> {
    /// Answers a prompt. The sequence has read the beginning of it; afterwards it has read the
    /// whole, and the answer, or less of both if the caller has gone.
    pub(crate) fn run(
        &self,
        sequence: &mut Sequence,
        prompt: &[u32],
        call: &Call,
    ) -> Result<(), CallerGone> {
        let cached = sequence.tokens().len();
        let mut answer = Answer {
            pieces: &call.pieces,
            decoder: TextDecoder::default(),
            scanner: StopScanner::new(&call.stop),
            text: String::new(),
        };
        let mut scores = self.read(sequence, prompt.get(cached..).unwrap_or_default(), &answer)?;
        let mut sampler = Sampler::new(self.sampling);
        let mut tokens = 0;
        let reason = loop {
            let Some(token) = sampler.choose(&scores).filter(|t| !self.tokenizer.is_end(*t)) else {
                answer.finish()?;
                break FinishReason::Stop;
            };
            tokens += 1;
            if answer.push(self.tokenizer.bytes(token))? {
                break FinishReason::Stop;
            }
            if tokens == self.max_tokens || sequence.tokens().len() + 1 >= self.context {
                answer.finish()?;
                break FinishReason::Length;
            }
            scores = self.network.scores(sequence, &[token]);
        };
        let count = |tokens: usize| u64::try_from(tokens).unwrap_or(u64::MAX);
        let mut usage = Usage::new(count(prompt.len()), count(tokens));
        usage.cached_tokens = Some(count(cached));
        let reply = Reply::new(Message::ai(answer.text)).with_finish_reason(reason);
        let reply = reply.with_usage(usage).with_model(self.name);
        call.pieces.unbounded_send(Ok(reply.into())).map_err(|_| CallerGone)
    }

    /// Reads the rest of the prompt, and returns the scores of the token after it.
    fn read(
        &self,
        sequence: &mut Sequence,
        tokens: &[u32],
        answer: &Answer<'_>,
    ) -> Result<Vec<f32>, CallerGone> {
        let mut chunks = tokens.chunks(CHUNK);
        let last = chunks.next_back().unwrap_or_default();
        for chunk in chunks {
            answer.check()?;
            self.network.read(sequence, chunk);
        }
        answer.check()?;
        Ok(self.network.scores(sequence, last))
    }
}

/// The text of an answer, as it becomes known.
struct Answer<'a> {
    pieces: &'a Pieces,
    decoder: TextDecoder,
    scanner: StopScanner,
    text: String,
}

impl Answer<'_> {
    fn check(&self) -> Result<(), CallerGone> {
        match self.pieces.is_closed() {
            true => Err(CallerGone),
            false => Ok(()),
        }
    }

    /// Adds the bytes of a token. Returns whether a stop sequence has come.
    fn push(&mut self, bytes: &[u8]) -> Result<bool, CallerGone> {
        self.check()?;
        let text = self.decoder.push(bytes);
        self.scan(&text)
    }

    fn scan(&mut self, text: &str) -> Result<bool, CallerGone> {
        match self.scanner.push(text) {
            Scanned::Text(text) => self.send(text).map(|()| false),
            Scanned::Stopped(text) => self.send(text).map(|()| true),
        }
    }

    /// Adds what was held back, at the end of the answer.
    fn finish(&mut self) -> Result<(), CallerGone> {
        let text = self.decoder.finish();
        if !self.scan(&text)? {
            let rest = self.scanner.finish();
            self.send(rest)?;
        }
        Ok(())
    }

    fn send(&mut self, text: String) -> Result<(), CallerGone> {
        if text.is_empty() {
            return Ok(());
        }
        self.text.push_str(&text);
        self.pieces.unbounded_send(Ok(Delta::Text(text))).map_err(|_| CallerGone)
    }
}
