//! A chat whose tokens and costs are summed.

use conversant::{LlmChain, Meter, OpenAiChat, Prices, PromptTemplate, vars};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let meter = Meter::new();
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("What is the capital of {country}?")?)
        .model(OpenAiChat::from_env("gpt-6-luna").build()?)
        .observer(meter.clone())
        .prices(Prices::per_million(1.25, 10.0).with_cached_input(0.125))
        .build()?;

    let outcome = chain.invoke(vars! { "country" => "Japan" }).await?;
    println!("{:?}", outcome.record); // usage, cost, model, finish reason, times
    println!("{}", meter.totals().cost);
    Ok(())
}
