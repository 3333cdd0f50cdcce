//! Turning messages into the text that a chat model was trained on.

use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior, Value, context, syntax::SyntaxConfig,
};

/// A message as templates see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateMessage {
    pub(crate) role: String,
    pub(crate) content: String,
}

impl TemplateMessage {
    pub(crate) fn texts(&self) -> [&str; 2] {
        [&self.role, &self.content]
    }

    pub(crate) const fn texts_mut(&mut self) -> [&mut String; 2] {
        [&mut self.role, &mut self.content]
    }
}

/// The template of models whose file has none, but whose tokens are those of ChatML.
pub(crate) const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}";

/// The most steps that a template may take, so that a faulty one ends. minijinja counts a step for
/// each 64 bytes of text that it joins, so this bounds the memory too: 128 MB.
const FUEL: u64 = 2_000_000;

/// The chat template of a model, in Jinja.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    begin: String,
    end: String,
}

impl ChatTemplate {
    /// Creates it from its source and the names of the tokens that texts begin and end with.
    pub(crate) fn new(source: &str, (begin, end): (&str, &str)) -> Result<Self, Error> {
        let mut environment = Environment::new();
        // The settings of Hugging Face's `apply_chat_template`, for which templates are written.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
        environment.set_syntax(syntax);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |what: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, what))
        });
        environment.template_from_str(source)?;
        let (begin, end) = (begin.to_owned(), end.to_owned());
        Ok(Self { environment, source: source.to_owned(), begin, end })
    }

    /// Renders messages, up to where the model's answer begins.
    pub(crate) fn render(&self, messages: &[TemplateMessage]) -> Result<String, Error> {
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| context! { role => &message.role, content => &message.content })
            .collect();
        self.environment.template_from_str(&self.source)?.render(context! {
            messages,
            add_generation_prompt => true,
            bos_token => &self.begin,
            eos_token => &self.end,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(template: &str) -> Result<String, Error> {
        let message = |role: &str, content: &str| TemplateMessage {
            role: role.to_owned(),
            content: content.to_owned(),
        };
        let messages = [message("system", "Be brief."), message("user", " Hi {{ x }} ")];
        ChatTemplate::new(template, ("<s>", "</s>"))?.render(&messages)
    }

    #[test]
    fn templates_render_as_with_hugging_face() {
        for (template, expected) in [
            (
                CHATML,
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi {{ x }} <|im_end|>\n<|im_start|>assistant\n",
            ),
            (
                "{{ bos_token }}{% for message in messages %}\n    {%- if message['role'] == 'user' %}\n[{{ message['content'].strip() }}]\n    {% endif %}\n{% endfor %}",
                "<s>[Hi {{ x }}]\n",
            ),
            (
                "{% if tools %}t{% endif %}{{ messages[0]['content'].upper() }}{{ eos_token }}",
                "BE BRIEF.</s>",
            ),
        ] {
            assert_eq!(rendered(template).unwrap(), expected);
        }
    }

    #[test]
    fn a_template_that_does_not_end_is_an_error() {
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        assert_eq!(rendered(endless).unwrap_err().kind(), ErrorKind::OutOfFuel);
        assert!(rendered("{% if %}").is_err());
        assert!(rendered("{{ raise_exception('no') }}").is_err());
    }
}
