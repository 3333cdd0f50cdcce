//! Routing by a function and by a model.

use std::{convert::Infallible, sync::Arc};

use conversant_chains::{
    ChainError, FnRouter, LlmRouter, PromptInfo, Route, Router, RouterChain, RouterChainBuilder,
    Verbose,
};
use conversant_core::{Message, Messages, ToolCall, Value, vars};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{ScriptedCompletion, ScriptedReply};
use serde_json::json;

use super::llm;
use crate::support::chain_of;

/// Chains for physics and maths, and a default one. Each answers with its name and its prompt.
fn chains() -> RouterChainBuilder {
    let named = |name: &'static str| {
        let model = ScriptedCompletion::with_handler(move |request| {
            ScriptedReply::text(format!("{name}: {}", request.prompt))
        });
        llm("{input}", model, "text")
    };
    RouterChain::builder()
        .destination("physics", named("physics"))
        .destination("maths", named("maths"))
        .default_chain(named("default"))
}

/// A router over a model that gives this answer.
fn answering(answer: &str) -> LlmRouter {
    LlmRouter::new(llm("route {input}", ScriptedCompletion::new([answer]), "text"))
}

#[tokio::test]
async fn answers_of_a_routing_model() {
    let unknown =
        "cannot route to `phsyics` (nearest: `physics`); the destinations are `physics`, `maths`";
    let failed =
        "cannot run step 1 (`router`): cannot parse the model's answer: cannot parse the answer";
    for (answer, expected) in [
        (r#"{"destination": "physics", "next_inputs": "Why blue?"}"#, "physics: Why blue?"),
        ("```json\n{\"destination\": \"maths\", \"next_inputs\": \"2 + 2\"}\n```", "maths: 2 + 2"),
        ("Sure:\n```\n{\"destination\": \" maths\\n\", \"next_inputs\": \"\"}\n```", "maths: "),
        (r#"{"destination": "DEFAULT", "next_inputs": "Hi"}"#, "default: Hi"),
        (r#"{"destination": " default ", "next_inputs": "Hi"}"#, "default: Hi"),
        (r#"{"destination": "", "next_inputs": "Hi"}"#, "default: Hi"),
        (r#"{"destination": "maths", "next_inputs": "{braces} stay"}"#, "maths: {braces} stay"),
        (r#"{"destination": "maths", "next_inputs": "cut o"#, "maths: cut o"),
        (r#"{"destination": "phsyics", "next_inputs": "Hi"}"#, unknown),
        (r#"{"destination": "physics"}"#, &format!("{failed}: `next_inputs` is missing")),
        (r#"{"next_inputs": "Hi"}"#, &format!("{failed}: `destination` is missing")),
        (
            r#"{"destination": null, "next_inputs": "Hi"}"#,
            &format!("{failed}: `destination` is not a text"),
        ),
        (
            r#"{"destination": "maths", "next_inputs": {"a": 1}}"#,
            &format!("{failed}: `next_inputs` is not a text"),
        ),
        (r#"["maths", "Hi"]"#, &format!("{failed}: `destination` is missing")),
        ("maths", &format!("{failed}: it contains no JSON")),
    ] {
        let chain = chains().router(answering(answer)).build().unwrap();
        let told = match chain.predict(vars! { "input" => "hi" }).await {
            Ok(text) => text,
            Err(error) => chain_of(&error),
        };
        assert_eq!(told, expected, "{answer}");
    }
}

#[tokio::test]
async fn the_answer_of_a_router_that_cannot_be_read_is_kept() {
    let chain = chains().router(answering("maths, I think")).build().unwrap();
    let error = chain.predict(vars! { "input" => "hi" }).await.unwrap_err();
    let ChainError::Step(step) = error else { panic!("{error}") };
    let ChainError::Parse { source: parse, .. } = step.source else { panic!("{}", step.source) };
    assert_eq!(parse.text.as_str(), "maths, I think");
}

#[tokio::test]
async fn an_unknown_destination_can_be_the_default_one() {
    let router = answering(r#"{"destination": "cooking", "next_inputs": "Soup?"}"#);
    let chain = chains().router(router).unknown_to_default(true).build().unwrap();
    assert_eq!(chain.predict(vars! { "input" => "hi" }).await.unwrap(), "default: Soup?");
}

#[tokio::test]
async fn the_names_of_a_routing_model_are_settings() {
    let router = answering(r#"{"destination": "None", "next_inputs": "x"}"#)
        .with_default_destination("none")
        .with_input_key("question");
    let model = ScriptedCompletion::with_handler(|request| ScriptedReply::text(&*request.prompt));
    let chain = RouterChain::builder()
        .router(router)
        .destination("a", llm("a {question}", model.clone(), "text"))
        .default_chain(llm("b {question} {input}", model, "text"))
        .build()
        .unwrap();
    assert_eq!(chain.predict(vars! { "input" => "hi" }).await.unwrap(), "b x hi");
}

/// A router with its own prompt asks for the name that it reads.
#[tokio::test]
async fn the_name_of_the_default_chain_is_asked_for() {
    for name in [None, Some("none of them")] {
        let model = ScriptedCompletion::with_handler(|request| {
            let (_, name) = request.prompt.split_once("<name of the prompt, or ").unwrap();
            let (name, _) = name.split_once(" if none fits>").unwrap();
            ScriptedReply::text(json!({"destination": name, "next_inputs": name}).to_string())
        });
        let destinations = [("physics", "questions of physics"), ("maths", "sums")];
        let mut router = LlmRouter::for_destinations(model, destinations);
        if let Some(name) = name {
            router = router.with_default_destination(name);
        }
        let chain = chains().router(router).build().unwrap();
        let answer = chain.predict(vars! { "input" => "hi" }).await.unwrap();
        assert_eq!(answer, format!("default: {}", name.unwrap_or("DEFAULT")));
    }
}

#[tokio::test]
async fn functions_route() {
    let choose = |text: &str| match text {
        "sum" => Ok(Route::to("maths")),
        "law" => Ok(Route::to("physics").with_inputs(vars! { "input" => "reworded" })),
        "lost" => Err("no idea"),
        _ => Ok(Route::to_default()),
    };
    let text = |variables: &conversant_core::Variables| {
        variables.get("input").map(Value::to_text).unwrap_or_default().into_owned()
    };
    for router in [
        FnRouter::new(["input"], move |variables: &_| choose(&text(variables))),
        FnRouter::new_async(["input"], move |variables| async move { choose(&text(&variables)) }),
    ] {
        let chain = chains().router(router).build().unwrap();
        for (input, expected) in [
            ("sum", "maths: sum"),
            ("law", "physics: reworded"),
            ("hm", "default: hm"),
            ("lost", "cannot run step 1 (`router`): cannot run the chain: no idea"),
        ] {
            let told = match chain.predict(vars! { "input" => input }).await {
                Ok(text) => text,
                Err(error) => chain_of(&error),
            };
            assert_eq!(told, expected);
        }
    }
}

/// A router that is chosen when the program runs, and one that several chains share.
#[tokio::test]
async fn a_router_can_be_boxed_or_shared() {
    let chosen = |by_model: bool| -> Box<dyn Router> {
        match by_model {
            true => Box::new(answering(r#"{"destination": "maths", "next_inputs": "2"}"#)),
            false => Box::new(FnRouter::new(["input"], |_: &_| {
                Ok::<_, Infallible>(Route::to("maths").with_inputs(vars! { "input" => 2 }))
            })),
        }
    };
    let shared: Arc<dyn Router> = Arc::from(chosen(false));
    let routers: [Box<dyn Router>; 4] =
        [chosen(true), chosen(false), Box::new(Arc::clone(&shared)), Box::new(shared)];
    for router in routers {
        let chain = chains().router(router).build().unwrap();
        assert_eq!(chain.predict(vars! { "input" => "hi" }).await.unwrap(), "maths: 2");
    }
}

#[tokio::test]
async fn the_transcript_shows_the_route() {
    for (route, shown) in [
        (
            Route::to("maths").with_inputs(vars! { "input" => "it's\n" }),
            "maths: {'input': \"it's\\n\"}",
        ),
        (Route::to("maths"), "maths: {}"),
        (
            Route::to_default().with_inputs(
                vars! { "input" => "\\ '\" \u{7}é\u{a0}\u{200b}\u{301}\u{e0001}", "more" => "x" },
            ),
            "None: {'input': '\\\\ \\'\" \\x07é\\xa0\\u200b\u{301}\\U000e0001', 'more': 'x'}",
        ),
        (
            Route::to("maths").with_inputs(vars! {
                "input" => 7,
                "share" => 1e16,
                "data" => json!({"a": [true, null, 1e-5, "\u{e9}"], "b": {}}),
                "history" => Messages::from(vec![
                    Message::human("it's"),
                    Message::ai("").with_name("a").with_tool_calls([
                        ToolCall::new("t", json!({"b": null})).with_id("c1"),
                    ]),
                    Message::tool("r", "c1"),
                    Message::chat("boss", "c").with_extra("mood", 1),
                ]),
            }),
            // As LangChain 0.1.20 prints it.
            "maths: {'input': 7, 'share': 1e+16, \
             'data': {'a': [True, None, 1e-05, '\u{e9}'], 'b': {}}, \
             'history': [HumanMessage(content=\"it's\"), \
             AIMessage(content='', name='a', \
             tool_calls=[{'name': 't', 'args': {'b': None}, 'id': 'c1'}]), \
             ToolMessage(content='r', tool_call_id='c1'), \
             ChatMessage(content='c', role='boss', mood=1)]}",
        ),
    ] {
        let (observer, transcript) = Verbose::buffer();
        let router = FnRouter::new(["input"], move |_: &_| Ok::<_, Infallible>(route.clone()));
        let chain = chains().router(router).observer(observer.without_color()).build().unwrap();
        chain.predict(vars! { "input" => "hi" }).await.unwrap();
        let entered = "\n\n> Entering new MultiRouteChain chain...\n";
        assert_eq!(transcript.take(), format!("{entered}{shown}\n> Finished chain.\n"));
    }
}

#[tokio::test]
async fn a_model_chooses_among_prompts() {
    let model = ScriptedCompletion::new([
        r#"{"destination": "physics", "next_inputs": "Why is the sky blue?"}"#,
        "It scatters.",
        r#"{"destination": "DEFAULT", "next_inputs": "Hello"}"#,
        "Hi!",
    ]);
    let infos = [("physics", "laws of {nature}"), ("maths", "sums")].map(|(name, description)| {
        let prompt = PromptTemplate::from_template(format!("As a {name} teacher: {{input}}"));
        PromptInfo::new(name, description, prompt.unwrap())
    });
    let chain = RouterChain::from_prompts(model.clone(), infos).unwrap().build().unwrap();
    assert_eq!(chain.predict(vars! { "input" => "blue sky {?}" }).await.unwrap(), "It scatters.");
    assert_eq!(chain.predict(vars! { "input" => "Hello" }).await.unwrap(), "Hi!");
    let sent: Vec<_> = model.requests().into_iter().map(|request| request.prompt).collect();
    insta::assert_snapshot!(sent.join("\n=====\n"));
}
