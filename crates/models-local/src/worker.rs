//! The thread of a model: loads it, and answers one call at a time.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
};

use crate::{
    chat_template::{CHATML, ChatTemplate},
    generation::{Call, Generation},
    gguf::Gguf,
    llama::{Network, Threads},
    model_file_error::ModelFileError,
    prompt::PromptEncoder,
    sequence_cache::SequenceCache,
    settings::{DEFAULT_CONTEXT, Settings},
    tokenizer::Tokenizer,
};

/// A model that is loaded, and the way to its thread.
pub(crate) struct Started {
    pub(crate) calls: mpsc::Sender<Call>,
    pub(crate) facts: ModelFacts,
}

/// The facts about a model that callers need.
pub(crate) struct ModelFacts {
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) name: String,
    /// The largest number of tokens of a prompt and its answer.
    pub(crate) context: usize,
}

/// Starts the thread and waits until it has loaded the model. It ends when all senders of calls are
/// dropped.
pub(crate) fn start(path: PathBuf, settings: Settings) -> Result<Started, ModelFileError> {
    let (calls, receiver) = mpsc::channel();
    let (report, loaded) = mpsc::sync_channel(1);
    let file = path.clone();
    let run = move || match Worker::load(path, &settings) {
        Ok((worker, facts)) => {
            if report.send(Ok(facts)).is_ok() {
                drop(report);
                worker.run(&receiver, &settings);
            }
        }
        // The caller waits for the report.
        Err(error) => drop(report.send(Err(error))),
    };
    let spawned = thread::Builder::new().name("conversant-local".to_owned()).spawn(run);
    spawned.map_err(|error| ModelFileError::Thread { source: error.into() })?;
    // A thread that ends without a report has panicked in a reader of the file.
    let facts = loaded.recv().map_err(|_| ModelFileError::Format {
        path: file,
        what: "a part of it cannot be decoded; download it again".to_owned(),
        source: None,
    })??;
    Ok(Started { calls, facts })
}

struct Worker {
    network: Network,
    tokenizer: Arc<Tokenizer>,
    template: Result<ChatTemplate, String>,
    cache: SequenceCache,
    name: String,
    context: usize,
}

impl Worker {
    fn load(path: PathBuf, settings: &Settings) -> Result<(Self, ModelFacts), ModelFileError> {
        let mut gguf = Gguf::open(path)?;
        let tokenizer = Arc::new(Tokenizer::load(&gguf)?);
        let threads = Threads::new(settings.threads)
            .map_err(|error| ModelFileError::Thread { source: error.into() })?;
        let network = Network::load(&mut gguf, tokenizer.vocabulary(), threads)?;
        let trained = network.trained_context();
        let context = match settings.context {
            Some(context) if context > trained => {
                let what = format!("the model was trained on {trained} tokens, not {context}");
                return Err(ModelFileError::Setting { setting: "context", what });
            }
            Some(context) => context,
            None => trained.min(DEFAULT_CONTEXT),
        };
        let name = settings.name.clone().unwrap_or_else(|| {
            let stem = gguf.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            stem.unwrap_or_default()
        });
        let facts = ModelFacts { tokenizer: Arc::clone(&tokenizer), name: name.clone(), context };
        let template = template(&gguf, &tokenizer);
        let cache = SequenceCache::new(network.shape(), settings.cache_bytes);
        Ok((Self { network, tokenizer, template, cache, name, context }, facts))
    }

    fn run(mut self, calls: &mpsc::Receiver<Call>, settings: &Settings) {
        for mut call in calls {
            if call.pieces.is_closed() {
                continue;
            }
            if call.stop.is_empty() {
                call.stop.clone_from(&settings.stop);
            }
            self.answer(&call, settings);
        }
    }

    fn answer(&mut self, call: &Call, settings: &Settings) {
        let encoder = PromptEncoder {
            tokenizer: &self.tokenizer,
            template: &self.template,
            // The answer needs a token.
            limit: self.context - 1,
        };
        let prompt = match encoder.encode(&call.prompt) {
            Ok(prompt) => prompt,
            Err(error) => {
                // A caller that has gone needs no error.
                let _ = call.pieces.unbounded_send(Err(error));
                return;
            }
        };
        // The last token is always read, since its reading gives the scores of the next one.
        let known = prompt.split_last().map_or(&[][..], |(_, known)| known);
        let mut sequence = self.cache.take(known);
        let max_tokens = settings
            .max_tokens
            .map_or(usize::MAX, |tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
        let generation = Generation {
            network: &self.network,
            tokenizer: &self.tokenizer,
            name: &self.name,
            sampling: &settings.sampling,
            max_tokens,
            context: self.context,
        };
        // What was read is kept also for a caller that has gone: it may ask again.
        let _ = generation.run(&mut sequence, &prompt, call);
        self.cache.put(sequence);
    }
}

fn template(gguf: &Gguf, tokenizer: &Tokenizer) -> Result<ChatTemplate, String> {
    let names = tokenizer.begin_and_end();
    let has_chatml = tokenizer.control_names().any(|name| name == "<|im_start|>");
    let advice = "use the model as a completion model";
    let source = match gguf.text("tokenizer.chat_template") {
        Some(source) => source,
        None if has_chatml => CHATML,
        None => {
            return Err(format!(
                "cannot answer messages: the model file has no chat template; {advice}"
            ));
        }
    };
    // Another template than that of the file would be one that the model was not trained on.
    ChatTemplate::new(source, names).map_err(|error| {
        format!("cannot read the chat template of the model file: {error}; {advice}")
    })
}
