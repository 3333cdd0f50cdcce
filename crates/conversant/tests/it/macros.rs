//! The macros as a program that depends on this crate alone uses them.

use conversant::{PromptInputs, Variables, chat_prompt, prompt, vars};

#[derive(PromptInputs)]
struct Inputs {
    x: String,
}

impl Inputs {
    fn shown(self) -> String {
        let prompt = prompt!("{x}!", inputs: Self);
        conversant::Prompt::format(&prompt, &self.into()).unwrap().to_string()
    }
}

#[derive(conversant::PromptInputs)]
#[prompt(crate = "conversant")]
struct Generic<'a, T: Into<conversant::Value>> {
    x: T,
    y: &'a str,
}

fn generic<T: Into<conversant::Value>>(inputs: Generic<'_, T>) -> String {
    let prompt = chat_prompt!(("human", "{x} {y}"); inputs: Generic<'_, T>);
    conversant::Prompt::format(&prompt, &inputs.into()).unwrap().to_string()
}

#[test]
fn a_struct_is_the_inputs_of_a_prompt() {
    assert_eq!(Inputs { x: "hi".to_owned() }.shown(), "hi!");
    assert_eq!(generic(Generic { x: 1, y: "b" }), "Human: 1 b");
    assert_eq!(Inputs::NAMES, ["x"]);
    assert_eq!(Variables::from(Inputs { x: "hi".to_owned() }), vars! { "x" => "hi" });
}
