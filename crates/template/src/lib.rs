//! The f-string template grammar of conversant: parsed once, rendered in one pass.
//!
//! A [`Template`] is text with named fields, `Hello {name}!`, in the grammar of Python's
//! `str.format` as LangChain 0.1 restricts it: plain names only, no attribute or index access, no
//! fields inside fields, `!s` the only conversion. What is accepted renders to the same bytes as in
//! Python 3.11, format specs included (`{price:>10,.2f}`). Values are data: a value that looks like
//! template syntax is never read as such.
//!
//! Most programs use `conversant-prompts`, which re-exports what is needed from here. Depend on
//! this crate alone to parse, check or render templates without anything else: it knows neither
//! messages nor models and has one small dependency. The feature `jinja` adds limits on what a
//! template of minijinja takes.
//!
//! ```
//! use conversant_template::{Argument, Template};
//!
//! let template = Template::parse("{greeting}, {name:*^9}! {{literal}}")?;
//! assert_eq!(template.variables(), ["greeting", "name"]);
//!
//! let text = template.render(|name| match name {
//!     "greeting" => Some(Argument::from("Hello")),
//!     "name" => Some(Argument::from("{you}")),
//!     _ => None,
//! })?;
//! assert_eq!(text, "Hello, **{you}**! {literal}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod argument;
mod char_escape;
mod error;
mod escape;
mod format;
#[cfg(feature = "jinja")]
pub mod jinja;
mod location;
mod parse;
mod render_error;
mod spec;
mod template;

pub use crate::{
    argument::Argument,
    error::{SyntaxError, SyntaxErrorKind},
    escape::escape,
    location::{Excerpt, Location},
    render_error::{MAX_OUTPUT_BYTES, RenderError},
    spec::{MAX_WIDTH, SpecError},
    template::{Field, Piece, Template},
};
