//! Turns that the model of a memory does not accept.

use std::sync::{Arc, Mutex};

use conversant_core::{
    ApiError, Embeddings, LanguageModel, LoadContext, Loaded, Memory, ModelError, StatusKind,
    Ticket, Turn, Variables, async_trait, vars,
};
use conversant_memory::{
    EntityMemory, InMemoryVectorStore, KnowledgeGraphMemory, SummaryBufferMemory, SummaryMemory,
    VectorStoreMemory,
};
use conversant_testkit::{ScriptedCompletion, ScriptedReply, block_on};

use crate::support::Whitespace;

/// The turns of a conversation.
const TURNS: usize = 14;

/// How a model does not accept a text.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    /// A content filter, which says so.
    Filter,
    /// The model itself.
    Model,
    /// The request is invalid, for a reason that is not given.
    Invalid,
    /// The text has more bytes than this.
    LongerThan(usize),
    /// Every request is invalid.
    Everything,
}

impl Refusal {
    /// The text of the turn that is refused.
    fn text(self) -> String {
        match self {
            Self::LongerThan(_) => "poison ".repeat(20_000),
            _ => "the poison".to_owned(),
        }
    }

    fn of(self, text: &str) -> Option<ModelError> {
        let is_refused = match self {
            Self::LongerThan(bytes) => text.len() > bytes,
            Self::Everything => true,
            _ => text.contains("poison"),
        };
        let status = |change: fn(&mut ApiError)| {
            let mut error = ApiError::new(StatusKind::BadRequest);
            change(&mut error);
            ModelError::Status { status: 400, error: Box::new(error) }
        };
        is_refused.then(|| match self {
            Self::Filter => status(|error| error.code = Some("content_filter".to_owned())),
            Self::Model => ModelError::Refused { text: "no".to_owned().into() },
            Self::Invalid | Self::Everything => status(|_| {}),
            Self::LongerThan(_) => status(|error| error.context_length = true),
        })
    }
}

/// The requests to a model: the bytes of their texts.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<usize>>>);

impl Asked {
    fn answer(&self, refusal: Refusal, text: &str) -> Result<(), ModelError> {
        self.0.lock().unwrap().push(text.len());
        refusal.of(text).map_or(Ok(()), Err)
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Model(Asked, Refusal);

impl Model {
    fn language_model(self) -> LanguageModel {
        LanguageModel::completion(ScriptedCompletion::with_handler(move |request| {
            let prompt = &request.prompt;
            match self.0.answer(self.1, prompt) {
                Ok(()) if prompt.ends_with("Names:") => ScriptedReply::text("Ada"),
                Ok(()) if prompt.ends_with("Triples:") => ScriptedReply::text("(Ada, is, well)"),
                Ok(()) => ScriptedReply::text("known"),
                Err(error) => ScriptedReply::from(error),
            }
        }))
    }
}

#[async_trait]
impl Embeddings for Model {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        texts.iter().try_for_each(|text| self.0.answer(self.1, text))?;
        Ok(vec![vec![1.0]; texts.len()])
    }
}

const KINDS: [&str; 5] = ["summary", "summary buffer", "entities", "facts", "vectors"];

fn memory(kind: &str, asked: &Asked, refusal: Refusal) -> Box<dyn Memory> {
    let model = Model(asked.clone(), refusal);
    match kind {
        "summary" => Box::new(SummaryMemory::new(model.language_model())),
        "summary buffer" => Box::new(
            SummaryBufferMemory::new(model.language_model(), Whitespace).with_max_token_limit(30),
        ),
        "entities" => Box::new(EntityMemory::new(model.language_model())),
        "facts" => Box::new(KnowledgeGraphMemory::new(model.language_model())),
        _ => Box::new(VectorStoreMemory::new(InMemoryVectorStore::new(model)).with_k(100)),
    }
}

/// Runs a turn as a chain does. Returns the bytes that are shown, and the warnings.
async fn call(memory: &dyn Memory, question: &str) -> (usize, Vec<String>) {
    let inputs = vars! { "input" => question };
    let context = LoadContext::new(&inputs).with_input(question);
    // An error that does not say that the text is refused ends the call.
    let loaded = memory.load(context).await.unwrap_or_else(|_| Loaded::new(Variables::new()));
    let shown = loaded.variables.iter().map(|(_, value)| value.to_text().len()).sum();
    let saved = memory.save(&Turn::exchange(question, "ok"), loaded.ticket).await.unwrap();
    let maintained = memory.maintain().await.unwrap();
    let warnings = saved.warnings.into_iter().chain(maintained.warnings);
    (shown, warnings.map(|warning| warning.to_string()).collect())
}

/// Afterwards the other turns are covered: what is shown, and what the model is asked, is bounded.
#[test]
fn a_turn_that_is_refused_is_left_out() {
    let refusals = [
        (Refusal::Filter, true),
        (Refusal::Model, true),
        (Refusal::Invalid, true),
        (Refusal::LongerThan(10_000), false),
        (Refusal::LongerThan(3_000), false),
    ];
    for (refusal, is_left_out) in refusals {
        for kind in KINDS {
            let case = format!("{refusal:?}, {kind}");
            let asked = Asked::default();
            let memory = memory(kind, &asked, refusal);
            block_on(async {
                let (mut warnings, mut shown) = (Vec::new(), 0);
                for number in 0..TURNS {
                    let question = match number {
                        2 => refusal.text(),
                        _ => format!("Ada says {number}"),
                    };
                    let (bytes, warned) = call(&*memory, &question).await;
                    (shown, warnings) = (bytes, [warnings, warned].concat());
                    let calls = asked.take().len();
                    assert!(calls <= 20, "{case}: {calls} calls in turn {number}");
                }
                // The nearest turns are shown, of the long one what was embedded.
                let most = if kind == "vectors" { 10_000 } else { 500 };
                assert!(shown < most, "{case}: {shown} bytes are shown");
                let leaves_out = |warning: &String| warning.contains("leaves out a turn");
                assert_eq!(warnings.iter().any(leaves_out), is_left_out, "{case}: {warnings:?}");
                // The next turn is covered by the calls that it would take without the other one.
                asked.take();
                call(&*memory, "Ada says more").await;
                let bytes = asked.take();
                assert!(
                    bytes.len() <= 3 && bytes.iter().sum::<usize>() < 3_000,
                    "{case}: {bytes:?}"
                );
            });
        }
    }
}

/// If the model accepts nothing, all turns are kept for later, and two calls find it out.
#[test]
fn no_turn_is_left_out_if_the_model_accepts_none() {
    for kind in KINDS {
        let asked = Asked::default();
        let memory = memory(kind, &asked, Refusal::Everything);
        block_on(async {
            for number in 0..TURNS {
                let (_, warnings) = call(&*memory, &format!("Ada says {number}")).await;
                let leaves_out = |warning: &String| warning.contains("leaves out");
                assert!(!warnings.iter().any(leaves_out), "{kind}: {warnings:?}");
                let calls = asked.take().len();
                assert!(calls <= 4, "{kind}: {calls} calls in turn {number}");
            }
        });
    }
}

/// The turns after an old one that is refused do not fit into the same piece.
#[test]
fn a_turn_that_is_refused_alone_is_left_out() {
    let asked = Asked::default();
    let memory = memory("vectors", &asked, Refusal::Invalid);
    block_on(async {
        for question in ["the poison", &"long ".repeat(250_000), "Ada says more"] {
            memory.save(&Turn::exchange(question, "ok"), Ticket::default()).await.unwrap();
        }
        let warnings = memory.maintain().await.unwrap().warnings;
        let warning = warnings.first().unwrap().to_string();
        assert!(warning.contains("leaves out a turn"), "{warning}");
        // The one that is refused twice, the newest one to find out, and the others.
        assert_eq!(asked.take().len(), 5);
        let (shown, _) = call(&*memory, "Ada says").await;
        assert!(shown > 1_000_000, "{shown} bytes");
    });
}
