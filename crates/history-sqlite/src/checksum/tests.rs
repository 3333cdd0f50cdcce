//! Known values: files contain these checksums.

use super::*;

#[test]
fn known_values() {
    // The check value of CRC-32, and test vectors of the authors of FNV-1a.
    let mut sum = Checksum::default();
    sum.0.update(b"123456789");
    assert_eq!(sum.finish(), 0xcbf4_3926);
    assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325_u64.cast_signed());
    assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c_u64.cast_signed());
    assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8_u64.cast_signed());
}

#[test]
fn fields_do_not_run_into_each_other() {
    let sums = [
        Checksum::default().bytes(b"ab").bytes(b"c"),
        Checksum::default().bytes(b"a").bytes(b"bc"),
        Checksum::default().option(None).bytes(b"abc"),
        Checksum::default().option(Some(0)).bytes(b"abc"),
    ];
    let mut sums = sums.map(Checksum::finish);
    sums.sort_unstable();
    assert!(sums.windows(2).all(|pair| pair[0] != pair[1]), "{sums:?}");
}
