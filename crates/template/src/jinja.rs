//! Limits on the memory and the time that a Jinja2 template takes in minijinja.
//!
//! A template may come from a user or from a downloaded file. minijinja charges fuel for the steps
//! of a template and for the text that it makes, but not for all of it before it is made: a list
//! can contain a long text many times, and `~`, `in` and most filters turn a list into text at
//! once. Two lists that contain each other many times take a time without end to compare.
//!
//! [`limit`] gives an environment its fuel, and filters and tests that measure their values first.
//! [`MeasuredSource`] does the same to the operators of a template. Rendered into a
//! [`LimitedOutput`], a template takes at most [`MAX_MEMORY`] more than its values.
//!
//! # Examples
//!
//! ```
//! use conversant_template::jinja::{self, LimitedOutput, MeasuredSource};
//! use minijinja::{Environment, context};
//!
//! let mut environment = Environment::new();
//! jinja::limit(&mut environment);
//! let source = MeasuredSource::new("{{ '' ~ [text] * 100000 }}");
//! environment.add_template("prompt", source.text())?;
//!
//! let mut output = LimitedOutput::default();
//! let template = environment.get_template("prompt")?;
//! let values = context! { text => "x".repeat(100_000) };
//! assert!(template.render_captured_to(values, &mut output).is_err());
//! # Ok::<(), minijinja::Error>(())
//! ```

use minijinja::Environment;

mod filters;
mod json;
pub mod lex;
mod measure;
mod operands;
mod output;
mod source;

pub use self::{
    filters::{exists, shown},
    json::{JsonFormat, json_indent, to_json},
    measure::{MAX_VALUE_DEPTH, measure, measure_text},
    output::LimitedOutput,
    source::MeasuredSource,
};

/// The fuel of one rendering: 2 million. A step of minijinja's machine takes one, and so do 64
/// bytes of text, so that a template makes 128 MB of text at most on the way to its output.
pub const FUEL: u64 = 2_000_000;

/// The most memory that a rendering takes, without its values: 256 MiB.
pub const MAX_MEMORY: usize = 256 * 1024 * 1024;

/// The deepest calls of macros and loops of an environment.
const MAX_RECURSION: usize = 100;

/// Limits the templates of an environment: gives it fuel, and replaces the filters, the tests and
/// the printing.
///
/// The filters read and write values as Jinja2 does where minijinja does not: `int`, `float`,
/// `center`, `indent`, `truncate`, `wordcount`, `escape`; `sort`, `min`, `max`, `dictsort` and
/// `groupby` of texts that are not ASCII; floats that become text; the tests `iterable` and
/// `sequence`. `pprint` is removed.
///
/// Templates must be added as the text of a [`MeasuredSource`].
pub fn limit(environment: &mut Environment<'_>) {
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    filters::install(environment);
}
