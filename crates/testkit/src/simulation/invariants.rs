//! The invariants that hold after a schedule.

use std::collections::BTreeSet;

use conversant_core::{ChatHistory, Point, Role, SessionId};

use super::{
    exchange::{exchanges, is_human, number_of, rounds, summarized},
    log::{Attempt, AttemptResult, Fork, Log},
    plan::Plan,
    tree::Tree,
    world::{Asked, Journal},
};

/// A schedule that has ended, and the turns that its stores have.
pub(super) struct Ended<'e> {
    pub(super) plan: Plan,
    pub(super) log: &'e Log,
    pub(super) journal: &'e Journal,
    /// The sessions that have a turn for each call.
    pub(super) trees: &'e [Tree],
    /// The sessions of steps.
    pub(super) step_trees: &'e [Tree],
}

impl Ended<'_> {
    /// Returns an error for the first invariant that does not hold.
    pub(super) fn check(&self) -> Result<(), String> {
        for (index, call) in self.log.calls.iter().enumerate() {
            let in_call = |what: String| format!("`{}` {what}", call.question);
            self.check_call(index).map_err(in_call)?;
        }
        for attempt in &self.log.attempts {
            self.check_paid(attempt)?;
        }
        if self.plan.repeats && self.plan.restores_answers {
            self.check_once()?;
        }
        self.check_alone()?;
        let Some(tree) = self.trees.first() else { return Ok(()) };
        self.check_equal(tree)?;
        self.check_order(tree)?;
        self.check_points(tree)?;
        self.check_moves(tree)?;
        // The first step of a call has the conversation in its prompt: its own, if it has one.
        let shown = self.step_trees.first().unwrap_or(tree);
        self.journal.asked.iter().try_for_each(|asked| self.check_prompt(shown, asked))
    }

    /// Checks that the turn of a call is stored once, or not at all.
    fn check_call(&self, call: usize) -> Result<(), String> {
        let attempts = || self.log.attempts_of(call);
        let has = |wanted: fn(&AttemptResult) -> bool| attempts().any(|a| wanted(&a.result));
        let id = self.log.calls.get(call).map(|call| call.turn_id);
        let saves = self.log.saves.iter().filter(|saved| saved.call == call && saved.is_done);
        let (own, steps): (Vec<_>, Vec<_>) = saves.partition(|saved| Some(saved.turn) == id);
        let is_answered = has(|result| *result == AttemptResult::Answered);
        let is_whole = is_answered || own.iter().any(|saved| saved.is_whole);
        let is_stored =
            is_whole || !own.is_empty() || has(|result| *result == AttemptResult::Stopped);
        let all_failed = attempts().all(|attempt| {
            matches!(attempt.result, AttemptResult::Failed(_) | AttemptResult::GivenUp)
        });
        for tree in self.trees {
            match tree.of_call(call).collect::<Vec<_>>().as_slice() {
                [] if is_stored => return Err("was acknowledged, and its turn is lost".to_owned()),
                [] => {}
                [_] if all_failed => return Err("failed, and its turn is stored".to_owned()),
                [index] => {
                    let node = tree.nodes.get(*index);
                    if is_whole && node.is_some_and(|node| !node.exchange.is_whole) {
                        let what = "was answered, and its turn is stored as incomplete";
                        return Err(what.to_owned());
                    }
                }
                _ => return Err("has a turn that is stored twice".to_owned()),
            }
        }
        self.check_refused(call)?;
        for tree in self.step_trees {
            match tree.of_call(call).count() {
                0 if is_answered => {
                    return Err("was answered, and its step's turn is lost".to_owned());
                }
                0 | 1 => {}
                _ => return Err("has a step whose turn is stored twice".to_owned()),
            }
        }
        let in_steps = |saved| self.step_trees.iter().any(|tree| tree.of_id(saved).is_some());
        match steps.iter().any(|saved| !in_steps(saved.turn)) {
            true => Err("has a step whose turn was acknowledged and is lost".to_owned()),
            false => Ok(()),
        }
    }

    /// Checks that a turn has the id of each one that was refused for it.
    fn check_refused(&self, call: usize) -> Result<(), String> {
        let mut refused =
            self.log.saves.iter().filter(|saved| saved.call == call && saved.is_refused);
        let trees = || self.trees.iter().chain(self.step_trees);
        match refused.all(|saved| trees().any(|tree| tree.of_id(saved.turn).is_some())) {
            true => Ok(()),
            false => Err("was refused because its id is in use, and no turn has it".to_owned()),
        }
    }

    /// Checks that the error of a call that failed has each answer of the model.
    fn check_paid(&self, attempt: &Attempt) -> Result<(), String> {
        let AttemptResult::Failed(answers) = &attempt.result else { return Ok(()) };
        let mut paid = self.journal.paid.iter().filter(|paid| paid.task == attempt.task);
        match paid.find(|paid| !paid.answer.is_empty() && !answers.contains(&paid.answer)) {
            Some(lost) => Err(format!(
                "the model's `{}` is lost: the call failed with an error that lacks it",
                lost.answer
            )),
            None => Ok(()),
        }
    }

    /// Checks that the model was not asked for an answer that was stored.
    fn check_once(&self) -> Result<(), String> {
        let attempt_of = |task| self.log.attempts.iter().find(|attempt| attempt.task == task);
        for asked in &self.journal.asked {
            let (Some(number), Some(attempt)) = (question_of(asked), attempt_of(asked.task)) else {
                continue;
            };
            let id = self.log.calls.get(number).map(|call| call.turn_id);
            let mut stored = self.journal.stored.iter().filter(|stored| {
                stored.store == 0 && Some(stored.turn) == id && !stored.is_incomplete
            });
            let is_paid_twice = stored.any(|stored| {
                // A turn that is saved again does not wait for the calls of the conversation.
                let waits = attempt_of(stored.task).is_some();
                stored.time < if waits { asked.time } else { attempt.started }
            });
            if is_paid_twice {
                return Err(format!("`question {number}` was paid for twice: its turn was stored"));
            }
        }
        Ok(())
    }

    /// Checks that no two calls of a process asked the model at the same time, and no two processes
    /// if they lease the session.
    fn check_alone(&self) -> Result<(), String> {
        let find = |task| self.log.attempts.iter().find(|attempt| attempt.task == task);
        for (first, second) in &self.journal.overlaps {
            let (Some(first), Some(second)) = (find(*first), find(*second)) else { continue };
            if self.plan.leases || first.process == second.process {
                let (first, second) = (first.call, second.call);
                return Err(format!(
                    "`question {first}` and `question {second}` asked the model at the same time"
                ));
            }
        }
        Ok(())
    }

    /// Checks that all sessions have the same turns. Turns that were saved at the same time can
    /// have another order.
    fn check_equal(&self, first: &Tree) -> Result<(), String> {
        let numbers = |tree: &Tree| -> Vec<_> {
            let mut numbers: Vec<_> = tree.nodes.iter().map(|it| it.exchange.number).collect();
            numbers.sort_unstable();
            numbers
        };
        let expected = numbers(first);
        match self.trees.iter().map(numbers).find(|found| *found != expected) {
            Some(found) => Err(format!(
                "the stores differ: one has the turns {expected:?}, and another {found:?}"
            )),
            None => Ok(()),
        }
    }

    /// Checks that a call that started after the answer of another one comes after it.
    fn check_order(&self, tree: &Tree) -> Result<(), String> {
        for earlier in 0..self.log.calls.len() {
            let (Some(first), Some(answered), Some(from)) =
                (tree.find(earlier), self.log.answered(earlier), self.log.started(earlier))
            else {
                continue;
            };
            for later in 0..self.log.calls.len() {
                let (Some(second), Some(started)) = (tree.find(later), self.log.started(later))
                else {
                    continue;
                };
                let to = self.stored_at(tree, second).unwrap_or(u64::MAX);
                if started > answered
                    && !tree.is_at_or_after(second, first)
                    && !self.log.tip_moves_between(from, to)
                {
                    return Err(format!(
                        "`question {later}` is stored before `question {earlier}`"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Returns the time at which a turn was first stored.
    fn stored_at(&self, tree: &Tree, node: usize) -> Option<u64> {
        let id = tree.id(node)?;
        let mut stored = self.journal.stored.iter().filter(|stored| stored.store == 0);
        stored.find(|stored| stored.turn == id).map(|stored| stored.time)
    }

    /// Checks that turns that were asked at a point follow it.
    fn check_points(&self, tree: &Tree) -> Result<(), String> {
        for (number, call) in self.log.calls.iter().enumerate() {
            let (Some(point), Some(node)) = (call.at, tree.find(number)) else { continue };
            if point_before(tree, node) != point {
                return Err(format!("`{}` was asked at {point} and is elsewhere", call.question));
            }
        }
        Ok(())
    }

    /// Checks that a turn that is stored right after a move of the tip follows it.
    fn check_moves(&self, tree: &Tree) -> Result<(), String> {
        for tip in self.log.moves.iter().filter(|tip| tip.is_done) {
            let Some(ended) = tip.ended else { continue };
            let next = tree.nodes.iter().enumerate().filter_map(|(node, found)| {
                let time = self.stored_at(tree, node).filter(|time| *time > tip.started)?;
                Some((time, node, found.exchange.number))
            });
            let Some((time, node, number)) = next.min() else { continue };
            let others = self.log.moves.iter().filter(|other| !std::ptr::eq(*other, tip));
            let is_only = others
                .filter(|other| other.started < time)
                .all(|other| other.ended.is_some_and(|ended| ended < tip.started));
            // A call that has loaded before the move continues what it saw.
            let is_at_tip = self.log.calls.get(number).is_some_and(|call| call.at.is_none())
                && self.log.started(number) > Some(ended);
            if time > ended && is_only && is_at_tip && point_before(tree, node) != tip.point {
                let point = tip.point;
                return Err(format!(
                    "`question {number}` does not follow {point}, to which the tip was moved"
                ));
            }
        }
        Ok(())
    }

    /// Checks that a prompt has whole turns only, in the order of the store, with every turn that
    /// was acknowledged before the call.
    fn check_prompt(&self, tree: &Tree, asked: &Asked) -> Result<(), String> {
        let messages = &asked.messages;
        let question = (0..messages.len()).rfind(|&n| messages.get(n).is_some_and(is_human));
        let Some(question) = question else { return Ok(()) };
        let leading = messages.iter().take_while(|m| *m.role() == Role::System).count();
        let covered: BTreeSet<_> = messages.iter().take(leading).flat_map(summarized).collect();
        let shown = messages.slice(leading.min(question)..question);
        let shown = exchanges(&shown, self.plan.stops)
            .map_err(|what| format!("a prompt contained {what}"))?;
        if !rounds(&messages.slice(question + 1..)) {
            return Err("a prompt contained a tool call without its result".to_owned());
        }
        let Some(call) = question_of(asked) else { return Ok(()) };
        let mut nodes = Vec::new();
        for exchange in &shown {
            let node = tree.find(exchange.number).ok_or_else(|| {
                let number = exchange.number;
                format!("a prompt contained `question {number}`, which is not stored")
            })?;
            nodes.push(node);
        }
        let last = nodes.last().copied().or_else(|| {
            let covered = covered.iter().filter_map(|number| tree.find(*number));
            covered.max_by_key(|node| tree.path(Some(*node)).len())
        });
        self.check_fresh(tree, asked, call, last)?;
        if self.plan.partial_views {
            return match nodes.windows(2).all(|pair| match *pair {
                [before, after] => tree.nodes.get(after).is_some_and(|n| n.parent == Some(before)),
                _ => true,
            }) {
                true => Ok(()),
                false => Err(format!("the prompt of `question {call}` left a turn out")),
            };
        }
        let path = tree.path(last);
        let left_out = path.iter().filter(|node| !nodes.contains(node)).find(|node| {
            let number = tree.nodes.get(**node).map(|node| node.exchange.number);
            number.is_none_or(|number| !covered.contains(&number))
        });
        if left_out.is_some() || !nodes.is_sorted_by_key(|node| tree.path(Some(*node)).len()) {
            return Err(format!("the prompt of `question {call}` left a turn out"));
        }
        Ok(())
    }

    /// Checks that a prompt ends after each turn that was acknowledged before the call.
    fn check_fresh(
        &self,
        tree: &Tree,
        asked: &Asked,
        call: usize,
        last: Option<usize>,
    ) -> Result<(), String> {
        let attempt = self.log.attempts.iter().find(|attempt| attempt.task == asked.task);
        let Some(attempt) = attempt else { return Ok(()) };
        if let Some(point) = self.log.calls.get(call).and_then(|call| call.at) {
            let shown = last.and_then(|last| tree.id(last)).map_or(Point::Start, Point::After);
            return match shown == point {
                true => Ok(()),
                false => Err(format!("the prompt of `question {call}` ends not at {point}")),
            };
        }
        for earlier in 0..self.log.calls.len() {
            let (Some(answered), Some(from)) =
                (self.log.answered(earlier), self.log.started(earlier))
            else {
                continue;
            };
            let Some(node) = tree.find(earlier).filter(|_| answered < attempt.started) else {
                continue;
            };
            let is_seen = last.is_some_and(|last| tree.is_at_or_after(last, node));
            if !is_seen && !self.log.tip_moves_between(from, asked.time) {
                return Err(format!(
                    "the prompt of `question {call}` lacks `question {earlier}`, which was \
                     answered before"
                ));
            }
        }
        Ok(())
    }
}

/// Returns the point that a turn follows.
fn point_before(tree: &Tree, node: usize) -> Point {
    let parent = tree.nodes.get(node).and_then(|node| node.parent);
    parent.and_then(|parent| tree.id(parent)).map_or(Point::Start, Point::After)
}

/// Returns the call of a request, if the request is that of the call's first step.
fn question_of(asked: &Asked) -> Option<usize> {
    let question = asked.messages.iter().rfind(|message| is_human(message))?;
    number_of(&question.text()).filter(|_| question.text().starts_with("question"))
}

/// Checks that a fork has the turns up to its point, or, if it was not acknowledged, none.
pub(super) fn check_fork(
    fork: &Fork,
    history: &dyn ChatHistory,
    tree: &Tree,
) -> Result<(), String> {
    let session: &SessionId = &fork.into;
    let forked = Tree::read(history, session, false)?;
    let turns = |tree: &Tree, nodes: Vec<usize>| -> Vec<_> {
        nodes.iter().filter_map(|node| tree.nodes.get(*node)).map(|node| node.exchange).collect()
    };
    let source = fork.point.turn().and_then(|turn| tree.of_id(turn));
    let expected = turns(tree, tree.path(source));
    let found = turns(&forked, (0..forked.nodes.len()).collect());
    if found == expected || (found.is_empty() && !fork.is_done) {
        return Ok(());
    }
    Err(format!(
        "the fork at {} has {} turns instead of {}",
        fork.point,
        found.len(),
        expected.len()
    ))
}
