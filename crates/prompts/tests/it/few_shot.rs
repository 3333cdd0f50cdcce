//! Few-shot prompts: values of examples, and what is computed for each call.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use conversant_core::{Prompt, PromptError, Report, Slot, Variables, vars};
use conversant_prompts::{
    ChatPromptTemplate, Example, ExampleSelector, FewShotChatPromptTemplate, FewShotPromptTemplate,
    MessageTemplate, PromptTemplate,
};

/// A function that counts its calls.
fn counter() -> impl Fn() -> i64 + Send + Sync + 'static {
    let asked = Arc::new(AtomicUsize::new(0));
    move || i64::try_from(asked.fetch_add(1, Ordering::Relaxed)).unwrap()
}

#[test]
fn functions_of_examples_are_asked_in_each_call() {
    let plain = || ChatPromptTemplate::from_messages([("human", "{i} {n}")]).unwrap();
    let text = PromptTemplate::from_template("{i} {n}").unwrap().with_partial_fn("n", counter());
    let inner = ChatPromptTemplate::from_messages((MessageTemplate::from_prompt(
        conversant_core::Role::Human,
        text,
    ),))
    .unwrap();
    let nested = ChatPromptTemplate::from_messages((plain().with_partial_fn("n", counter()),));
    for example in [plain().with_partial_fn("n", counter()), inner, nested.unwrap()] {
        let examples = [vars! { "i" => "a" }, vars! { "i" => "b" }];
        let prompt = FewShotChatPromptTemplate::new(example, examples).unwrap();
        let larger = ChatPromptTemplate::from_messages((prompt.clone(),)).unwrap();
        let first = prompt.format(&vars! {}).unwrap().to_string();
        let second = prompt.format(&vars! {}).unwrap().to_string();
        let third = larger.format(&vars! {}).unwrap().to_string();
        assert!(first != second && second != third, "{first} {second} {third}");
    }
    let example = plain().with_partial("n", "1");
    let prompt = FewShotChatPromptTemplate::new(example, [vars! { "i" => "a" }]).unwrap();
    let format = || prompt.format_messages(&vars! {}).unwrap();
    let is_shared =
        Arc::ptr_eq(format().iter_shared().next().unwrap(), format().iter_shared().next().unwrap());
    assert!(is_shared);
}

#[test]
fn examples_that_do_not_fit_are_refused() {
    let examples = || [vars! { "n" => 1, "t" => "x" }, vars! { "n" => "seven", "t" => "x" }];
    let text = || PromptTemplate::from_template("{n:d} {t}").unwrap();
    let chat = || ChatPromptTemplate::from_messages([("human", "{n:d} {t}")]).unwrap();
    let build = FewShotPromptTemplate::builder(text()).examples(examples()).build();
    let none = FewShotPromptTemplate::builder(text()).build().unwrap();
    for error in [
        build.unwrap_err(),
        none.with_examples(examples()).unwrap_err(),
        FewShotChatPromptTemplate::new(chat(), examples()).unwrap_err(),
    ] {
        assert_eq!(
            Report::new(&error).to_string(),
            "example 2: cannot format variable `n`: value of `n` does not fit `{n:d}`: format code \
             `d` cannot write text, at line 1, column 1"
        );
    }
}

/// The own partial variables of a template that shows selected examples are known before a call.
#[test]
fn partial_variables_of_examples_that_do_not_fit_are_faults() {
    let text = PromptTemplate::from_template("{n:d}{q}").unwrap().with_partial("n", "seven");
    let chat = ChatPromptTemplate::from_messages([("human", "{n:d}{q}")]).unwrap();
    let chat = chat.with_partial("n", "seven");
    let text = FewShotPromptTemplate::builder(text).selector(OfLanguage).build().unwrap();
    let chat = FewShotChatPromptTemplate::with_selector(chat, OfLanguage);
    let larger = ChatPromptTemplate::from_messages((chat.clone(),)).unwrap();
    for prompt in [&text as &dyn Prompt, &chat, &larger] {
        let faults: Vec<_> = prompt.faults(&[]).iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("`n`"), "{faults:?}");
    }
}

/// Chooses by a variable.
struct OfLanguage;

impl ExampleSelector for OfLanguage {
    fn select(&self, variables: &Variables) -> Result<Vec<Example>, PromptError> {
        let language = variables.get("language").map_or_else(|| "none".into(), |it| it.to_text());
        Ok(vec![vars! { "q" => language.into_owned() }])
    }

    fn slots(&self) -> &[Slot] {
        static SLOTS: std::sync::LazyLock<Vec<Slot>> =
            std::sync::LazyLock::new(|| vec![Slot::text("language")]);
        &SLOTS
    }
}

#[test]
fn a_selector_in_a_nested_prompt_sees_the_partial_variables_around_it() {
    let example = ChatPromptTemplate::from_messages([("human", "example in {q}")]).unwrap();
    let inner = ChatPromptTemplate::from_messages((
        FewShotChatPromptTemplate::with_selector(example, OfLanguage),
        ("human", "{language}: {text}"),
    ))
    .unwrap();
    let given = vars! { "text" => "hi" };
    let outer = ChatPromptTemplate::from_messages((inner,)).unwrap();
    let twice = ChatPromptTemplate::from_messages((outer.clone(),)).unwrap();
    for prompt in [
        outer.clone().with_partial("language", "French"),
        outer.with_partial_fn("language", || "French"),
        twice.with_partial("language", "French"),
    ] {
        assert_eq!(
            prompt.format(&given).unwrap().to_string(),
            "Human: example in French\nHuman: French: hi"
        );
    }
}
