//! How waits are read and made.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue};

use super::{BACKOFF, RetryDirective, of_response, retry_after};

type Pairs = &'static [(&'static str, &'static str)];

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// `Wed, 21 Oct 2026 07:28:00 GMT`.
const NOW: u64 = 1_792_567_680;

#[test]
fn waits_are_read_in_all_their_forms() {
    let rows: &[(Pairs, Option<f64>)] = &[
        (&[("retry-after", "1")], Some(1.0)),
        (&[("retry-after", "1.5")], Some(1.5)),
        (&[("retry-after", " 20 ")], Some(20.0)),
        (&[("retry-after", "120")], Some(120.0)),
        (&[("retry-after", "121")], Some(121.0)),
        (&[("retry-after", "3600")], Some(3600.0)),
        (&[("retry-after-ms", "300")], Some(0.3)),
        (&[("retry-after-ms", "300"), ("retry-after", "7")], Some(0.3)),
        (&[("retry-after-ms", "x"), ("retry-after", "7")], Some(7.0)),
        (&[("retry-after-ms", "-1"), ("retry-after", "7")], Some(7.0)),
        (&[("retry-after", "Wed, 21 Oct 2026 07:28:20 GMT")], Some(20.0)),
        (&[("retry-after", "Wednesday, 21-Oct-26 07:28:05 GMT")], Some(5.0)),
        (&[("retry-after", "Wed Oct 21 07:28:09 2026")], Some(9.0)),
        (&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], None),
        (&[("retry-after", "Wed, 21 Oct 2020 07:28:20 GMT")], None),
        (&[("retry-after", "Foo, 21 Oct 2026 07:28:20 GMT")], None),
        (&[("retry-after", "Wed, 21 Oct 100000 07:28:20 GMT")], None),
        (&[("retry-after", "Wed, 99 Oct 2026 07:28:20 GMT")], None),
        (&[("retry-after", "0")], None),
        (&[("retry-after", "-10")], None),
        (&[("retry-after", "-0.0")], None),
        (&[("retry-after", "nan")], None),
        (&[("retry-after", "inf")], None),
        (&[("retry-after", "-inf")], None),
        (&[("retry-after", "")], None),
        (&[("retry-after", "soon")], None),
        (&[("retry-after", "1e400")], None),
        (&[("retry-after", "1111111111111111111111111111111111111111")], None),
        (&[], None),
    ];
    for (pairs, seconds) in rows {
        let wait = retry_after(&headers(pairs), UNIX_EPOCH + Duration::from_secs(NOW));
        assert_eq!(wait, seconds.map(Duration::from_secs_f64), "{pairs:?}");
    }
}

#[test]
fn what_the_server_says_wins_over_the_status() {
    let second = Some(Duration::from_secs(1));
    let hour = Some(Duration::from_secs(3600));
    for (should, retryable, asked, retry) in [
        ("", true, None, RetryDirective::Backoff),
        ("", false, None, RetryDirective::Never),
        ("", true, second, RetryDirective::After(Duration::from_secs(1))),
        ("", false, second, RetryDirective::Never),
        ("false", true, second, RetryDirective::Never),
        ("true", false, None, RetryDirective::Backoff),
        ("true", true, hour, RetryDirective::Never),
        ("maybe", true, None, RetryDirective::Backoff),
    ] {
        let headers = headers(&[("x-should-retry", should)]);
        assert_eq!(
            of_response(&headers, retryable, asked),
            retry,
            "{should} {retryable} {asked:?}"
        );
    }
}

#[test]
fn waits_of_our_own_double_up_to_eight_seconds() {
    let longest: Vec<_> = (0..7).map(|done| BACKOFF.wait(done, 0.0).as_millis()).collect();
    assert_eq!(longest, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
    assert_eq!(BACKOFF.wait(0, 1.0), Duration::from_millis(375));
    assert_eq!(BACKOFF.wait(u32::MAX, 0.5), Duration::from_secs(7));
}
