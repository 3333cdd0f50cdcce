//! The behaviours of LangChain's own tests of sequences, transforms and conversations, as data.

use std::convert::Infallible;

use conversant_chains::{
    ConversationChain, Correction, JsonParser, LlmChain, SequentialChain, SimpleSequentialChain,
    TransformChain, Verbose, WithMemory,
};
use conversant_core::{Memory, Message, Reply, Ticket, Turn, Usage, Value, vars};
use conversant_memory::{BufferMemory, SimpleMemory, SummaryMemory, WindowMemory};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{ScriptedChat, ScriptedCompletion, ScriptedReply};

use super::{Joining, llm, variables, written};
use crate::support::Log;

#[tokio::test]
async fn sequences() {
    // The steps, the declared inputs, the outputs (`*` for all), facts, the call's inputs, and the
    // variables of its result.
    for (steps, inputs, outputs, facts, call, expected) in [
        ("seed -> leaf; leaf -> tree", "seed", "", "", "seed=1", "seed=1, tree=1++"),
        ("a b -> c; c a -> d", "a b", "", "", "a=1 b=2", "a=1, b=2, d=1 2+ 1+"),
        ("a -> c; c -> d", "a", "", "z=9", "a=1", "a=1, d=1++, z=9"),
        ("a z -> c; c -> d", "a", "", "z=9", "a=1", "a=1, d=1 9++, z=9"),
        ("a -> c e; c a -> d", "a", "", "", "a=1", "a=1, d=1+ 1+"),
        ("a -> c; c -> d", "a", "c d", "", "a=1", "a=1, c=1+, d=1++"),
        ("a -> c; c -> d", "a", "c", "", "a=1", "a=1, c=1+"),
        ("a -> c; c -> d", "a", "a", "", "a=1", "a=1"),
        ("a -> c; c -> d", "a", "c c", "", "a=1", "a=1, c=1+"),
        ("a -> c; c -> d", "a", "*", "", "a=1", "a=1, c=1+, d=1++"),
        ("a -> c; c -> d; c d -> e", "a", "*", "z=9", "a=1", "a=1, c=1+, d=1++, e=1+ 1+++, z=9"),
        ("a -> b", "a", "", "", "a=1 more=2", "a=1, b=1+, more=2"),
        ("a -> c; c b -> d", "", "", "", "a=1 b=2", "a=1, b=2, d=1+ 2+"),
    ] {
        let mut builder = SequentialChain::builder();
        for step in Joining::parse_all(steps) {
            builder = builder.chain(step);
        }
        if !inputs.is_empty() {
            builder = builder.inputs(inputs.split_whitespace());
        }
        builder = match outputs {
            "" => builder,
            "*" => builder.return_all(true),
            names => builder.outputs(names.split_whitespace().map(str::to_owned)),
        };
        if !facts.is_empty() {
            builder = builder.memory(SimpleMemory::new(variables(facts)));
        }
        let chain = builder.build().unwrap();
        let outcome = chain.invoke(variables(call)).await.unwrap();
        assert_eq!(written(&outcome.variables), expected, "{steps}");
    }
}

#[tokio::test]
async fn the_first_output_is_the_last_step_s_unless_others_are_named() {
    for (outputs, first) in [("", "1+++"), ("*", "1+++"), ("c d", "1+"), ("d c", "1++")] {
        let mut builder = SequentialChain::builder();
        for step in Joining::parse_all("a -> c; c -> d; d -> e") {
            builder = builder.chain(step);
        }
        builder = match outputs {
            "" => builder,
            "*" => builder.return_all(true),
            names => builder.outputs(names.split_whitespace().map(str::to_owned)),
        };
        let chain = builder.build().unwrap();
        assert_eq!(chain.predict(variables("a=1")).await.unwrap(), first, "{outputs}");
    }
}

#[tokio::test]
async fn a_step_sees_its_own_memory() {
    let memory = BufferMemory::new().with_memory_key("past");
    let turn = Turn::exchange("yo", "ya");
    memory.save(&turn, Ticket::default()).await.unwrap();
    let first = WithMemory::new(Joining::parse("a past -> c"), memory).unwrap();
    let chain = SequentialChain::builder()
        .chain(first)
        .chain(Joining::parse("c -> d"))
        .inputs(["a"])
        .build()
        .unwrap();
    let outcome = chain.invoke(vars! { "a" => "1" }).await.unwrap();
    assert_eq!(written(&outcome.variables), "a=1, d=1 Human: yo\nAI: ya++");
    let outcome = chain.invoke(vars! { "a" => "2" }).await.unwrap();
    let past = "Human: yo\nAI: ya\nHuman: 1\nAI: 1 Human: yo\nAI: ya+";
    assert_eq!(written(&outcome.variables), format!("a=2, d=2 {past}++"));
}

#[tokio::test]
async fn the_memory_of_a_sequence_stores_the_output_that_it_names() {
    for (output_key, stored) in [("d", "1++"), ("c", "1+")] {
        let memory = BufferMemory::new().with_output_key(output_key);
        let chain = SequentialChain::builder()
            .chain(Joining::parse("a -> c"))
            .chain(Joining::parse("c -> d"))
            .outputs(["d", "c"])
            .allow_unused("history")
            .memory(memory)
            .build()
            .unwrap();
        chain.invoke(variables("a=1")).await.unwrap();
        let loaded = chain.invoke(variables("a=2")).await.unwrap();
        let history = loaded.variables.get("history").unwrap().to_text().into_owned();
        assert_eq!(history, format!("Human: 1\nAI: {stored}"));
    }
}

#[tokio::test]
async fn simple_sequences() {
    for (strip, replies, prompts, output) in [
        (false, [" one\n", "\ttwo "], ["1: x", "2:  one\n"], "\ttwo "),
        (true, [" one\n", "\ttwo "], ["1: x", "2: one"], "two"),
        (true, ["\u{1c}\u{85}one\u{3000}", "\u{1f}"], ["1: x", "2: one"], ""),
    ] {
        let model = ScriptedCompletion::new(replies);
        let chain = SimpleSequentialChain::builder()
            .chain(llm("1: {first}", model.clone(), "text"))
            .chain(llm("2: {second}", model.clone(), "other"))
            .strip_outputs(strip)
            .build()
            .unwrap();
        let outcome = chain.invoke(vars! { "input" => "x" }).await.unwrap();
        assert_eq!(written(&outcome.variables), format!("input=x, output={output}"));
        let sent: Vec<_> = model.requests().into_iter().map(|request| request.prompt).collect();
        assert_eq!(sent, prompts);
    }
}

#[tokio::test]
async fn each_step_reports_to_its_own_observers_once() {
    let (one, two) = (Log::default(), Log::default());
    let step = |log: &Log, template: &str| {
        let prompt = PromptTemplate::from_template(template).unwrap();
        let model = ScriptedCompletion::new(["said"]);
        LlmChain::builder().prompt(prompt).model(model).observer(log.clone()).build().unwrap()
    };
    let chain = SimpleSequentialChain::builder()
        .chain(step(&one, "{a}"))
        .chain(step(&two, "{b}"))
        .build()
        .unwrap();
    chain.predict(vars! { "input" => "x" }).await.unwrap();
    for log in [one, two] {
        let lines = log.take();
        for event in ["started LLMChain", "answered said", "ended LLMChain"] {
            assert_eq!(lines.matches(event).count(), 1, "{event} in {lines}");
        }
        assert_eq!(lines.matches("failed").count(), 0);
    }
}

#[tokio::test]
async fn the_steps_of_a_transcript_have_five_colours_in_turn() {
    let (observer, transcript) = Verbose::buffer();
    let mut builder = SimpleSequentialChain::builder().observer(observer);
    for _ in 0..7 {
        builder = builder.chain(Joining::parse("a -> b"));
    }
    builder.build().unwrap().predict(vars! { "input" => "" }).await.unwrap();
    insta::assert_debug_snapshot!(transcript.take().lines().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_transcript_of_a_step_is_its_own() {
    let (outer, of_sequence) = Verbose::buffer();
    let (inner, of_step) = Verbose::buffer();
    let prompt = PromptTemplate::from_template("{a}").unwrap();
    let step = LlmChain::builder()
        .prompt(prompt)
        .model(ScriptedCompletion::new(["said"]))
        .observer(inner.without_color())
        .build()
        .unwrap();
    let chain = SequentialChain::builder().chain(step).observer(outer.without_color());
    chain.build().unwrap().predict(vars! { "a" => "x" }).await.unwrap();
    let entered = |name: &str| format!("\n\n> Entering new {name} chain...\n");
    let finished = "\n> Finished chain.\n";
    assert_eq!(of_sequence.take(), format!("{}{finished}", entered("SequentialChain")));
    let prompt = "Prompt after formatting:\nx\n";
    assert_eq!(of_step.take(), format!("{}{prompt}{finished}", entered("LLMChain")));
}

#[tokio::test]
async fn transforms() {
    let greet = |variables: &conversant_core::Variables| {
        let text = |name| variables.get(name).map(Value::to_text).unwrap_or_default();
        let greeting = format!("{} of {} says hello", text("first"), text("house"));
        Ok::<_, Infallible>(vars! { "greeting" => greeting, "spare" => 1 })
    };
    let inputs = ["first", "house"];
    for chain in [
        TransformChain::new(inputs, ["greeting"], greet).unwrap(),
        TransformChain::new_async(inputs, ["greeting"], move |variables| async move {
            greet(&variables)
        })
        .unwrap(),
        TransformChain::builder(inputs, ["greeting"], greet).name("Greeter").build().unwrap(),
    ] {
        for (call, expected) in [
            ("first=Ada house=Byron", "first=Ada, greeting=Ada of Byron says hello, house=Byron"),
            ("frist=Ada house=Byron", "missing input `first` (found `frist`)"),
            ("", "missing inputs `first`, `house`"),
        ] {
            let told = match chain.invoke(variables(call)).await {
                Ok(outcome) => written(&outcome.variables),
                Err(error) => error.to_string(),
            };
            assert_eq!(told, expected);
        }
    }
    let lacking = TransformChain::new(["a"], ["start", "end"], |_: &_| {
        Ok::<_, Infallible>(vars! { "strat" => "x", "end" => "y" })
    });
    let error = lacking.unwrap().predict(variables("a=1")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot return the outputs of the chain: missing `start` (found `strat`)"
    );
}

#[tokio::test]
async fn conversations() {
    let model = ScriptedCompletion::with_handler(|_| ScriptedReply::text("said"));
    let chain = ConversationChain::builder()
        .prompt(PromptTemplate::from_template("{past} {said}").unwrap())
        .model(model.clone())
        .memory(BufferMemory::new().with_memory_key("past"))
        .input_key("said")
        .build()
        .unwrap();
    for said in ["one", "two", "three"] {
        chain.predict(vars! { "said" => said }).await.unwrap();
    }
    let sent: Vec<_> = model.requests().into_iter().map(|request| request.prompt).collect();
    let second = "Human: one\nAI: said two";
    assert_eq!(sent, [" one", second, "Human: one\nAI: said\nHuman: two\nAI: said three"]);
}

#[tokio::test]
async fn the_default_prompt_of_a_conversation_fits_every_memory() {
    let model = ScriptedChat::with_handler(|_| ScriptedReply::text("said"));
    let summariser = ScriptedCompletion::with_handler(|_| ScriptedReply::text("they spoke"));
    let builder = || ConversationChain::builder().model(model.clone());
    for chain in [
        builder().memory(BufferMemory::new()).build(),
        builder().memory(BufferMemory::new().with_return_messages(true)).build(),
        builder().memory(WindowMemory::new().with_memory_key("recent")).build(),
        builder().memory(SummaryMemory::new(summariser)).build(),
    ] {
        let chain = chain.unwrap();
        for said in ["one", "two {history}"] {
            chain.predict(vars! { "input" => said }).await.unwrap();
        }
    }
    let sent: Vec<_> =
        model.requests().iter().map(|request| format!("{:#}", as_value(request))).collect();
    insta::assert_snapshot!(sent.join("\n=====\n"));
}

fn as_value(request: &conversant_core::ChatRequest) -> conversant_core::PromptValue {
    request.messages.clone().into()
}

#[tokio::test]
async fn the_observers_of_a_sequence_see_the_events_of_its_steps() {
    let log = Log::default();
    let says = |text: &str| {
        let usage = Usage::new(10, 2);
        ScriptedChat::new([Reply::new(Message::ai(text)).with_usage(usage)])
    };
    let chain = SequentialChain::builder()
        .chain(llm("{q}", says("one"), "first"))
        .chain(llm("{first}", says("two"), "second"))
        .observer(log.clone())
        .build()
        .unwrap();
    chain.invoke(vars! { "q" => "hi" }).await.unwrap();
    let whole = log.take();
    chain.stream(vars! { "q" => "hi" }).await.map(drop).unwrap_err();
    insta::assert_snapshot!(format!("{whole}\n\nfailed:\n{}", log.take()));
}

/// A conversation has the settings of an LLM chain.
#[tokio::test]
async fn an_answer_of_a_conversation_is_corrected() {
    let model = ScriptedChat::new(["Well, yes.", r#"{"yes": true}"#]);
    let chain = ConversationChain::builder()
        .model(model.clone())
        .memory(BufferMemory::new())
        .parser(JsonParser)
        .correction(Correction::retry(1))
        .build()
        .unwrap();
    let answer = chain.predict(vars! { "input" => "Is 7 prime?" }).await.unwrap();
    assert_eq!((answer.as_str(), model.requests().len()), (r#"{"yes":true}"#, 2));
}

/// The text of a model is used by the next step as a parser would see it; the last step's answer is
/// the model's own.
#[tokio::test]
async fn reasoning_in_an_answer_is_not_passed_on() {
    let prompt = |text| PromptTemplate::from_template(text).unwrap();
    let step = |model: &ScriptedCompletion, template, key| {
        let chain = LlmChain::builder().prompt(prompt(template)).model(model.clone());
        chain.output_key(key).build().unwrap()
    };
    let script =
        || ScriptedCompletion::new(["<think>hm</think>\n\nplay ", "<think>well</think>good"]);
    let sent = |model: &ScriptedCompletion| model.requests()[1].prompt.clone();

    let model = script();
    let chain = SequentialChain::builder()
        .chain(step(&model, "{x}", "play"))
        .chain(step(&model, "Review: {play}.", "review"))
        .return_all(true)
        .build()
        .unwrap();
    let outcome = chain.invoke(vars! { "x" => 1 }).await.unwrap();
    assert_eq!(sent(&model), "Review: play .");
    assert_eq!(outcome.text(), "<think>well</think>good");
    assert_eq!(outcome.variables.get("play").unwrap().to_text(), "play ");

    for (strip, expected) in [(false, "Review: play ."), (true, "Review: play.")] {
        let model = script();
        let inner = SimpleSequentialChain::builder().chain(step(&model, "{x}", "play"));
        let chain = SimpleSequentialChain::builder()
            .chain(inner.strip_outputs(strip).build().unwrap())
            .chain(step(&model, "Review: {play}.", "review"))
            .build()
            .unwrap();
        chain.predict(vars! { "input" => 1 }).await.unwrap();
        assert_eq!(sent(&model), expected);
    }
}
