//! Fallbacks inside of each other.

use std::sync::Arc;

use conversant_core::{ChatModel, ModelError};
use conversant_layers::Fallback;
use conversant_testkit::{ScriptedChat, block_on};

use crate::ask;

/// Builds fallbacks inside of each other, on the side of the first model or of the second.
fn nested(depth: usize, on_second: bool, counted: &ScriptedChat) -> Arc<dyn ChatModel> {
    (0..depth).fold(Arc::new(counted.clone()) as Arc<dyn ChatModel>, |inner, _| match on_second {
        true => Arc::new(Fallback::new(counted.clone(), inner)),
        false => Arc::new(Fallback::new(inner, counted.clone())),
    })
}

#[test]
fn fallbacks_that_are_too_deep_are_refused() {
    // The depth, the side, and the requests of a call whose models all fail.
    for (depth, on_second, requests, is_refused) in [
        (1, false, 2, false),
        (64, false, 65, false),
        (64, true, 65, false),
        (65, false, 0, true),
        (65, true, 64, true),
        (2000, false, 0, true),
        (2000, true, 64, true),
    ] {
        block_on(async {
            let fails = ScriptedChat::with_handler(|_| ModelError::custom("no", true, None).into());
            let model = nested(depth, on_second, &fails);
            let errors = [
                model.generate(&ask("hi")).await.map(drop).unwrap_err(),
                model.stream(&ask("hi")).await.map(drop).unwrap_err(),
            ];
            for error in errors {
                let shown = format!("{error} {error:?}");
                assert!(shown.len() < 500, "{shown}");
                assert_eq!(matches!(error, ModelError::Config { .. }), is_refused, "{shown}");
                assert_eq!(shown.contains("more than 64 fallbacks"), is_refused, "{shown}");
            }
            assert_eq!(fails.requests().len(), 2 * requests, "{depth} {on_second}");
            assert!(model.describe().emits_events);
            assert!(!model.enforces_schemas());
        });
    }
}

/// A model in the middle of a nest of fallbacks shows itself only so far.
#[test]
fn the_debug_text_of_nested_fallbacks_is_bounded() {
    let mut shown = Vec::new();
    for depth in [64, 2000] {
        let model: Box<dyn std::fmt::Debug> = (0..depth)
            .fold(Box::new(()) as Box<dyn std::fmt::Debug>, |inner, _| {
                Box::new(Fallback::new(inner, ()))
            });
        shown.push(format!("{model:?}").len());
    }
    assert!(shown[1] < shown[0] + 20, "{shown:?}");
}
