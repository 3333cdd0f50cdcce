//! The builder of the loopback server: its script and its settings.

use std::{collections::VecDeque, fmt, io, sync::Arc};

use super::{Answer, OpenAiServer, RecordedRequest, service, state::State};
use crate::loopback::Loopback;

/// Collects the script and the settings of an [`OpenAiServer`].
#[derive(Debug, Default)]
#[must_use]
pub struct OpenAiServerBuilder {
    script: VecDeque<Answer>,
    repeat_last: bool,
    settings: Settings,
}

/// The server to imitate where servers that speak OpenAI's interface differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// OpenAI's own.
    #[default]
    OpenAi,
    /// That of llama.cpp's `llama-server`, after recordings of it: other order of fields, the
    /// first chunk of a streamed chat with `"content":null`, usage always in the last chunk of a
    /// streamed text completion, `timings`, error codes that are numbers.
    LlamaCpp,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) dialect: Dialect,
    pub(super) models: Vec<String>,
    pub(super) key: Option<Key>,
}

/// A key that a request must bring; not shown in `Debug`.
pub(super) struct Key(pub(super) String);

/// Where answers come from.
pub(super) enum Source {
    Script { answers: VecDeque<Answer>, repeat_last: bool },
    Handler(Box<dyn Fn(&RecordedRequest) -> Answer + Send + Sync>),
}

impl OpenAiServerBuilder {
    /// Adds the answer to the next request.
    pub fn reply(mut self, answer: impl Into<Answer>) -> Self {
        self.script.push_back(answer.into());
        self
    }

    /// Adds the answers to the next requests.
    pub fn replies<A: Into<Answer>>(mut self, answers: impl IntoIterator<Item = A>) -> Self {
        self.script.extend(answers.into_iter().map(Into::into));
        self
    }

    /// Gives the last answer again and again once the script is used up.
    pub fn repeat_last(mut self) -> Self {
        self.repeat_last = true;
        self
    }

    /// Sets the server to imitate. The default is OpenAI's.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.settings.dialect = dialect;
        self
    }

    /// Sets the names that `GET …/models` lists; `gpt-6-luna` and `gpt-3.5-turbo-instruct`
    /// unless set. Requests may name any model.
    pub fn models<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.settings.models = names.into_iter().map(Into::into).collect();
        self
    }

    /// Refuses every request that does not bring this key as a bearer token, with a 401 that, as
    /// OpenAI's does, repeats the wrong key. Such requests are recorded and use up no answer.
    pub fn require_key(mut self, key: impl Into<String>) -> Self {
        self.settings.key = Some(Key(key.into()));
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    ///
    /// If no port can be bound on 127.0.0.1, or no thread started.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_testkit::{Answer, Dialect, OpenAiServer};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = OpenAiServer::builder()
    ///     .dialect(Dialect::LlamaCpp)
    ///     .reply("Paris.")
    ///     .reply(Answer::tool_call("call_1", "weather", r#"{"city":"Paris"}"#))
    ///     .repeat_last()
    ///     .start()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(mut self) -> io::Result<OpenAiServer> {
        let answers = std::mem::take(&mut self.script);
        let repeat_last = self.repeat_last;
        self.start_with(Source::Script { answers, repeat_last })
    }

    pub(super) fn start_with(self, source: Source) -> io::Result<OpenAiServer> {
        let state = Arc::new(State::new(source, self.settings));
        let loopback = Loopback::start("openai-server", {
            let state = Arc::clone(&state);
            move |stream| service::serve(Arc::clone(&state), stream)
        })?;
        Ok(OpenAiServer { loopback, state })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            models: vec!["gpt-6-luna".to_owned(), "gpt-3.5-turbo-instruct".to_owned()],
            key: None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script { answers, repeat_last } => f
                .debug_struct("Script")
                .field("answers", answers)
                .field("repeat_last", repeat_last)
                .finish(),
            Self::Handler(_) => f.write_str("Handler"),
        }
    }
}
