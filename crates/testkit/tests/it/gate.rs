//! The gate, and running futures without a runtime.

use std::{sync::mpsc, thread};

use conversant_testkit::{Gate, block_on};

#[test]
fn a_gate_lets_through_as_many_as_it_is_told() {
    let gate = Gate::new();
    let (passed, passes) = mpsc::channel();
    for _ in 0..3 {
        let (gate, passed) = (gate.clone(), passed.clone());
        thread::spawn(move || {
            block_on(gate.pass());
            passed.send(()).unwrap();
        });
    }
    block_on(gate.reached(3));
    assert!(passes.try_recv().is_err());
    gate.let_through(2);
    passes.recv().unwrap();
    passes.recv().unwrap();
    assert!(passes.try_recv().is_err());
    gate.open();
    passes.recv().unwrap();
    block_on(gate.pass());
    assert_eq!(gate.arrivals(), 4);
    insta::assert_debug_snapshot!(gate, @"
    Gate {
        open: true,
        arrivals: 4,
        ..
    }
    ");
}

#[test]
fn a_permit_given_beforehand_is_kept() {
    let gate = Gate::new();
    gate.let_through(1);
    block_on(gate.pass());
}
