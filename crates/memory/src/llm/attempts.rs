//! The attempts to cover turns of which the memory's model refuses some.
//!
//! A model can refuse a request for its text: by a content filter, or since the text is too long.
//! Then each later request with this text fails too, and is longer. So fewer turns are tried, down
//! to the one that is refused. It is left out, and the others are covered.

use std::ops::Range;

use conversant_core::{
    ApiError, BoxError, FinishReason, ModelError, Saved, StatusKind, VectorStoreError, Warning,
};

use super::limits::MAX_TEXT;

/// The least text to which a turn that is too long is shortened.
const MIN_TEXT: usize = 1024;

/// The text of a turn that is too long is divided by this.
const SHORTER: usize = 8;

/// The most attempts that fail one after the other: those that find one turn in 64 KiB of short
/// ones.
const MAX_FAILURES: usize = 16;

/// Parts of the names by which servers report that they do not take a text.
const FILTERS: [&str; 5] =
    ["content_filter", "content_policy", "moderation", "data_inspection", "prohibited_content"];

/// Why the same request would fail again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Its text is too long for the model.
    TooLong,
    /// A filter, or the model, refuses its text.
    Refused,
    /// The error does not say whether another text would be accepted.
    Unknown,
}

impl Fault {
    /// Returns the fault of a request's text. `None` if the same request may succeed later, or if
    /// no request can succeed.
    fn of(error: &BoxError) -> Option<Self> {
        let error = match error.downcast_ref::<VectorStoreError>() {
            Some(VectorStoreError::Embeddings(error)) => error,
            _ => error.downcast_ref::<ModelError>()?,
        };
        let api_error = error.api_error();
        if error.is_context_length()
            || api_error.is_some_and(|error| error.kind == StatusKind::TooLarge)
        {
            return Some(Self::TooLong);
        }
        if api_error.is_some_and(is_filtered) {
            return Some(Self::Refused);
        }
        if error.is_retryable() || error.is_deadline() {
            return None;
        }
        match error.without_exchange() {
            ModelError::Refused { .. }
            | ModelError::Incomplete { finish_reason: FinishReason::ContentFilter, .. } => {
                Some(Self::Refused)
            }
            ModelError::Config { .. }
            | ModelError::Tls { .. }
            | ModelError::Redirect { .. }
            | ModelError::Cancelled => None,
            _ => match api_error.map(|error| error.kind) {
                Some(
                    StatusKind::Auth
                    | StatusKind::Permission
                    | StatusKind::NotFound
                    | StatusKind::QuotaExhausted,
                ) => None,
                _ => Some(Self::Unknown),
            },
        }
    }
}

/// Returns whether a request was refused for its text.
#[cfg(feature = "vectors")]
pub(crate) fn is_refusal(error: &BoxError) -> bool {
    matches!(Fault::of(error), Some(Fault::TooLong | Fault::Refused))
}

/// Returns whether a server's error is that of a content filter.
fn is_filtered(error: &ApiError) -> bool {
    let names = [&error.code, &error.error_type];
    names.into_iter().flatten().any(|name| {
        let name = name.to_ascii_lowercase();
        FILTERS.iter().any(|filter| name.contains(filter))
    })
}

/// The attempts of one maintenance.
pub(crate) struct Attempts {
    /// The most turns of the next attempt.
    turns: usize,
    /// The most bytes of its text.
    bytes: usize,
    /// Whether the next attempt is with the newest turn alone, to find out whether the model
    /// accepts any.
    is_probe: bool,
    /// Whether the model has accepted a turn.
    has_accepted: bool,
    failures: usize,
    left_out: usize,
    error: Option<BoxError>,
    /// Whether the answer before was cut off.
    was_cut_off: bool,
    /// The error of an answer whose beginning was kept.
    cut_off: Option<BoxError>,
}

impl Attempts {
    pub(crate) const fn new() -> Self {
        Self {
            turns: usize::MAX,
            bytes: MAX_TEXT,
            is_probe: false,
            has_accepted: false,
            failures: 0,
            left_out: 0,
            error: None,
            was_cut_off: false,
            cut_off: None,
        }
    }

    /// Returns whether the next attempt is with fewer turns, or with less text.
    #[cfg(feature = "entities")]
    pub(crate) const fn is_narrowed(&self) -> bool {
        self.turns < usize::MAX || self.bytes < MAX_TEXT
    }

    /// Returns whether the next attempt only finds out whether the model accepts the newest turn.
    #[cfg(any(feature = "entities", feature = "vectors"))]
    pub(crate) const fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// Returns which of the `count` turns that are not covered the next attempt is with.
    pub(crate) fn next(&self, count: usize) -> Range<usize> {
        match self.is_probe {
            true => count.saturating_sub(1)..count,
            false => 0..count.min(self.turns),
        }
    }

    /// Returns the messages of the next attempt, and the number of its turns. Of `turns`, those
    /// that end within the first `fits` messages fit into one.
    #[cfg(any(feature = "entities", feature = "summaries"))]
    pub(crate) fn next_messages(
        &self,
        turns: &[Range<usize>],
        fits: usize,
    ) -> (Range<usize>, usize) {
        let fitting = turns.iter().take_while(|turn| turn.end <= fits).count().max(1);
        let count = if self.is_probe { turns.len() } else { fitting.min(turns.len()) };
        let tried = turns.get(self.next(count)).unwrap_or_default();
        let start = tried.first().map_or(0, |turn| turn.start);
        (start..tried.last().map_or(start, |turn| turn.end), tried.len())
    }

    /// Returns whether the next attempt is with less text.
    #[cfg(feature = "vectors")]
    pub(crate) const fn shortens(&self) -> bool {
        self.bytes < MAX_TEXT
    }

    /// Returns the most bytes of text of the next attempt.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Notes that an attempt succeeded. Returns whether its turns are covered now. They are not if
    /// turns before them are left.
    pub(crate) const fn succeeded(&mut self) -> bool {
        self.has_accepted = true;
        self.was_cut_off = false;
        self.failures = 0;
        if self.bytes < MAX_TEXT {
            (self.turns, self.bytes) = (usize::MAX, MAX_TEXT);
        }
        !std::mem::replace(&mut self.is_probe, false)
    }

    /// Notes that an attempt with `tried` of `count` turns failed. Returns whether its turn is to
    /// be left out.
    ///
    /// # Errors
    /// The error, if there is nothing else to try: the next turn tries again.
    pub(crate) fn failed(
        &mut self,
        error: BoxError,
        tried: usize,
        count: usize,
    ) -> Result<bool, BoxError> {
        self.failures += 1;
        let fault = match Fault::of(&error) {
            Some(fault) if !self.is_probe && self.failures <= MAX_FAILURES => fault,
            _ => return Err(error),
        };
        if tried <= 1 {
            if fault == Fault::TooLong && self.bytes > MIN_TEXT {
                self.turns = 1;
                self.bytes /= SHORTER;
                return Ok(false);
            }
            // The newest turn is tried again with the next one: a filter may accept it then.
            if count <= 1 {
                return Err(error);
            }
        }
        self.turns = (tried / 2).max(1);
        if fault == Fault::Unknown && !self.has_accepted {
            self.is_probe = true;
            return Ok(false);
        }
        if tried > 1 {
            return Ok(false);
        }
        (self.turns, self.bytes, self.failures) = (usize::MAX, MAX_TEXT, 0);
        self.left_out += 1;
        self.error = Some(error);
        Ok(true)
    }

    /// Notes that the model's limit has cut off the answer to an attempt with some of `count`
    /// turns. Returns whether its beginning is to be kept: it was cut off twice, and older turns
    /// wait.
    ///
    /// # Errors
    /// The error, if only the newest turn waits: the next turn tries again.
    #[cfg(feature = "summaries")]
    pub(crate) fn cut_off(&mut self, error: BoxError, count: usize) -> Result<bool, BoxError> {
        if count <= 1 {
            return Err(error);
        }
        if self.is_probe {
            self.succeeded();
            return Ok(false);
        }
        let is_kept = std::mem::replace(&mut self.was_cut_off, true);
        if is_kept {
            self.succeeded();
            self.cut_off = Some(error);
        }
        Ok(is_kept)
    }

    /// Adds warnings to the result of the maintenance if turns were left out, or if the beginning
    /// of an answer was kept.
    pub(crate) fn add_warning(self, saved: Saved) -> Saved {
        let saved = match self.cut_off {
            None => saved,
            Some(error) => {
                let what = "the memory keeps the beginning of a summary that its model's limit has \
                            cut off; raise the model's `max_tokens`";
                saved.with_warning(Warning::new(what, Some(error)))
            }
        };
        let turns = match self.left_out {
            0 => return saved,
            1 => "a turn".to_owned(),
            turns => format!("{turns} turns"),
        };
        let what = format!("the memory leaves out {turns} that its model does not accept");
        saved.with_warning(Warning::new(what, self.error))
    }
}
