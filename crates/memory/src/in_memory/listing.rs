//! The properties of a session that a list shows, in addition to its turns.

use conversant_core::{
    HistoryError, SessionFilter, SessionId, SessionInfo, TurnId, UsageTotals,
    clock::{self, SystemTime},
};

use super::turn_tree::TurnTree;

/// The title, labels and times of a session, and sums over its turns.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) title: Option<String>,
    /// The names and values, at most [`SessionInfo::MAX_LABELS`].
    labels: Vec<(String, String)>,
    /// The times at which the session began and was last used.
    times: Option<(SystemTime, SystemTime)>,
    /// The sums over the turns that were counted: when a list shows the session, not with each
    /// turn, which would have to be encoded for it.
    bytes: u64,
    totals: UsageTotals,
}

impl Listing {
    /// Notes that a turn was stored.
    pub(super) fn use_for(&mut self, turn: TurnId) {
        self.use_at(turn.stored_at(clock::now()));
    }

    fn use_at(&mut self, time: SystemTime) {
        let (began, used) = self.times.unwrap_or((time, time));
        self.times = Some((began, used.max(time)));
    }

    /// Sets the times of a session that has none, because it begins.
    pub(super) fn begin(&mut self) {
        if self.times.is_none() {
            self.use_at(clock::now());
        }
    }

    /// Returns whether the session was ever used: a turn, a title, a label or a fork begins it.
    pub(super) const fn has_begun(&self) -> bool {
        self.times.is_some()
    }

    /// Returns the listing of a session that was forked from this one.
    pub(super) fn forked(&self) -> Self {
        Self { labels: self.labels.clone(), ..Self::default() }
    }

    /// Returns the listing after the session was cleared.
    pub(super) fn cleared(&mut self) -> Self {
        let labels = std::mem::take(&mut self.labels);
        Self { labels, times: self.times, ..Self::default() }
    }

    /// Takes over the labels of the source of a fork. Those that are set already stay.
    pub(super) fn take_from(&mut self, source: Self) {
        for (name, value) in source.labels {
            if self.labels.len() < SessionInfo::MAX_LABELS && self.label(&name).is_none() {
                self.labels.push((name, value));
            }
        }
        self.begin();
    }

    pub(super) fn set_label(
        &mut self,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        match (value, self.label(name)) {
            (None, None) => {}
            (None, Some(index)) => drop(self.labels.swap_remove(index)),
            (Some(value), Some(index)) => {
                if let Some((_, old)) = self.labels.get_mut(index) {
                    value.clone_into(old);
                }
            }
            (Some(_), None) if self.labels.len() >= SessionInfo::MAX_LABELS => {
                return Err(HistoryError::TooManyLabels { limit: SessionInfo::MAX_LABELS });
            }
            (Some(value), None) => self.labels.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    /// Returns the index of a label.
    fn label(&self, name: &str) -> Option<usize> {
        self.labels.iter().position(|(label, _)| label == name)
    }

    /// Returns whether there is something to show without turns.
    pub(super) fn is_empty(&self) -> bool {
        self.title.is_none() && self.labels.is_empty()
    }

    /// Returns the description without what is counted, for filters.
    pub(super) fn summary(&self, session: &SessionId) -> SessionInfo {
        let times = self.times;
        let used = times.map_or(SystemTime::UNIX_EPOCH, |(_, used)| used);
        let mut info = SessionInfo::new(session.clone(), used);
        info.title.clone_from(&self.title);
        for (name, value) in &self.labels {
            info.labels.insert(name.clone(), value.clone());
        }
        info.created_at = times.map(|(began, _)| began);
        info
    }

    /// Counts the turns that were stored since it was last called, and returns the description.
    pub(super) fn info(&mut self, session: &SessionId, tree: &mut TurnTree) -> SessionInfo {
        for turn in tree.take_uncounted() {
            self.bytes +=
                turn.messages().iter().map(|message| message.stored_json_len()).sum::<u64>();
            self.totals = self.totals + UsageTotals::of_turn(&turn);
        }
        let mut info = self.summary(session);
        (info.bytes, info.totals) = (self.bytes, self.totals);
        info
    }

    /// Returns whether the title or the turns have all words of a filter.
    pub(super) fn has_words(&self, filter: &SessionFilter, tree: &TurnTree) -> bool {
        let mut words = filter.finder();
        words.find(self.title.as_deref().unwrap_or_default())
            || tree.stored_messages().any(|message| words.find(&message.text()))
    }
}
