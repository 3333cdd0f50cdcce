//! Macros of `conversant-prompts`: templates that the compiler checks.
//!
//! Depend on `conversant-prompts` with the feature `macros` and use them from there; this crate is
//! only where a procedural macro has to live.

use proc_macro::TokenStream;

mod chat;
mod inputs;
mod literal;
mod nearest;
mod prompt;
mod values;

/// Expands `conversant_prompts::prompt!` from its arguments: the path of that crate, and its own
/// arguments.
#[doc(hidden)]
#[proc_macro]
pub fn prompt(input: TokenStream) -> TokenStream {
    expand(prompt::expand(input.into()))
}

/// Expands `conversant_prompts::chat_prompt!` from its arguments: the path of that crate, and its
/// own arguments.
#[doc(hidden)]
#[proc_macro]
pub fn chat_prompt(input: TokenStream) -> TokenStream {
    expand(chat::expand(input.into()))
}

/// Implements `PromptInputs` for a struct: each field is a variable of its name.
///
/// A field's type is any type that converts into a `Value`. A field of type `Option` is left out if
/// it is `None`. `#[prompt(rename = "name")]` gives a field's variable another name,
/// `#[prompt(skip)]` leaves a field out.
///
/// The code that it makes names the crate `conversant_prompts`. A crate that re-exports it and is
/// depended on alone is named at the struct: `#[prompt(crate = other::path)]`.
#[proc_macro_derive(PromptInputs, attributes(prompt))]
pub fn derive_prompt_inputs(input: TokenStream) -> TokenStream {
    expand(inputs::expand(input.into(), syn::parse_quote!(::conversant_prompts)))
}

/// Implements `PromptInputs` for a struct: each field is a variable of its name.
///
/// A field's type is any type that converts into a `Value`. A field of type `Option` is left out if
/// it is `None`. `#[prompt(rename = "name")]` gives a field's variable another name,
/// `#[prompt(skip)]` leaves a field out.
///
/// The code that it makes names the crate `conversant`. A crate that re-exports it and is depended
/// on alone is named at the struct: `#[prompt(crate = other::path)]`.
#[proc_macro_derive(ConversantPromptInputs, attributes(prompt))]
pub fn derive_prompt_inputs_of_conversant(input: TokenStream) -> TokenStream {
    expand(inputs::expand(input.into(), syn::parse_quote!(::conversant)))
}

fn expand(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(syn::Error::into_compile_error).into()
}
