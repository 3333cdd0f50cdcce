//! The filters, tests and printing in which minijinja differs from Jinja2, or makes text without a
//! limit.

mod argument;
mod cased;
mod characters;
mod compared;
mod kinds;
mod measured;
mod named;
mod number;
mod printing;
mod words;

use minijinja::{Environment, context};

pub use self::printing::shown;

/// Replaces the filters, the tests and the printing.
pub(super) fn install(environment: &mut Environment<'_>) {
    measured::add(environment);
    named::add(environment);
    cased::add(environment);
    compared::add(environment);
    kinds::add(environment);
    environment.add_filter("e", printing::escape);
    environment.add_filter("escape", printing::escape);
    environment.add_filter("int", number::int);
    environment.add_filter("float", number::float);
    environment.add_filter("center", words::center);
    environment.add_filter("indent", words::indent);
    environment.add_filter("truncate", words::truncate);
    environment.add_filter("wordcount", words::wordcount);
    // It writes another form than Python's; better not to have it.
    environment.remove_filter("pprint");
    environment.set_formatter(printing::print);
}

/// Returns whether an environment has a filter or test, by its name. `kind` is `filter` or `test`.
pub fn exists(environment: &Environment<'_>, kind: &str, name: &str) -> bool {
    let expression = format!("name is {kind}");
    let known = environment
        .compile_expression_owned(expression)
        .and_then(|expression| expression.eval(context! { name }));
    known.is_ok_and(|known| known.is_true()) && !measured::is_own(name)
}
