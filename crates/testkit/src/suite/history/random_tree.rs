//! A session with branches, compared with a model of it after each of many operations.

use std::collections::BTreeMap;

use conversant_core::{
    ChatHistory, HistoryError, Message, Messages, Point, Range, Turn, TurnId, Version,
};

use super::{
    branch::Tree,
    session_driver::{exchange, joined},
};
use crate::suite::check::{Checked, ensure};

const OPERATIONS: usize = 60;

/// The ranges and notes that are compared after each operation, at the tip and at another point.
const COMPARED: usize = 3;

/// The operations are selected by a fixed seed.
pub(super) async fn a_tree_is_as_it_was_grown(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 0).await?;
    let mut model = Model::new();
    let mut random = Random(0x2545_f491);
    for number in 0..OPERATIONS {
        let (point, turn) = (model.any_point(&mut random), exchange(number));
        match random.below(4) {
            0 => {
                let version = tree.append_at(point, &turn).await?;
                model.append(point, turn, version);
            }
            1 => {
                tree.set_tip(point).await?;
                model.tip = point;
            }
            _ => {
                let version = tree.driver.append(&turn).await?;
                model.append(model.tip, turn, version);
            }
        }
        let path = model.path(model.tip);
        tree.driver.holds(&path).await?;
        for _ in 0..COMPARED {
            let range = model.any_range(&mut random);
            compare(history, &tree, &model, None, range).await?;
            let (point, range) = (model.any_point(&mut random), model.any_range(&mut random));
            compare(history, &tree, &model, Some(point), range).await?;
        }
    }
    for point in model.points() {
        let found = history.alternatives(tree.session(), point).await?;
        let found: Vec<_> = found.iter().map(|found| (found.turn, found.newest)).collect();
        ensure!(found == model.following(point), "other turns follow {point}");
    }
    Ok(())
}

/// Compares a range of the session with that of the model, and looks for a note that is not there.
async fn compare<H: ChatHistory>(
    history: &H,
    tree: &Tree<'_, H>,
    model: &Model,
    point: Option<Point>,
    range: Range,
) -> Checked {
    let session = tree.session();
    let (slice, note) = match point {
        Some(point) => {
            let view = tree.at(point)?;
            (view.load(session, range).await?, view.note(session, "another").await)
        }
        None => (history.load(session, range).await?, history.note(session, "another").await),
    };
    let (path, version) = (model.path(point.unwrap_or(model.tip)), slice.version);
    let place = point.map_or_else(|| "the tip".to_owned(), |point| point.to_string());
    let expected = model.range(&path, version.epoch, range);
    ensure!(
        slice.messages == expected,
        "{range:?} at {place}: {} messages instead of {}, or others",
        slice.messages.len(),
        expected.len()
    );
    let last = path.last().and_then(|turn| model.version_after(turn.id()));
    let expected = last.unwrap_or(Version::new(version.epoch, 0));
    ensure!(version == expected, "{range:?} at {place}: {version:?} instead of {expected:?}");
    let is_right = matches!(note, Ok(None) | Err(HistoryError::Unsupported { .. }));
    ensure!(is_right, "a note that was never stored, at {place}: {note:?}");
    Ok(())
}

/// The turns that the session should hold.
struct Model {
    /// The turns in the order in which they were stored, each with the version after it.
    stored: Vec<(Turn, Version)>,
    /// The point that each turn follows.
    before: BTreeMap<TurnId, Point>,
    tip: Point,
}

impl Model {
    const fn new() -> Self {
        Self { stored: Vec::new(), before: BTreeMap::new(), tip: Point::Start }
    }

    /// Stores a turn, which becomes the tip.
    fn append(&mut self, point: Point, turn: Turn, version: Version) {
        self.before.insert(turn.id(), point);
        self.tip = Point::After(turn.id());
        self.stored.push((turn, version));
    }

    fn points(&self) -> impl Iterator<Item = Point> {
        self.stored.iter().map(|(turn, _)| Point::After(turn.id())).chain([Point::Start])
    }

    fn any_point(&self, random: &mut Random) -> Point {
        let any = random.below(self.stored.len() + 1);
        self.points().nth(any).unwrap_or(Point::Start)
    }

    /// Returns any range: those after a version too, which may be of any turn, or of none.
    fn any_range(&self, random: &mut Random) -> Range {
        match random.below(6) {
            0 => Range::All,
            1 => Range::LastTurns(random.below(5)),
            2 => Range::LastMessages(random.below(9)),
            3 => Range::After(Version::default()),
            4 => Range::After(Version::new(u64::MAX >> 12, random.below(9) as u64)),
            _ => {
                let any = random.below(self.stored.len() + 1);
                Range::After(self.stored.get(any).map_or(Version::default(), |(_, it)| *it))
            }
        }
    }

    fn version_after(&self, turn: TurnId) -> Option<Version> {
        self.stored.iter().find(|(stored, _)| stored.id() == turn).map(|(_, version)| *version)
    }

    /// Returns the turns from the start to a point.
    fn path(&self, mut point: Point) -> Vec<&Turn> {
        let mut path = Vec::new();
        while let Some(id) = point.turn() {
            path.extend(self.stored.iter().map(|(turn, _)| turn).find(|turn| turn.id() == id));
            point = self.before.get(&id).copied().unwrap_or(Point::Start);
        }
        path.reverse();
        path
    }

    /// Returns the messages of a path that are in a range.
    fn range(&self, path: &[&Turn], epoch: u64, range: Range) -> Messages {
        let messages: Vec<Message> = joined(path).iter().cloned().collect();
        let start = match range {
            Range::LastTurns(turns) => {
                let turns = path.get(path.len().saturating_sub(turns)..).unwrap_or_default();
                messages.len() - joined(turns).len()
            }
            Range::LastMessages(count) => messages.len().saturating_sub(count),
            Range::After(seen) => {
                let is_on_path = seen.epoch == epoch
                    && path.iter().any(|turn| self.version_after(turn.id()) == Some(seen));
                if is_on_path { usize::try_from(seen.messages).unwrap_or_default() } else { 0 }
            }
            _ => 0,
        };
        messages.get(start..).unwrap_or_default().to_vec().into()
    }

    /// Returns the turns that follow a point, each with the last stored of those after it.
    fn following(&self, point: Point) -> Vec<(TurnId, TurnId)> {
        let ids = || self.stored.iter().map(|(turn, _)| turn.id());
        let follows = |id: &TurnId| self.before.get(id).and_then(|point| point.turn());
        let newest = |turn: TurnId| {
            let mut after = vec![turn];
            for id in ids() {
                if follows(&id).is_some_and(|id| after.contains(&id)) {
                    after.push(id);
                }
            }
            after.last().copied().unwrap_or(turn)
        };
        ids()
            .filter(|id| self.before.get(id) == Some(&point))
            .map(|turn| (turn, newest(turn)))
            .collect()
    }
}

/// A sequence of numbers that is the same each time.
struct Random(u32);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(self.0 >> 8).unwrap_or_default() % bound.max(1)
    }
}
