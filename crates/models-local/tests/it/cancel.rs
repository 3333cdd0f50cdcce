//! Calls that end early: dropped, or by their deadline.

use std::{
    task::{Context, Waker},
    time::{Duration, Instant},
};

use conversant_core::{CallOptions, LanguageModel, ModelError, TimeoutPhase};
use pollster::block_on;

use crate::tiny::{TinyFile, letters};

/// A model whose answers end by the context alone.
fn endless() -> LanguageModel {
    LanguageModel::completion(TinyFile::random(3).model(|builder| builder.max_tokens(None)))
}

#[test]
fn a_deadline_that_has_passed_ends_a_call_before_it_begins() {
    let model = LanguageModel::completion(letters().model(|builder| builder));
    let options = CallOptions::new().with_deadline(Instant::now());
    let error = block_on(model.generate("a".into(), options)).unwrap_err();
    let ModelError::Timeout { phase, after } = error else { panic!("{error}") };
    assert_eq!((phase, after), (TimeoutPhase::Total, Duration::ZERO));
}

#[test]
fn a_deadline_ends_a_call_that_waits_for_another() {
    let model = endless();
    block_on(async {
        let call = || Box::pin(model.generate("a".into(), CallOptions::new()));
        let mut calls: Vec<_> = (0..50).map(|_| call()).collect();
        for call in &mut calls {
            // It is queued, and may be answered already.
            drop(call.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        }
        // The others take longer than this one may.
        let options = CallOptions::new().with_deadline(Instant::now() + Duration::from_millis(1));
        let error = model.generate("b".into(), options).await.unwrap_err();
        assert!(matches!(error, ModelError::Timeout { .. }), "{error}");
    });
}

#[test]
fn a_dropped_stream_ends_its_call_and_the_next_one_is_answered() {
    let model = endless();
    block_on(async {
        let mut stream = model.stream("a".into(), CallOptions::new()).await.unwrap();
        assert!(stream.next().await.unwrap().is_ok());
        drop(stream);
        let reply = model.generate("b".into(), CallOptions::new()).await.unwrap();
        assert_eq!(reply.usage.unwrap().total_tokens, 512);
    });
}

#[test]
fn a_stream_outlives_the_model() {
    let model = LanguageModel::completion(letters().model(|builder| builder));
    block_on(async {
        let stream = model.stream("a".into(), CallOptions::new()).await.unwrap();
        drop(model);
        assert_eq!(stream.into_reply().await.unwrap().text(), "bcdefgh");
    });
}
