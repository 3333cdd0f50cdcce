//! Models of the write-once segments.

use std::sync::Arc;

use loom::thread;

use crate::{message::Message, model::Model, segment::View};

pub(crate) const ALL: &[Model] = &[
    ("segment: of two clones, one appends in place", two_writers),
    ("segment: a reader sees whole messages only", a_reader),
    ("segment: one memo for each encoder", memos),
];

fn message(number: usize) -> Arc<Message> {
    Arc::new(Message(number))
}

fn numbers(view: &View) -> Vec<usize> {
    view.iter().map(|message| message.0).collect()
}

fn two_writers() {
    let view = View::growing(message(0), None);
    let writers: Vec<_> = (1..3)
        .map(|number| {
            let mut view = view.clone();
            thread::spawn(move || {
                let appended = view.try_push(message(number)).is_ok();
                let expected = if appended { vec![0, number] } else { vec![0] };
                assert_eq!(numbers(&view), expected);
                appended
            })
        })
        .collect();
    assert_eq!(numbers(&view), [0]);
    let appended = writers.into_iter().map(|writer| writer.join().unwrap());
    assert_eq!(appended.filter(|appended| *appended).count(), 1);
    assert_eq!(numbers(&view), [0]);
}

fn a_reader() {
    let mut view = View::growing(message(0), None);
    let reader = {
        let view = view.sealed();
        thread::spawn(move || {
            assert_eq!(numbers(&view), [0]);
            assert!(view.get(0).is_some());
        })
    };
    view.try_push(message(1)).unwrap();
    view.try_push(message(2)).unwrap();
    assert_eq!(numbers(&view), [0, 1, 2]);
    reader.join().unwrap();
}

/// An encoder's cache.
#[derive(Default)]
struct Memo;

fn memos() {
    let view = View::growing(message(0), None);
    let fingerprints = [1, 2];
    let threads: Vec<_> = fingerprints
        .into_iter()
        .map(|fingerprint| {
            let view = view.clone();
            thread::spawn(move || view.chunk().memo::<Memo>(fingerprint))
        })
        .collect();
    let own = fingerprints.map(|fingerprint| view.chunk().memo::<Memo>(fingerprint));
    for (thread, own) in threads.into_iter().zip(own) {
        assert!(Arc::ptr_eq(&thread.join().unwrap(), &own));
    }
}
