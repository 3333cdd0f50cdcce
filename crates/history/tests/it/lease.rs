//! Holders of leases.

use std::{
    collections::HashSet,
    time::{Duration, UNIX_EPOCH},
};

use conversant_core::{LeaseHolder, TurnId};
use conversant_history::{begins_later, lease_holder, lease_holder_at};

#[test]
fn holders_are_random_uuids_that_share_no_half() {
    let holders: Vec<[u8; 16]> = (0..64).map(|_| *lease_holder().unwrap().as_bytes()).collect();
    let halves: HashSet<[u8; 8]> =
        holders.iter().flat_map(|id| [id[..8].try_into(), id[8..].try_into()]).flatten().collect();
    assert_eq!(halves.len(), 128);
    assert!(holders.iter().all(|id| id[6] >> 4 == 4 && id[8] >> 6 == 0b10));
}

#[test]
fn a_holder_knows_when_its_lease_began() {
    let begin = UNIX_EPOCH + Duration::from_millis(1_780_000_000_123);
    let holders: Vec<_> = (0..64).map(|_| lease_holder_at(begin).unwrap()).collect();
    let created_at = |holder: &LeaseHolder| {
        TurnId::from_u128(u128::from_be_bytes(*holder.as_bytes())).created_at()
    };
    assert!(holders.iter().all(|holder| created_at(holder) == Some(begin)));
    assert_eq!(holders.iter().map(LeaseHolder::as_bytes).collect::<HashSet<_>>().len(), 64);
    let second = Duration::from_secs(1);
    for (now, is_later) in [
        (begin, false),
        (begin + 3600 * second, false),
        (begin - 5 * second, false),
        (begin - 6 * second, true),
        (UNIX_EPOCH, true),
        (UNIX_EPOCH - second, true),
    ] {
        assert_eq!(begins_later(&holders[0], now), is_later, "{now:?}");
    }
    // A clock that was never set has no time to write into an id.
    let holder = lease_holder_at(UNIX_EPOCH - second).unwrap();
    assert_eq!(created_at(&holder), None);
    assert!(!begins_later(&holder, UNIX_EPOCH - second));
}
