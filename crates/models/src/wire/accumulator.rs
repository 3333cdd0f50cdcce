//! Puts an answer together: the events of a stream, or a whole body, which is a single event.

use std::collections::VecDeque;

use conversant_core::{ApiError, DecodeError, Delta, ModelError, PartialReply, Reply, Usage};

use super::{
    answer::Answer,
    answer_decoder::{
        AnswerDecoder, Ending, StreamedAnswer, Trial, is_done_marker, is_keep_alive, take_apart,
    },
    answer_in::{AnswerIn, ChoiceIn},
    api_error,
    choice_accumulator::ChoiceAccumulator,
    decode::{self, in_event, read},
    delta_fast_path::DeltaFastPath,
    message_in::MessageIn,
    sse::SseEvent,
    tolerant::{AnyValue, Index, Text},
    usage,
};

/// An answer, as far as it has come.
#[derive(Debug, Clone)]
pub struct Accumulator {
    choices: Vec<ChoiceAccumulator>,
    /// The number of choices that were asked for.
    wanted: usize,
    model: Option<String>,
    usage: Option<Usage>,
    /// It learns nothing while there is a copy in `trial`, which takes all events.
    fast_path: DeltaFastPath,
    trial: Trial<Self>,
    /// The number of bytes of the answer that may still come.
    left: usize,
    limit: usize,
}

impl Accumulator {
    /// Starts an answer of a number of choices, of at most `limit` bytes.
    pub(super) fn new(wanted: usize, limit: usize) -> Self {
        Self {
            choices: Vec::new(),
            wanted: wanted.max(1),
            model: None,
            usage: None,
            fast_path: DeltaFastPath::default(),
            trial: Trial::None,
            left: limit,
            limit,
        }
    }

    fn take_event(
        &mut self,
        event: SseEvent<'_>,
        pieces: &mut VecDeque<Delta>,
    ) -> Result<bool, ModelError> {
        if let Some(choice) = self.choices.first_mut()
            && let Some(text) = self.fast_path.text_of(event.data)
            && event.event.is_empty()
        {
            choice.take_only_text(text, pieces);
            return self.count(text.len()).map(|()| false);
        }
        if is_error(event.event) {
            return Err(self.stream_error(api_error::of_event(event.data)));
        }
        if is_keep_alive(event.event) {
            return Ok(false);
        }
        self.take_data(event.data, pieces)
    }

    fn take_data(&mut self, data: &str, pieces: &mut VecDeque<Delta>) -> Result<bool, ModelError> {
        let trimmed = data.trim();
        if is_done_marker(trimmed) {
            return Ok(true);
        }
        if trimmed.is_empty() {
            return Ok(false);
        }
        let error = match read::<AnswerIn<'_>>(data) {
            Ok(answer) => {
                let taken = self.take_answer(answer, data, pieces).map(|()| false);
                if let Trial::Copy(copy) = &mut self.trial {
                    // It fails as the answer does.
                    let _ = copy.take_data(data, &mut VecDeque::new());
                }
                return taken;
            }
            Err(error) => error,
        };
        if let Some(mended) = decode::without_nan(data) {
            return self.take_data(&mended, pieces);
        }
        if let Some(taken) = take_apart(self, data) {
            let (done, mut more) = taken?;
            pieces.append(&mut more);
            self.fast_path = DeltaFastPath::default();
            return Ok(done);
        }
        if is_keep_alive(trimmed) {
            return Ok(false);
        }
        if let Some(error) = api_error::instead_of_answer(data.as_bytes()) {
            return Err(self.stream_error(error));
        }
        if is_plain_text(trimmed) {
            return Err(self.stream_error(api_error::of_event(data)));
        }
        Err(in_event(error))
    }

    fn take_answer(
        &mut self,
        mut answer: AnswerIn<'_>,
        data: &str,
        pieces: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        if let Some(text) = answer.only_text()
            && !matches!(self.trial, Trial::Copy(_))
        {
            self.fast_path.learn(data, text);
        }
        if let Some(error) = error_of(&answer, data.as_bytes(), api_error::instead_of_piece) {
            return Err(self.stream_error(error));
        }
        self.take_head(&mut answer);
        for choice in answer.choices.unwrap_or_default().0 {
            self.take_choice(choice, data.len(), pieces)?;
        }
        Ok(())
    }

    /// Takes what is said of the answer as a whole.
    fn take_head(&mut self, answer: &mut AnswerIn<'_>) {
        if self.model.is_none() {
            let model = answer.model.take().map(Text::into_string);
            self.model = model.filter(|model| !model.is_empty());
        }
        if let Some(reported) = answer.x_groq.take().and_then(|groq| groq.usage) {
            usage::update(&mut self.usage, reported.to_usage());
        }
        if let Some(reported) = answer.usage.take() {
            usage::update(&mut self.usage, reported.to_usage());
        }
    }

    /// Takes the usage that some servers report in a choice or its message.
    fn take_usage(&mut self, choice: &mut ChoiceIn<'_>) {
        let messages = [&mut choice.delta, &mut choice.message].into_iter().flatten();
        let of_messages = messages.filter_map(|message| message.usage.take());
        for reported in choice.usage.take().into_iter().chain(of_messages) {
            usage::update(&mut self.usage, reported.to_usage());
        }
    }

    fn take_choice(
        &mut self,
        mut choice: ChoiceIn<'_>,
        bytes: usize,
        pieces: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        self.take_usage(&mut choice);
        let index = match choice.index {
            None => 0,
            Some(Index::At(index)) => usize::try_from(index).unwrap_or(usize::MAX),
            Some(Index::Invalid) => {
                return Err(in_event(DecodeError::new("the index of a choice is invalid")));
            }
        };
        if index >= self.wanted {
            // It was not requested.
            return Ok(());
        }
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, ChoiceAccumulator::default);
        }
        let Some(growing) = self.choices.get_mut(index) else { return Ok(()) };
        // Some servers send messages in place of pieces, or the message after all pieces once more.
        let message = match (choice.delta.filter(|delta| delta.count() > 0), choice.message) {
            (None, Some(message)) => Some(growing.unrepeated(message).map_err(in_event)?),
            (delta, _) => delta,
        };
        let before = pieces.len();
        let kept = message.as_ref().map_or(0, MessageIn::kept_size);
        let taken = growing.take(choice.text, message, choice.finish_reason, Some(&mut *pieces));
        taken.map_err(in_event)?;
        let came: usize = pieces.iter().skip(before).map(size).sum();
        if index > 0 {
            // Further choices are part of the reply, but not of its pieces.
            pieces.truncate(before);
        }
        self.count(if kept == 0 { came } else { came.max(bytes).max(kept) })?;
        let failed = self.choices.get(index).and_then(failed);
        failed.map_or(Ok(()), |error| Err(self.stream_error(error)))
    }

    /// Takes the whole of an answer, and returns it.
    ///
    /// # Errors
    /// [`ModelError`], if it is an error or can't be read.
    pub(super) fn into_whole(
        mut self,
        mut answer: AnswerIn<'_>,
        body: &[u8],
    ) -> Result<Answer, ModelError> {
        if let Some(error) = error_of(&answer, body, api_error::instead_of_answer) {
            return Err(api_error::in_body(error));
        }
        self.take_head(&mut answer);
        let Some(mut choices) = answer.choices else {
            return Err(missing_field("choices", body));
        };
        choices.0.sort_by_key(|choice| match choice.index {
            Some(Index::At(index)) => index,
            Some(Index::Invalid) | None => 0,
        });
        choices.0.iter_mut().for_each(|choice| self.take_usage(choice));
        let mut fault = None;
        let choices = choices.0.into_iter().map_while(|choice| {
            whole_choice(choice, body).map_err(|error| fault = Some(error)).ok()
        });
        let whole = Answer::of(choices.map(ChoiceAccumulator::finish), self.model, self.usage);
        fault.map_or(whole, Err)
    }

    /// Counts bytes of the answer.
    fn count(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
            ModelError::BodyTooLarge { what: "the answer", limit, hint: None }
        })?;
        Ok(())
    }

    fn stream_error(&self, error: ApiError) -> ModelError {
        ModelError::Stream { error: Box::new(error), partial: self.partial() }
    }
}

impl StreamedAnswer for Accumulator {
    const ENDS_WITH_DONE: bool = true;

    fn decoder(choices: usize, max_bytes: usize) -> AnswerDecoder<Self> {
        AnswerDecoder::with_limits(choices, max_bytes)
    }

    fn take(
        &mut self,
        event: SseEvent<'_>,
        pieces: &mut VecDeque<Delta>,
    ) -> Result<bool, ModelError> {
        self.take_event(event, pieces)
    }

    fn trial(&mut self) -> &mut Trial<Self> {
        &mut self.trial
    }

    fn ending(&self) -> Ending {
        let endings = || self.choices.iter().map(ChoiceAccumulator::ending);
        if self.choices.len() < self.wanted || endings().any(|it| it == Ending::Open) {
            Ending::Open
        } else if endings().all(|it| it == Ending::Certain) {
            Ending::Certain
        } else {
            Ending::Likely
        }
    }

    fn partial(&self) -> PartialReply {
        let text = self.choices.first().map(ChoiceAccumulator::partial);
        PartialReply::new(text.unwrap_or_default().into_owned())
    }

    fn finish(self, done_marker_seen: bool) -> Result<Answer, ModelError> {
        let choices = self.choices.into_iter().map(ChoiceAccumulator::finish);
        let mut answer = Answer::of(choices, self.model, self.usage)?;
        answer.reply.done_marker_seen = done_marker_seen;
        Ok(answer)
    }

    fn reply(answer: Answer) -> Result<Reply, ModelError> {
        Ok(answer.reply)
    }
}

/// Reads a choice of a whole answer.
///
/// # Errors
/// [`ModelError`], if it is an error or can't be read.
fn whole_choice(choice: ChoiceIn<'_>, body: &[u8]) -> Result<ChoiceAccumulator, ModelError> {
    let message = choice.message.or(choice.delta);
    if message.is_none() && choice.text.is_none() && choice.finish_reason.is_none() {
        return Err(missing_field("message", body));
    }
    let mut whole = ChoiceAccumulator::default();
    whole
        .take(choice.text, message, choice.finish_reason, None)
        .map_err(|error| error.with_body(decode::excerpt(body)))?;
    match failed(&whole) {
        Some(error) => Err(api_error::in_body(error)),
        None => Ok(whole),
    }
}

/// Returns the error that is in an answer, wherever it is, or that `in_its_place` finds.
fn error_of(
    answer: &AnswerIn<'_>,
    body: &[u8],
    in_its_place: fn(&[u8]) -> Option<ApiError>,
) -> Option<ApiError> {
    let read = |error: &Option<Box<AnyValue>>| api_error::with_answer(&error.as_deref()?.0, body);
    let several = || read(&answer.errors);
    let choices = answer.choices.as_ref().map(|choices| choices.0.as_slice());
    let mut of_choices = choices.unwrap_or_default().iter().flat_map(|choice| {
        let messages = [&choice.delta, &choice.message].into_iter().flatten();
        [&choice.error].into_iter().chain(messages.map(|message| &message.error))
    });
    let of_status = || {
        let status = answer.base_resp.as_deref()?;
        let code = status.status_code.filter(|code| code.0 != 0)?.0.to_string();
        let message = status.status_msg.as_ref().map_or("", |text| &text.0);
        Some(api_error::of_code(&code, message, body))
    };
    let in_place = || {
        let is_answer =
            choices.is_some_and(|choices| !choices.is_empty()) || answer.usage.is_some();
        (!is_answer).then(|| in_its_place(body)).flatten()
    };
    read(&answer.error)
        .or_else(several)
        .or_else(|| of_choices.find_map(read))
        .or_else(|| read(&answer.x_groq.as_ref()?.error))
        .or_else(of_status)
        .or_else(in_place)
}

/// Returns the error that a finish reason is, where no other error came with it.
fn failed(choice: &ChoiceAccumulator) -> Option<ApiError> {
    let reason = choice.finish_reason().filter(|reason| reason.is_failure())?;
    Some(api_error::of_code(reason.as_str(), "", b""))
}

fn missing_field(field: &str, body: &[u8]) -> ModelError {
    DecodeError::new(format!("it has no `{field}`")).with_body(decode::excerpt(body)).into()
}

/// Returns how many bytes a piece adds to the answer.
pub(super) fn size(piece: &Delta) -> usize {
    match piece {
        Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) => text.len(),
        Delta::ToolCall(call) => {
            let names = [&call.id, &call.name].into_iter().flatten();
            call.arguments.len() + names.map(String::len).sum::<usize>()
        }
        _ => 0,
    }
}

/// Returns whether an event's type says that it is an error.
pub(super) fn is_error(event: &str) -> bool {
    matches!(event, "error" | "exception" | "fatal")
}

/// Returns whether data is words, not JSON that went wrong.
fn is_plain_text(data: &str) -> bool {
    data.starts_with(|c: char| c.is_alphabetic())
        || (data.starts_with('[') && data.get(1..).is_some_and(|rest| rest.starts_with("ERR")))
}
