//! Numbers and versions in the columns of rows.

use std::time::SystemTime;

use conversant_core::{
    Cost, Expect, HistoryError, Point, TurnId, Usage, UsageTotals, Version, clock,
};
use tokio_postgres::{Row, types::FromSqlOwned};
use uuid::Uuid;

use crate::error::Failure;

/// Reads a column.
pub(crate) fn column<T: FromSqlOwned>(row: &Row, index: usize) -> Result<T, Failure> {
    Ok(row.try_get(index)?)
}

/// Reads a number that is stored as a signed one.
pub(crate) fn count(row: &Row, index: usize) -> Result<u64, Failure> {
    unsigned(column(row, index)?)
}

fn unsigned(stored: i64) -> Result<u64, Failure> {
    u64::try_from(stored).map_err(|_| {
        let what = format!("found a count of {stored}");
        HistoryError::Corrupt { what, source: None }.into()
    })
}

/// Reads what `conversant_write_turn` returns: whether the session is not in the state that was
/// seen, and its version.
pub(crate) fn version_of_rows(rows: &[Row], seen: Version) -> Result<Version, Failure> {
    match rows.first() {
        Some(row) => version_of_numbers(&column::<Vec<i64>>(row, 0)?, seen),
        None => version_of_numbers(&[], seen),
    }
}

/// The same for the numbers of the only column.
pub(crate) fn version_of_numbers(numbers: &[i64], seen: Version) -> Result<Version, Failure> {
    let &[is_stale, epoch, messages, tip] = numbers else {
        let what = "a function of the database returned an unexpected value".to_owned();
        return Err(HistoryError::Corrupt { what, source: None }.into());
    };
    let version = Version::new(unsigned(epoch)?, unsigned(messages)?);
    let current = version.with_tip(tip.cast_unsigned());
    if is_stale == 0 {
        Ok(current)
    } else {
        Err(HistoryError::Stale { expected: seen, current }.into())
    }
}

/// Reads an epoch and a number of messages, from neighbouring columns.
pub(crate) fn version(row: &Row, index: usize) -> Result<Version, Failure> {
    Ok(Version::new(count(row, index)?, count(row, index + 1)?))
}

/// Reads an epoch, a number of messages and a tip, from neighbouring columns.
pub(crate) fn version_with_tip(row: &Row, index: usize) -> Result<Version, Failure> {
    let tip: Option<i64> = column(row, index + 2)?;
    Ok(version(row, index)?.with_tip(tip.unwrap_or(0).cast_unsigned()))
}

/// Returns a version's epoch, number of messages and tip as they are stored.
pub(crate) fn stored(version: Version) -> (i64, i64, i64) {
    (signed(version.epoch), signed(version.messages), version.tip.cast_signed())
}

/// Returns a number as it is stored. Larger ones are not reached.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads the id of a turn.
pub(crate) fn turn_id(row: &Row, index: usize) -> Result<Option<TurnId>, Failure> {
    Ok(column::<Option<Uuid>>(row, index)?.map(|id| TurnId::from_u128(id.as_u128())))
}

/// Returns the id of a turn as it is stored.
pub(crate) fn stored_id(id: TurnId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

/// Returns a point as functions take it: its kind, and its turn. `None` is the tip.
pub(crate) fn stored_point(point: Option<Point>) -> Result<(i16, Option<Uuid>), HistoryError> {
    match point {
        None => Ok((0, None)),
        Some(Point::Start) => Ok((1, None)),
        Some(Point::After(turn)) => Ok((2, Some(stored_id(turn)))),
        Some(_) => Err(HistoryError::Unsupported { what: "this point" }),
    }
}

/// Returns an expectation as functions take it: its kind, and the version that was seen.
pub(crate) fn stored_expectation(expect: Expect) -> Result<(i16, Version), HistoryError> {
    match expect {
        Expect::Any => Ok((0, Version::default())),
        Expect::SameEpoch(seen) => Ok((1, seen)),
        Expect::Exactly(seen) => Ok((2, seen)),
        _ => Err(HistoryError::Unsupported { what: "this expectation" }),
    }
}

/// Returns a time as it is stored: in milliseconds since 1970.
pub(crate) fn millis(time: SystemTime) -> i64 {
    i64::try_from(clock::millis(time)).unwrap_or(i64::MAX)
}

/// The last millisecond of the year 9999.
const MAX_MILLIS: u64 = 253_402_300_799_999;

/// Returns a time that is stored in milliseconds since 1970, in the year 9999 or before.
pub(crate) fn time(millis: i64) -> SystemTime {
    clock::time(millis.unsigned_abs().min(MAX_MILLIS))
}

/// Returns sums as they are stored: the counts of tokens, and the cost. `None` if there are none.
pub(crate) fn stored_totals(totals: UsageTotals) -> Option<Vec<Option<i64>>> {
    if totals.is_empty() {
        return None;
    }
    let usage = totals.usage;
    let number = |count: fn(Usage) -> Option<u64>| usage.and_then(count).map(signed);
    Some(vec![
        number(|usage| Some(usage.input_tokens)),
        number(|usage| Some(usage.output_tokens)),
        number(|usage| Some(usage.total_tokens)),
        number(|usage| usage.cached_tokens),
        number(|usage| usage.cache_write_tokens),
        number(|usage| usage.reasoning_tokens),
        totals.cost.map(Cost::as_picos).map(signed),
    ])
}

/// Reads sums that are stored in this form.
pub(crate) fn totals(row: &Row, index: usize) -> Result<UsageTotals, Failure> {
    let Some(stored) = column::<Option<Vec<Option<i64>>>>(row, index)? else {
        return Ok(UsageTotals::default());
    };
    let number = |place: usize| stored.get(place).copied().flatten().map(i64::unsigned_abs);
    let usage = number(0).map(|input| {
        let mut usage = Usage::new(input, number(1).unwrap_or_default());
        usage.total_tokens = number(2).unwrap_or_default();
        usage.cached_tokens = number(3);
        usage.cache_write_tokens = number(4);
        usage.reasoning_tokens = number(5);
        usage
    });
    Ok(UsageTotals::new(usage, number(6).map(Cost::from_picos)))
}
