//! Jinja2 templates, on minijinja: plain data, filters, conditions and loops, nothing that reaches
//! code.
//!
//! Refused when the template is made: calls of functions and methods, macros, other templates,
//! unknown filters and tests. An undefined variable is an error where Jinja2 would write nothing,
//! unless the template itself provides for it ([`crate::TemplateFormat::Jinja2`] has the rule).
//!
//! Where it differs from Jinja2 is listed in the guide of `conversant`, in `guide::differences`.

use std::{
    borrow::Cow,
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use conversant_core::{MissingVariable, PromptError};
use conversant_template::jinja::{self, LimitedOutput, MeasuredSource, lex};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};

pub(crate) mod fault;
mod names;
mod provided;
mod to_json;
mod values;

use self::fault::JinjaFault;
use crate::{
    error::{TemplateError, TemplateFault},
    partials::Values,
    work_limit::WorkLimit,
};

/// The name of the one template of an environment. No template can refer to it.
const NAME: &str = "prompt";

/// A parsed Jinja2 template.
#[derive(Clone)]
pub(crate) struct Jinja {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    /// The text that minijinja has, whose errors are at other places.
    measured: MeasuredSource,
    environment: Environment<'static>,
    names: Vec<(String, bool)>,
}

/// A value that a template cannot use. The error does not show the value.
#[derive(Debug)]
struct RenderFault(String);

impl fmt::Display for RenderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RenderFault {}

impl Jinja {
    pub(crate) fn parse(source: String) -> Result<Self, TemplateError> {
        let text = with_plain_newlines(&source);
        let fault = |fault, offset| TemplateError::at(TemplateFault::Jinja(fault), &text, offset);
        let mut environment = environment();
        if let Some(offset) = lex::tag_beyond_columns(&text) {
            return Err(fault(JinjaFault::LineTooLong, offset));
        }
        let found = names::find(&text).map_err(|(reason, offset)| fault(reason, offset))?;
        let measured = MeasuredSource::new(&text);
        let owned = measured.text().to_owned();
        let added = guarded(|| environment.add_template_owned(NAME, owned));
        added.unwrap_or_else(|| Err(ErrorKind::SyntaxError.into())).map_err(|error| {
            let offset = error.range().map_or(0, |range| measured.source_range(&range).start);
            let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            fault(JinjaFault::Syntax(detail), offset)
        })?;
        for (filter, offset) in &found.filters {
            if !jinja::exists(&environment, "filter", filter) {
                return Err(fault(JinjaFault::UnknownFilter(filter.clone()), *offset));
            }
        }
        for (test, offset) in &found.tests {
            if !jinja::exists(&environment, "test", test) {
                return Err(fault(JinjaFault::UnknownTest(test.clone()), *offset));
            }
        }
        let names = found.names;
        drop(text);
        Ok(Self { inner: Arc::new(Inner { source, measured, environment, names }) })
    }

    pub(crate) fn source(&self) -> &str {
        &self.inner.source
    }

    pub(crate) fn names(&self) -> &[(String, bool)] {
        &self.inner.names
    }

    pub(crate) fn render(&self, values: &Values<'_>) -> Result<String, PromptError> {
        let names = self.names().iter();
        let context = minijinja::Value::from_pairs(
            names.filter_map(|(name, _)| Some((name.as_str(), values::convert(values.get(name)?)))),
        );
        let template = self.inner.environment.get_template(NAME);
        let mut output = LimitedOutput::default();
        let render = guarded(|| {
            template
                .and_then(|template| template.render_captured_to(context, &mut output).map(drop))
        });
        let render = render.unwrap_or_else(|| Err(ErrorKind::InvalidOperation.into()));
        if output.is_full() {
            return Err(WorkLimit::Output.into());
        }
        render.map_err(|error| {
            let text = with_plain_newlines(self.source());
            let range = error.range().map(|range| self.inner.measured.expression_range(&range));
            let expression = range.and_then(|range| text.get(range));
            match error.kind() {
                ErrorKind::UndefinedError => {
                    let name = expression.unwrap_or("?");
                    let missing = vec![MissingVariable::new(name, values.names())];
                    PromptError::MissingVariables { missing }
                }
                ErrorKind::OutOfFuel => WorkLimit::Steps.into(),
                kind => {
                    let fault = RenderFault(kind.to_string());
                    match expression {
                        Some(name) => {
                            PromptError::Value { name: name.to_owned(), source: Box::new(fault) }
                        }
                        None => PromptError::Custom(Box::new(fault)),
                    }
                }
            }
        })?;
        Ok(output.into_text())
    }
}

/// Runs a part of minijinja. Returns `None` if it panics, as its arithmetic does on extreme numbers
/// in builds that check for overflow.
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(run)).ok()
}

impl PartialEq for Jinja {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl fmt::Debug for Jinja {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Jinja").field(&self.source()).finish()
    }
}

/// Writes every line break of a template as `\n`, as Jinja2 does before it reads one.
fn with_plain_newlines(source: &str) -> Cow<'_, str> {
    if source.contains('\r') {
        Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(source)
    }
}

/// Makes an environment that has filters and tests, and nothing that can be called or loaded.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    for function in ["range", "dict", "debug", "namespace"] {
        environment.remove_global(function);
    }
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    // For the place of an error; what it would show of the values is never read.
    environment.set_debug(true);
    jinja::limit(&mut environment);
    environment.add_filter("tojson", to_json::to_json);
    environment
}
