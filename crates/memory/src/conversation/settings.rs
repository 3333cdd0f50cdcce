//! The settings and the methods that the memories of a conversation share.

/// Implements the common settings and `Debug` for a memory with the field `conversation` and the
/// method `reset`, which discards its caches.
macro_rules! conversation_settings {
    ($memory:ident: $($form:ident),*) => {
        impl $memory {
            /// Sets the name of the variable that shows the conversation. The default is `history`.
            #[must_use]
            pub fn with_memory_key(
                mut self,
                key: impl Into<std::borrow::Cow<'static, str>>,
            ) -> Self {
                self.conversation.rename(key.into());
                self
            }

            /// Sets the name of the input with the user's text. By default it is the only input
            /// that is not a variable of the memory.
            #[must_use]
            pub fn with_input_key(mut self, key: impl Into<String>) -> Self {
                let keys = std::mem::take(&mut self.conversation.keys);
                self.conversation.keys = keys.with_input_key(key);
                self
            }

            /// Sets the name of the output with the answer. By default it is the only output.
            #[must_use]
            pub fn with_output_key(mut self, key: impl Into<String>) -> Self {
                let keys = std::mem::take(&mut self.conversation.keys);
                self.conversation.keys = keys.with_output_key(key);
                self
            }

            /// Sets the history and the session of the conversation. By default the memory has its
            /// own in-memory history.
            ///
            /// Pass an `Arc` to share a history, or a clone of an
            /// [`InMemoryHistory`](crate::InMemoryHistory).
            ///
            /// # Examples
            ///
            /// ```
            /// use conversant_core::SessionId;
            /// use conversant_memory::{BufferMemory, InMemoryHistory};
            ///
            /// let history = InMemoryHistory::new();
            /// let ada = BufferMemory::new().with_history(history.clone(), SessionId::new("ada")?);
            /// let grace = BufferMemory::new().with_history(history, SessionId::new("grace")?);
            /// assert_ne!(ada.session(), grace.session());
            /// # Ok::<(), conversant_core::SessionIdError>(())
            /// ```
            #[must_use]
            pub fn with_history(
                mut self,
                history: impl conversant_core::ChatHistory + 'static,
                session: conversant_core::SessionId,
            ) -> Self {
                let history = std::sync::Arc::new(history);
                self.conversation.session =
                    crate::conversation::stored_session::StoredSession::new(history, session);
                self.reset();
                self
            }

            /// Sets the treatment of a turn if another process has written to the conversation
            /// first. The default is [`Conflict::Append`](crate::Conflict::Append).
            #[must_use]
            pub const fn with_conflict(mut self, conflict: crate::Conflict) -> Self {
                self.conversation.conflict = conflict;
                self
            }

            /// Leases the session for each call, at most for this time, so that no other process
            /// calls a model for the conversation.
            #[must_use]
            pub fn leased(mut self, time: std::time::Duration) -> crate::LeasedMemory<Self> {
                let history = std::sync::Arc::clone(self.history());
                let session = self.session().clone();
                let lease = std::sync::Arc::default();
                self.conversation.session.set_lease(std::sync::Arc::clone(&lease));
                crate::LeasedMemory::sharing(self, history, session, time, lease)
            }

            /// Returns the history of the conversation.
            #[must_use]
            pub fn history(&self) -> &std::sync::Arc<dyn conversant_core::ChatHistory> {
                &self.conversation.session.history
            }

            /// Returns the session of the conversation.
            #[must_use]
            pub fn session(&self) -> &conversant_core::SessionId {
                &self.conversation.session.id
            }

            /// Loads the whole conversation from the history, including the messages that a prompt
            /// does not contain.
            ///
            /// # Errors
            /// The errors of the history.
            ///
            /// # Examples
            ///
            /// ```
            /// use conversant_core::{Memory, Ticket, Turn};
            /// use conversant_memory::BufferMemory;
            ///
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// let memory = BufferMemory::new();
            /// memory.save(&Turn::exchange("Hi", "Hello!"), Ticket::default()).await?;
            /// assert_eq!(memory.messages().await?.to_string(), "Human: Hi\nAI: Hello!");
            /// # Ok(())
            /// # }
            /// ```
            pub async fn messages(
                &self,
            ) -> Result<conversant_core::Messages, conversant_core::HistoryError> {
                let slice = self.conversation.session.load(conversant_core::Range::All).await?;
                Ok(slice.messages)
            }
        }

        impl std::fmt::Debug for $memory {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($memory))
                    .field("session", &self.conversation.session.id)
                    .field("slots", &self.conversation.slots)
                    .field("keys", &self.conversation.keys)
                    .finish_non_exhaustive()
            }
        }

        $(crate::conversation::settings::$form!($memory);)*
    };
}

/// Implements the settings of a transcript.
macro_rules! prefixes {
    ($memory:ident) => {
        impl $memory {
            /// Sets the prefix of the user's lines. The default is `Human`.
            #[must_use]
            pub fn with_human_prefix(mut self, prefix: impl Into<String>) -> Self {
                let ai = self.conversation.transcript.ai_prefix().to_owned();
                self.conversation.transcript = conversant_core::Transcript::new(prefix, ai);
                self.reset();
                self
            }

            /// Sets the prefix of the model's lines. The default is `AI`.
            #[must_use]
            pub fn with_ai_prefix(mut self, prefix: impl Into<String>) -> Self {
                let human = self.conversation.transcript.human_prefix().to_owned();
                self.conversation.transcript = conversant_core::Transcript::new(human, prefix);
                self.reset();
                self
            }
        }
    };
}

/// Implements the choice between text and messages.
macro_rules! text_or_messages {
    ($memory:ident) => {
        impl $memory {
            /// Sets whether the variable contains messages, for a placeholder in a chat prompt,
            /// instead of text. The default is `false`.
            #[must_use]
            pub fn with_return_messages(mut self, return_messages: bool) -> Self {
                self.conversation.show_messages(return_messages);
                self
            }
        }
    };
}

/// Implements the methods of [`Memory`](conversant_core::Memory) that are the same for each memory
/// with the field `conversation`.
macro_rules! conversation_methods {
    () => {
        fn variables(&self) -> &[conversant_core::Slot] {
            &self.conversation.slots
        }

        fn keys(&self) -> &conversant_core::TurnKeys {
            &self.conversation.keys
        }

        fn gives_text(&self, variable: &str) -> bool {
            variable == self.conversation.name()
        }

        fn stored_in(
            &self,
        ) -> Option<(&dyn conversant_core::ChatHistory, &conversant_core::SessionId)> {
            Some(self.conversation.stored_in())
        }

        fn check(
            &self,
            messages: &conversant_core::Messages,
        ) -> Result<(), conversant_core::MemoryError> {
            self.conversation.check(messages)
        }
    };
}

/// Implements [`Memory::at`](conversant_core::Memory::at) for a memory with the field
/// `conversation` and the method `over`, which returns one with the same settings over another
/// history.
macro_rules! conversation_at {
    () => {
        fn at(&self, point: conversant_core::Point) -> Option<Box<dyn conversant_core::Memory>> {
            let history = self.conversation.session.history.at(point)?;
            Some(Box::new(self.over(history)))
        }
    };
}

pub(crate) use {
    conversation_at, conversation_methods, conversation_settings, prefixes, text_or_messages,
};
