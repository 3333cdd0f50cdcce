//! General rules, on generated templates and values.

use conversant_template::{Argument, Piece, Template, escape};
use proptest::prelude::*;

/// Text that is rich in what the grammar treats specially.
fn syntax() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("{"),
        Just("}"),
        Just("{{"),
        Just("}}"),
        Just("{x}"),
        Just("{y!s:>4}"),
        Just("{z:,.2f}"),
        Just("!"),
        Just(":"),
        Just("."),
        Just("["),
        Just("x"),
        Just("é"),
        Just("東"),
        Just("\n"),
        Just("9"),
        Just("e\u{301}"),
        Just("=^"),
        Just("%"),
        Just("#0"),
    ];
    prop_oneof![
        prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat()),
        any::<String>(),
        prop::collection::vec(any::<u8>(), 0..64)
            .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    ]
}

/// Templates without format specs: literal text and plain fields.
fn plain() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        any::<String>().prop_map(|text| escape(&text)),
        prop::sample::select(vec!["{a}", "{b}", "{c!s}"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused_where_it_says(source in syntax()) {
        match Template::parse(source.as_str()) {
            Ok(template) => {
                prop_assert_eq!(template.source(), source.as_str());
                let _ = template.render(|_| Some(Argument::from("value")));
                let _ = template.render(|_| Some(Argument::from(-7)));
            }
            Err(error) => {
                prop_assert!(source.is_char_boundary(error.location().offset()));
                let _ = format!("{error:#}");
            }
        }
    }

    #[test]
    fn output_is_as_long_as_literals_and_values(source in plain(), values in prop::array::uniform3(syntax())) {
        let template = Template::parse(source).unwrap();
        let value = |name: &str| values[usize::from(name.as_bytes()[0] - b'a')].as_str();
        let text = template.render(|name| Some(value(name).into())).unwrap();
        let expected: usize = template.pieces().map(|piece| match piece {
            Piece::Literal(literal) => literal.len(),
            Piece::Field(field) => value(field.name()).len(),
            _ => 0,
        }).sum();
        prop_assert_eq!(text.len(), expected);
    }

    #[test]
    fn no_value_is_read_as_syntax(source in plain(), value in syntax()) {
        let template = Template::parse(source).unwrap();
        let marked = template.render(|_| Some("\u{e000}".into())).unwrap();
        let text = template.render(|_| Some(value.as_str().into())).unwrap();
        // A private-use character may stand in a literal too, in both or in neither.
        prop_assume!(!template.pieces().any(|p| matches!(p, Piece::Literal(t) if t.contains('\u{e000}'))));
        prop_assert_eq!(text, marked.replace('\u{e000}', &value));
    }

    #[test]
    fn escaped_text_is_shown_as_it_is(text in syntax()) {
        let template = Template::parse(escape(&text)).unwrap();
        prop_assert!(template.variables().is_empty());
        prop_assert_eq!(template.render(|_| None).unwrap(), text);
    }

    #[test]
    fn a_joined_source_renders_as_its_halves(left in plain(), right in plain()) {
        let render = |source: String| {
            Template::parse(source).unwrap().render(|name| Some(name.to_owned().into())).unwrap()
        };
        prop_assert_eq!(render(left.clone() + &right), render(left) + &render(right));
    }
}
