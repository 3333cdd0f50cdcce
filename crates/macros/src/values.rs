//! The arguments after a template: values for its variables, or the type that gives them.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::{
    Expr, Ident, Path, Token, Type,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

use crate::{literal::Literal, nearest::find};

/// The source of the variables' values.
pub(crate) enum Source {
    /// No values are given: the caller of `format` provides them.
    Caller,
    /// `name = value, …`: the prompt is filled in at once.
    Values(Punctuated<Value, Token![,]>),
    /// `inputs: Type`: the fields of a struct.
    Inputs(Box<Type>),
}

/// `name = value`, or `name` alone for a value of that name.
pub(crate) struct Value {
    name: Ident,
    value: Expr,
}

impl Value {
    fn name(&self) -> String {
        self.name.unraw().to_string()
    }
}

impl Parse for Value {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = Ident::parse_any(input)?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            input.parse()?
        } else {
            syn::parse_quote!(#name)
        };
        Ok(Self { name, value })
    }
}

impl Parse for Source {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() {
            return Ok(Self::Caller);
        }
        let is_inputs = input.fork().parse::<Ident>().is_ok_and(|word| word == "inputs");
        if is_inputs && input.peek2(Token![:]) {
            input.parse::<Ident>()?;
            input.parse::<Token![:]>()?;
            let inputs = Box::new(input.parse()?);
            input.parse::<Option<Token![,]>>()?;
            return Ok(Self::Inputs(inputs));
        }
        Punctuated::parse_terminated(input).map(Self::Values)
    }
}

impl Source {
    /// Completes the expression that makes a prompt. `literals` are its checked templates; `closed`
    /// states that there are no other variables.
    pub(crate) fn complete(
        &self,
        krate: &Path,
        prompt: &TokenStream,
        literals: &[Literal],
        closed: bool,
    ) -> syn::Result<TokenStream> {
        match self {
            Self::Caller => Ok(prompt.clone()),
            Self::Values(values) => {
                check(values, literals, closed)?;
                let names = values.iter().map(Value::name);
                let values = values.iter().map(|value| &value.value);
                Ok(quote! {
                    #krate::__private::Prompt::format(
                        &#prompt,
                        &#krate::__private::Variables::from_iter([
                            #((#names, #krate::__private::Value::from(#values))),*
                        ]),
                    )
                })
            }
            Self::Inputs(inputs) => {
                let is_local = is_local(quote!(#inputs));
                let uses = literals.iter().flat_map(|literal| {
                    literal.variables().iter().map(move |name| (literal, name))
                });
                let checks = uses.map(|(literal, name)| {
                    let what = format!("the inputs have no field `{name}`");
                    let message = literal.about(name, &what);
                    let check = quote! {
                        ::core::assert!(
                            #krate::__private::has_name(
                                <#inputs as #krate::PromptInputs>::NAMES,
                                #name,
                            ),
                            "{}",
                            #message
                        )
                    };
                    // An item is checked with the crate, but cannot name what its function has.
                    if is_local {
                        quote! { const { #check }; }
                    } else {
                        quote! { const _: () = #check; }
                    }
                });
                Ok(quote! {{ #(#checks)* #prompt }})
            }
        }
    }
}

/// Returns whether a type can have parameters of the function or the `impl` that it is written in:
/// `Self`, or anything in angle brackets.
fn is_local(ty: TokenStream) -> bool {
    ty.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Punct(punct) => punct.as_char() == '<',
        TokenTree::Group(group) => is_local(group.stream()),
        TokenTree::Literal(_) => false,
    })
}

/// Checks that each variable has a value, and each value a variable.
fn check(
    values: &Punctuated<Value, Token![,]>,
    literals: &[Literal],
    closed: bool,
) -> syn::Result<()> {
    let given: Vec<_> = values.iter().map(Value::name).collect();
    let variables = literals
        .iter()
        .flat_map(|literal| literal.variables().iter().map(move |variable| (literal, variable)));
    for (literal, variable) in variables {
        if !given.contains(variable) {
            let what = match find(variable, &mut given.iter().map(String::as_str)) {
                Some(near) => format!("no value for `{variable}` (found `{near}`)"),
                None => format!("no value for `{variable}`"),
            };
            return Err(literal.error(variable, &what));
        }
    }
    let used: Vec<_> = literals.iter().flat_map(Literal::variables).cloned().collect();
    for (index, value) in values.iter().enumerate() {
        let name = value.name();
        if given.iter().take(index).any(|earlier| *earlier == name) {
            let message = format!("`{name}` is given twice");
            return Err(syn::Error::new(value.name.span(), message));
        }
        if closed && !used.contains(&name) {
            let message = match find(&name, &mut used.iter().map(String::as_str)) {
                Some(near) => format!("the template has no variable `{name}` (found `{near}`)"),
                None => format!("the template has no variable `{name}`"),
            };
            return Err(syn::Error::new(value.name.span(), message));
        }
    }
    Ok(())
}
