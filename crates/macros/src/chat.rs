//! `chat_prompt!`: a chat prompt whose literal templates are checked.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Expr, ExprCall, ExprLit, ExprPath, ExprTuple, Lit, LitStr, Path, Token,
    parse::{Parse, ParseStream, Parser},
};

use crate::{literal::Literal, values::Source};

pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let parser = |input: ParseStream<'_>| {
        let krate: Path = input.parse()?;
        input.parse::<Token![;]>()?;
        let mut messages: Vec<Expr> = Vec::new();
        while !input.is_empty() && !input.peek(Token![;]) {
            messages.push(input.parse()?);
            if !input.is_empty() && !input.peek(Token![;]) {
                input.parse::<Token![,]>()?;
            }
        }
        input.parse::<Option<Token![;]>>()?;
        Ok((krate, messages, Source::parse(input)?))
    };
    let (krate, messages, values) = parser.parse2(input)?;
    let mut literals = Vec::new();
    let mut closed = true;
    for message in &messages {
        match literal_pair(message) {
            Some((role, template)) if role.value() == "placeholder" => {
                check_placeholder(&template)?;
                closed = false;
            }
            Some((_, template)) => literals.push(Literal::parse(template)?),
            None => match literal_template(message) {
                Some(template) => literals.push(Literal::parse(template)?),
                None => closed = false,
            },
        }
    }
    let prompt = quote! {
        #krate::__private::checked(#krate::ChatPromptTemplate::from_messages(
            ::std::vec![#(#krate::MessageTemplate::from(#messages)),*]
        ))
    };
    values.complete(&krate, &prompt, &literals, closed)
}

/// Returns the parts of a pair of literals, `("human", "{x}")`.
fn literal_pair(message: &Expr) -> Option<(LitStr, LitStr)> {
    let Expr::Tuple(ExprTuple { elems, .. }) = message else { return None };
    let mut literals = elems.iter().map(|part| match part {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
        _ => None,
    });
    match (literals.next(), literals.next(), literals.next()) {
        (Some(Some(role)), Some(Some(template)), None) => Some((role, template)),
        _ => None,
    }
}

/// Returns the literal of a human message, `"{x}"`, or of `MessageTemplate::human("{x}")` and its
/// brothers.
fn literal_template(message: &Expr) -> Option<LitStr> {
    let text = |expression: &Expr| match expression {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
        _ => None,
    };
    let Expr::Call(ExprCall { func, args, .. }) = message else { return text(message) };
    let Expr::Path(ExprPath { path, .. }) = &**func else { return None };
    let mut names = path.segments.iter().rev().map(|segment| segment.ident.to_string());
    let (method, of) = (names.next()?, names.next()?);
    let is_template =
        of == "MessageTemplate" && matches!(method.as_str(), "system" | "human" | "ai" | "chat");
    // The template is the last argument.
    args.last().filter(|_| is_template).and_then(text)
}

/// Checks that a placeholder is written `{name}`.
fn check_placeholder(template: &LitStr) -> syn::Result<()> {
    let value = template.value();
    let name = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    match name {
        Some(name) if !name.is_empty() && !name.contains(['{', '}']) && name != "stop" => Ok(()),
        _ => Err(syn::Error::new(template.span(), "a placeholder is written `{name}`")),
    }
}
