//! Templates that are literals in the code.

use conversant_template::{Location, Piece, Template};
use syn::LitStr;

/// A literal template that parses.
pub(crate) struct Literal {
    pub(crate) source: LitStr,
    template: Template,
}

impl Literal {
    /// Parses a literal; the error shows the template with a caret.
    pub(crate) fn parse(source: LitStr) -> syn::Result<Self> {
        match Template::parse(source.value()) {
            Ok(template) => Ok(Self { source, template }),
            Err(error) => Err(syn::Error::new(source.span(), format!("{error:#}"))),
        }
    }

    pub(crate) fn variables(&self) -> &[String] {
        self.template.variables()
    }

    /// Returns a message about a variable, with a caret under its first use.
    pub(crate) fn about(&self, variable: &str, what: &str) -> String {
        let first = self.template.pieces().find_map(|piece| match piece {
            Piece::Field(field) if field.name() == variable => Some(field.location()),
            _ => None,
        });
        let location = first.unwrap_or_else(|| Location::of(&self.source.value(), 0));
        format!("{what}, at {location}\n{}", location.excerpt())
    }

    pub(crate) fn error(&self, variable: &str, what: &str) -> syn::Error {
        syn::Error::new(self.source.span(), self.about(variable, what))
    }
}
