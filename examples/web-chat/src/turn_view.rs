//! Turns of a conversation as the page shows them.

use conversant_core::{
    Alternative, CallRecord, ChatHistory, HistoryError, Message, Point, Range, Role, SessionId,
    Turn, TurnId, clock,
};
use serde::Serialize;

/// The number of turns on a page.
pub const PAGE: usize = 50;

/// Turns that follow each other.
#[derive(Debug, Serialize)]
pub struct Page {
    pub turns: Vec<TurnView>,
    /// Whether there are earlier ones.
    pub more: bool,
    /// The last of the turns that were taken back after these.
    pub ahead: Option<TurnId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// A turn.
#[derive(Debug, Serialize)]
pub struct TurnView {
    pub id: TurnId,
    pub question: Option<String>,
    /// The messages of the model and the tools.
    pub messages: Vec<MessageView>,
    pub incomplete: bool,
    /// The time of the question, in milliseconds since 1970.
    pub time: Option<u64>,
    pub record: Option<RecordView>,
    #[serde(flatten)]
    pub place: Option<Place>,
}

/// The place of a turn among the branches of its conversation.
#[derive(Debug, Serialize)]
pub struct Place {
    /// The point that it follows: `start`, or a turn.
    pub after: String,
    /// If other turns follow the same point, the newest turns of each branch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<TurnId>,
    /// The branch of this turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
}

/// A message after the question.
#[derive(Debug, Serialize)]
pub struct MessageView {
    pub text: String,
    pub reasoning: Option<String>,
    pub calls: Vec<CallView>,
    /// The call whose result it is.
    pub result_of: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Serialize)]
pub struct CallView {
    pub id: Option<String>,
    pub name: String,
    pub arguments: String,
}

/// The usage and the times of a turn.
#[derive(Debug, Serialize)]
pub struct RecordView {
    pub model: Option<String>,
    pub finish: Option<String>,
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub reasoning: Option<u64>,
    pub seconds: Option<f64>,
}

/// Returns the last turns of a conversation, or those before a point, in order. The cost does not
/// grow with the conversation.
pub async fn page(
    history: &dyn ChatHistory,
    session: &SessionId,
    before: Option<Point>,
    limit: usize,
) -> Result<Page, HistoryError> {
    // One more, after which the first of the page follows.
    let range = Range::LastTurns(limit + 1);
    let turns = match before {
        None => history.turns(session, range).await?,
        Some(Point::Start) => Vec::new(),
        Some(point) => match history.at(point) {
            Some(view) => view.turns(session, range).await?,
            None => return Err(HistoryError::Unsupported { what: "branches" }),
        },
    };
    let more = turns.len() > limit;
    let mut after = Point::Start;
    let mut views = Vec::with_capacity(turns.len());
    for (index, turn) in turns.iter().enumerate() {
        if index > 0 || !more {
            let place = Some(place(history, session, turn, after).await?);
            views.push(TurnView { place, ..TurnView::from(turn) });
        }
        after = turn.id().into();
    }
    let ahead = match before {
        None => alternatives(history, session, after).await?.last().map(|ahead| ahead.newest),
        Some(_) => None,
    };
    Ok(Page { turns: views, more, ahead, title: None })
}

/// Returns a turn that was just stored, if it is the last one.
pub async fn last(
    history: &dyn ChatHistory,
    session: &SessionId,
    turn: TurnId,
) -> Result<Option<TurnView>, HistoryError> {
    let last = page(history, session, None, 1).await?.turns.pop();
    Ok(last.filter(|last| last.id == turn))
}

async fn place(
    history: &dyn ChatHistory,
    session: &SessionId,
    turn: &Turn,
    after: Point,
) -> Result<Place, HistoryError> {
    let mut alternatives = alternatives(history, session, after).await?;
    if alternatives.len() < 2 {
        alternatives.clear();
    }
    Ok(Place {
        after: name(after),
        position: alternatives.iter().position(|one| one.turn == turn.id()),
        alternatives: alternatives.iter().map(|one| one.newest).collect(),
    })
}

async fn alternatives(
    history: &dyn ChatHistory,
    session: &SessionId,
    after: Point,
) -> Result<Vec<Alternative>, HistoryError> {
    match history.alternatives(session, after).await {
        Err(HistoryError::Unsupported { .. }) => Ok(Vec::new()),
        alternatives => alternatives,
    }
}

/// Returns the name of a point in requests and answers.
pub fn name(point: Point) -> String {
    point.turn().map_or_else(|| "start".to_owned(), |turn| turn.to_string())
}

impl From<&Turn> for TurnView {
    fn from(turn: &Turn) -> Self {
        let mut messages = turn.messages().iter().peekable();
        let question = messages.next_if(|message| *message.role() == Role::Human);
        Self {
            id: turn.id(),
            question: question.map(|message| message.text().into_owned()),
            messages: messages.map(MessageView::from).collect(),
            incomplete: turn.is_incomplete(),
            time: turn.id().created_at().map(clock::millis),
            record: turn.call_record().map(RecordView::from),
            place: None,
        }
    }
}

impl From<&Message> for MessageView {
    fn from(message: &Message) -> Self {
        let calls = message.tool_calls().iter().map(|call| CallView {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments: call.args.to_string(),
        });
        Self {
            text: message.text().into_owned(),
            reasoning: message.reasoning().map(Into::into),
            calls: calls.collect(),
            result_of: message.tool_call_id().map(str::to_owned),
        }
    }
}

impl From<CallRecord> for RecordView {
    fn from(record: CallRecord) -> Self {
        Self {
            model: record.model,
            finish: record.finish_reason.map(Into::into),
            input: record.usage.map(|usage| usage.input_tokens),
            output: record.usage.map(|usage| usage.output_tokens),
            reasoning: record.usage.and_then(|usage| usage.reasoning_tokens),
            seconds: record.timings.total.map(|time| time.as_secs_f64()),
        }
    }
}
