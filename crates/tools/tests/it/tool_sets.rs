//! Tools that cannot be used are refused when the loop is built.

use conversant_core::{Content, Tool, ToolCall, ToolDefinition, ToolError};
use conversant_testkit::{ScriptedChat, block_on};
use conversant_tools::{FnTool, ToolLoop, ToolLoopBuilder};
use serde_json::json;

fn tool(name: &str, schema: serde_json::Value) -> FnTool {
    FnTool::with_definition(ToolDefinition::new(name, schema), |_| async {
        Ok::<Content, ToolError>("".into())
    })
}

#[test]
fn faults_are_reported_when_built() {
    let object = || json!({"type": "object"});
    let long = "x".repeat(65);
    let table = [
        vec![],
        vec![tool("a", object()), tool("a", object())],
        vec![tool("", object())],
        vec![tool("a b", object())],
        vec![tool(&long, object())],
        vec![tool("a", json!(true))],
        vec![tool("a", json!({"type": "null"}))],
        vec![tool("a b", json!({"type": ["string", "null"]})), tool("a b", json!(true))],
    ];
    let mut shown = String::new();
    for tools in table {
        let model = ScriptedChat::new::<&str>([]);
        let builder = tools.into_iter().fold(ToolLoop::builder(model), ToolLoopBuilder::tool);
        shown += &format!("{}\n", builder.build().unwrap_err());
    }
    insta::assert_snapshot!(shown);
}

#[cfg(feature = "schema")]
#[test]
fn arguments_are_an_object() {
    #[derive(schemars::JsonSchema, serde::Deserialize)]
    struct Unit;
    #[derive(schemars::JsonSchema, serde::Deserialize)]
    struct Empty {}
    #[derive(schemars::JsonSchema, serde::Deserialize)]
    #[allow(dead_code, reason = "only its schema is used")]
    enum Choice {
        Yes,
        No,
    }
    #[derive(schemars::JsonSchema, serde::Deserialize)]
    #[serde(tag = "kind")]
    #[allow(dead_code, reason = "only its schema is used")]
    enum Tagged {
        Yes { because: String },
        No,
    }

    async fn now<T>(_: T) -> Result<Content, ToolError> {
        Ok("12:00".into())
    }
    macro_rules! typed {
        ($($type:ty),*) => { [$((stringify!($type), FnTool::typed("now", "", now::<$type>))),*] };
    }
    for (name, tool) in typed!((), Unit, Empty) {
        for args in [json!({}), json!({"more": 1})] {
            let called = block_on(tool.call(&ToolCall::new("now", args)));
            assert_eq!(called.unwrap(), Content::from("12:00"), "{name}");
        }
        let parameters = &tool.definition().parameters;
        assert_eq!(parameters["type"], json!("object"), "{name}: {parameters}");
        ToolLoop::builder(ScriptedChat::new::<&str>([])).tool(tool).build().unwrap();
    }
    let maybe = typed!(Option<Empty>, Tagged);
    let never = typed!(String, u32, Vec<String>, (u32, u32), Choice, Option<Choice>, Option<u32>);
    let table = maybe.into_iter().zip([true; 2]).chain(never.into_iter().zip([false; 7]));
    for ((name, tool), is_built) in table {
        let built = ToolLoop::builder(ScriptedChat::new::<&str>([])).tool(tool).build();
        assert_eq!(built.is_ok(), is_built, "{name}");
    }
}

#[cfg(feature = "schema")]
#[test]
fn typed_tools_check_their_arguments() {
    #[derive(schemars::JsonSchema, serde::Deserialize)]
    struct Arguments {
        x: i64,
    }

    let double = FnTool::typed("double", "Doubles.", |arguments: Arguments| async move {
        Ok((arguments.x * 2).to_string().into())
    });
    assert_eq!(double.definition().parameters["required"], json!(["x"]));
    let call = |args| block_on(double.call(&ToolCall::new("double", args)));
    assert_eq!(call(json!({"x": 21})).unwrap(), Content::from("42"));
    let error = call(json!({"x": "many"})).unwrap_err();
    insta::assert_snapshot!(
        error.reason().as_str(),
        @r#"invalid type: string "many", expected i64"#
    );
}
