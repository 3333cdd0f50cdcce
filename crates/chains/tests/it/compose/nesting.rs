//! Chains inside of each other: as many as a call has room for, and no more.

use std::{convert::Infallible, sync::Arc};

use conversant_chains::{
    Chain, FallbackChain, FnRouter, ParallelChain, Route, RouterChain, SequentialChain,
    SimpleSequentialChain, TransformChain, WiringError, WiringFault, WithMemory,
};
use conversant_core::{Variables, vars};
use conversant_memory::BufferMemory;
use conversant_testkit::block_on;

use super::Joining;

fn leaf() -> Joining {
    Joining::parse("q -> text")
}

/// Puts a chain into another one.
fn around(kind: &str, inner: Arc<dyn Chain>) -> Result<Arc<dyn Chain>, WiringError> {
    Ok(match kind {
        "sequence" => Arc::new(SequentialChain::builder().chain(inner).build()?),
        "simple sequence" => {
            let chain = SimpleSequentialChain::builder().chain(inner);
            Arc::new(chain.input_key("q").output_key("text").build()?)
        }
        "fallback" => Arc::new(FallbackChain::builder(inner).fallback(leaf()).build()?),
        "branches" => Arc::new(ParallelChain::builder().branch("text", inner).build()?),
        "router" => {
            let router = FnRouter::new(["q"], |_: &_| Ok::<_, Infallible>(Route::to("inner")));
            let chain = RouterChain::builder().router(router).destination("inner", inner);
            Arc::new(chain.default_chain(leaf()).build()?)
        }
        "memory" => {
            let chain = WithMemory::builder(inner, BufferMemory::new());
            Arc::new(chain.allow_unused("history").build()?)
        }
        kind => panic!("{kind}"),
    })
}

#[test]
fn chains_that_are_too_deep_are_refused() {
    for kind in ["sequence", "simple sequence", "fallback", "branches", "router", "memory"] {
        let mut chain: Arc<dyn Chain> = Arc::new(leaf());
        while chain.depth() < 64 {
            chain = around(kind, chain).unwrap();
        }
        let callable = SequentialChain::builder().chain(Arc::clone(&chain)).build().unwrap_err();
        assert_eq!(callable.faults(), [WiringFault::TooDeep { depth: 65, limit: 64 }], "{kind}");
        let error = around(kind, Arc::clone(&chain)).map(drop).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot build the chain: 65 chains are inside of each other; the limit is 64",
            "{kind}"
        );
        let context = conversant_chains::RunContext::default();
        let answer = block_on(chain.run(&vars! { "q" => "a" }, &context)).unwrap();
        assert!(answer.outputs.contains("text"), "{kind}");
        let streamed = block_on(chain.stream(&vars! { "q" => "a" }, &context));
        assert!(streamed.is_ok(), "{kind}");
    }
}

/// A chain has any number of fallbacks, and their error is short.
#[test]
fn a_fallback_of_many_chains_that_fail_has_a_short_error() {
    let fail = |_: &Variables| Err::<Variables, _>("out of order");
    let fails = || TransformChain::new(["q"], ["text"], fail).unwrap();
    let builder = (0..9_999).fold(FallbackChain::builder(fails()), |it, _| it.fallback(fails()));
    let chain = builder.build().unwrap();
    let error = block_on(chain.predict(vars! { "q" => "a" })).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.len() < 500 && shown.contains("10000 attempts"), "{shown}");
}
