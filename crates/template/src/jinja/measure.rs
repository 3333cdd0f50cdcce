//! The cost of a value that contains others, charged before minijinja walks through it.

use minijinja::{Error, ErrorKind, State, Value, value::ObjectRepr};

use crate::MAX_OUTPUT_BYTES;

/// The deepest nesting of a value that a template makes: 500 levels. minijinja prints, compares and
/// drops values by recursion.
pub const MAX_VALUE_DEPTH: usize = 500;

/// The bytes that are worth a unit of fuel.
const BYTES_OF_FUEL: u64 = 64;
/// The bytes that are charged at once.
const CHARGED_BYTES: u64 = 4096;
/// The bytes that count for a value that is compared, so that 4 million are.
const COMPARED_SIZE: u64 = 32;
/// The bytes of a text that count as one where it is compared.
const COMPARED_BYTES: u64 = 16;
/// The bytes that count for a value whose text is made, and for the quotes of a text in a list.
const SHOWN_SIZE: u64 = 8;
/// The most bytes that a list shows for one of a text, which is a control character.
const ESCAPED_SIZE: u64 = 4;

/// Charges fuel for each value that a list or map contains, as often as it is reached. Other values
/// are free: minijinja charges a filter for the text that it works on.
///
/// # Errors
///
/// [`ErrorKind::OutOfFuel`] if the fuel does not suffice, or if the values are nested deeper than
/// [`MAX_VALUE_DEPTH`].
pub fn measure(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    walk(state, value, Size::Compared).map(drop)
}

/// Charges fuel for the text of a list or map. Other values are free.
///
/// # Errors
///
/// As [`measure`], and if the text is longer than [`MAX_OUTPUT_BYTES`].
pub fn measure_text(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let limit = MAX_OUTPUT_BYTES as u64;
    let bytes = walk(state, value, Size::Shown)?;
    // The text is read only if it decides.
    if bytes * ESCAPED_SIZE > limit && bytes + walk(state, value, Size::Escapes)? > limit {
        return Err(out_of_fuel());
    }
    Ok(())
}

/// Charges fuel for a text, and for a list or map as [`measure`] does. For what a test reads, and
/// for the arguments of filters, for which minijinja charges nothing.
///
/// # Errors
///
/// As [`measure`].
pub(super) fn measure_argument(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    charge_text(state, value)?;
    measure(state, value)
}

/// Charges fuel for a text, and for the text of a list or map as [`measure_text`] does.
///
/// # Errors
///
/// As [`measure_text`].
pub(super) fn measure_text_argument(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    charge_text(state, value)?;
    measure_text(state, value)
}

fn charge_text(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str().map_or(0, str::len) as u64 / BYTES_OF_FUEL {
        0 => Ok(()),
        fuel => state.consume_fuel(fuel),
    }
}

/// The sizes of values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Compared,
    Shown,
    /// The bytes that control characters add.
    Escapes,
}

/// Returns the size of all values in a value.
fn walk(state: &State<'_, '_>, value: &Value, size: Size) -> Result<u64, Error> {
    if value.as_object().is_none() {
        return Ok(0);
    }
    let mut meter = Meter { state, size, pending: 0, total: 0 };
    meter.walk(value, MAX_VALUE_DEPTH)?;
    state.consume_fuel(meter.pending / BYTES_OF_FUEL)?;
    Ok(meter.total)
}

struct Meter<'m, 't, 'e> {
    state: &'m State<'t, 'e>,
    size: Size,
    /// Bytes that are not charged yet.
    pending: u64,
    total: u64,
}

impl Meter<'_, '_, '_> {
    fn walk(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let depth = depth.checked_sub(1).ok_or_else(out_of_fuel)?;
        self.charge(self.size(value))?;
        let Some(object) = value.as_object() else { return Ok(()) };
        match object.repr() {
            ObjectRepr::Map => {
                for (key, value) in object.try_iter_pairs().into_iter().flatten() {
                    self.walk(&key, depth)?;
                    self.walk(&value, depth)?;
                }
            }
            ObjectRepr::Seq | ObjectRepr::Iterable => {
                for item in object.try_iter().into_iter().flatten() {
                    self.walk(&item, depth)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn size(&self, value: &Value) -> u64 {
        let text = value.as_str().unwrap_or_default();
        let length = text.len() as u64;
        match self.size {
            Size::Compared => COMPARED_SIZE + length / COMPARED_BYTES,
            Size::Shown => SHOWN_SIZE + length,
            Size::Escapes => {
                let controls = text.chars().filter(|character| character.is_control());
                controls.count() as u64 * ESCAPED_SIZE
            }
        }
    }

    fn charge(&mut self, bytes: u64) -> Result<(), Error> {
        self.total += bytes;
        if self.size == Size::Shown && self.total > MAX_OUTPUT_BYTES as u64 {
            return Err(out_of_fuel());
        }
        self.pending += bytes;
        if self.pending < CHARGED_BYTES {
            return Ok(());
        }
        let fuel = self.pending / BYTES_OF_FUEL;
        self.pending %= BYTES_OF_FUEL;
        self.state.consume_fuel(fuel)
    }
}

fn out_of_fuel() -> Error {
    Error::from(ErrorKind::OutOfFuel)
}
