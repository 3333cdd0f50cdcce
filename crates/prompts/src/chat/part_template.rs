//! Parts of a message that holds more than text, such as images.

use conversant_core::{Part, PromptError, Slot};

use crate::{
    error::TemplateError, partials::Values, prompt_template::PromptTemplate,
    template_format::TemplateFormat, work_limit::OutputSize,
};

/// One part of a message template: text or an image with variables, or a part that stays as it is.
///
/// An image is given by its URL, which may be a `data:` URL; no file is read.
///
/// # Examples
///
/// ```
/// use conversant_core::{Prompt, vars};
/// use conversant_prompts::{ChatPromptTemplate, MessageTemplate, PartTemplate};
///
/// let prompt = ChatPromptTemplate::from_messages([MessageTemplate::human_parts([
///     PartTemplate::text("What is on this {kind}?"),
///     PartTemplate::image_url("data:image/png;base64,{data}").with_detail("low"),
/// ])])?;
/// assert_eq!(prompt.input_variables(), ["data", "kind"]);
/// let value = prompt.format(&vars! { "kind" => "photo", "data" => "aGk=" })?;
/// assert_eq!(value.to_string(), "Human: What is on this photo?\n[image]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PartTemplate {
    kind: Kind<Source>,
    /// Without one, the prompt's is taken.
    format: Option<TemplateFormat>,
}

/// A template that is parsed already, or not yet.
#[derive(Debug, Clone)]
enum Source {
    Text(String),
    Parsed(PromptTemplate),
}

#[derive(Debug, Clone)]
enum Kind<T> {
    Literal(Part),
    Text(T),
    Image { url: T, detail: Option<T> },
}

impl PartTemplate {
    /// Creates a template for a part of text.
    #[must_use]
    pub fn text(template: impl Into<String>) -> Self {
        Self::new(Kind::Text(Source::Text(template.into())))
    }

    /// Creates a template for an image; `template` gives its URL.
    #[must_use]
    pub fn image_url(template: impl Into<String>) -> Self {
        Self::new(Kind::Image { url: Source::Text(template.into()), detail: None })
    }

    /// Sets the template of an image's detail (`low`, `high`, `auto`); any other part stays as it
    /// is.
    #[must_use]
    pub fn with_detail(mut self, template: impl Into<String>) -> Self {
        if let Kind::Image { detail, .. } = &mut self.kind {
            *detail = Some(Source::Text(template.into()));
        }
        self
    }

    /// Sets the format of the part's templates, if it is not the prompt's.
    #[must_use]
    pub fn with_format(mut self, format: TemplateFormat) -> Self {
        self.format = Some(format);
        self
    }

    fn new(kind: Kind<Source>) -> Self {
        Self { kind, format: None }
    }

    pub(super) fn parse(self, format: TemplateFormat) -> Result<ParsedPart, TemplateError> {
        let format = self.format.unwrap_or(format);
        let parse = |source: Source| match source {
            Source::Text(template) => PromptTemplate::parse(template, format),
            Source::Parsed(template) => Ok(template),
        };
        Ok(ParsedPart(match self.kind {
            Kind::Literal(part) => Kind::Literal(part),
            Kind::Text(text) => Kind::Text(parse(text)?),
            Kind::Image { url, detail } => {
                Kind::Image { url: parse(url)?, detail: detail.map(parse).transpose()? }
            }
        }))
    }
}

impl From<Part> for PartTemplate {
    fn from(part: Part) -> Self {
        Self::new(Kind::Literal(part))
    }
}

impl From<PromptTemplate> for PartTemplate {
    /// Makes a part of text, which keeps the prompt's format and partial variables.
    fn from(prompt: PromptTemplate) -> Self {
        Self::new(Kind::Text(Source::Parsed(prompt)))
    }
}

impl From<&str> for PartTemplate {
    fn from(template: &str) -> Self {
        Self::text(template)
    }
}

/// A part whose templates are parsed.
#[derive(Debug, Clone)]
pub(crate) struct ParsedPart(Kind<PromptTemplate>);

impl ParsedPart {
    #[cfg(feature = "json")]
    pub(crate) fn as_text(&self) -> Option<&PromptTemplate> {
        match &self.0 {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the templates of an image's URL and its detail.
    #[cfg(feature = "json")]
    pub(crate) fn as_image(&self) -> Option<(&PromptTemplate, Option<&PromptTemplate>)> {
        match &self.0 {
            Kind::Image { url, detail } => Some((url, detail.as_ref())),
            _ => None,
        }
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        use conversant_core::Prompt;
        self.templates().flat_map(|template| template.slots())
    }

    pub(super) fn templates(&self) -> impl Iterator<Item = &PromptTemplate> {
        let (first, second) = match &self.0 {
            Kind::Literal(_) => (None, None),
            Kind::Text(text) => (Some(text), None),
            Kind::Image { url, detail } => (Some(url), detail.as_ref()),
        };
        first.into_iter().chain(second)
    }

    pub(super) fn render(
        &self,
        values: &Values<'_>,
        made: &mut OutputSize,
    ) -> Result<Part, PromptError> {
        let mut render = |template: &PromptTemplate| {
            let text = template.render(values)?;
            made.add(text.len(), values)?;
            Ok::<_, PromptError>(text)
        };
        Ok(match &self.0 {
            Kind::Literal(part) => part.clone(),
            Kind::Text(text) => Part::text(render(text)?),
            Kind::Image { url, detail } => {
                let image = Part::image_url(render(url)?);
                match detail {
                    Some(detail) => image.with_detail(render(detail)?),
                    None => image,
                }
            }
        })
    }
}
