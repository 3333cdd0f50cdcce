//! The windows of a rate limit, and the order in which calls start.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use conversant_core::ChatModel;
use conversant_layers::{ConcurrencyLimit, RateLimit};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::ask;

/// A model that records when its calls start.
fn recorder() -> (ScriptedChat, Arc<Mutex<Vec<Instant>>>) {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&starts);
    let model = ScriptedChat::with_handler(move |_| {
        recorded.lock().unwrap().push(Instant::now());
        ScriptedReply::text("ok")
    });
    (model, starts)
}

/// Calls one after another, with pauses between them, and calls that all arrive at once.
#[tokio::test(start_paused = true)]
async fn no_window_has_more_calls_than_the_limit() {
    for (calls, millis, made, pause) in [
        (60, 60_000, 200, 0),
        (60, 60_000, 300, 700),
        (60, 60_000, 300, 1_300),
        (1, 1_000, 20, 300),
        (3, 30_000, 40, 9_000),
        (7, 1, 50, 0),
        // More calls than start times are kept.
        (5_000, 60_000, 15_000, 7),
    ] {
        let window = Duration::from_millis(millis);
        for at_once in [false, true] {
            let (model, starts) = recorder();
            let model = RateLimit::new(model, calls, window);
            let mut running = JoinSet::new();
            for number in 0..made {
                if at_once {
                    let model = model.clone();
                    running.spawn(async move { model.generate(&ask("hi")).await.unwrap() });
                } else {
                    model.generate(&ask("hi")).await.unwrap();
                    sleep(Duration::from_millis(pause * (number * 7919 % 3))).await;
                }
            }
            running.join_all().await;
            let starts = starts.lock().unwrap();
            let calls = usize::try_from(calls).unwrap();
            let windows = starts.iter().zip(&starts[calls..]);
            let shortest = windows.map(|(first, next)| *next - *first).min().unwrap();
            assert!(shortest >= window, "{calls} in {window:?}: {shortest:?}");
            if at_once {
                // No call waits longer than it has to.
                let took = starts[made as usize - 1] - starts[0];
                let least = window * u32::try_from((made as usize - 1) / calls).unwrap();
                assert!(took < least + Duration::from_millis(10), "{took:?} {least:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_start_in_the_order_of_their_arrival() {
    let gate = Gate::yielding();
    let scripted =
        || ScriptedChat::with_handler(|_| ScriptedReply::text("ok").held_by(&Gate::yielding()));
    let (rate, concurrency) = (scripted(), scripted());
    let models: [(&ScriptedChat, Arc<dyn ChatModel>); 2] = [
        (&rate, Arc::new(RateLimit::new(rate.clone(), 3, Duration::from_secs(30)))),
        (&concurrency, Arc::new(ConcurrencyLimit::new(concurrency.clone(), 2))),
    ];
    for (inner, model) in models {
        let mut running = JoinSet::new();
        for number in 0..40 {
            let model = Arc::clone(&model);
            running.spawn(async move { model.generate(&ask(&number.to_string())).await.unwrap() });
            gate.pass().await;
        }
        running.join_all().await;
        let order: Vec<_> =
            inner.requests().iter().map(|request| request.messages.to_string()).collect();
        let expected: Vec<_> = (0..40).map(|number| format!("Human: {number}")).collect();
        assert_eq!(order, expected);
    }
}
