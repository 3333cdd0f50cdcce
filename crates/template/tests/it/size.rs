//! Large templates: nothing recurses and nothing grows faster than the source.

use conversant_template::{Piece, Template};

const COUNT: usize = 200_000;

#[test]
fn many_fields_many_names_many_braces() {
    let fields = Template::parse("{x}".repeat(COUNT)).unwrap();
    assert_eq!(fields.render(|_| Some("ab".into())).unwrap().len(), 2 * COUNT);

    let names: String = (0..COUNT).map(|n| format!("{{v{n}}}")).collect();
    let names = Template::parse(names).unwrap();
    assert_eq!(names.variables().len(), COUNT);
    assert_eq!(
        names.render(|name| Some(name.to_owned().into())).unwrap().matches('v').count(),
        COUNT
    );

    let braces = Template::parse("{{}}".repeat(COUNT)).unwrap();
    assert_eq!(braces.pieces().count(), 1, "one literal");
    assert!(
        matches!(braces.pieces().next(), Some(Piece::Literal(text)) if text.len() == 2 * COUNT)
    );

    assert!(Template::parse("{".repeat(COUNT + 1)).is_err());
    assert!(Template::parse("{x:".repeat(COUNT)).is_err());
}

#[test]
fn a_fault_in_a_long_line_is_shown_in_a_short_excerpt() {
    let source = format!("{}{{x.y}}{}", "é".repeat(COUNT), "z".repeat(COUNT));
    let error = Template::parse(source).unwrap_err();
    assert_eq!(error.location().column(), COUNT + 3);
    assert!(format!("{error:#}").chars().count() < 500);
}

#[test]
fn many_templates_are_joined() {
    let source = |n: usize| format!("{{{{{{v{n}:>5}}}}}}{{a}} ");
    let mut joined = Template::parse("").unwrap();
    for n in 0..20_000 {
        joined.append(&Template::parse(source(n)).unwrap()).unwrap();
    }
    let whole = Template::parse((0..20_000).map(source).collect::<String>()).unwrap();
    assert!(joined.pieces().eq(whole.pieces()));
    assert_eq!(joined.variables(), whole.variables());
}
