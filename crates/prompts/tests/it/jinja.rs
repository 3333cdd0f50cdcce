//! Jinja2 templates: which names they need, what is refused, and what differs from minijinja.

use std::fmt::Write;

use conversant_core::{Message, Messages, Prompt, Variables, vars};
use conversant_prompts::{PromptTemplate, TemplateFormat};
use serde_json::json;

fn template(source: &str) -> PromptTemplate {
    PromptTemplate::parse(source, TemplateFormat::Jinja2).expect(source)
}

#[test]
fn names_are_inferred() {
    // A name with `?` is optional.
    let table = [
        ("{{ a }}", "a"),
        ("{{ a.b['c'][d] }}", "a d"),
        ("{{ 'a' ~ \"b\" ~ c }}", "c"),
        ("{{ a | default('x') }}", "a?"),
        ("{{ a | d(b) }}", "a? b"),
        ("{{ a.b | default('x') }}", "a"),
        ("{{ a | default('x') }}{{ a }}", "a"),
        ("{% if a %}x{% endif %}", "a?"),
        ("{% if a and not b or (c) %}x{% endif %}", "a? b? c?"),
        ("{% if a %}{{ a }}{% endif %}", "a?"),
        ("{% if a %}{{ a }}{% endif %}{{ a }}", "a"),
        ("{% if a %}x{% else %}{{ a }}{% endif %}", "a"),
        ("{% if not a %}{{ a }}{% endif %}", "a"),
        ("{% if a and b %}{{ a.c }}{{ b }}{% endif %}", "a? b?"),
        ("{% if a is defined %}{{ a }}{% endif %}", "a?"),
        ("{% if a is not defined %}x{% elif b %}{{ b }}{% endif %}", "a? b?"),
        ("{% if a == 'x' %}x{% endif %}", "a?"),
        ("{% if a > 3 %}x{% endif %}", "a"),
        ("{{ 'x' if a else b }}", "a? b"),
        ("{{ a if a else b }}", "a? b"),
        ("{{ a.b if a else b if c and d else d.e }}", "a? b c? d"),
        ("{{ [a.b if a is defined else 'n', a] }}", "a"),
        ("{{ a or 'x' }}", "a?"),
        ("{{ a or b }}{{ (c or 'x') | upper }}", "a? b c?"),
        ("{{ a and b }}{{ c and c.d or 'x' }}", "a b c?"),
        ("{{ not a }}{{ [not b, c] }}", "a? b? c"),
        ("{% set n = a or 'x' %}{{ n }}", "a?"),
        ("{% for x in a or [] %}{{ x }}{% endfor %}", "a?"),
        ("{% if a and a.b %}{{ a.b }}{% endif %}", "a?"),
        ("{% if a.b and a %}x{% endif %}", "a"),
        ("{% if a and b or a.c %}x{% endif %}", "a b?"),
        ("{% if not a and a.b %}x{% endif %}", "a"),
        ("{% if a is defined and a | length > 0 %}{{ a }}{% endif %}", "a?"),
        ("{% if a is defined and a is not none %}{{ a }}{% endif %}", "a?"),
        ("{% if a and (b or a.c) %}{{ a }}{{ b }}{% endif %}", "a? b"),
        ("{% if [1 and a and 2] %}{{ a }}{% endif %}", "a"),
        ("{% if a %}{% set q = 1 %}{% endif %}{{ q }}", "a? q?"),
        ("{% if a %}{% set q = 1 %}{% else %}{% set q = 2 %}{% endif %}{{ q }}", "a?"),
        (
            "{% if a %}{% set q = 1 %}{% elif b %}{% else %}{% set q = 2 %}{% endif %}{{ q }}",
            "a? b? q?",
        ),
        ("{% if a %}{% set q = 1 %}{{ q }}{% else %}{{ q }}{% endif %}", "a? q"),
        (
            "{% if a %}{% if b %}{% set q = 1 %}{% endif %}{% else %}{% set q = 2 %}{% endif %}{{ q }}",
            "a? b? q?",
        ),
        ("{% for x in a %}{{ x }}{% else %}{{ x }}{% endfor %}", "a x"),
        ("{% if a %}{% set q = 1 %}{% elif q %}B{% endif %}", "a? q?"),
        ("{% if a %}A{% elif a.b %}B{% endif %}", "a"),
        ("{% if a %}A{% elif b %}{{ b.c }}{% else %}{{ d }}{% endif %}", "a? b? d"),
        ("{% for i in items %}{{ i }}{{ loop.index }}{{ x }}{% endfor %}{{ i }}", "items x i"),
        ("{% for k, v in a.b if k != c %}{{ k }}{{ v }}{% endfor %}", "a c?"),
        ("{% set q = a %}{{ q }}", "a"),
        ("{{ q }}{% set q = a %}", "q a"),
        ("{% set q %}{{ a }}{% endset %}{{ q }}", "a"),
        ("{% with p = a, q = [b, c] %}{{ p }}{{ q }}{{ r }}{% endwith %}{{ p }}", "a b c r p"),
        ("{% filter replace(a, 'b') %}{{ c }}{% endfilter %}", "a c"),
        ("{% raw %}{{ a }}{% endraw %}{{ b }}{# {{ c }} #}", "b"),
        ("{{ a | join(sep) | replace(old='x', new=b) }}", "a sep b"),
        ("{{ {'a': b, 'c': {'d': e}} }}", "b e"),
        ("{%- if a -%} {{- b -}} {%- endif -%}", "a? b"),
        ("{{ true }}{{ none }}{{ False }}{{ 1.5e-3 }}{{ 10 }}", ""),
        ("{{ 5-a }}{{ 2.5-b }}{{ 1e5-c }}{{ 0xe-d }}", "a b c d"),
        ("{{ a is divisibleby 3 }}{{ b is in c }}", "a b c"),
        ("{{ Größe }}", "Größe"),
    ];
    let mut differences = String::new();
    for (source, expected) in table {
        let template = template(source);
        let names: Vec<_> = template
            .slots()
            .iter()
            .map(|slot| format!("{}{}", slot.name(), if slot.is_required() { "" } else { "?" }))
            .collect();
        if names.join(" ") != expected {
            writeln!(differences, "{source}: {names:?}, not {expected}").unwrap();
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn values_are_written_as_jinja2_writes_them() {
    let variables = vars! {
        "text" => "<a href='x'>&\"</a>",
        "text2" => "böc",
        "float" => 1e16,
        "small" => 0.00001,
        "yes" => true,
        "none" => json!(null),
        "list" => json!(["b", "a"]),
        "map" => json!({"z": 1, "a": 2}),
        "big" => u64::MAX,
        "history" => Messages::from_iter([Message::human("hi"), Message::ai("hello")]),
    };
    check(
        &variables,
        &[
            ("{{ text }}", "<a href='x'>&\"</a>"),
            ("{{ text | e }}", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;&lt;/a&gt;"),
            ("{{ text | escape }}", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;&lt;/a&gt;"),
            ("{{ float }} {{ small }}", "1e+16 1e-05"),
            ("{{ yes }} {{ none }} {{ big }}", "True None 18446744073709551615"),
            ("{% for k in map %}{{ k }}{% endfor %}", "za"),
            ("{{ list | sort | join }}{{ list[-1] }}", "aba"),
            ("{{ history }}", "Human: hi\nAI: hello"),
            (
                "{% for m in history %}{{ m.type }}={{ m.content }};{% endfor %}",
                "human=hi;ai=hello;",
            ),
            ("{{ history | length }}{{ history[-1] }}", "2AI: hello"),
            ("x\n", "x"),
            ("{{ 7 // 2 }} {{ 7 / 2 }} {{ 2 ** 3 }}", "3 3.5 8"),
            ("{{ missing | default('d') }}{% if missing %}x{% endif %}", "d"),
            ("{{ map.nope | default('d') }}", "d"),
            ("{% for i in list %}{{ i }}{{ ', ' if not loop.last }}{% endfor %}", "b, a"),
            ("a\r\nb\rc\r\n", "a\nb\nc"),
            (
                "{% autoescape true %}{{ text }}{{ '<' | e }}{{ 1.0 }}{% endautoescape %}{{ text | e | e }}",
                "&lt;a href=&#39;x&#39;&gt;&amp;&#34;&lt;/a&gt;&lt;1.0&lt;a href=&#39;x&#39;&gt;&amp;&#34;&lt;/a&gt;",
            ),
            (
                "{{ ' 12 ' | int }} {{ '12.7' | int }} {{ 'x' | int }} {{ none | int(default=9) }}",
                "12 12 0 9",
            ),
            (
                "{{ '0x1A' | int(0, 16) }} {{ true | int }} {{ -2.7 | int }} {{ 1e300 | int }}",
                "26 1 -2 0",
            ),
            (
                "{{ '2.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ 'y' | float(1.5) }}",
                "2.5 0.0 3.0 1.5",
            ),
            ("{{ 'a\nb\n\nc\n' | indent }}|", "a\n    b\n\n    c\n|"),
            (
                "{{ 'a\r\nb\n\nc' | indent('> ', true, true) }}|{{ '' | indent(2, first=true) }}|",
                "> a\n> b\n> \n> c|  |",
            ),
            (
                "{{ 'one two three' | truncate(7) }} {{ 'one two three' | truncate(7, true, '…', 0) }}",
                "one... one tw…",
            ),
            (
                "{{ 'short' | truncate(3) }} [{{ 'ab' | center(5) }}] [{{ 'abc' | center(6) }}]",
                "short [  ab ] [ abc  ]",
            ),
            ("{{ 'Ada lovelace\\'s _x 3.5' | wordcount }}", "6"),
            ("{{ 'हिन्दी भाषा' | wordcount }} {{ 'น้ำ' | wordcount }}", "5 2"),
            ("{{ 'a\\r' | indent }}|{{ 'a\\r\\n' | indent }}|", "a|a\n|"),
            ("{{ z | default(default_value=none) }}{{ '' | d(none, true) }}", "NoneNone"),
            ("{{ '' | default('x', boolean=true) }}{{ z | default(default_value='y') }}", "xy"),
            (
                "{{ 'xax' | trim(chars='x') }} {{ 'aa' | replace(old='a', new='b', count=1) }}",
                "a ba",
            ),
            ("{{ [1, 2, 3] | batch(linecount=2, fill_with='-') | list }}", "[[1, 2], [3, '-']]"),
            (
                "{{ [1, 2, 3] | slice(slices=2) | list }} {{ 2.345 | round(precision=1) }}",
                "[[1, 2], [3]] 2.3",
            ),
            ("{{ map | attr(name='a') }} {{ 2.5 | round(method='floor') }}", "2 2.0"),
            ("{{ history[0] | tojson }}", r#"{"content": "hi", "name": null, "type": "human"}"#),
            (
                "{% for k, v in history[1] | items %}{{ k }}={{ v }} {% endfor %}",
                "type=ai content=hello name=None ",
            ),
            ("{% if no %}{% set g = 'a' %}{% endif %}{{ text2 }}{{ g | default('-') }}", "böc-"),
            ("{% if yes %}{% set text2 = 'new' %}{% endif %}{{ text2 }}", "new"),
            ("{% if not yes %}{% set text2 = 'new' %}{% endif %}{{ text2 }}", "böc"),
            ("{% for x in [] %}{% else %}{{ text2 }}{% endfor %}", "böc"),
            ("{{ user.name if user is defined and user.name else 'you' }}", "you"),
            ("{{ user and user.name or 'you' }} {{ user or none or 'me' }}", "you me"),
            ("{{ map | tojson }} {{ list | tojson }}", r#"{"a": 2, "z": 1} ["b", "a"]"#),
            (
                "{{ [none, true, 1.5, 1e16, 3, 'é🙂\"<\\n\\x7f', {'k': []}] | tojson }}",
                r#"[null, true, 1.5, 1e+16, 3, "\u00e9\ud83d\ude42\"\u003c\n\u007f", {"k": []}]"#,
            ),
            ("{{ text | tojson }}", r#""\u003ca href=\u0027x\u0027\u003e\u0026\"\u003c/a\u003e""#),
            (
                "{{ list }} {{ map }} {{ [yes, none] | join(',') }}",
                "['b', 'a'] {'z': 1, 'a': 2} True,None",
            ),
            ("{% for c in 'abc' %}{{ c }}{{ ', ' if not loop.last }}{% endfor %}", "a, b, c"),
            (
                "{% for c in text2 %}{{ loop.index }}/{{ loop.length }}{{ c }}{{ loop.revindex }} {% endfor %}",
                "1/3b3 2/3ö2 3/3c1 ",
            ),
            (
                "{% for c in 'a' ~ text2 if c != 'b' %}{{ c }}{{ loop.length }}{% else %}none{% endfor %}",
                "a3ö3c3",
            ),
            ("{% for c in '' %}{{ c }}{% else %}none{% endfor %}", "none"),
            (
                "{% for i in 1, 2 %}{{ i }}{{ loop.last }}{% endfor %}{% for i in [1] + [2] %}{{ i }}{% endfor %}",
                "1False2True12",
            ),
            (
                "{{ 1e-5 ~ '' }} {{ small ~ float }} {{ -1e-5 ~ 'x' }} {{ 1 ~ 2.0 }}",
                "1e-05 1e-051e+16 -1e-05x 12.0",
            ),
            (
                "{{ 1e-5 | string }} {{ 1e-5 | upper }} {{ 1e20 | string }} {{ 1e-5 | title | lower | trim }}",
                "1e-05 1E-05 1e+20 1e-05",
            ),
            (
                "{{ 1e-5 | replace('e', 'E') }} {{ [1e-5, 2, 'x'] | join(';') }} {{ 0.5 in [0.5] }}",
                "1E-05 1e-05;2;x True",
            ),
            (
                "{{ 1e20 | int }} {{ '1_000' | int }} {{ '1__0' | int }} {{ '_1' | int }} {{ '1_' | int }}",
                "100000000000000000000 1000 0 0 0",
            ),
            (
                "{{ '0x_1a' | int(0, 16) }} {{ '1_0.5_0' | float }} {{ '1_.5' | float }} {{ '123456789012345678901' | int }}",
                "26 10.5 0.0 123456789012345678901",
            ),
            (
                "{{ none is iterable }} {{ 'x' is iterable }} {{ 1 is iterable }} {{ list is iterable }}",
                "False True False True",
            ),
            (
                "{{ 'x' is sequence }} {{ list is sequence }} {{ map is sequence }} {{ 1 is sequence }} {{ none is sequence }}",
                "True True True False False",
            ),
        ],
    );
}

/// The neighbours in a loop, the indents of JSON, and texts that are compared without their case.
#[test]
fn filters_and_loops_are_those_of_jinja2() {
    let variables = vars! {
        "list" => json!(["b", "a"]),
        "map" => json!({"z": 1, "a": 2}),
        "cities" => json!([{"n": "ß"}, {"n": "ss"}, {"n": "SS"}, {"n": "ẞ"}]),
        "messages" => json!([
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "ai", "content": "c"},
        ]),
    };
    check(
        &variables,
        &[
            (
                "{% for i in list %}{{ i }}{{ ', ' if loop.nextitem is defined else '.' }}{% endfor %}",
                "b, a.",
            ),
            ("{% for i in list %}{% if loop.previtem %}+{% endif %}{{ i }}{% endfor %}", "b+a"),
            (
                "{% for m in messages %}{% if loop.previtem is undefined or loop.previtem.role != m.role %}[{{ m.role }}]{% endif %}{{ m.content }}{% if loop.nextitem is not defined or loop.nextitem.role != m.role %};{% endif %}{% endfor %}",
                "[user]ab;[ai]c;",
            ),
            (
                "{% for c in 'aäb' %}{{ loop.previtem | default('^') }}{{ c }}{{ loop.nextitem | default('$') }} {% endfor %}",
                "^aä aäb äb$ ",
            ),
            (
                "{% for i in [1, 2, 3] if i != 2 %}{{ loop.previtem | default(0) }}<{{ i }}<{{ loop.nextitem | default(9) }} {% endfor %}",
                "0<1<3 1<3<9 ",
            ),
            (
                "{% for i in list %}{% for j in [1, 2] %}{{ loop.previtem | default('-') }}{% endfor %}{{ loop.previtem | default('-') }}{% endfor %}",
                "-1--1b",
            ),
            ("{{ map | tojson(indent=2) }}", "{\n  \"a\": 2,\n  \"z\": 1\n}"),
            (
                "{{ {'l': [1, {'k': []}, {}], 't': '<'} | tojson(2) }}",
                "{\n  \"l\": [\n    1,\n    {\n      \"k\": []\n    },\n    {}\n  ],\n  \"t\": \"\\u003c\"\n}",
            ),
            (
                "{{ list | tojson(0) }}{{ list | tojson(indent=none) }}{{ list | tojson(indent='->') }}{{ [1] | tojson(-3) }}{{ [] | tojson(4) }}{{ 1 | tojson(4) }}",
                "[\n\"b\",\n\"a\"\n][\"b\", \"a\"][\n-\\u003e\"b\",\n-\\u003e\"a\"\n][\n1\n][]1",
            ),
            ("{{ [1] | tojson(true) }}", "[\n 1\n]"),
            (
                "{{ ['ß', 't', 'SZ'] | sort | join(',') }} {{ ['ß', 't'] | min }} {{ ['ß', 't', 'SZ'] | max }}",
                "SZ,t,ß t ß",
            ),
            (
                "{{ ['ß', 't', 'É', 'e', 'é', 1] | map('string') | sort(reverse=true) | join(',') }} {{ ['É', 'é', 'e'] | sort(case_sensitive=true) | join(',') }}",
                "É,é,ß,t,e,1 e,É,é",
            ),
            (
                "{% for k, v in {'ß': 1, 't': 2, 's': 3} | dictsort %}{{ k }}{{ v }}{% endfor %} {% for k, v in {'a': 'ß', 'b': 'T', 'c': 't'} | dictsort(by='value', reverse=true) %}{{ k }}{{ v }}{% endfor %}",
                "s3t2ß1 aßbTct",
            ),
            (
                "{% for g in cities | groupby('n') %}{{ g.grouper }}:{{ g.list | length }};{% endfor %}{% for n, l in cities | groupby('n') %}{{ n }}{{ l | map(attribute='n') | join }};{% endfor %}",
                "ss:2;ß:2;ssssSS;ßßẞ;",
            ),
            (
                "{% for g, l in [{'n': 'É'}, {'n': 'é'}, {'m': 1}] | groupby('n', default='è') %}{{ g }}{{ l | length }};{% endfor %}",
                "è1;É2;",
            ),
            (
                "{{ cities | sort(attribute='n') | map(attribute='n') | join(',') }} {{ (cities | min(attribute='n')).n }} {{ (cities | max(attribute='n')).n }}",
                "ss,SS,ß,ẞ ss ß",
            ),
            (
                "{{ [['ß', 1], ['B', 2], ['b', 1], ['a', 3]] | sort(attribute='0,1') | map('join') | join(',') }} {{ [{'a': {'n': 'ß'}}, {'a': {'n': 'T'}}] | sort(attribute='a.n') | map(attribute='a.n') | join(',') }}",
                "a3,b1,B2,ß1 T,ß",
            ),
            ("{{ ['ß', 'ss', 'SS', 'ẞ'] | unique | join(',') }}", "ß,ss"),
            ("{{ 'ßt' | sort | join }} {{ 'ßt' | max }}", "tß ß"),
        ],
    );
}

/// The rows of `guide::differences` that have a text.
#[test]
fn values_that_differ_from_jinja2() {
    check(
        &vars! { "small" => 0.00001 },
        &[
            ("{{ [small, 1e20] }} {{ {'a': small} }}", "[1e-5, 1e20] {'a': 1e-5}"),
            ("{{ ('<a>' | e) + '<b>' }} {{ '<' + ('<a>' | e) }}", "&lt;a&gt;<b> <&lt;a&gt;"),
        ],
    );
}

fn check(variables: &Variables, table: &[(&str, &str)]) {
    let mut differences = String::new();
    for (source, expected) in table {
        let text = template(source).format(variables).expect(source).to_string();
        if text != *expected {
            writeln!(differences, "{source}: {text:?}, not {expected:?}").unwrap();
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn a_value_is_never_syntax() {
    let variables = vars! { "x" => "{{ y }}{% if z %}" };
    assert_eq!(template("{{ x }}").format(&variables).unwrap().to_string(), "{{ y }}{% if z %}");
}

#[test]
fn what_is_refused_is_told_when_built() {
    let faulty = [
        "{{ x",
        "{{ }}",
        "{% if x %}",
        "{% endif %}",
        "{{ x() }}",
        "{{ range(10) }}",
        "{{ x.upper() }}",
        "{{ x['a']() }}",
        "{{ ''.__class__.__mro__() }}",
        "{% include 'secret' %}",
        "{% import 'secret' as s %}",
        "{% extends 'prompt' %}",
        "{% block b %}{% endblock %}",
        "{% macro m() %}{% endmacro %}",
        "{% for i in x %}{% break %}{% endfor %}",
        "{% for i in x %}{% continue %}{% endfor %}",
        "{{ x | nope }}",
        "{{ x is nope }}",
        "{{ stop }}",
        "{% with a = 1, b = a %}{{ b }}{% endwith %}",
        "{{ x | list[0] }}",
        "{{ x | default('a')[0] }}",
        "東京 {{ x | nope }}",
    ];
    let mut shown = String::new();
    for source in faulty {
        let error = PromptTemplate::parse(source, TemplateFormat::Jinja2).expect_err(source);
        writeln!(shown, "{error:#}\n").unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn what_depends_on_values_is_told_when_formatted() {
    let endless = "{% for a in x %}".repeat(9) + &"{% endfor %}".repeat(9);
    let calls: [(&str, Variables); 5] = [
        ("{{ x }}", vars! { "y" => 1 }),
        ("{{ user.name }}", vars! { "user" => json!({"nme": "Ada"}) }),
        ("{% for i in user.items %}{% endfor %}", vars! { "user" => json!({}) }),
        ("{{ x + 1 }}", vars! { "x" => "secret" }),
        (&endless, vars! { "x" => json!(vec![0; 100]) }),
    ];
    let mut shown = String::new();
    for (source, variables) in calls {
        let error = template(source).format(&variables).expect_err(source);
        writeln!(shown, "{error}").unwrap();
        if let Some(source) = std::error::Error::source(&error) {
            writeln!(shown, "  caused by: {source}").unwrap();
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn depth_is_refused_before_it_can_exhaust_the_stack() {
    let chains = [
        ("{{ ", "x + ", "x }}"),
        ("{{ ", "- ", "x }}"),
        ("{{ x", " | upper", " }}"),
        ("{{ x", ".a", " }}"),
        ("{{ ", "x if x else ", "x }}"),
        ("{{ ", "not ", "x }}"),
        ("{{ ", "x ** ", "x }}"),
        ("{{ ", "x and ", "x }}"),
        ("{{ ", "x < ", "x }}"),
        ("{{ ", "( ", "x }}"),
        ("{{ x", "[x", " }}"),
        ("{% if x %}", "{% elif x %}", "{% endif %}"),
        ("", "{% if x %}", ""),
    ];
    for (start, link, end) in chains {
        for length in [10, 59, 60, 149, 150, 290, 299, 100_000] {
            let source = format!("{start}{}{end}", link.repeat(length));
            let prompt = PromptTemplate::parse(source, TemplateFormat::Jinja2);
            if let Ok(prompt) = prompt {
                assert!(length < 100_000, "{link} was accepted");
                let _ = prompt.format(&vars! { "x" => 1 });
            }
        }
    }
    let nested = [
        ("{% if x %}", "(", ")", "{% endif %}"),
        ("{% for x in y %}", "[", "]", "{% endfor %}"),
        ("{% with z = x %}", "{'a':", "}", "{% endwith %}"),
    ];
    for (open, bracket, close_bracket, close) in nested {
        let expression = format!(
            "{{{{ {}{}{} }}}}",
            bracket.repeat(20),
            ["x"; 250].join("+"),
            close_bracket.repeat(20)
        );
        let source = format!("{}{expression}{}", open.repeat(60), close.repeat(60));
        let prompt = template(&source);
        let _ = prompt.format(&vars! { "x" => 1, "y" => json!([1]) });
    }
}
