//! Properties of all views, on generated conversations: order is kept, limits are respected, tool
//! calls stay with their results, and no message is lost.
//!
//! `CONVERSANT_CASES` sets the number of conversations. The default keeps the run short.

use std::{env, ops::Range};

use conversant_core::{
    LanguageModel, LoadContext, Memory, MemoryError, Message, Messages, ModelError, Ticket,
    ToolCall, Turn, Variables,
};
use conversant_memory::{
    BufferMemory, InMemoryHistory, Oversized, SummaryBufferMemory, SummaryMemory,
    TokenBufferMemory, Trim, WindowMemory,
};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{ScriptedCompletion, ScriptedReply, block_on};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Watched, Whitespace, session};

fn cases() -> u32 {
    env::var("CONVERSANT_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500)
}

/// The messages of a turn, by the number of words in their texts.
#[derive(Debug, Clone)]
enum Shape {
    Plain(usize, usize),
    /// A question, calls in one message, their results in this order or the reverse, an answer.
    Tools {
        question: usize,
        results: Vec<usize>,
        reversed: bool,
        answer: usize,
    },
    /// Two rounds of calls.
    TwoRounds(usize, usize),
    /// An answer without a question.
    Greeting(usize),
}

#[derive(Debug, Clone)]
struct Conversation {
    /// The system messages that it opens with.
    opening: Vec<usize>,
    turns: Vec<Shape>,
    limit: usize,
    k: usize,
    /// Whether the summariser fails, call by call.
    failures: Vec<bool>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let words = || 0..8_usize;
    prop_oneof![
        6 => (words(), words()).prop_map(|(question, answer)| Shape::Plain(question, answer)),
        3 => (words(), prop::collection::vec(words(), 1..4), any::<bool>(), words()).prop_map(
            |(question, results, reversed, answer)| Shape::Tools { question, results, reversed, answer }
        ),
        1 => (words(), words()).prop_map(|(question, answer)| Shape::TwoRounds(question, answer)),
        1 => words().prop_map(Shape::Greeting),
    ]
}

fn conversation() -> impl Strategy<Value = Conversation> {
    let opening = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(0..4_usize, 1..3)];
    let turns = prop::collection::vec(shape(), 1..9);
    let failures = prop::collection::vec(any::<bool>(), 0..6);
    (opening, turns, 0..60_usize, 0..5_usize, failures).prop_map(
        |(opening, turns, limit, k, failures)| Conversation { opening, turns, limit, k, failures },
    )
}

/// Makes messages whose first word is their number.
#[derive(Default)]
struct Maker(usize);

impl Maker {
    fn text(&mut self, words: usize) -> String {
        self.0 += 1;
        format!("m{}{}", self.0, " x".repeat(words))
    }

    fn calls(&mut self, count: usize) -> (Message, Vec<String>) {
        let text = self.text(0);
        // Ids repeat from turn to turn, as some servers' do.
        let ids: Vec<_> = (0..count).map(|index| format!("call_{index}")).collect();
        let calls = ids.iter().map(|id| ToolCall::new("f", json!({})).with_id(id.as_str()));
        (Message::ai(text).with_tool_calls(calls), ids)
    }

    fn turn(&mut self, shape: &Shape) -> Vec<Message> {
        match shape {
            Shape::Plain(question, answer) => {
                vec![Message::human(self.text(*question)), Message::ai(self.text(*answer))]
            }
            Shape::Tools { question, results, reversed, answer } => {
                let question = Message::human(self.text(*question));
                let (calls, mut ids) = self.calls(results.len());
                if *reversed {
                    ids.reverse();
                }
                let results: Vec<_> = ids
                    .into_iter()
                    .zip(results)
                    .map(|(id, &words)| Message::tool(self.text(words), id))
                    .collect();
                let answer = Message::ai(self.text(*answer));
                [vec![question, calls], results, vec![answer]].concat()
            }
            Shape::TwoRounds(question, answer) => {
                let mut turn = vec![Message::human(self.text(*question))];
                for _ in 0..2 {
                    let (calls, ids) = self.calls(1);
                    turn.push(calls);
                    turn.push(Message::tool(self.text(1), ids[0].as_str()));
                }
                turn.push(Message::ai(self.text(*answer)));
                turn
            }
            Shape::Greeting(words) => vec![Message::ai(self.text(*words))],
        }
    }
}

/// The messages so far, and the indices at which turns begin.
#[derive(Default, Clone)]
struct Said {
    messages: Vec<Message>,
    turns: Vec<usize>,
    opening: usize,
}

impl Said {
    fn sizes(&self, range: Range<usize>) -> usize {
        self.messages[range].iter().map(size).sum()
    }

    /// The indices at which a view of whole turns may begin: the first message, and the turns that
    /// begin with a question.
    fn starts(&self) -> Vec<usize> {
        let questions = self.turns.iter().copied().filter(|&start| start > self.opening);
        let questions =
            questions.filter(|&start| self.messages[start].role().type_name() == "human");
        [self.opening]
            .into_iter()
            .chain(questions)
            .filter(|&start| start < self.messages.len())
            .collect()
    }
}

impl Said {
    /// The last `k` turns, from the first question among them, or from the last one before.
    fn window(&self, k: usize) -> Vec<Message> {
        let Some(&start) = self.turns.get(self.turns.len().saturating_sub(k)) else {
            return Vec::new();
        };
        if start == 0 {
            return self.messages.clone();
        }
        let questions = self.starts().split_off(1);
        let after = questions.iter().copied().find(|&question| question >= start);
        let before = questions.iter().copied().rfind(|&question| question < start);
        let start = after.or(before).unwrap_or(self.opening);
        [&self.messages[..self.opening], &self.messages[start..]].concat()
    }
}

fn size(message: &Message) -> usize {
    conversant_core::TokenCounter::count_message(&Whitespace, message)
}

/// The numbers of messages, and of those that a summary names.
fn numbers(text: &str) -> Vec<usize> {
    text.split(|c: char| c.is_whitespace() || c == ',' || c == '|')
        .filter_map(|word| word.strip_prefix('m')?.parse().ok())
        .collect()
}

fn numbers_of(messages: &[Message]) -> Vec<usize> {
    messages.iter().flat_map(|message| numbers(&message.text())).collect()
}

/// A summariser that keeps the numbers of all messages, or fails.
fn summariser(failures: &[bool]) -> LanguageModel {
    let failures = Vec::from(failures);
    let mut failures = failures.into_iter();
    LanguageModel::completion(ScriptedCompletion::with_handler(move |request| {
        if failures.next().unwrap_or(false) {
            return ScriptedReply::from(ModelError::custom("it fails", true, None));
        }
        let covered: Vec<_> =
            numbers(&request.prompt).into_iter().map(|number| format!("m{number}")).collect();
        ScriptedReply::text(covered.join(","))
    }))
}

fn prompt() -> PromptTemplate {
    PromptTemplate::from_template("{summary}|{new_lines}").unwrap()
}

async fn shown(memory: &dyn Memory) -> Result<(Vec<Message>, Ticket), MemoryError> {
    let loaded = memory.load(LoadContext::new(&Variables::new())).await?;
    let messages: Messages =
        loaded.variables.get("history").unwrap().as_messages().unwrap().clone();
    Ok((messages.iter().cloned().collect(), loaded.ticket))
}

struct Memories {
    buffer: BufferMemory,
    windows: [WindowMemory; 2],
    tokens: [TokenBufferMemory; 2],
    summary: SummaryMemory,
    summary_buffers: [SummaryBufferMemory; 2],
}

impl Memories {
    fn new(of: &Conversation) -> Self {
        let trims = [Trim::Turns, Trim::LangChain];
        Self {
            // A history that does not share is read bit by bit.
            buffer: BufferMemory::new()
                .with_return_messages(true)
                .with_history(Watched::default(), session("bit by bit")),
            windows: trims.map(|trim| {
                WindowMemory::new().with_return_messages(true).with_k(of.k).with_trim(trim)
            }),
            tokens: trims.map(|trim| {
                TokenBufferMemory::new(Whitespace)
                    .with_return_messages(true)
                    .with_max_token_limit(of.limit)
                    .with_low_water(1.0)
                    .with_oversized(Oversized::Refuse)
                    .with_trim(trim)
            }),
            summary: SummaryMemory::new(summariser(&of.failures))
                .with_return_messages(true)
                .with_summary_prompt(prompt())
                .unwrap(),
            summary_buffers: trims.map(|trim| {
                SummaryBufferMemory::new(summariser(&of.failures), Whitespace)
                    .with_return_messages(true)
                    .with_max_token_limit(of.limit)
                    .with_trim(trim)
                    .with_summary_prompt(prompt())
                    .unwrap()
            }),
        }
    }

    fn all(&self) -> Vec<&dyn Memory> {
        let mut all: Vec<&dyn Memory> = vec![&self.buffer, &self.summary];
        all.extend(self.windows.iter().map(|memory| memory as &dyn Memory));
        all.extend(self.tokens.iter().map(|memory| memory as &dyn Memory));
        all.extend(self.summary_buffers.iter().map(|memory| memory as &dyn Memory));
        all
    }

    async fn save(&self, turn: &Turn) -> Vec<usize> {
        let mut warnings = Vec::new();
        for memory in self.all() {
            let ticket = shown(memory).await.map(|(_, ticket)| ticket).unwrap_or_default();
            memory.save(turn, ticket).await.unwrap();
            warnings.push(memory.maintain().await.unwrap().warnings.len());
        }
        warnings
    }

    async fn check(&self, of: &Conversation, said: &Said, warnings: &[usize]) {
        let all = &said.messages;
        assert_eq!(shown(&self.buffer).await.unwrap().0, *all);

        assert_eq!(shown(&self.windows[0]).await.unwrap().0, said.window(of.k), "window of turns");
        let start = all.len().saturating_sub(2 * of.k);
        assert_eq!(shown(&self.windows[1]).await.unwrap().0, all[start..], "LangChain's window");

        self.check_tokens(of, said).await;

        let (covered, rest) = split(&shown(&self.summary).await.unwrap().0);
        assert_eq!([covered, numbers_of(&rest)].concat(), numbers_of(all), "summary");
        assert_eq!(rest.is_empty(), warnings[1] == 0);

        self.check_summary_buffers(of, said, warnings).await;
    }

    async fn check_tokens(&self, of: &Conversation, said: &Said) {
        let all = &said.messages;
        let fits = |start: usize| said.sizes(start..all.len()) <= of.limit;
        let start = (0..=all.len()).find(|&start| fits(start)).unwrap();
        assert_eq!(shown(&self.tokens[1]).await.unwrap().0, all[start..], "LangChain's tokens");

        let opening = said.sizes(0..said.opening);
        let starts = said.starts();
        let total = |start: usize| opening + said.sizes(start..all.len());
        let got = shown(&self.tokens[0]).await;
        match starts.iter().copied().find(|&start| total(start) <= of.limit) {
            Some(start) => {
                let expected = [&all[..said.opening], &all[start..]].concat();
                assert_eq!(got.unwrap().0, expected, "tokens by turns");
            }
            None => {
                let MemoryError::OverBudget { size, budget } = got.unwrap_err() else { panic!() };
                assert_eq!((size, budget), (total(*starts.last().unwrap()), of.limit));
            }
        }
        for memory in &self.tokens {
            assert!(memory.messages().await.unwrap().iter().eq(all), "nothing is lost");
        }
    }

    async fn check_summary_buffers(&self, of: &Conversation, said: &Said, warnings: &[usize]) {
        let all = &said.messages;
        for (index, memory) in self.summary_buffers.iter().enumerate() {
            let got = shown(memory).await.unwrap().0;
            let opening = if index == 0 { said.opening } else { 0 };
            assert_eq!(got[..opening], all[..opening]);
            let (covered, rest) = split(&got[opening..]);
            // Each message is covered or shown, in order, and none is both.
            let numbers = [covered.clone(), numbers_of(&rest)].concat();
            assert_eq!(numbers, numbers_of(&all[opening..]));
            let start = all.len() - rest.len();
            if index == 0 {
                let begins = start == said.opening || said.turns.contains(&start);
                assert!(rest.is_empty() || begins, "whole turns");
            }
            let sized = if index == 0 { &got[..] } else { &rest[..] };
            let total: usize = sized.iter().map(size).sum();
            let failed = warnings[6 + index] > 0;
            assert!(
                failed || total <= of.limit || (index == 0 && rest.is_empty()),
                "{total} tokens"
            );
        }
    }
}

/// Splits what a summarising memory shows into what its summary covers and the messages after it.
fn split(shown: &[Message]) -> (Vec<usize>, Vec<Message>) {
    match shown.split_first() {
        // A leading system message has white space after its number, a summary has not.
        Some((first, rest)) if first.role().type_name() == "system" && first.name().is_none() => {
            (numbers(&first.text()), rest.to_vec())
        }
        _ => (Vec::new(), shown.to_vec()),
    }
}

async fn run(conversation: &Conversation) {
    let memories = Memories::new(conversation);
    let mut maker = Maker::default();
    let mut said = Said::default();
    for (index, shape) in conversation.turns.iter().enumerate() {
        let mut turn = Vec::new();
        if index == 0 {
            for &words in &conversation.opening {
                turn.push(Message::system(maker.text(words)).with_name("rules"));
            }
            said.opening = turn.len();
        }
        turn.extend(maker.turn(shape));
        said.turns.push(said.messages.len());
        said.messages.extend(turn.iter().cloned());
        let warnings = memories.save(&Turn::new(turn)).await;
        memories.check(conversation, &said, &warnings).await;
    }
}

/// Compares memories that load a stored conversation with those that saw it grow.
async fn restart(conversation: &Conversation) {
    let history = InMemoryHistory::new();
    let window = |trim| {
        WindowMemory::new()
            .with_return_messages(true)
            .with_k(conversation.k)
            .with_trim(trim)
            .with_history(history.clone(), session("s"))
    };
    let token_buffer = |trim| {
        TokenBufferMemory::new(Whitespace)
            .with_return_messages(true)
            .with_max_token_limit(conversation.limit)
            .with_trim(trim)
            .with_history(history.clone(), session("s"))
    };
    for trim in [Trim::Turns, Trim::LangChain] {
        let (old, old_window) = (token_buffer(trim), window(trim));
        let mut maker = Maker::default();
        for (index, shape) in conversation.turns.iter().enumerate() {
            let mut turn = Vec::new();
            if index == 0 {
                turn.extend(
                    conversation.opening.iter().map(|&words| Message::system(maker.text(words))),
                );
            }
            turn.extend(maker.turn(shape));
            old.save(&Turn::new(turn), Ticket::default()).await.unwrap();
            let before = shown(&old).await.map(|(messages, _)| messages);
            old.maintain().await.unwrap();
            let new = token_buffer(trim);
            let after = shown(&new).await.map(|(messages, _)| messages);
            assert_eq!(
                before.map_err(|error| error.to_string()),
                after.map_err(|error| error.to_string())
            );
            let before = shown(&old_window).await.unwrap().0;
            assert_eq!(before, shown(&window(trim)).await.unwrap().0);
        }
        old.clear().await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_view_keeps_its_promises(conversation in conversation()) {
        block_on(run(&conversation));
    }

    #[test]
    fn a_restart_changes_nothing(conversation in conversation()) {
        block_on(restart(&conversation));
    }
}
