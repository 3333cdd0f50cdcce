//! Marks of the adapters, by which a builder has the settings that fit.

/// The adapters that generate text. Sealed.
pub trait TextEndpoint: sealed::Sealed {}

/// The adapters that take a conversation. Sealed.
pub trait ChatEndpoint: TextEndpoint {}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for crate::OpenAi {}
impl TextEndpoint for crate::OpenAi {}

impl sealed::Sealed for crate::OpenAiChat {}
impl TextEndpoint for crate::OpenAiChat {}
impl ChatEndpoint for crate::OpenAiChat {}

#[cfg(feature = "responses")]
impl sealed::Sealed for crate::OpenAiResponses {}
#[cfg(feature = "responses")]
impl TextEndpoint for crate::OpenAiResponses {}
#[cfg(feature = "responses")]
impl ChatEndpoint for crate::OpenAiResponses {}
