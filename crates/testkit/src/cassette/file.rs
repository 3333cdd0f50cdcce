//! The file of a cassette: exchanges in the order of their calls.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;
use similar::{ChangeTag, TextDiff};

use super::{
    error::CassetteError,
    exchange::Exchange,
    masking::{Ids, Masks, remove_defaults},
};

/// The exchanges of a file.
pub(super) struct Recording {
    path: PathBuf,
    /// The recorded exchanges as JSON, without ids and secrets.
    exchanges: Vec<Json>,
    ids: Ids,
    /// The number of answers given so far for each request.
    answered: HashMap<String, usize>,
}

impl Recording {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, exchanges: Vec::new(), ids: Ids::default(), answered: HashMap::new() }
    }

    pub(super) fn read(path: &Path) -> Result<Self, CassetteError> {
        let format = |source| CassetteError::Format { path: path.to_owned(), source };
        let text = fs::read_to_string(path)
            .map_err(|source| CassetteError::File { path: path.to_owned(), source })?;
        let exchanges: Vec<Json> = serde_json::from_str(&text).map_err(format)?;
        for exchange in &exchanges {
            serde_json::from_value::<Exchange>(exchange.clone()).map_err(format)?;
        }
        Ok(Self { exchanges, ..Self::new(path.to_owned()) })
    }

    /// Returns whether a recorded request asks for a format.
    pub(super) fn has_schemas(&self) -> bool {
        self.exchanges.iter().any(|exchange| exchange.pointer("/request/response_format").is_some())
    }

    /// Adds an exchange and writes the file: first a temporary one, then renamed.
    pub(super) fn add(&mut self, exchange: &Exchange, masks: &Masks) -> Result<(), CassetteError> {
        let mut exchange = exchange.clone();
        exchange.reply.request_id = None;
        masks.apply_to_pieces(&mut exchange.pieces);
        let format = |source| CassetteError::Format { path: self.path.clone(), source };
        let mut json = serde_json::to_value(&exchange).map_err(format)?;
        masks.apply(&mut json);
        self.ids.replace(&mut json);
        remove_defaults(&mut json);
        self.exchanges.push(json);
        let mut text = serde_json::to_string_pretty(&self.exchanges).map_err(format)?;
        text.push('\n');
        let write = || -> io::Result<()> {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            let temporary = self.path.with_extension("tmp");
            fs::write(&temporary, text)?;
            fs::rename(temporary, &self.path)
        };
        write().map_err(|source| CassetteError::File { path: self.path.clone(), source })
    }

    /// Returns the recorded exchange of a request.
    pub(super) fn find(
        &mut self,
        request: &Json,
        masks: &Masks,
    ) -> Result<Exchange, CassetteError> {
        let wanted = canonical(request, masks);
        let matches: Vec<&Json> = self
            .exchanges
            .iter()
            .filter(|exchange| {
                exchange.get("request").is_some_and(|recorded| canonical(recorded, masks) == wanted)
            })
            .collect();
        let answered = self.answered.entry(wanted.clone()).or_default();
        let found = matches.get(*answered).or(matches.last());
        *answered += 1;
        match found {
            Some(exchange) => serde_json::from_value((*exchange).clone())
                .map_err(|source| CassetteError::Format { path: self.path.clone(), source }),
            None => Err(CassetteError::NotRecorded {
                path: self.path.clone(),
                diff: self.diff(&wanted, masks),
            }),
        }
    }

    /// Returns the difference between the nearest recorded request and a request.
    fn diff(&self, wanted: &str, masks: &Masks) -> String {
        let recorded = self.exchanges.iter().filter_map(|exchange| exchange.get("request"));
        let nearest = recorded
            .map(|request| canonical(request, masks))
            .map(|text| (likeness(&text, wanted), text))
            .reduce(|nearest, other| if other.0 > nearest.0 { other } else { nearest });
        let Some((_, nearest)) = nearest else { return wanted.to_owned() };
        let diff = TextDiff::from_lines(nearest.as_str(), wanted);
        diff.unified_diff().header("recorded", "sent").to_string()
    }
}

/// The most characters of changed lines that are compared, since that takes quadratic time.
const MAX_COMPARED: usize = 2000;

/// Returns how alike two requests are: by their lines, and then by the characters of the lines that
/// differ.
fn likeness(recorded: &str, wanted: &str) -> (f32, f32) {
    let lines = TextDiff::from_lines(recorded, wanted);
    let changed = |tag: ChangeTag| -> String {
        let changes = lines.iter_all_changes().filter(|change| change.tag() == tag);
        changes.flat_map(|change| change.value().chars()).take(MAX_COMPARED).collect()
    };
    let (removed, added) = (changed(ChangeTag::Delete), changed(ChangeTag::Insert));
    (lines.ratio(), TextDiff::from_chars(removed.as_str(), added.as_str()).ratio())
}

/// Returns a request as text, without secrets, in which ids are numbered by their order, so that
/// two requests that differ in ids alone are equal.
fn canonical(request: &Json, masks: &Masks) -> String {
    let mut request = request.clone();
    masks.apply(&mut request);
    remove_defaults(&mut request);
    Ids::default().replace(&mut request);
    let mut text = serde_json::to_string_pretty(&request).unwrap_or_default();
    text.push('\n');
    text
}
