//! Text templates of any format: their names and their rendering.

#[cfg(feature = "mustache")]
use std::sync::Arc;

use conversant_core::{PromptError, PromptFault};
use conversant_template::{RenderError, Template};

#[cfg(feature = "jinja")]
use crate::jinja::Jinja;
#[cfg(feature = "mustache")]
use crate::mustache::Mustache;
use crate::{
    error::TemplateError, known_values::KnownValues, partials::Values,
    template_format::TemplateFormat, value_to_argument::argument, work_limit::WorkLimit,
};

/// A parsed text template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TextTemplate {
    FString(Template),
    #[cfg(feature = "jinja")]
    Jinja2(Jinja),
    #[cfg(feature = "mustache")]
    Mustache(Arc<Mustache>),
}

impl TextTemplate {
    pub(crate) fn parse(source: String, format: TemplateFormat) -> Result<Self, TemplateError> {
        match format {
            TemplateFormat::FString => Ok(Self::FString(Template::parse(source)?)),
            #[cfg(feature = "jinja")]
            TemplateFormat::Jinja2 => Ok(Self::Jinja2(Jinja::parse(source)?)),
            #[cfg(feature = "mustache")]
            TemplateFormat::Mustache => Ok(Self::Mustache(Arc::new(Mustache::parse(source)?))),
        }
    }

    /// Joins another template of the same format to the end of this one.
    pub(crate) fn append(self, other: &Self) -> Result<Self, TemplateError> {
        match (self, other) {
            (Self::FString(mut template), Self::FString(other)) => {
                template.append(other)?;
                Ok(Self::FString(template))
            }
            // In other formats, what a template means may depend on what is before it.
            #[cfg(any(feature = "jinja", feature = "mustache"))]
            (template, other) => {
                let source = format!("{}{}", template.source(), other.source());
                Self::parse(source, template.format())
            }
        }
    }

    pub(crate) fn source(&self) -> &str {
        match self {
            Self::FString(template) => template.source(),
            #[cfg(feature = "jinja")]
            Self::Jinja2(template) => template.source(),
            #[cfg(feature = "mustache")]
            Self::Mustache(template) => template.source(),
        }
    }

    pub(crate) fn format(&self) -> TemplateFormat {
        match self {
            Self::FString(_) => TemplateFormat::FString,
            #[cfg(feature = "jinja")]
            Self::Jinja2(_) => TemplateFormat::Jinja2,
            #[cfg(feature = "mustache")]
            Self::Mustache(_) => TemplateFormat::Mustache,
        }
    }

    /// Returns each name once, in order of first appearance, and whether it must have a value.
    pub(crate) fn names(&self) -> Vec<(&str, bool)> {
        match self {
            Self::FString(template) => {
                template.variables().iter().map(|name| (name.as_str(), true)).collect()
            }
            #[cfg(feature = "jinja")]
            Self::Jinja2(template) => own(template.names()),
            #[cfg(feature = "mustache")]
            Self::Mustache(template) => own(template.names()),
        }
    }

    /// Finds the fields that known values do not fit. In other formats, any value fits.
    pub(crate) fn check(&self, known: &KnownValues<'_>, faults: &mut Vec<PromptFault>) {
        match self {
            Self::FString(template) => known.check_fields(template, faults),
            #[cfg(any(feature = "jinja", feature = "mustache"))]
            _ => {}
        }
    }

    /// Renders the template. Every required name is known to have a value.
    pub(crate) fn render(&self, values: &Values<'_>) -> Result<String, PromptError> {
        match self {
            Self::FString(template) => {
                template.render(|name| values.get(name).map(argument)).map_err(fill_error)
            }
            #[cfg(feature = "jinja")]
            Self::Jinja2(template) => template.render(values),
            #[cfg(feature = "mustache")]
            Self::Mustache(template) => template.render(values),
        }
    }
}

#[cfg(any(feature = "jinja", feature = "mustache"))]
fn own(names: &[(String, bool)]) -> Vec<(&str, bool)> {
    names.iter().map(|(name, required)| (name.as_str(), *required)).collect()
}

fn fill_error(error: RenderError) -> PromptError {
    match error {
        RenderError::Value { ref name, .. } => {
            PromptError::Value { name: name.clone(), source: Box::new(error) }
        }
        RenderError::TooLong { .. } => WorkLimit::Output.into(),
        other => PromptError::Custom(Box::new(other)),
    }
}
