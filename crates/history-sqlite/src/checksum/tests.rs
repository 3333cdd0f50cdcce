//! Known values: files contain these checksums.

use super::*;

#[test]
fn known_values() {
    // The check value of CRC-32, and test vectors of the authors of FNV-1a.
    let mut sum = Checksum::default();
    sum.sum_after_waiting(b"123456789");
    assert_eq!(sum.finish(), 0xcbf4_3926);
    assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325_u64.cast_signed());
    assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c_u64.cast_signed());
    assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8_u64.cast_signed());
}

#[test]
fn fields_do_not_run_into_each_other() {
    let mut sums = [
        Checksum::default().bytes(b"ab").bytes(b"c").finish(),
        Checksum::default().bytes(b"a").bytes(b"bc").finish(),
        Checksum::default().option(None).bytes(b"abc").finish(),
        Checksum::default().option(Some(0)).bytes(b"abc").finish(),
    ];
    sums.sort_unstable();
    assert!(sums.windows(2).all(|pair| pair[0] != pair[1]), "{sums:?}");
}

#[test]
fn a_checksum_is_that_of_the_bytes_of_all_fields() {
    for count in 0..40 {
        for text in [0, 1, 7, 119, 120, 128, 129, 500] {
            let (mut sum, mut all) = (Checksum::default(), Vec::new());
            for number in 0..count {
                sum.number(number - 20).added(number.cast_unsigned() % 2);
                all.extend((number - 20).to_le_bytes());
                all.extend((number % 2 == 1).then(|| 1_i64.to_le_bytes()).into_iter().flatten());
            }
            let body = vec![b'x'; text];
            all.extend(i64::try_from(text).unwrap().to_le_bytes());
            all.extend(&body);
            all.extend(7_i64.to_le_bytes());
            let sum = sum.bytes(&body).number(7).finish();
            assert_eq!(sum, i64::from(crc32fast::hash(&all)), "{count} numbers, {text} bytes");
        }
    }
}
