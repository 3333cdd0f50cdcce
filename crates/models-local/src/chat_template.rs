//! Turning messages into the text that a chat model was trained on.

use conversant_template::{
    MAX_OUTPUT_BYTES, MAX_WIDTH,
    jinja::{self, LimitedOutput, MeasuredSource, measure_text, shown},
};
use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, Value, context, syntax::SyntaxConfig,
};
use minijinja_contrib::pycompat::unknown_method_callback;

mod date;
mod hugging_face;

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

/// The chat template of a model, in Jinja. A file may have any, so that it is limited as those of
/// prompts are.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    /// The source without measures.
    written: String,
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
        jinja::limit(&mut environment);
        environment.set_unknown_method_callback(method);
        environment.remove_global("debug");
        hugging_face::install(&mut environment);
        environment.add_function("raise_exception", |what: &Value| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, shown(what)?))
        });
        let written = hugging_face::without_generation_tags(&source.replace("\r\n", "\n"));
        let source = MeasuredSource::new(&written).text().to_owned();
        environment.template_from_str(&source)?;
        let (begin, end) = (begin.to_owned(), end.to_owned());
        Ok(Self { environment, source, written, begin, end })
    }

    /// Renders messages, up to where the model's answer begins.
    pub(crate) fn render(&self, messages: &[TemplateMessage]) -> Result<String, Error> {
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| context! { role => &message.role, content => &message.content })
            .collect();
        let values = context! {
            messages,
            add_generation_prompt => true,
            bos_token => &self.begin,
            eos_token => &self.end,
        };
        let mut output = LimitedOutput::default();
        let template = self.environment.template_from_str(&self.source)?;
        template.render_captured_to(values, &mut output)?;
        Ok(output.into_text())
    }

    /// Returns the reason of an error of [`render`](Self::render), with the line of the template.
    /// The words of an error are part of it if they are the template's: they may be those of a
    /// message.
    pub(crate) fn reason(&self, error: &Error) -> String {
        let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
        let is_name = matches!(
            error.kind(),
            ErrorKind::UnknownFilter | ErrorKind::UnknownFunction | ErrorKind::UnknownTest
        );
        match error.detail().map(str::trim).filter(|detail| !detail.is_empty()) {
            Some(detail) if is_name || self.written.contains(detail) => format!("{line}{detail}"),
            _ => format!("{line}{}", error.kind()),
        }
    }
}

/// Calls a method of Python on a value, within the limits of a template.
fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let mut bytes = 0;
    for value in arguments.iter().chain([value]) {
        measure_text(state, value)?;
        bytes += match value.as_str() {
            Some(text) => text.len(),
            None => shown(value)?.len(),
        };
    }
    state.consume_fuel(bytes as u64 / 64)?;
    let is_limited = match (name, value.as_str()) {
        ("format", Some(text)) => format_is_limited(text, bytes),
        ("join", Some(joiner)) => {
            let count = arguments.first().and_then(|list| list.try_iter().ok());
            let count = count.map_or(0, Iterator::count);
            count.saturating_mul(joiner.len()) <= MAX_OUTPUT_BYTES
        }
        _ => true,
    };
    if !is_limited {
        return Err(Error::from(ErrorKind::OutOfFuel));
    }
    unknown_method_callback(state, value, name, arguments)
}

/// Returns whether the output of `str.format` is limited: it has no field in a field and no large
/// width, and shows the arguments not too often.
fn format_is_limited(text: &str, bytes: usize) -> bool {
    let numbers = text.split(|character: char| !character.is_ascii_digit());
    let widths = numbers.filter(|number| !number.is_empty());
    let fields = text.split('{').skip(1);
    let has_inner = text.split('{').skip(1).any(|field| !field.is_empty() && !field.contains('}'));
    !has_inner
        && widths.map(str::parse).all(|width: Result<usize, _>| width.is_ok_and(|w| w <= MAX_WIDTH))
        && fields.count().saturating_mul(bytes) <= MAX_OUTPUT_BYTES
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
            (
                "{% macro turn(m, mark='#') %}\n<{{ m.role }}>{{ mark }}{{ m.content | trim }}\n{% endmacro %}\n{% for m in messages %}\n{{ turn(m) }}\n{% endfor %}",
                "<system>#Be brief.\n\n<user>#Hi {{ x }}\n\n",
            ),
            (
                "{% macro wrap(tag) -%}\n<{{ tag }}>{{ caller() }}</{{ tag }}>\n{%- endmacro %}{% call wrap('b') %}{{ messages[0].content }}{% endcall %}",
                "<b>Be brief.</b>",
            ),
            (
                "{% for m in messages %}{% if loop.previtem is defined and loop.previtem.role == 'system' %}<after>{% endif %}{{ m.role }}{% if loop.nextitem is not defined %}<end>{% endif %}{% endfor %}",
                "system<after>user<end>",
            ),
            (
                "{% for m in messages %}{%- generation -%}\n {% set x = m.role %}{{ x }}\n{% endgeneration %}{{ x }}.{% endfor %}{{ '{% generation %}' }}{% raw %}{% generation %}{% endraw %}",
                "system\n.user\n.{% generation %}{% generation %}",
            ),
            (
                "{{ messages | tojson }} {{ {'b': [1, 2.0, true, none], 'a': \"<\u{e9}'\n>\"} | tojson }}",
                "[{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \"content\": \" Hi {{ x }} \"}] {\"b\": [1, 2.0, true, null], \"a\": \"<\u{e9}'\\n>\"}",
            ),
            (
                "{{ {'b': [1, {}], 'a': '\u{e9}'} | tojson(indent=2, sort_keys=true, ensure_ascii=true) }}{{ [1, {'a': 2}] | tojson(separators=(',', ':')) }}",
                "{\n  \"a\": \"\\u00e9\",\n  \"b\": [\n    1,\n    {}\n  ]\n}[1,{\"a\":2}]",
            ),
            (
                "{% if strftime_now is defined %}{{ strftime_now('%%') }}{{ strftime_now('%Y-%m-%d') | length }}{% endif %}",
                "%10",
            ),
            (
                "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ m.role }}{% break %}{{ m.role }}{% endfor %}",
                "user",
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
        for endless in [
            "{{ '' ~ ['x' * 10000] * 100000 }}",
            "{{ ('x' * 1000000).replace('x', 'x' * 1000000) }}",
            "{{ ('x' * 1000000).join('x' * 1000000) }}",
            "{{ 'x'.join(['x' * 10000] * 100000) }}",
            "{{ '{:999999999}'.format(1) }}{{ '{:>{}}'.format(1, 999999999) }}",
            "{{ ('{0}' * 100000).format('x' * 100000) }}",
            "{{ 'x'.startswith(['x' * 10000] * 100000) }}",
            "{% macro m(a) %}{{ m([a, a]) }}{% endmacro %}{{ m(1) }}",
            "{% macro m(a=[1] * 100000000, *b) %}{{ a }}{% endmacro %}{{ m() }}",
            "{% set n = namespace(x=[]) %}{% for i in range(100000) %}{% set n.x = [n.x] %}{% endfor %}",
            "{% set n = namespace(x=1) %}{% for i in range(100000) %}{% set n.x = namespace(x=n.x) %}{% endfor %}",
            "{% set n = namespace(x=[1]) %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}",
            "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
            "{% set n = namespace(x=1) %}{% for i in range(40) %}{% set n.x = (n.x, n.x) %}{% endfor %}",
            "{% for i in range(9999) %}{% if loop.changed([1] * 100000000) %}{% endif %}{% endfor %}",
            "{{ raise_exception(['x' * 10000] * 100000) }}{{ debug() }}",
            "{{ [['x' * 1000000] * 1000] | tojson }}",
            "{% for i in range(1000) %}{{ ('x' * 1000000) | tojson | length }}{% endfor %}",
            "{{ [[[1] * 1000] * 1000] | tojson(indent=' ' * 1000000) }}",
            "{{ [1] | tojson(colour=1) }}{{ nothing | tojson }}",
            "{{ nothing | tojson }}",
        ] {
            assert!(rendered(endless).is_err(), "{endless}");
        }
        assert!(rendered("{{ raise_exception('no') }}").is_err());
    }
}
