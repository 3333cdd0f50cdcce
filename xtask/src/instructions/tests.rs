//! Reading counts, and judging them.

use super::{
    count::{Count, Counts, grouped, read},
    gate::{BY_HAND, CALL, COPY, EVENT, FORMAT, GATES, PARSED_EVENT, TURNS},
    table::Table,
};

/// The counts without and with `Chunk::run_from`: without it each call walks the current run of
/// messages.
const WALKED: [u64; 3] = [67_614, 104_356, 213_455];
const MENDED: [u64; 3] = [67_613, 86_725, 149_962];

/// Counts that hold, with these of a call at 2, 2,000 and 20,000 messages.
fn counts(call: [u64; 3]) -> Counts {
    let of = |work: &str, n, instructions| Count { work: work.into(), n, instructions, profile: 7 };
    let sizes = [2, 2_000, 20_000];
    let mut counts = vec![of(CALL, 20, 68_713), of(COPY, 0, 9_280)];
    counts.extend([of(BY_HAND, 2, 91_310), of(BY_HAND, 20, 150_694)]);
    counts.extend([of(EVENT, 0, 500), of(PARSED_EVENT, 0, 5_000)]);
    counts.extend(sizes.into_iter().zip(call).map(|(n, count)| of(CALL, n, count)));
    for work in TURNS.into_iter().chain([FORMAT]) {
        counts.extend(sizes.map(|n| of(work, n, 5_000)));
    }
    Counts::new(counts)
}

fn failed(counts: &Counts) -> Vec<String> {
    let judged = GATES.iter().map(|gate| gate.judge(counts).unwrap());
    judged.filter(|judged| !judged.holds()).map(|judged| judged.to_string()).collect()
}

#[test]
fn a_walk_over_the_conversation_fails_and_sharing_it_does_not() {
    assert!(failed(&counts(MENDED)).is_empty());
    assert_eq!(
        failed(&counts(WALKED)),
        [
            "FAILED call, 2,000 messages: 104,356 >  91,894 (at 2 messages + 15,000 + copy of 96 KiB)\n       \
             callgrind_annotate --auto=no --inclusive=yes target/instructions/profiles/profile.7",
            "FAILED call, 20,000 messages: 213,455 >  166,894 (at 2 messages + 90,000 + copy of 96 KiB)\n       \
             callgrind_annotate --auto=no --inclusive=yes target/instructions/profiles/profile.7",
        ]
    );
}

#[test]
fn each_gate_can_fail() {
    for gate in GATES {
        let mut held = 0;
        for found in [1, u64::MAX] {
            let counted = counts(MENDED);
            let all = counted.works().flat_map(|(_, sizes)| sizes.values().cloned());
            let replaced =
                all.map(|count| match (count.work.as_str(), count.n) == (gate.work, gate.n) {
                    true => Count { instructions: found, ..count },
                    false => count,
                });
            held += usize::from(gate.judge(&Counts::new(replaced)).unwrap().holds());
        }
        assert_eq!(held, 1, "{gate:?}");
    }
}

#[test]
fn what_was_not_counted_is_no_success() {
    let gate = GATES.first().unwrap();
    let error = gate.judge(&Counts::default()).unwrap_err();
    assert_eq!(error, "`format chat` was not counted at 2000 messages");
}

#[test]
fn the_least_of_several_counts_is_shared_among_the_operations() {
    let totals = ["totals: 1000", "events: Ir\ntotals: 500\n", "totals: 800"];
    let profile = |number: usize| Ok(totals.get(number - 1).unwrap().to_string());
    let counts = read("call\t2\t10\ncall\t2\t10\ncopy\t0\t1", profile).unwrap();
    let counts = Counts::new(counts);
    let least = Count { work: "call".into(), n: 2, instructions: 50, profile: 2 };
    assert_eq!(counts.get("call", 2), Some(&least));
    let table = Table(&counts).to_string();
    let lines: Vec<_> = table.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "instructions, by messages              2",
            "call                                  50",
            "copy                                 800",
            "call / call by hand",
        ]
    );
}

#[test]
fn a_profile_in_which_nothing_was_counted_is_an_error() {
    for (total, error) in
        [("totals: 0", "nothing was counted of `call`"), ("events: Ir", "profile 1 has no total")]
    {
        assert_eq!(read("call\t2\t1", |_| Ok(total.into())).unwrap_err().to_string(), error);
    }
    assert_eq!(
        read("call", |_| Ok(String::new())).unwrap_err().to_string(),
        "`call` is not a count"
    );
}

#[test]
fn numbers_have_commas() {
    for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (6_497_201, "6,497,201")] {
        assert_eq!(grouped(number), text);
    }
}
