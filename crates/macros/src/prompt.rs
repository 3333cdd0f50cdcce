//! `prompt!`: a string prompt from a literal.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    LitStr, Path, Token,
    parse::{Parse, ParseStream, Parser},
};

use crate::{literal::Literal, values::Source};

pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let parser = |input: ParseStream<'_>| {
        let krate: Path = input.parse()?;
        input.parse::<Token![;]>()?;
        let source: LitStr = input.parse()?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok((krate, source, Source::parse(input)?))
    };
    let (krate, source, values) = parser.parse2(input)?;
    let literal = Literal::parse(source)?;
    let source = &literal.source;
    let prompt = quote! {
        #krate::__private::checked(#krate::PromptTemplate::from_template(#source))
    };
    values.complete(&krate, &prompt, &[literal], true)
}
