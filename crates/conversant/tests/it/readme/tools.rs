//! A model that calls a function of the program, and answers in a Rust type.

use conversant::{FnTool, LlmChain, OpenAiChat, PromptTemplate, ToolLoop, vars};

/// A city.
#[derive(schemars::JsonSchema, serde::Deserialize)]
struct City {
    name: String,
}

/// Advice for a day.
#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Advice {
    umbrella: bool,
    /// The reason, in one sentence.
    because: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let weather = FnTool::typed("weather", "The weather in a city.", |city: City| async move {
        Ok(format!("rain in {}", city.name).into())
    });
    // `OpenAiResponses` (feature `responses`) takes tools at any effort.
    let model = OpenAiChat::from_env("gpt-6-luna").reasoning_effort("none").build()?;
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("Do I need an umbrella in {city} today?")?)
        .model(ToolLoop::builder(model).tool(weather).build()?)
        .build()?;

    let advice: Advice = chain.predict_as(vars! { "city" => "Kyoto" }).await?;
    println!("umbrella: {}, because {}", advice.umbrella, advice.because);
    Ok(())
}
