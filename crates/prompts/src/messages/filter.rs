//! Picking messages by role, name or id.

use std::collections::HashSet;

use conversant_core::{Message, Messages, Role};

/// The messages that [`filter_messages`] keeps.
///
/// A message is dropped if something excludes it. Otherwise it is kept if something includes it, or
/// if nothing is said about what to include. The rule is LangChain's.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Messages, Role};
/// use conversant_prompts::{MessageFilter, filter_messages};
///
/// let messages = Messages::from_iter([
///     Message::system("Be brief."),
///     Message::human("hi").with_name("example_user"),
///     Message::human("who are you?"),
/// ]);
/// let kept = filter_messages(&messages, &MessageFilter::new().include_roles([Role::Human]).exclude_names(["example_user"]));
/// assert_eq!(kept.to_string(), "Human: who are you?");
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct MessageFilter {
    include: Criteria,
    exclude: Criteria,
}

#[derive(Debug, Clone, Default)]
struct Criteria {
    roles: Vec<Role>,
    names: HashSet<String>,
    ids: HashSet<String>,
}

impl Criteria {
    fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.names.is_empty() && self.ids.is_empty()
    }

    fn matches(&self, message: &Message) -> bool {
        let listed = |list: &HashSet<String>, value: Option<&str>| {
            value.is_some_and(|value| list.contains(value))
        };
        self.roles.contains(message.role())
            || listed(&self.names, message.name())
            || listed(&self.ids, message.id())
    }
}

macro_rules! criteria {
    ($($method:ident, $side:ident, $list:ident, $item:ty, $doc:literal;)*) => {$(
        #[doc = $doc]
        pub fn $method<I: Into<$item>>(mut self, items: impl IntoIterator<Item = I>) -> Self {
            self.$side.$list.extend(items.into_iter().map(Into::into));
            self
        }
    )*};
}

impl MessageFilter {
    /// Creates a filter that keeps all messages.
    pub fn new() -> Self {
        Self::default()
    }

    criteria! {
        include_roles, include, roles, Role, "Keeps messages of these roles.";
        include_names, include, names, String, "Keeps messages of these names.";
        include_ids, include, ids, String, "Keeps messages of these ids.";
        exclude_roles, exclude, roles, Role, "Drops messages of these roles.";
        exclude_names, exclude, names, String, "Drops messages of these names.";
        exclude_ids, exclude, ids, String, "Drops messages of these ids.";
    }

    fn keeps(&self, message: &Message) -> bool {
        let included = self.include.is_empty() || self.include.matches(message);
        included && !self.exclude.matches(message)
    }
}

/// Returns the messages that a filter keeps, by sharing them.
#[must_use]
pub fn filter_messages(messages: &Messages, filter: &MessageFilter) -> Messages {
    messages.iter_shared().filter(|message| filter.keeps(message)).cloned().collect()
}
