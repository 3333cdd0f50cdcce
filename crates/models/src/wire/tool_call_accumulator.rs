//! Puts the tool calls of an answer together.
//!
//! Servers differ: an index may be missing or the same for all calls, an id may be missing, come
//! again with each piece or be another with each piece, and a call may come whole or in pieces.

use conversant_core::{DecodeError, InvalidToolCall, ToolCall, ToolCallDelta};
use serde_json::{Map, Value as Json};

use super::{
    growing_arguments::GrowingArguments,
    message_in::{CallIn, FunctionIn},
    tolerant::{Count, List, Text},
    tool_arguments::CallReader,
};

/// The maximum number of tool calls of an answer.
const MAX_CALLS: usize = 1024;

/// The tool calls of an answer, as far as they have come.
#[derive(Debug, Default, Clone)]
pub(super) struct ToolCallAccumulator {
    calls: Vec<GrowingCall>,
}

#[derive(Debug, Default, Clone)]
struct GrowingCall {
    index: Option<u64>,
    id: Option<String>,
    name: Option<String>,
    arguments: GrowingArguments,
    kept: Map<String, Json>,
}

/// The position of a call in the list that it came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) position: usize,
    pub(super) of: usize,
}

impl ToolCallAccumulator {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Returns what had not come of calls that come once more, whole: those that did not come, and
    /// the rest of arguments.
    pub(super) fn rest_of<'c>(&self, calls: List<CallIn<'c>>) -> List<CallIn<'c>> {
        let rest = |(position, mut call): (usize, CallIn<'c>)| {
            let id = call.id.as_ref().map(|id| &*id.0).filter(|id| !id.is_empty());
            let by_id = self.calls.iter().find(|known| id.is_some() && known.id.as_deref() == id);
            let (name, arguments) = call.take_function();
            // Its id may be another one, or missing.
            let by_position = || {
                let known = self.calls.get(position)?;
                let is_same = known.name.is_none() || known.name == name;
                (is_same && arguments.starts_with(known.arguments.as_str())).then_some(known)
            };
            let Some(known) = by_id.or_else(by_position) else {
                call.function = Some(FunctionIn::of(name, arguments));
                call.index = None;
                return Some(call);
            };
            let rest = arguments.strip_prefix(known.arguments.as_str())?.to_owned();
            if !known.kept.is_empty() {
                call.kept.clear();
            }
            let is_new = !rest.is_empty() || !call.kept.is_empty();
            call.id = known.id.clone().map(|id| Text(id.into()));
            call.index = known.index.map(Count);
            call.function = Some(FunctionIn::of(None, rest.into()));
            is_new.then_some(call)
        };
        List(calls.0.into_iter().enumerate().filter_map(rest).collect())
    }

    /// Takes a piece of a call, or a whole call if `place` is `None`.
    ///
    /// # Errors
    /// [`DecodeError`], if there are too many calls.
    pub(super) fn take(
        &mut self,
        mut call: CallIn<'_>,
        place: Option<Place>,
    ) -> Result<Option<ToolCallDelta>, DecodeError> {
        let id = call.id.take().map(Text::into_string).filter(|id| !id.is_empty());
        let index = call.index.map(|Count(index)| index);
        let (name, arguments) = call.take_function();
        let is_nothing = id.is_none() && name.is_none() && arguments.is_empty();
        if is_nothing && call.kept.is_empty() && index.is_none() {
            return Ok(None);
        }
        let known = place.and_then(|place| {
            self.continued(index, id.as_deref(), name.as_deref(), &arguments, place)
        });
        if known.is_none() && is_nothing && call.kept.is_empty() && place.is_some() {
            return Ok(None);
        }
        let position = known.unwrap_or(self.calls.len());
        if position >= MAX_CALLS || index.is_some_and(|index| index > u64::from(u16::MAX)) {
            return Err(DecodeError::new(format!("it has more than {MAX_CALLS} tool calls")));
        }
        if known.is_none() {
            self.calls.push(GrowingCall { index, ..GrowingCall::default() });
        }
        let Some(growing) = self.calls.get_mut(position) else { return Ok(None) };
        let mut piece = ToolCallDelta::new(position);
        if growing.id.is_none() && id.is_some() {
            growing.id.clone_from(&id);
            piece.id = id;
        }
        if let Some(name) = name
            && (growing.arguments.is_empty() || growing.name.is_none())
            && growing.name.as_ref() != Some(&name)
        {
            growing.name.get_or_insert_default().push_str(&name);
            piece.name = Some(name);
        }
        // Some servers end with the whole call once more.
        let is_repeated = !arguments.is_empty()
            && growing.arguments.as_str() == arguments
            && growing.arguments.is_complete();
        if !is_repeated {
            growing.arguments.push(&arguments);
            piece.arguments = arguments.into_owned();
        }
        for (field, value) in call.kept {
            match place {
                Some(_) => field.join(&mut growing.kept, value),
                None => {
                    growing.kept.insert(field.name.to_owned(), value);
                }
            }
        }
        Ok(Some(piece))
    }

    /// Returns the position of the call that a piece continues.
    fn continued(
        &mut self,
        index: Option<u64>,
        id: Option<&str>,
        name: Option<&str>,
        arguments: &str,
        place: Place,
    ) -> Option<usize> {
        let fits =
            |known: &GrowingCall| index.is_none() || known.index.is_none() || known.index == index;
        if let Some(id) = id {
            let same = |known: &GrowingCall| known.id.as_deref() == Some(id) && fits(known);
            if let Some(position) = self.calls.iter().rposition(same) {
                return Some(position);
            }
        }
        let position = match index {
            Some(_) => self.calls.iter().rposition(|known| known.index == index)?,
            // Without an index, several calls in a list have their places in it.
            None if place.of > 1 => place.position,
            None => self.calls.len().checked_sub(1)?,
        };
        let known = self.calls.get_mut(position)?;
        let starts = match (id, name) {
            // Arguments may come before the name.
            (_, Some(_)) if known.name.is_none() && !known.arguments.is_empty() => {
                !arguments.trim().is_empty() && known.arguments.is_complete()
            }
            // Another id alone does not begin a call: some servers make up an id for each piece.
            (Some(_), Some(_)) => {
                let is_open = !known.arguments.is_empty() && !known.arguments.is_complete();
                let goes_on = is_open && index.is_some() && known.name.as_deref() == name;
                known.id.is_some() && !goes_on || starts_anew(known, index, name)
            }
            (Some(_), None) if known.id.is_none() => false,
            (None, Some(_)) => starts_anew(known, index, name),
            // A line end may follow the arguments.
            (_, None) => {
                let says = index.is_none() && !arguments.trim().is_empty();
                says && known.arguments.is_complete()
            }
        };
        (!starts).then_some(position)
    }

    /// Returns the calls, and those whose arguments can't be read, or did not come in an answer
    /// that was cut off.
    pub(super) fn finish(self, is_cut_off: bool) -> (Vec<ToolCall>, Vec<InvalidToolCall>) {
        let (mut calls, mut invalid) = (Vec::with_capacity(self.calls.len()), Vec::new());
        let bytes = self.calls.iter().map(|call| call.arguments.as_str().len()).sum();
        let mut reader = CallReader::new(is_cut_off, bytes);
        for call in self.calls {
            match reader.read(call.id, call.name, call.arguments.into_string()) {
                Ok(mut read) => {
                    read.extra = call.kept;
                    calls.push(read);
                }
                Err(mut read) => {
                    read.extra = call.kept;
                    invalid.push(*read);
                }
            }
        }
        (calls, invalid)
    }
}

/// Returns whether a piece with a name begins another call than the known one.
fn starts_anew(known: &mut GrowingCall, index: Option<u64>, name: Option<&str>) -> bool {
    if known.arguments.is_empty() {
        // With an index, it may be more of the name.
        return index.is_none() && known.name.is_some() && known.name.as_deref() != name;
    }
    known.arguments.is_complete() || known.name.as_deref() != name
}
