//! The prompt: messages are answered, and commands are executed.

use chat::{backend::Backend, failure::Failure, model_arguments::ModelArguments};
use conversant_core::{Point, SessionId, Usage};

use crate::{
    arguments::Arguments,
    command::{Command, HELP, Line, read},
    conversation::Conversation,
    export::export,
    lines::{Entry, Lines},
    store::Store,
    terminal,
    turn::{self, interruptible},
};

/// The note where there is no turn to take back, to show or to ask again.
const NOTHING_SAID: &str = "(nothing has been said)";

/// A chat at a prompt.
pub struct Repl {
    arguments: Arguments,
    backend: Backend,
    store: Store,
    conversation: Conversation,
    usage: Usage,
    /// The question that is being edited.
    edited: Option<Edited>,
}

/// A question that is being edited.
struct Edited {
    /// The line that the prompt begins with.
    draft: String,
    /// Where the new question is asked.
    point: Point,
}

impl Repl {
    pub fn new(arguments: Arguments, backend: Backend, store: Store) -> Result<Self, Failure> {
        let session = arguments.session().map_err(Failure::Usage)?;
        let conversation = Conversation::new(&arguments, &backend, &store, session)?;
        let usage = Usage::default();
        Ok(Self { arguments, backend, store, conversation, usage, edited: None })
    }

    /// Reads lines from the terminal and answers them, until `/quit` or the end of the input.
    pub async fn run(&mut self) -> Result<(), Failure> {
        let Conversation { session, .. } = &self.conversation;
        let messages = match self.store.version(session).await?.messages {
            0 => String::new(),
            count => format!(" ({count} messages)"),
        };
        let (model, place) = (self.backend.name(), self.store.place());
        println!("{model} · session `{session}`{messages}, {place} · /help");
        self.answer(&mut Lines::terminal(self.store.lines.clone())?).await
    }

    /// Answers the lines of a text.
    pub async fn run_script(&mut self, text: &str) -> Result<(), Failure> {
        self.answer(&mut Lines::script(text)).await
    }

    async fn answer(&mut self, lines: &mut Lines) -> Result<(), Failure> {
        loop {
            let draft = self.edited.as_ref().map_or("", |edited| &edited.draft);
            let Some(Entry { text, is_message }) = lines.read(draft)? else { return Ok(()) };
            let edited = self.edited.take();
            if text.is_empty() {
                continue;
            }
            lines.remember(&text);
            let line = match is_message {
                true => Line::Message(text),
                false => read(&text),
            };
            match line {
                Line::Message(message) => match edited {
                    Some(Edited { point, .. }) => self.ask_at(point, &message).await,
                    None => self.ask(&message).await,
                },
                Line::Wrong(reason) => println!("{reason}"),
                Line::Command(Command::Quit) => return Ok(()),
                Line::Command(Command::Clear) => match confirm(lines)? {
                    true => {
                        self.store.clear(&self.conversation.session).await?;
                        println!("(cleared)");
                    }
                    false => println!("(kept)"),
                },
                Line::Command(command) => report(interruptible(self.execute(command)).await),
            }
        }
    }

    async fn ask(&mut self, message: &str) {
        match turn::answer(&self.conversation, message).await {
            Ok(usage) => {
                self.usage.input_tokens += usage.input_tokens;
                self.usage.output_tokens += usage.output_tokens;
            }
            Err(failure) => report(Err(failure)),
        }
    }

    /// Asks in place of the turns after a point. They are left only when the new turn is stored.
    async fn ask_at(&mut self, point: Point, message: &str) {
        let session = self.conversation.session.clone();
        let asked = match self.store.at(point) {
            Ok(view) => self.go_on_with(session.clone(), &view),
            Err(failure) => Err(failure),
        };
        match asked {
            Ok(()) => self.ask(message).await,
            Err(failure) => report(Err(failure)),
        }
        // The view was for one turn.
        report(self.go_on_with(session, &self.store.clone()));
    }

    async fn execute(&mut self, command: Command) -> Result<(), Failure> {
        let session = self.conversation.session.clone();
        match command {
            Command::Help => println!("{HELP}"),
            Command::History => match self.store.messages(&session).await? {
                messages if messages.is_empty() => println!("{NOTHING_SAID}"),
                messages => println!("{}", terminal::shown(&messages.to_string())),
            },
            Command::Sessions => match self.store.sessions(&session).await? {
                list if list.is_empty() => println!("(there are no conversations)"),
                list => print!("{}", terminal::shown(&list)),
            },
            Command::New(name) => {
                let name = match name {
                    Some(name) => name,
                    None => self.store.unused().await?,
                };
                self.switch(name).await?;
            }
            Command::Session(name) => self.switch(name).await?,
            Command::Title(title) => {
                self.store.set_title(&session, &title).await?;
                println!("(title: {title})");
            }
            Command::Undo => match self.store.undo(&session).await? {
                Some(question) => {
                    // The memory has seen the turn.
                    self.go_on_with(session, &self.store.clone())?;
                    println!("(took back: {})", terminal::shown(&question));
                }
                None => println!("{NOTHING_SAID}"),
            },
            Command::Retry => match self.store.last_turn(&session).await? {
                Some(last) => self.ask_at(last.before, &last.question).await,
                None => println!("{NOTHING_SAID}"),
            },
            Command::Edit => match self.store.last_turn(&session).await? {
                Some(last) => {
                    self.edited = Some(Edited { draft: last.question, point: last.before });
                }
                None => println!("{NOTHING_SAID}"),
            },
            Command::System(None) => {
                println!("{}", self.arguments.model.system.as_deref().unwrap_or("(none)"));
            }
            Command::System(text) => {
                self.arguments.model.system = text;
                self.go_on_with(session, &self.store.clone())?;
                println!("(the system message is set)");
            }
            Command::Model(None) => println!("{}", self.backend.name()),
            Command::Model(name) => {
                let model = self.arguments.model.clone();
                let model = ModelArguments { model: name, model_file: None, ..model };
                self.backend = Backend::connect(&model, "chat").await?;
                self.arguments.model = model;
                self.go_on_with(session, &self.store.clone())?;
                println!("(model {})", self.backend.name());
            }
            Command::Models => {
                for name in self.backend.models(&self.arguments.model).await? {
                    println!("{}", terminal::shown(&name));
                }
            }
            Command::Usage => println!(
                "{} tokens read, {} tokens written",
                self.usage.input_tokens, self.usage.output_tokens
            ),
            Command::Export(file) => {
                let messages = self.store.messages(&session).await?;
                let file = export(&messages, &file)?;
                println!("({} messages in {})", messages.len(), file.display());
            }
            // Handled where the line was read.
            Command::Clear | Command::Quit => {}
        }
        Ok(())
    }

    async fn switch(&mut self, session: SessionId) -> Result<(), Failure> {
        let messages = self.store.version(&session).await?.messages;
        self.go_on_with(session, &self.store.clone())?;
        println!("(session `{}`, {messages} messages)", self.conversation.session);
        Ok(())
    }

    /// Makes the chain anew, for a session, a store or settings that have changed.
    fn go_on_with(&mut self, session: SessionId, store: &Store) -> Result<(), Failure> {
        self.conversation = Conversation::new(&self.arguments, &self.backend, store, session)?;
        Ok(())
    }
}

fn report(done: Result<(), Failure>) {
    match done {
        Ok(()) => {}
        Err(Failure::Interrupted) => println!("\n(cancelled)"),
        Err(failure) => eprintln!("{failure}"),
    }
}

/// Asks before what was said is deleted. Scripts are not asked.
fn confirm(lines: &mut Lines) -> Result<bool, Failure> {
    if !lines.is_terminal() {
        return Ok(true);
    }
    let answer = lines.line("Delete what has been said in this conversation? [y/N] ", "")?;
    Ok(answer.is_some_and(|answer| matches!(answer.trim(), "y" | "Y" | "yes")))
}
