//! The formats that a template can be written in.

use std::fmt;

/// The language of a template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemplateFormat {
    /// Python's `str.format` with plain names: `{name}`, `{price:.2f}`, `{{` for a brace.
    #[default]
    FString,
    /// Jinja2: plain data, filters, conditions and loops; no functions, no methods, no other files.
    #[cfg(feature = "jinja")]
    Jinja2,
    /// Mustache: names, sections, inverted sections and comments; no partials, no lambdas.
    #[cfg(feature = "mustache")]
    Mustache,
}

impl fmt::Display for TemplateFormat {
    /// Writes the name that LangChain gives the format: `f-string`, `jinja2`, `mustache`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FString => "f-string",
            #[cfg(feature = "jinja")]
            Self::Jinja2 => "jinja2",
            #[cfg(feature = "mustache")]
            Self::Mustache => "mustache",
        })
    }
}

impl TemplateFormat {
    /// Returns the format that LangChain gives this name, if it is built in.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_prompts::TemplateFormat;
    ///
    /// assert_eq!(TemplateFormat::from_name("f-string"), Some(TemplateFormat::FString));
    /// assert_eq!(TemplateFormat::from_name("perl"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "f-string" => Some(Self::FString),
            #[cfg(feature = "jinja")]
            "jinja2" => Some(Self::Jinja2),
            #[cfg(feature = "mustache")]
            "mustache" => Some(Self::Mustache),
            _ => None,
        }
    }

    /// Returns the way to write a literal brace.
    pub(crate) fn literal_braces(self) -> &'static str {
        match self {
            Self::FString => "literal braces are written `{{` and `}}`",
            #[cfg(feature = "jinja")]
            Self::Jinja2 => "literal braces are written `{{ '{{' }}`",
            #[cfg(feature = "mustache")]
            Self::Mustache => "literal braces need other delimiters: `{{=<% %>=}}`",
        }
    }
}
