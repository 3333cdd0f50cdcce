//! The macros. How they fail is tested in `conversant-macros`.

use conversant_core::{Message, Messages, Prompt, Variables, vars};
use conversant_prompts::{
    ChatPromptTemplate, MessagesPlaceholder, PromptInputs, PromptTemplate, chat_prompt, prompt,
};

#[test]
fn a_checked_prompt_is_the_parsed_one() {
    let prompt: PromptTemplate = prompt!("{{literal}} {x:>3}");
    assert_eq!(prompt.template(), "{{literal}} {x:>3}");
    assert_eq!(prompt.format(&vars! { "x" => 1 }).unwrap().to_string(), "{literal}   1");
}

#[test]
fn values_fill_a_prompt_in() {
    let (x, r#type) = ("{y}", 2);
    assert_eq!(prompt!("{x} {type} {z}", x, r#type, z = 1.5).unwrap().to_string(), "{y} 2 1.5");
    assert_eq!(prompt!("no variables",).unwrap_text(), "no variables");
    let error = prompt!("{x:d}", x).unwrap_err();
    assert_eq!(error.to_string(), "cannot format variable `x`");
}

/// A prompt without values is not a result.
trait UnwrapText {
    fn unwrap_text(self) -> String;
}

impl UnwrapText for PromptTemplate {
    fn unwrap_text(self) -> String {
        self.format(&Variables::new()).unwrap().into_text()
    }
}

#[derive(PromptInputs)]
struct Inputs<'a> {
    history: Messages,
    text: &'a str,
    r#type: Option<String>,
    #[prompt(rename = "count")]
    number: i64,
    #[prompt(skip)]
    _internal: u8,
}

#[test]
fn a_struct_is_a_prompts_inputs() {
    assert_eq!(Inputs::NAMES, ["history", "text", "type", "count"]);
    let inputs = |r#type: Option<&str>| {
        let history = Messages::from_iter([Message::human("hi")]);
        let r#type = r#type.map(str::to_owned);
        Variables::from(Inputs { history, text: "{x}", r#type, number: 3, _internal: 0 })
    };
    let prompt: ChatPromptTemplate = chat_prompt!(
        MessagesPlaceholder::new("history"),
        ("human", "{text} {type} {count:02d}");
        inputs: Inputs<'_>
    );
    let value = prompt.format(&inputs(Some("t"))).unwrap();
    assert_eq!(value.to_string(), "Human: hi\nHuman: {x} t 03");
    let error = prompt.format(&inputs(None)).unwrap_err();
    assert_eq!(error.to_string(), "missing variable `type`");
}

#[test]
fn a_chat_may_take_values_that_only_its_other_elements_use() {
    let history = Messages::from_iter([Message::ai("hello")]);
    let value = chat_prompt!(
        ("placeholder", "{history}"),
        Message::system("{literal}"),
        ("critic", "{text}");
        history = history,
        text = "x"
    );
    assert_eq!(value.unwrap().to_string(), "AI: hello\nSystem: {literal}\ncritic: x");
}
