//! The lines of a file: JSON objects whose last field is a checksum of the text before it.

use std::fmt;

use conversant_core::{HistoryError, Message, Messages, Note, Turn, TurnId, Value, Version};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// Where a line's turn begins.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
pub(crate) enum First {
    /// The number of its first message. It follows the tip.
    Message(u64),
    /// It follows another turn. Programs without branches refuse an object here.
    Branch(BranchPoint),
}

/// A point that a line names: after a turn, or the start.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct BranchPoint {
    pub(crate) after: Option<TurnId>,
    /// The numbers of turns and messages up to the point.
    pub(crate) turns: u64,
    pub(crate) messages: u64,
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FirstVisitor)
    }
}

struct FirstVisitor;

impl<'de> Visitor<'de> for FirstVisitor {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number of a message, or a point")
    }

    fn visit_u64<E>(self, message: u64) -> Result<First, E> {
        Ok(First::Message(message))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<First, A::Error> {
        BranchPoint::deserialize(MapAccessDeserializer::new(map)).map(First::Branch)
    }
}

/// Any other line, less its number (counted from the header's 0), its length and its checksum.
#[derive(Default, Serialize)]
pub(crate) struct Record<'r> {
    /// Lines of older versions do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<First>,
    /// A turn that follows the tip and becomes it.
    #[serde(skip)]
    turn: Option<&'r Turn>,
    /// A turn that follows another point and becomes the tip.
    #[serde(skip)]
    branch: Option<&'r Turn>,
    /// A turn that follows another point and does not become the tip.
    #[serde(skip)]
    alternative: Option<&'r Turn>,
    /// Present if the point becomes the tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    tip: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<TitleChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<LabelChange>,
    /// The time of a turn whose id has none that is right, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<NamedNote<'r>>,
}

impl<'r> Record<'r> {
    pub(crate) fn turn(turn: &'r Turn, first: u64) -> Self {
        Self { first: Some(First::Message(first)), turn: Some(turn), ..Self::default() }
    }

    pub(crate) fn branch(turn: &'r Turn, point: BranchPoint, is_tip: bool) -> Self {
        let first = Some(First::Branch(point));
        match is_tip {
            true => Self { first, branch: Some(turn), ..Self::default() },
            false => Self { first, alternative: Some(turn), ..Self::default() },
        }
    }

    pub(crate) fn tip(point: BranchPoint) -> Self {
        Self { first: Some(First::Branch(point)), tip: Some(true), ..Self::default() }
    }

    pub(crate) fn note(name: &'r str, note: &'r Note) -> Self {
        Self { note: Some(NamedNote::new(name, note)), ..Self::default() }
    }

    pub(crate) fn title(title: TitleChange) -> Self {
        Self { title: Some(title), ..Self::default() }
    }

    pub(crate) fn label(label: LabelChange) -> Self {
        Self { label: Some(label), ..Self::default() }
    }

    /// Encodes the fields. Messages lack the fields that have their default value.
    fn encode(&self) -> Result<Vec<u8>, HistoryError> {
        let turns =
            [("turn", self.turn), ("branch", self.branch), ("alternative", self.alternative)];
        let Some((name, turn)) = turns.into_iter().find_map(|(name, turn)| Some((name, turn?)))
        else {
            let body = serde_json::to_vec(self).map_err(|_| unencodable())?;
            return Ok(body.get(1..body.len().saturating_sub(1)).unwrap_or_default().to_vec());
        };
        let messages = turn.messages().to_compact_json(u64::MAX)?;
        let mut body = Vec::with_capacity(messages.len() + TURN_BYTES);
        body.extend_from_slice(b"\"first\":");
        push_json(&mut body, &self.first)?;
        for part in [",\"", name, "\":{\"id\":"] {
            body.extend_from_slice(part.as_bytes());
        }
        push_json(&mut body, &turn.id())?;
        for part in [",\"messages\":", &messages, ",\"incomplete\":"] {
            body.extend_from_slice(part.as_bytes());
        }
        push_json(&mut body, &turn.is_incomplete())?;
        body.extend_from_slice(b",\"base\":");
        push_json(&mut body, &turn.base())?;
        body.push(b'}');
        if let Some(at) = self.at {
            body.extend_from_slice(b",\"at\":");
            push_json(&mut body, &at)?;
        }
        Ok(body)
    }

    /// Returns the content of the line, as it would be read. `None` if there is none.
    pub(crate) fn content(&self) -> Option<Content<TurnOutline>> {
        let turn = |turn: Option<&Turn>| turn.map(TurnOutline::of);
        let note = self.note.as_ref().map(NamedNote::outline);
        let line = Line {
            line: 0,
            first: self.first,
            turn: turn(self.turn),
            branch: turn(self.branch),
            alternative: turn(self.alternative),
            note,
            title: self.title.clone(),
            label: self.label.clone(),
            at: self.at,
        };
        line.content()
    }

    /// Sets the time at which a turn was stored, if its id does not say it.
    pub(crate) const fn with_time(mut self, at: Option<u64>) -> Self {
        self.at = at;
        self
    }
}

/// A title that is set or removed, at a time in milliseconds since 1970.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TitleChange {
    pub(crate) text: Option<String>,
    pub(crate) at: u64,
}

/// A label that is set or removed, at a time in milliseconds since 1970.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct LabelChange {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) at: u64,
}

#[derive(Serialize)]
struct NamedNote<'r> {
    name: &'r str,
    /// Whether the body is a list of messages, which in JSON looks like other data.
    is_messages: bool,
    note: &'r Note,
}

impl<'r> NamedNote<'r> {
    fn new(name: &'r str, note: &'r Note) -> Self {
        Self { name, is_messages: note.body.as_messages().is_some(), note }
    }

    fn outline(&self) -> NoteOutline {
        let note = CoversOutline { covers: self.note.covers };
        NoteOutline { name: self.name.to_owned(), note }
    }
}

/// A line with the parts of turns that are read.
#[derive(Deserialize)]
pub(crate) struct Line<T> {
    pub(crate) line: u64,
    first: Option<First>,
    turn: Option<T>,
    branch: Option<T>,
    alternative: Option<T>,
    note: Option<NoteOutline>,
    title: Option<TitleChange>,
    label: Option<LabelChange>,
    /// The time of a turn whose id has none that is right, in milliseconds since 1970.
    pub(crate) at: Option<u64>,
}

/// The content of a line.
pub(crate) enum Content<T> {
    /// A turn that follows the tip, and the number of its first message if the line has it.
    Turn(T, Option<u64>),
    /// A turn that follows another point.
    Branch {
        turn: T,
        point: BranchPoint,
        is_tip: bool,
    },
    /// The tip moves to a point.
    Tip(BranchPoint),
    Note(NoteOutline),
    Title(TitleChange),
    Label(LabelChange),
}

impl<T> Line<T> {
    /// Returns the line of a turn that follows the tip.
    pub(crate) const fn of_turn(line: u64, first: u64, turn: T) -> Self {
        let first = Some(First::Message(first));
        Self {
            line,
            first,
            turn: Some(turn),
            branch: None,
            alternative: None,
            note: None,
            title: None,
            label: None,
            at: None,
        }
    }

    /// Returns the turn that follows the tip, if it is the line of one.
    pub(crate) fn into_turn(self) -> Option<T> {
        self.turn
    }

    /// Returns the content, or `None` if the line is none of this format.
    pub(crate) fn content(self) -> Option<Content<T>> {
        match self.first {
            Some(First::Branch(point)) => Some(match (self.branch, self.alternative) {
                (Some(turn), _) => Content::Branch { turn, point, is_tip: true },
                (None, Some(turn)) => Content::Branch { turn, point, is_tip: false },
                (None, None) => Content::Tip(point),
            }),
            Some(First::Message(first)) => self.turn.map(|turn| Content::Turn(turn, Some(first))),
            None => {
                let turn = self.turn.map(|turn| Content::Turn(turn, None));
                turn.or(self.note.map(Content::Note))
                    .or(self.title.map(Content::Title))
                    .or(self.label.map(Content::Label))
            }
        }
    }
}

/// The parts of a turn that the index needs.
#[derive(Deserialize)]
pub(crate) struct TurnOutline {
    pub(crate) id: TurnId,
    pub(crate) messages: Vec<IgnoredAny>,
}

impl TurnOutline {
    fn of(turn: &Turn) -> Self {
        // They have no size.
        Self { id: turn.id(), messages: vec![IgnoredAny; turn.messages().len()] }
    }
}

#[derive(Deserialize)]
pub(crate) struct NoteOutline {
    pub(crate) name: String,
    note: CoversOutline,
}

#[derive(Deserialize)]
struct CoversOutline {
    covers: Version,
}

impl NoteOutline {
    pub(crate) const fn covers(&self) -> Version {
        self.note.covers
    }
}

/// A turn's line.
#[derive(Deserialize)]
pub(crate) struct WholeTurn {
    #[serde(alias = "branch", alias = "alternative")]
    pub(crate) turn: Turn,
}

/// A note's line.
#[derive(Deserialize)]
pub(crate) struct WholeNote {
    pub(crate) note: OwnedNote,
}

#[derive(Deserialize)]
pub(crate) struct OwnedNote {
    is_messages: bool,
    note: Note,
}

impl OwnedNote {
    pub(crate) fn into_note(self) -> Note {
        match &self.note.body {
            Value::Data(data) if self.is_messages => match Messages::deserialize(data.as_ref()) {
                Ok(messages) => Note::new(messages, self.note.covers),
                Err(_) => self.note,
            },
            _ => self.note,
        }
    }
}

/// The bytes of most turns in addition to those of their messages. The start of a line has fewer.
const TURN_BYTES: usize = 256;

/// The start of the last field, and the bytes from there to the end of the object.
const SUM: &str = ",\"sum\":\"";
const SUM_BYTES: usize = SUM.len() + 8 + 2;

/// The fields by which an interrupted write is recognised: the bytes of the line that follow them,
/// its line break included, and a checksum of the line as far as the number.
const BYTES: &str = "\"bytes\":";
const BYTES_SUM: &str = ",\"bytes_sum\":\"";

/// The fields that follow the line number in files of versions that did not write [`BYTES`].
const UNSIZED: [&str; 2] = ["\"turn\":", "\"note\":"];

/// The unit in which a storage device writes: space that was not written reads as zeros from a
/// multiple of it.
const SECTOR: u64 = 512;

/// Encodes a record as line `number`, with its length and its checksum.
pub(crate) fn encode(number: u64, record: &Record<'_>) -> Result<Vec<u8>, HistoryError> {
    let body = record.encode()?;
    let bytes = body.len() + SUM_BYTES + 1;
    let mut line = Vec::with_capacity(TURN_BYTES + bytes);
    line.extend_from_slice(b"{\"line\":");
    push_json(&mut line, &number)?;
    line.push(b',');
    line.extend_from_slice(BYTES.as_bytes());
    push_json(&mut line, &bytes)?;
    let sum = hex(crc32fast::hash(&line));
    for part in [BYTES_SUM.as_bytes(), &sum, b"\",", &body] {
        line.extend_from_slice(part);
    }
    Ok(with_sum(line))
}

fn push_json(text: &mut Vec<u8>, value: &impl Serialize) -> Result<(), HistoryError> {
    serde_json::to_writer(text, value).map_err(|_| unencodable())
}

pub(crate) fn with_sum(mut line: Vec<u8>) -> Vec<u8> {
    let sum = hex(crc32fast::hash(&line));
    for part in [SUM.as_bytes(), &sum, b"\"}\n"] {
        line.extend_from_slice(part);
    }
    line
}

pub(crate) const fn unencodable() -> HistoryError {
    HistoryError::Unsupported { what: "messages that have no stored form" }
}

/// Returns whether the end of a file, from `offset` on, is what an interrupted write of line
/// `number` leaves: less than the whole line, followed by nothing or by sectors of zeros.
///
/// An end that has all bytes of its line was written, and possibly acknowledged. If it is not
/// [whole](is_whole), it was damaged.
pub(crate) fn is_torn(tail: &[u8], offset: u64, number: u64) -> bool {
    let zeros = tail.iter().rev().take_while(|byte| **byte == 0).count();
    let (written, zeros) = tail.split_at(tail.len() - zeros);
    let zeros_start = offset.saturating_add(written.len() as u64);
    if !(zeros.is_empty() || written.is_empty() || zeros_start.is_multiple_of(SECTOR)) {
        return false;
    }
    let start = format!("{{\"line\":{number},");
    let rest = match skip(written, start.as_bytes()) {
        Skip::Rest(rest) => rest,
        Skip::Cut => return true,
        Skip::Differs => return false,
    };
    match skip(rest, BYTES.as_bytes()) {
        Skip::Rest(rest) => is_short(written, rest),
        Skip::Cut => true,
        Skip::Differs => {
            let is_unsized =
                UNSIZED.iter().any(|field| !matches!(skip(rest, field.as_bytes()), Skip::Differs));
            is_unsized && is_short_unsized(written)
        }
    }
}

/// Returns whether a line has fewer bytes than it says itself. `rest` begins with the number.
fn is_short(line: &[u8], rest: &[u8]) -> bool {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at(digits);
    let checked = line.len() - rest.len();
    let sum = line.get(..checked).map_or(0, crc32fast::hash);
    match skip(rest, format!("{BYTES_SUM}{sum:08x}\",").as_bytes()) {
        Skip::Rest(rest) => {
            let bytes =
                std::str::from_utf8(digits).ok().and_then(|text| text.parse::<usize>().ok());
            // A line that lacks only its break is whole or damaged.
            bytes.is_some_and(|bytes| rest.len() + 1 < bytes)
        }
        Skip::Cut => true,
        Skip::Differs => false,
    }
}

/// Returns whether a line that does not say its length is unfinished: what there is of it is the
/// start of a JSON object, and does not end as a line does, not even roughly.
fn is_short_unsized(line: &[u8]) -> bool {
    let is_start = serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof());
    let end = format!("{SUM}********\"}}\n");
    let fixed = end.bytes().filter(|byte| *byte != b'*').count();
    // Without the line break, and with another byte in its place.
    let ends_as_a_line = [end.len() - 1, end.len()].into_iter().any(|bytes| {
        let last = line.get(line.len().saturating_sub(bytes)..).unwrap_or_default();
        let same = last.iter().zip(end.bytes()).filter(|(found, byte)| **found == *byte).count();
        2 * same > fixed
    });
    is_start && !ends_as_a_line
}

/// The outcome of [`skip`].
enum Skip<'t> {
    /// The text after the prefix.
    Rest(&'t [u8]),
    /// The text ends within the prefix.
    Cut,
    /// The text is not the prefix's.
    Differs,
}

fn skip<'t>(text: &'t [u8], prefix: &[u8]) -> Skip<'t> {
    match text.strip_prefix(prefix) {
        Some(rest) => Skip::Rest(rest),
        None if prefix.starts_with(text) => Skip::Cut,
        None => Skip::Differs,
    }
}

/// Returns whether a line, without its line break, has the checksum of its text.
pub(crate) fn is_whole(line: &[u8]) -> bool {
    let Some((text, sum)) = line.split_at_checked(line.len().saturating_sub(SUM_BYTES)) else {
        return false;
    };
    let digits = sum.strip_prefix(SUM.as_bytes()).and_then(|sum| sum.strip_suffix(b"\"}"));
    !text.is_empty() && digits == Some(&hex(crc32fast::hash(text)))
}

/// Returns the eight lower-case digits of a checksum.
fn hex(sum: u32) -> [u8; 8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|index| {
        let digit = sum >> (28 - 4 * index) & 15;
        usize::try_from(digit).ok().and_then(|digit| DIGITS.get(digit)).copied().unwrap_or_default()
    })
}

/// Returns a line without its line break.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Returns an error if a message cannot be stored.
pub(crate) fn check<'m>(
    messages: impl IntoIterator<Item = &'m Message>,
    max_bytes: u64,
) -> Result<(), HistoryError> {
    messages.into_iter().try_for_each(|message| message.check_stored_json(max_bytes))
}
