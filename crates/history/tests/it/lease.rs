//! Holders of leases.

use std::collections::HashSet;

use conversant_history::lease_holder;

#[test]
fn holders_are_random_uuids_that_share_no_half() {
    let holders: Vec<[u8; 16]> = (0..64).map(|_| *lease_holder().unwrap().as_bytes()).collect();
    let halves: HashSet<[u8; 8]> =
        holders.iter().flat_map(|id| [id[..8].try_into(), id[8..].try_into()]).flatten().collect();
    assert_eq!(halves.len(), 128);
    assert!(holders.iter().all(|id| id[6] >> 4 == 4 && id[8] >> 6 == 0b10));
}
