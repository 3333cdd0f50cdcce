//! The prompt: messages are answered, and commands are executed.

use conversant_core::{Messages, Role, SessionId, Usage};

use crate::{
    arguments::Arguments,
    backend::Backend,
    command::{Command, HELP, Line, read},
    conversation::Conversation,
    failure::Failure,
    lines::Lines,
    store::{Store, data_file},
    turn,
};

/// A chat at a prompt.
pub struct Repl {
    arguments: Arguments,
    backend: Backend,
    store: Store,
    conversation: Conversation,
    usage: Usage,
    /// The line that the next prompt begins with.
    draft: String,
}

impl Repl {
    pub fn new(arguments: Arguments, backend: Backend, store: Store) -> Result<Self, Failure> {
        let session = arguments.session().map_err(Failure::Usage)?;
        let conversation = Conversation::new(&arguments, &backend, &store, session)?;
        let (usage, draft) = (Usage::default(), String::new());
        Ok(Self { arguments, backend, store, conversation, usage, draft })
    }

    /// Reads lines from the terminal and answers them, until `/quit` or the end of the input.
    pub async fn run(&mut self) -> Result<(), Failure> {
        // Lines are remembered where conversations are kept.
        let file = self.store.file.as_ref().map(|_| data_file("lines.txt")).transpose()?;
        println!(
            "{} · session `{}`, {} · /help",
            self.backend.name(),
            self.conversation.session,
            self.store.place()
        );
        self.answer(&mut Lines::terminal(file)?).await
    }

    /// Answers the lines of a text.
    pub async fn run_script(&mut self, text: &str) -> Result<(), Failure> {
        self.answer(&mut Lines::script(text)).await
    }

    async fn answer(&mut self, lines: &mut Lines) -> Result<(), Failure> {
        while let Some(line) = lines.read(&std::mem::take(&mut self.draft))? {
            if line.is_empty() {
                continue;
            }
            lines.remember(&line);
            match read(&line) {
                Line::Message(message) => self.ask(&message).await,
                Line::Wrong(reason) => println!("{reason}"),
                Line::Command(Command::Quit) => return Ok(()),
                Line::Command(Command::Clear) => match confirm(lines)? {
                    true => self.store.clear(&self.conversation.session).await?,
                    false => println!("(kept)"),
                },
                Line::Command(command) => {
                    if let Err(failure) = self.execute(command).await {
                        eprintln!("{failure}");
                    }
                }
            }
        }
        Ok(())
    }

    async fn ask(&mut self, message: &str) {
        match turn::answer(&self.conversation, message).await {
            Ok(usage) => {
                self.usage.input_tokens += usage.input_tokens;
                self.usage.output_tokens += usage.output_tokens;
            }
            Err(Failure::Interrupted) => println!("\n(cancelled)"),
            Err(failure) => eprintln!("{failure}"),
        }
    }

    async fn execute(&mut self, command: Command) -> Result<(), Failure> {
        let session = self.conversation.session.clone();
        match command {
            Command::Help => println!("{HELP}"),
            Command::History => println!("{}", self.store.messages(&session).await?),
            Command::Sessions => print!("{}", self.store.sessions(&session).await?),
            Command::New(name) => {
                let name = match name {
                    Some(name) => name,
                    None => self.store.unused().await?,
                };
                self.go_on_with(name)?;
                println!("(session `{}`)", self.conversation.session);
            }
            Command::Session(name) => {
                self.go_on_with(name)?;
                let messages = self.store.messages(&self.conversation.session).await?.len();
                println!("(session `{}`, {messages} messages)", self.conversation.session);
            }
            Command::Title(title) => self.store.set_title(&session, &title).await?,
            Command::Undo => match self.undo().await? {
                Some(question) => println!("(took back: {question})"),
                None => println!("(nothing has been said)"),
            },
            Command::Retry => match self.undo().await? {
                Some(question) => self.ask(&question).await,
                None => println!("(nothing has been said)"),
            },
            Command::Edit => match self.undo().await? {
                Some(question) => self.draft = question.replace('\n', " "),
                None => println!("(nothing has been said)"),
            },
            Command::System(None) => {
                println!("{}", self.arguments.system.as_deref().unwrap_or("(none)"));
            }
            Command::System(text) => {
                self.arguments.system = text;
                self.go_on_with(session)?;
            }
            Command::Model(None) => println!("{}", self.backend.name()),
            Command::Model(name) => {
                let arguments =
                    Arguments { model: name, model_file: None, ..self.arguments.clone() };
                let backend = Backend::connect(&arguments).await?;
                (self.arguments, self.backend) = (arguments, backend);
                self.go_on_with(session)?;
            }
            Command::Usage => println!(
                "{} tokens read, {} tokens written",
                self.usage.input_tokens, self.usage.output_tokens
            ),
            Command::Export(file) => {
                let messages = self.store.messages(&session).await?;
                let text = match file.extension().is_some_and(|extension| extension == "json") {
                    true => serde_json::to_string_pretty(&messages).map_err(Failure::other)?,
                    false => markdown(&messages),
                };
                std::fs::write(&file, text).map_err(|error| {
                    Failure::Other(format!("cannot write `{}`: {error}", file.display()))
                })?;
                println!("({} messages in {})", messages.len(), file.display());
            }
            // Handled where the line was read.
            Command::Clear | Command::Quit => {}
        }
        Ok(())
    }

    /// Takes back the last turn. The chain is made anew, since its memory has seen the turn.
    async fn undo(&mut self) -> Result<Option<String>, Failure> {
        let session = self.conversation.session.clone();
        let question = self.store.undo(&session).await?;
        self.go_on_with(session)?;
        Ok(question)
    }

    fn go_on_with(&mut self, session: SessionId) -> Result<(), Failure> {
        let conversation = Conversation::new(&self.arguments, &self.backend, &self.store, session)?;
        self.conversation = conversation;
        Ok(())
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

fn markdown(messages: &Messages) -> String {
    let mut text = String::new();
    for message in messages {
        let label = match message.role() {
            Role::Human => "Human",
            Role::Ai => "AI",
            other => other.label(),
        };
        text.push_str(&format!("## {label}\n\n{}\n\n", message.text().trim()));
    }
    text
}
