//! Faults of templates, in all formats.

use std::{error::Error, fmt};

use conversant_template::{Location, SyntaxErrorKind};

#[cfg(feature = "jinja")]
use crate::jinja::fault::JinjaFault;
#[cfg(feature = "mustache")]
use crate::mustache::fault::MustacheFault;
use crate::template_format::TemplateFormat;

/// An invalid template: the fault and its place.
///
/// `Display` is one line. The alternate form, `{:#}`, adds the template's line with a caret under
/// the very character, and how literal braces are written.
///
/// # Examples
///
/// ```
/// use conversant_prompts::PromptTemplate;
///
/// let error = PromptTemplate::from_template("東京: {user.name}").unwrap_err();
/// assert_eq!(
///     format!("{error:#}"),
///     "a field is a plain name, `.` is refused, at line 1, column 10
/// 1 | 東京: {user.name}
///   |            ^
/// literal braces are written `{{` and `}}`",
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TemplateError {
    fault: TemplateFault,
    location: Option<Box<Location>>,
    message: Option<usize>,
}

impl TemplateError {
    /// Creates the error of a fault at a byte offset of a template's source.
    #[cfg(any(feature = "jinja", feature = "mustache"))]
    pub(crate) fn at(fault: TemplateFault, source: &str, offset: usize) -> Self {
        let location = Some(Box::new(Location::of(source, offset)));
        Self { fault, location, message: None }
    }

    pub(crate) fn new(fault: TemplateFault) -> Self {
        Self { fault, location: None, message: None }
    }

    /// Creates the error of an example that lacks a variable of the template that shows it.
    #[cfg(feature = "few-shot")]
    pub(crate) fn in_example(index: usize, name: &str) -> Self {
        let reason = format!("missing variable `{name}`");
        Self::new(TemplateFault::Example { index, reason })
    }

    /// Adds the index of the message of a chat prompt in which the fault is, counted from 0.
    pub(crate) fn in_message(mut self, index: usize) -> Self {
        self.message = Some(index);
        self
    }

    /// Returns the fault.
    #[must_use]
    pub fn fault(&self) -> &TemplateFault {
        &self.fault
    }

    /// Returns the place of the fault, if it is a place in a template.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_prompts::PromptTemplate;
    ///
    /// let error = PromptTemplate::from_template("Hello {name").unwrap_err();
    /// let location = error.location().ok_or("no place")?;
    /// assert_eq!((location.line(), location.column()), (1, 7));
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        self.location.as_deref()
    }

    /// Returns the index of the faulty message of a chat prompt, counted from 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_prompts::ChatPromptTemplate;
    ///
    /// let messages = [("system", "Be kind."), ("human", "{question")];
    /// let error = ChatPromptTemplate::from_messages(messages).unwrap_err();
    /// assert_eq!(error.message(), Some(1));
    /// ```
    #[must_use]
    pub fn message(&self) -> Option<usize> {
        self.message
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, location, message } = self;
        if let Some(index) = message {
            write!(f, "message {}: ", index + 1)?;
        }
        write!(f, "{fault}")?;
        let Some(location) = location else { return Ok(()) };
        write!(f, ", at {location}")?;
        if f.alternate() {
            write!(f, "\n{}\n{}", location.excerpt(), fault.literal_braces())?;
        }
        Ok(())
    }
}

impl Error for TemplateError {}

conversant_core::debug_as_report!(TemplateError);

impl From<conversant_template::SyntaxError> for TemplateError {
    fn from(error: conversant_template::SyntaxError) -> Self {
        Self {
            fault: TemplateFault::FString(error.kind().clone()),
            location: Some(Box::new(error.location().clone())),
            message: None,
        }
    }
}

/// The kinds of fault in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateFault {
    /// A fault in an f-string template.
    FString(SyntaxErrorKind),
    /// A fault in a Jinja2 template.
    #[cfg(feature = "jinja")]
    Jinja(JinjaFault),
    /// A fault in a mustache template.
    #[cfg(feature = "mustache")]
    Mustache(MustacheFault),
    /// A variable or placeholder whose name is reserved: `stop`.
    ReservedName(String),
    /// A pair with the role `placeholder` whose text is not `{name}`.
    Placeholder(String),
    /// An example that its template cannot show.
    Example {
        /// The index of the example, counted from 0.
        index: usize,
        /// The reason.
        reason: String,
    },
    /// Two templates of different formats that were to be joined.
    Formats(TemplateFormat, TemplateFormat),
    /// Two templates that were to be joined, and have a partial variable of the same name.
    PartialTwice(String),
}

impl TemplateFault {
    /// Returns the way to write a literal brace in the template's format.
    fn literal_braces(&self) -> &'static str {
        match self {
            #[cfg(feature = "jinja")]
            Self::Jinja(_) => TemplateFormat::Jinja2.literal_braces(),
            #[cfg(feature = "mustache")]
            Self::Mustache(_) => TemplateFormat::Mustache.literal_braces(),
            _ => TemplateFormat::FString.literal_braces(),
        }
    }
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FString(kind) => kind.fmt(f),
            #[cfg(feature = "jinja")]
            Self::Jinja(fault) => fault.fmt(f),
            #[cfg(feature = "mustache")]
            Self::Mustache(fault) => fault.fmt(f),
            Self::ReservedName(name) => write!(f, "the name `{name}` is reserved"),
            Self::Placeholder(text) => {
                write!(f, "a placeholder is written `{{name}}`, not `{}`", text.escape_debug())
            }
            Self::Example { index, reason } => write!(f, "example {}: {reason}", index + 1),
            Self::Formats(left, right) => {
                write!(f, "a template in {left} cannot be joined to one in {right}")
            }
            Self::PartialTwice(name) => {
                write!(f, "both templates have a partial variable `{name}`")
            }
        }
    }
}
