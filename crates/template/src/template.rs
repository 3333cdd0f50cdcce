//! The template: parsed source, ready to be rendered any number of times.

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use crate::{
    argument::Argument,
    error::SyntaxError,
    format::write,
    location::Location,
    parse::{Format, Parsed, Part, is_too_long, parse},
    render_error::{MAX_OUTPUT_BYTES, RenderError},
};

/// Up to this number of variables, rendering keeps their values on the stack.
const ON_STACK: usize = 8;

/// A parsed f-string template.
///
/// LangChain 0.1.20 `langchain_core/utils/formatting.py::StrictFormatter`, without attribute and
/// index access.
///
/// It can only be made by [`parse`](Self::parse), so a value of this type is a template that is
/// fit to be rendered. Cloning is cheap: the parts are shared. `Display` is the source, and two
/// templates are equal if their sources are.
#[derive(Clone)]
pub struct Template {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    parsed: Parsed,
    /// The places of the names, as far as a template was appended.
    places: HashMap<String, usize>,
}

/// One part of a template, as [`Template::pieces`] lists them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Piece<'t> {
    /// Literal text, its doubled braces made single.
    Literal(&'t str),
    /// A field, which is replaced by a value.
    Field(Field<'t>),
}

/// One field of a template.
#[derive(Clone, Copy)]
pub struct Field<'t> {
    template: &'t Template,
    part: Part,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// A [`SyntaxError`] that names the first fault and where it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_template::Template;
    ///
    /// assert!(Template::parse("{name}, {{literal}}").is_ok());
    /// assert!(Template::parse("{name.secret}").is_err());
    /// ```
    pub fn parse(source: impl Into<String>) -> Result<Self, SyntaxError> {
        let source = source.into();
        let parsed = parse(&source)?;
        Ok(Self { inner: Arc::new(Inner { source, parsed, places: HashMap::new() }) })
    }

    /// Joins another template to the end of this one: the result is that of parsing their sources,
    /// joined. It takes a time that grows with the other template, unless this one is shared.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`], if the template gets too long.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_template::Template;
    ///
    /// let mut template = Template::parse("{a} and ")?;
    /// template.append(&Template::parse("{b}, {a}")?)?;
    /// assert_eq!(template, Template::parse("{a} and {b}, {a}")?);
    /// assert_eq!(template.variables(), ["a", "b"]);
    /// # Ok::<(), conversant_template::SyntaxError>(())
    /// ```
    pub fn append(&mut self, other: &Self) -> Result<(), SyntaxError> {
        let start = self.source().len();
        match Arc::get_mut(&mut self.inner) {
            // A template ends outside of fields and doubled braces, so both keep their parts.
            Some(Inner { source, parsed, places })
                if !is_too_long(start.saturating_add(other.source().len())) =>
            {
                source.push_str(other.source());
                parsed.append(&other.inner.parsed, start, places);
            }
            _ => *self = Self::parse(format!("{self}{other}"))?,
        }
        Ok(())
    }

    /// Returns the text that was parsed.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// Returns the names of the variables, each once, in order of first appearance.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_template::Template;
    ///
    /// let template = Template::parse("{b} {a} {b}")?;
    /// assert_eq!(template.variables(), ["b", "a"]);
    /// # Ok::<(), conversant_template::SyntaxError>(())
    /// ```
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.inner.parsed.names
    }

    /// Returns the literal text and the fields, in order. Two literals are never adjacent.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_template::{Piece, Template};
    ///
    /// let template = Template::parse("{{{name!s:>9}")?;
    /// let mut pieces = template.pieces();
    /// assert_eq!(pieces.next(), Some(Piece::Literal("{")));
    /// let Some(Piece::Field(field)) = pieces.next() else { panic!("no field") };
    /// assert_eq!((field.name(), field.spec(), field.is_plain()), ("name", ">9", false));
    /// # Ok::<(), conversant_template::SyntaxError>(())
    /// ```
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let Parsed { literals, parts, .. } = &self.inner.parsed;
        let mut start = 0;
        let before = parts.iter().flat_map(move |part| {
            let literal = literals.get(start..part.literal_end as usize).unwrap_or_default();
            start = part.literal_end as usize;
            [Piece::Literal(literal), Piece::Field(Field { template: self, part: *part })]
        });
        let end = parts.last().map_or(0, |part| part.literal_end as usize);
        let tail = Piece::Literal(literals.get(end..).unwrap_or_default());
        before.chain([tail]).filter(|piece| *piece != Piece::Literal(""))
    }

    /// Renders the template in one pass. `lookup` is asked once for each variable, in the order of
    /// [`variables`](Self::variables).
    ///
    /// # Errors
    ///
    /// - [`RenderError::MissingVariable`] for the first variable that `lookup` has no value for.
    /// - [`RenderError::Value`] for a value that its field's format spec does not fit.
    /// - [`RenderError::TooLong`] if the text is longer than [`MAX_OUTPUT_BYTES`] and than the
    ///   template and its values together.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_template::{Argument, Template};
    ///
    /// let template = Template::parse("{a}{b}")?;
    /// let text = template.render(|name| Some(Argument::from(if name == "a" { "{b}" } else { "{a}" })))?;
    /// assert_eq!(text, "{b}{a}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn render<'v>(
        &self,
        lookup: impl FnMut(&str) -> Option<Argument<'v>>,
    ) -> Result<String, RenderError> {
        let mut text = String::new();
        self.render_into(&mut text, lookup)?;
        Ok(text)
    }

    /// Renders the template onto the end of `out`, in one pass and with at most one allocation for
    /// plain fields. After an error, `out` is as long as before.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn render_into<'v>(
        &self,
        out: &mut String,
        mut lookup: impl FnMut(&str) -> Option<Argument<'v>>,
    ) -> Result<(), RenderError> {
        let names = &self.inner.parsed.names;
        let mut find = |name: &String| lookup(name).ok_or_else(|| self.missing(name));
        if let [name] = names.as_slice() {
            self.write(out, &[find(name)?])
        } else if names.len() <= ON_STACK {
            let mut values: [Argument<'v>; ON_STACK] =
                [const { Argument::Boolean(false) }; ON_STACK];
            for (value, name) in values.iter_mut().zip(names) {
                *value = find(name)?;
            }
            self.write(out, values.get(..names.len()).unwrap_or_default())
        } else {
            let values: Vec<_> = names.iter().map(find).collect::<Result<_, _>>()?;
            self.write(out, &values)
        }
    }

    /// Returns the place of a byte offset in the source, for messages about this template.
    #[must_use]
    pub fn location(&self, offset: usize) -> Location {
        Location::of(&self.inner.source, offset)
    }

    fn write(&self, out: &mut String, values: &[Argument<'_>]) -> Result<(), RenderError> {
        let before = out.len();
        let parsed = &self.inner.parsed;
        let given = values.iter().map(|value| match value {
            Argument::Text(text) => text.len(),
            _ => 0,
        });
        let longest =
            given.sum::<usize>().saturating_add(parsed.literals.len()).max(MAX_OUTPUT_BYTES);
        let length = parsed.literals.len().saturating_add(self.text_length(values)).min(longest);
        if out.capacity() == 0 {
            *out = String::with_capacity(length);
        } else {
            out.reserve(length);
        }
        let mut start = 0;
        for part in &parsed.parts {
            let end = part.literal_end as usize;
            out.push_str(parsed.literals.get(start..end).unwrap_or_default());
            start = end;
            let Some(value) = values.get(part.name()) else { continue };
            let format = parsed.format(*part);
            let to_text = format.is_some_and(|format| format.to_text);
            let spec = format.and_then(|format| format.spec.as_ref());
            let written = write(out, value, to_text, spec);
            if written.is_ok() && out.len() - before <= longest {
                continue;
            }
            out.truncate(before);
            let field = Field { template: self, part: *part };
            let (name, location) = (field.name().to_owned(), Box::new(field.location()));
            return Err(match written {
                Ok(()) => RenderError::TooLong { name, location },
                Err(reason) => {
                    RenderError::Value { name, spec: field.spec().to_owned(), reason, location }
                }
            });
        }
        out.push_str(parsed.literals.get(start..).unwrap_or_default());
        match parsed.parts.last() {
            Some(part) if out.len() - before > longest => {
                out.truncate(before);
                let field = Field { template: self, part: *part };
                let location = Box::new(field.location());
                Err(RenderError::TooLong { name: field.name().to_owned(), location })
            }
            _ => Ok(()),
        }
    }

    /// Returns the total length, in bytes, of the plain text values.
    fn text_length(&self, values: &[Argument<'_>]) -> usize {
        let parsed = &self.inner.parsed;
        let length = |part: &Part| match values.get(part.name()) {
            Some(Argument::Text(text)) if parsed.format(*part).is_none() => text.len(),
            _ => 0,
        };
        parsed.parts.iter().map(length).fold(0, usize::saturating_add)
    }

    fn missing(&self, name: &str) -> RenderError {
        let first = self.pieces().find_map(|piece| match piece {
            Piece::Field(field) if field.name() == name => Some(field.location()),
            _ => None,
        });
        let location = Box::new(first.unwrap_or_else(|| self.location(0)));
        RenderError::MissingVariable { name: name.to_owned(), location }
    }
}

impl FromStr for Template {
    type Err = SyntaxError;

    fn from_str(source: &str) -> Result<Self, SyntaxError> {
        Self::parse(source)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.source()).finish()
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) || self.source() == other.source()
    }
}

impl Eq for Template {}

impl std::hash::Hash for Template {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.source().hash(state);
    }
}

impl<'t> Field<'t> {
    /// Returns the name of the variable.
    #[must_use]
    pub fn name(&self) -> &'t str {
        self.template.inner.parsed.name(self.part)
    }

    /// Returns the format spec without its colon; empty if there is none.
    #[must_use]
    pub fn spec(&self) -> &'t str {
        let range = self.format().map(|format| format.source.clone());
        range.and_then(|range| self.template.inner.source.get(range)).unwrap_or_default()
    }

    /// Returns whether the field is only `{name}`, without conversion and format spec.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.format().is_none()
    }

    /// Checks that a value fits the field's format spec.
    ///
    /// # Errors
    ///
    /// [`RenderError::Value`], as [`Template::render`] returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_template::{Argument, Piece, Template};
    ///
    /// let template = Template::parse("{count:d}")?;
    /// let Some(Piece::Field(field)) = template.pieces().next() else { panic!("no field") };
    /// assert!(field.check(&Argument::from(7)).is_ok());
    /// assert!(field.check(&Argument::from("seven")).is_err());
    /// # Ok::<(), conversant_template::SyntaxError>(())
    /// ```
    pub fn check(&self, value: &Argument<'_>) -> Result<(), RenderError> {
        let Some(format) = self.format() else { return Ok(()) };
        write(&mut String::new(), value, format.to_text, format.spec.as_ref()).map_err(|reason| {
            RenderError::Value {
                name: self.name().to_owned(),
                spec: self.spec().to_owned(),
                reason,
                location: Box::new(self.location()),
            }
        })
    }

    /// Returns the position of the field's `{`.
    #[must_use]
    pub fn location(&self) -> Location {
        self.template.location(self.part.offset())
    }

    fn format(&self) -> Option<&'t Format> {
        self.template.inner.parsed.format(self.part)
    }
}

impl PartialEq for Field<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
            && self.spec() == other.spec()
            && self.part.offset() == other.part.offset()
            && self.is_plain() == other.is_plain()
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name()).field("spec", &self.spec()).finish()
    }
}
