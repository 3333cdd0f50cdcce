//! Jinja2 templates that would take all memory, or a time without end.

use conversant_core::{Prompt, PromptError, Report, Variables, vars};
use conversant_prompts::{PromptTemplate, TemplateFormat, WorkLimit};
use conversant_template::jinja::MAX_MEMORY;
use serde_json::json;

fn variables() -> Variables {
    vars! { "t" => "x".repeat(100_000), "a" => "x", "l" => json!(["x"]), "m" => json!({"k": "v"}) }
}

/// Renders a template. Returns the result, and the most memory that was used.
fn outcome(source: &str) -> (Result<String, String>, u64) {
    let mut outcome = Ok(String::new());
    let used = allocation_counter::measure(|| {
        let prompt = PromptTemplate::parse(source, TemplateFormat::Jinja2);
        outcome = prompt.map_err(|error| error.to_string()).and_then(|prompt| {
            match prompt.format(&variables()) {
                Ok(value) => Ok(value.into_text()),
                Err(error) => Err(match &error {
                    PromptError::Custom(cause) if cause.is::<WorkLimit>() => cause.to_string(),
                    other => Report::new(other).to_string(),
                }),
            }
        });
    });
    (outcome, used.bytes_max)
}

/// Lists that contain themselves, and long sums.
#[test]
fn nested_lists_take_limited_memory_and_time() {
    let doubled = |set: &str, end: &str| format!("{}{end}", set.repeat(40));
    let pairs = "{% set a = (a, a) %}";
    let many = format!("{{{{ '' ~ [{}] }}}}", vec!["t"; 290].join(", "));
    let wide = format!("{{% set a = [{}] %}}", vec!["a"; 290].join(", "));
    let sums = format!("{{{{ ({}) | length }}}}", vec!["[1] * 100000000"; 60].join(" + "));
    let plain_sums = format!("{{{{ ({}) | length }}}}", vec!["l"; 290].join(" + "));
    let generated = [
        doubled("{% set a = a ~ a %}", "{{ a | length }}"),
        doubled(pairs, "{{ a }}"),
        doubled("{% set a = {'k': a, 'j': a} %}", "{{ a == {} }}"),
        doubled("{% set a = [a] * 1000 %}", "{{ a | length }}"),
        doubled("{% set a = a + a %}", "{{ a | length }}"),
        doubled("{% with a = [a, a] %}", &"{% endwith %}".repeat(40)),
        doubled(
            "{% for a in [(a, a)] %}",
            &format!("{{{{ a == a }}}}{}", "{% endfor %}".repeat(40)),
        ),
        doubled(
            "{% for a in [(a, a)] %}",
            &format!("{{{{ [a] | unique | list }}}}{}", "{% endfor %}".repeat(40)),
        ),
        doubled("{% set x %}{{ t }}{{ t }}{% endset %}{% set t = x %}", "{{ t | length }}"),
        many,
        format!("{}{{{{ '' ~ a }}}}", wide.repeat(3)),
        sums,
        plain_sums,
    ];
    check_all("nested_lists", generated.iter().map(String::as_str));
}

/// Operators, filters and tests on long texts and lists.
#[test]
fn templates_take_limited_memory_and_time() {
    let table = [
        "{{ '' ~ [t] * 100000 }}",
        "{{ '' ~ ([t] * 100000) | length }}",
        "{{ ('' ~ [t] * 100000) | length }}",
        "{{ ([t] * 100000 ~ '') | length }}",
        "{{ 1if a else '' ~ [t] * 100000 }}",
        "{{ [t] * 1000 ~ [t] * 1000 ~ [t] * 1000 }}",
        "{{ '' ~ ['x'] * 100000000 }}",
        "{{ [['x'] * 100000000] * 100000000 == [] }}",
        "{{ [1] * 100000000 == [1] * 100000000 }}",
        "{{ 2 in [1] * 100000000 }}",
        "{{ ([t] * 100000) in 'x' }}",
        "{{ ([t] * 100000) not in t }}",
        "{{ ([t] * 100000) is in 'x' }}",
        "{{ {[t] * 100000000: 1} | length }}",
        "{{ m[[t] * 100000000] | default(1) }}",
        "{{ ([1] * 100000000)[99999999:] | list }}",
        "{{ ([''] * 100000) | join(t) | length }}",
        "{{ (t | list | join(t)) | length }}",
        "{{ t | replace('', t) | length }}",
        "{{ t | replace('x', [t] * 100000) | length }}",
        "{{ ([t] * 100000) | replace('x', 'y') | length }}",
        "{{ t | replace('x', 'yy', count=1) | length }}",
        "{{ t | replace('x', 'yy', 1) | length }}",
        "{{ t | replace('x', 'yy', -1) | length }}",
        "{{ t | replace('x', t, 5000) | length }}",
        "{{ ([t] * 100000) | safe | length }}",
        "{{ ([t] * 100000) | e | length }}",
        "{{ ('\"' * 30000000) | e | length }}",
        "{{ ('<' * 30000000) | tojson | length }}",
        "{{ ('x' * 30000000) | list | length }}",
        "{{ ('x' * 10000000) | upper | lower | title | length }}",
        "{{ ('x\n' * 1000000) | indent(4000) | length }}",
        "{{ ([t] * 100000) | indent | length }}",
        "{{ ([t] * 100000) | truncate(5) | length }}",
        "{{ t | truncate(5, end=[t] * 100000) | length }}",
        "{{ ([t] * 100000) | wordcount }}",
        "{{ ([t] * 100000) | center(5) | length }}",
        "{{ [1] | batch(1000000000, 0) | list | length }}",
        "{{ [1] | slice(1000000000, 0) | list | length }}",
        "{{ '%999999999d' | format(1) | length }}",
        "{{ '%0999999999.999999999f' | format(1.0) | length }}",
        "{{ ('%s' * 100000) | format(t) | length }}",
        "{{ '%s' | format([t] * 100000) | length }}",
        "{{ ([t] * 1000000000) | length }}",
        "{{ ([t] * 100000) | tojson | length }}",
        "{{ [t] | tojson(indent=1000000000) | length }}",
        "{{ ([t] * 100000) | map('upper') | list | length }}",
        "{{ ([t] * 100000) | sort | unique | list | length }}",
        "{{ ([t] * 100000) | map('replace', 'x', t) | list | length }}",
        "{{ ([t] * 100000) | selectattr([t] * 100000) | list | length }}",
        "{{ [l, l] | groupby([t] * 100000) | length }}",
        "{{ ([{'a': 'X' * 50000}] * 3000) | sort(attribute='a,a') | length }}",
        "{{ (['É' * 50000] * 3000) | sort | length }}",
        "{{ (['É' * 500] * 300) | groupby('0') | length }}",
        "{{ [1, 2] | select('in', [[t] * 1000] * 1000) | list | length }}",
        "{{ ([t] * 100000) is startingwith('x') }}",
        "{{ t is endingwith([t] * 100000) }}",
        "{% for x in [t] * 100000 %}{% set y = x ~ x %}{% endfor %}",
        "{% for x in [t] * 100000 %}{% set ns = [x ~ x] * 100000 %}{% endfor %}",
        "{% for x in [1] * 10000000 %}{% if l == l %}{% endif %}{% endfor %}",
        "{% filter upper %}{% for x in [t] * 100000 %}{{ x }}{% endfor %}{% endfilter %}",
        "{% filter replace('x', [t] * 100000) %}x{% endfilter %}",
        "{% set y %}{% for x in [t] * 100000 %}{{ x }}{% endfor %}{% endset %}{{ y | length }}",
        "{% set y | replace('', t) %}{{ t }}{% endset %}{{ y | length }}",
        "{% if a %}{% elif '' ~ [t] * 100000 %}{% endif %}{{ '' ~ [t] * 100000 if a else '' }}",
        "{% raw %}{% endraw x %}{# {% endraw %}{{ '' ~ [t] * 100000 }}",
        "{%- raw -%}{%- endraw -%}{# #}{{ '' ~ [t] * 100000 }}",
        "{# {{ #}{{ '' ~ [t] * 100000 }}{# }} #}",
        "{{ '}}' ~ '{#' ~ [t] * 100000 }}",
        "{{ 1.~[t] * 100000 }}",
        "{{ 0x1f~[t] * 100000 }}",
        "{% set not = ['x' * 1000] * 1000000 %}{{ '' ~ not }}",
        "{% set if = ['x' * 1000] * 1000000 %}{{ '' ~ if ~ '' }}{{ if in 'x' }}",
        "{% for and in [['x' * 1000] * 1000000] %}{{ '' ~ and }}{{ not and == and }}{% endfor %}",
        "{% with in = ['x' * 1000] * 1000000 %}{{ in ~ '' }}{{ in in 'x' }}{% endwith %}",
        "{% autoescape true %}{{ t | safe ~ [t] * 100000 }}{% endautoescape %}",
        "{{ 2 ** 126 }}{{ 9 ** 9 ** 9 }}",
        "{{ ('a' * 100000) in ([t] * 100000) }}",
        "{{ ([t] * 100000) == ([t ~ ''] * 100000) }}",
    ];
    check_all("templates", table.into_iter());
}

/// Reads a long text as often as a template can: without fuel, each of them takes minutes.
#[test]
fn reading_long_texts_takes_fuel() {
    let table = [
        "{% if b is lower %}{% endif %}",
        "{% if b is eq(b ~ '') %}{% endif %}",
        "{% if b is startingwith(b ~ '') %}{% endif %}",
        "{% if b is endingwith('x') %}{% endif %}",
        "{% if 'y' is in b %}{% endif %}",
        "{% if 'y' is in b[-1] %}{% endif %}",
        "{{ b[-1] }}",
        "{{ b[9999999] }}",
        "{{ b[-1:] }}",
        "{{ b[::-30000000] }}",
        "{{ n.k[-1] }}",
        "{{ 'x' | indent(b) }}",
        "{{ 'x' | truncate(40000000, end=b) }}",
        "{{ 'x' | replace('y', b, 1) }}",
        "{{ 'x' | trim(b) }}",
    ];
    let table = table.map(|read| {
        let loops = "{% for i in n.l %}".repeat(2) + read + &"{% endfor %}".repeat(2);
        format!(
            "{{# {read} #}}{{% set b = t * 100 %}}{{% set n = {{'k': b, 'l': l * 500}} %}}{loops}"
        )
    });
    check_all("long_texts", table.iter().map(String::as_str));
}

/// Compares the results of templates with their snapshot.
#[track_caller]
fn check_all<'s>(name: &str, table: impl Iterator<Item = &'s str>) {
    let mut shown = String::new();
    for source in table {
        let start: String = source.chars().take(90).collect();
        let (outcome, bytes) = outcome(source);
        let outcome = match outcome {
            Ok(text) if text.len() > 100 => format!("{} bytes", text.len()),
            Ok(text) => format!("{text:?}"),
            Err(error) => error.lines().last().unwrap_or_default().to_owned(),
        };
        let is_limited = bytes <= MAX_MEMORY as u64;
        shown +=
            &format!("{start}: {outcome}{}\n", if is_limited { "" } else { ", too much memory" });
    }
    insta::assert_snapshot!(name, shown);
}

/// Measured operands keep their places, their precedence and their errors.
#[test]
fn measured_operands_are_those_of_jinja() {
    let table = [
        ("{{ n ~ o }}", "12"),
        ("{{- n~o -}}", "12"),
        ("{{ n ~ ' ' ~ o ~ none }}", "1 2None"),
        ("{{ n * o ~ n ** o }}", "21"),
        ("{{ -n ~ -o }}", "-1-2"),
        ("{{ - n * o }} {{ o - n * o }} {{ [1] * o }}", "-2 0 [1, 1]"),
        ("{{ l[0] ~ m.k | upper ~ m['k'] }}", "xVv"),
        ("{{ [n ~ o, (n ~ o) ~ n] }}", "['12', '121']"),
        ("{{ n ~ o if n ~ o == '12' else 'no' }}", "12"),
        ("{{ 'no' if not n ~ o else o ~ n }}", "21"),
        ("{{ n is defined ~ o }}", "True2"),
        ("{{ o is divisibleby -2 ~ n }} {{ n is not in l ~ n }}", "True1 True1"),
        ("{{ n ~ o in ['12'] }} {{ n ~ o not in ['12'] }}", "True False"),
        ("{{ n is in [1, 2] }} {{ n is not in [2, 3] }} {{ m['k'] }}", "True True v"),
        ("{{ n < o < 3 }} {{ not n == o }} {{ l == ['x'] and m == {'k': 'v'} }}", "True True True"),
        (
            "{{ l + l }} {{ 'a' + m.k + 'b' }} {{ m.k + 'b' }} {{ 2 * 'ab' }}",
            "['x', 'x'] avb vb abab",
        ),
        ("{% set c = n ~ o %}{{ c ~ '~' ~ c }}", "12~12"),
        ("{% set c, d = o, n %}{{ c ~ d }}{% set c = 1, 2 %}{{ c }}", "21(1, 2)"),
        ("{% with c = n + o, d = [o] if n is defined else [n] %}{{ c ~ d }}{% endwith %}", "3[2]"),
        (
            "{% if n ~ o %}{% for x in [n ~ o] if x in ['12'] %}{{ x ~ x }}{% endfor %}{% endif %}",
            "1212",
        ),
        (
            "{% for k, v in m | items %}{{ k ~ v }}{% endfor %}{{ l ~ l }} {{ 1.5 ~ 2.0 }}",
            "kv['x']['x'] 1.52.0",
        ),
        ("{{ 'a' | replace('a', 'b' ~ o) }} ~ {{ {'k': n ~ o}['k' ~ ''] }}", "b2 ~ 12"),
        ("{{ {n ~ o: l, 'k': m}['12'] }} {{ l[n - 1] ~ l[-1:] ~ 'abc'[n:o] }}", "['x'] x['x']b"),
        ("{{ [1, 2, 3] | select('>', n) | join('-') }} {{ [o, n] | sort | first }}", "2-3 1"),
    ];
    let variables = vars! { "n" => 1, "o" => 2, "l" => json!(["x"]), "m" => json!({"k": "v"}) };
    let mut shown = String::new();
    for (source, expected) in table {
        let prompt = PromptTemplate::parse(source, TemplateFormat::Jinja2);
        let text = match prompt.map(|prompt| prompt.format(&variables)) {
            Ok(Ok(text)) => text.into_text(),
            Ok(Err(error)) => Report::new(&error).to_string(),
            Err(error) => error.to_string(),
        };
        shown += &format!("{source}: {text}{}\n", if text == expected { "" } else { " (!)" });
    }
    for source in ["{{ n ~ m.other ~ o }}", "{{ m.other + o }}", "{{ o == x.y }}"] {
        let prompt = PromptTemplate::parse(source, TemplateFormat::Jinja2).unwrap();
        let error = prompt.format(&variables).unwrap_err();
        shown += &format!("{source}: {}\n", Report::new(&error));
    }
    for source in [
        "{{ n ~ }}",
        "{{ ~ n }}",
        "{{ n ~ o",
        "{{ n ~ ~ o }}",
        "{{ (n ~ o }}",
        "{{ n + }}",
        "{% set x = %}",
        "{{ n == }}",
        "{{ n | measured_text }}",
    ] {
        let error = PromptTemplate::parse(source, TemplateFormat::Jinja2).unwrap_err();
        shown += &format!("{source}:\n{error}\n");
    }
    insta::assert_snapshot!(shown);
}

/// A template within the limits of brackets is not refused because of what is measured.
#[test]
fn measured_operands_may_be_nested() {
    let nested = format!("{{{{ {}n{} }}}}", "(n ~ n == ".repeat(20), ")".repeat(20));
    let (outcome, _) = outcome(&nested.replace('n', "a"));
    assert_eq!(outcome.as_deref(), Ok("False"));
}
