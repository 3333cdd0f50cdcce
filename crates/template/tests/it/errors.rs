//! Every message as a person reads it, with its caret.

use std::fmt::Write;

use conversant_template::{Argument, Template};

/// One template for each fault, with text before it that takes more or fewer bytes than columns.
const FAULTY: &[&str] = &[
    "Hello {name",
    "{",
    "Say } now",
    "{} is positional",
    "{0}",
    "{1.5}",
    "{user.name}",
    "{items[0]}",
    "{x:{width}}",
    "{a{b}}",
    "{x!r}",
    "{x!}",
    "{x!s",
    "{x!ss}",
    "{ x }",
    "{x y}",
    "{\"key\": 1}",
    "{\u{200b}}",
    "{stop}",
    "{x:>5000}",
    "{x:.99999999999999999999}",
    "{x:>q}",
    "{x:zz}",
    "{x:5.}",
    "{x:,_}",
    "{x:,s}",
    "{x:,x}",
    "{x:.2d}",
    "{x:#c}",
    "{x:+c}",
    "{x!s:d}",
    "{x!s:+}",
    "{x!s:=5}",
    "first\nsecond {x.y}\nthird",
    "windows\r\nends {x.y}\r\nhere",
    "東京\u{3000}🙂 {x.y}",
    "e\u{301}tude \u{feff}{x.y}",
    "a\tb\t{x.y}",
    "red \u{1b}[31m and \u{202e}back {x.y}",
    "It begins with a long line of text, much longer than anybody would like to read again in a message {x.y} and it goes on for quite a while after that as well",
];

#[test]
fn of_parsing() {
    let mut shown = String::new();
    for source in FAULTY {
        let error = Template::parse(*source).expect_err(source);
        assert!(!error.to_string().contains('\n'), "more than one line: {error}");
        writeln!(shown, "{source:?}\n{error:#}\n").unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn of_rendering() {
    let table: &[(&str, Option<Argument<'_>>)] = &[
        ("Dear {name},\n{history}", None),
        ("{x:d}", Some("text".into())),
        ("{x:+}", Some("text".into())),
        ("{x:=8}", Some("text".into())),
        ("{x:#}", Some("text".into())),
        ("{x:z}", Some("text".into())),
        ("{x:,}", Some("text".into())),
        ("{x:.2}", Some(5.into())),
        ("{x:s}", Some(5.into())),
        ("{x:z}", Some(5.into())),
        ("{x:x}", Some(0.5.into())),
        ("{x:c}", Some((-1).into())),
        ("{x:\n>3d}", Some("text".into())),
    ];
    let mut shown = String::new();
    for (source, value) in table {
        let template = Template::parse(*source).unwrap();
        let error = template.render(|_| value.clone()).unwrap_err();
        assert!(!error.to_string().contains('\n'), "more than one line: {error}");
        writeln!(shown, "{source:?} with {value:?}\n{error:#}\n").unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn tell_where_in_bytes_lines_and_columns() {
    let error = Template::parse("one\ntwö {x.y}").unwrap_err();
    let location = error.location();
    assert_eq!((location.offset(), location.line(), location.column()), (11, 2, 7));
}

#[test]
fn of_values_leave_the_output_as_it_was() {
    let template = Template::parse("literal {x:d}").unwrap();
    let mut out = String::from("before");
    template.render_into(&mut out, |_| Some("text".into())).unwrap_err();
    assert_eq!(out, "before");
}
