//! HTTP statuses as text that lives as long as the program.

/// The lowest status.
const LOWEST: u16 = 100;

/// The statuses from 100 to 999 without separators.
static DIGITS: [u8; 2700] = digits();

/// Returns a status as text; `invalid` for a number that does not have three digits.
pub(crate) fn status_text(status: u16) -> &'static str {
    let digits = status.checked_sub(LOWEST).and_then(|index| {
        let start = usize::from(index) * 3;
        DIGITS.get(start..start + 3)
    });
    digits.and_then(|digits| str::from_utf8(digits).ok()).unwrap_or("invalid")
}

#[allow(clippy::indexing_slicing, reason = "it is computed by the compiler")]
const fn digits() -> [u8; 2700] {
    let mut digits = [b'0'; 2700];
    let mut index = 0;
    while index < digits.len() {
        let status = index / 3 + LOWEST as usize;
        let divisor = [100, 10, 1][index % 3];
        digits[index] += (status / divisor % 10) as u8;
        index += 1;
    }
    digits
}
