//! The transcript that LangChain's verbose mode prints.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use conversant_core::{CallInfo, Event, Observer, ObserverIdentity};

use crate::python_repr::python_dict;

const BOLD: &str = "\u{1b}[1m";
const GREEN: &str = "\u{1b}[32;1m\u{1b}[1;3m";
const RESET: &str = "\u{1b}[0m";

/// The colours of the steps of a simple sequence, in turn: blue, yellow, pink, green and red
/// (LangChain 0.1.20 `langchain_core/utils/input.py::get_color_mapping`).
const STEPS: [&str; 5] = [
    "\u{1b}[36;1m\u{1b}[1;3m",
    "\u{1b}[33;1m\u{1b}[1;3m",
    "\u{1b}[38;5;200m\u{1b}[1;3m",
    GREEN,
    "\u{1b}[31;1m\u{1b}[1;3m",
];

/// An observer that writes the transcript of LangChain's verbose mode to a sink, with its escape
/// codes (LangChain 0.1.20, `callbacks/stdout.py::StdOutCallbackHandler`).
///
/// # Examples
///
/// ```
/// use conversant_chains::Verbose;
/// use conversant_core::{vars, CallId, CallInfo, Event, Observer};
///
/// let (verbose, transcript) = Verbose::buffer();
/// let verbose = verbose.without_color();
/// let call = CallInfo::new(CallId::random());
/// verbose.on_event(&call, &Event::chain_started("LLMChain", &vars! {}));
/// verbose.on_event(&call, &Event::prompt_formatted(&"Hi".into()));
/// verbose.on_event(&call, &Event::chain_ended("LLMChain", &vars! {}));
/// assert_eq!(
///     transcript.take(),
///     "\n\n> Entering new LLMChain chain...\nPrompt after formatting:\nHi\n\n> Finished chain.\n"
/// );
/// ```
pub struct Verbose {
    sink: Mutex<Box<dyn Write + Send>>,
    color: bool,
}

impl Verbose {
    /// Creates a transcript on a sink. Errors of the sink are ignored, so that a call does not fail
    /// for its transcript.
    #[must_use]
    pub fn new(sink: impl Write + Send + 'static) -> Self {
        Self { sink: Mutex::new(Box::new(sink)), color: true }
    }

    /// Creates a transcript on standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::new(io::stdout())
    }

    /// Creates a transcript on standard error.
    #[must_use]
    pub fn stderr() -> Self {
        Self::new(io::stderr())
    }

    /// Creates a transcript in memory, and a reader for it.
    #[must_use]
    pub fn buffer() -> (Self, Transcripts) {
        let transcripts = Transcripts::default();
        (Self::new(Shared(transcripts.clone())), transcripts)
    }

    /// Omits the escape codes that make the text bold and green.
    #[must_use]
    pub fn without_color(mut self) -> Self {
        self.color = false;
        self
    }

    fn code(&self, code: &'static str) -> &'static str {
        if self.color { code } else { "" }
    }

    /// Writes the text of one event at once, so that the texts of concurrent calls do not mix.
    fn write(&self, parts: &[&str]) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sink.write_all(parts.concat().as_bytes()).and_then(|()| sink.flush());
    }
}

impl Observer for Verbose {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        let (bold, green, reset) = (self.code(BOLD), self.code(GREEN), self.code(RESET));
        match event {
            Event::ChainStarted { chain, .. } => {
                self.write(&["\n\n", bold, "> Entering new ", chain, " chain...", reset, "\n"]);
            }
            Event::PromptFormatted { prompt, .. } => {
                self.write(&["Prompt after formatting:\n", green, &prompt.to_text(), reset, "\n"]);
            }
            Event::StepEnded { step, output, .. } => {
                let color = STEPS.get(step % STEPS.len()).map_or("", |color| self.code(color));
                self.write(&[color, &output.to_text(), reset, "\n"]);
            }
            Event::Routed { destination, inputs, .. } => {
                self.write(&[destination.unwrap_or("None"), ": ", &python_dict(inputs)]);
            }
            Event::ChainEnded { .. } => self.write(&["\n", bold, "> Finished chain.", reset, "\n"]),
            _ => {}
        }
    }

    /// Writes nothing: in LangChain, a chain inside another one has its own verbose mode.
    fn on_nested_event(&self, _: &CallInfo, _: &Event<'_>) {}

    /// Returns `None`, so that a chain inside another one writes its own transcript.
    fn identity(&self) -> Option<ObserverIdentity> {
        None
    }
}

impl fmt::Debug for Verbose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verbose").field("color", &self.color).finish_non_exhaustive()
    }
}

/// The reader of a [`Verbose::buffer`].
#[derive(Debug, Clone, Default)]
pub struct Transcripts(Arc<Mutex<Vec<u8>>>);

impl Transcripts {
    /// Returns the text written since the last call, and removes it.
    #[must_use]
    pub fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

struct Shared(Transcripts);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
