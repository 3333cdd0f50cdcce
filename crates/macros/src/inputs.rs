//! `#[derive(PromptInputs)]`: a struct as a prompt's inputs.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Data, DeriveInput, Field, Fields, LitStr, Path, Type, ext::IdentExt, parse::ParseStream,
    spanned::Spanned,
};

/// Expands the derive. `krate` is the path of the crate that has `PromptInputs`, for a user of the
/// crate from which the derive was taken.
pub(crate) fn expand(input: TokenStream, krate: Path) -> syn::Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => &fields.named,
            _ => return Err(refused(&input)),
        },
        _ => return Err(refused(&input)),
    };
    let krate = crate_path(&input, krate)?;
    let mut names = Vec::new();
    let mut inserts = Vec::new();
    for field in fields {
        let Some(ident) = &field.ident else { continue };
        let Options { skip, rename } = Options::of(field)?;
        if skip {
            continue;
        }
        let name = rename.unwrap_or_else(|| ident.unraw().to_string());
        if names.contains(&name) {
            let message = format!("two fields give the variable `{name}`");
            return Err(syn::Error::new_spanned(field, message));
        }
        // The error of a type that does not convert to a value is at the field.
        let span = field.ty.span().resolved_at(Span::call_site());
        inserts.push(if is_option(&field.ty) {
            quote_spanned! {span=>
                if let ::core::option::Option::Some(value) = inputs.#ident {
                    variables.insert(#name, value);
                }
            }
        } else {
            quote_spanned! {span=> variables.insert(#name, inputs.#ident); }
        });
        names.push(name);
    }
    let ident = &input.ident;
    let (generics, arguments, clause) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics #krate::PromptInputs for #ident #arguments #clause {
            const NAMES: &'static [&'static str] = &[#(#names),*];
        }

        impl #generics ::core::convert::From<#ident #arguments> for #krate::__private::Variables
        #clause
        {
            fn from(inputs: #ident #arguments) -> Self {
                let mut variables = Self::new();
                #(#inserts)*
                variables
            }
        }
    })
}

fn refused(input: &DeriveInput) -> syn::Error {
    syn::Error::new_spanned(&input.ident, "a prompt's inputs are a struct with named fields")
}

/// Returns a crate's path, which `#[prompt(crate = path)]` changes.
fn crate_path(input: &DeriveInput, mut path: Path) -> syn::Result<Path> {
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("prompt")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("the only option of a struct is `crate = path`"));
            }
            path = path_in(meta.value()?)?;
            Ok(())
        })?;
    }
    Ok(path)
}

/// Reads a path, which may be in quotation marks.
fn path_in(value: ParseStream<'_>) -> syn::Result<Path> {
    if value.peek(LitStr) { value.parse::<LitStr>()?.parse() } else { value.parse() }
}

/// The `#[prompt(…)]` settings of a field.
#[derive(Default)]
struct Options {
    skip: bool,
    rename: Option<String>,
}

impl Options {
    fn of(field: &Field) -> syn::Result<Self> {
        let mut options = Self::default();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("prompt"))
        {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("skip") {
                    options.skip = true;
                } else if meta.path.is_ident("rename") {
                    options.rename = Some(meta.value()?.parse::<LitStr>()?.value());
                } else {
                    return Err(
                        meta.error("the options of a field are `rename = \"…\"` and `skip`")
                    );
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}

/// Returns whether a type is written `Option<…>`.
fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Option"),
        _ => false,
    }
}
