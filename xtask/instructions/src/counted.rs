//! The function whose instructions are counted.

use std::hint::black_box;

/// The number of bytes of the copy whose cost is counted.
const COPIED: usize = 96 * 1024;

/// Does operations that are counted together, from the start of this function to its end.
/// `cargo xtask instructions` knows its name.
#[inline(never)]
pub(crate) fn counted(operations: &mut dyn FnMut()) {
    operations();
    // A call at the very end would be a jump, and the end not be seen.
    black_box(());
}

/// Prints the name of the last count.
pub(crate) fn say(work: &str, n: usize, operations: usize) {
    println!("{work}\t{n}\t{operations}");
}

/// Counts a copy of as many bytes as a call may copy. The standard library's copy differs between
/// processors.
pub(crate) fn copies() {
    let from = vec![b'x'; COPIED];
    let mut to = Vec::with_capacity(COPIED);
    counted(&mut || black_box(&mut to).extend_from_slice(black_box(&from)));
    say("copy of 96 KiB", 0, 1);
}
