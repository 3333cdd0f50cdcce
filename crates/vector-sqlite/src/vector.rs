//! Vectors as SQLite keeps them, and the function that compares two.

use rusqlite::{Connection, Error, functions::FunctionFlags};

/// The name that SQLite knows the comparison by.
pub(crate) const NEARNESS: &str = "conversant_nearness";

/// Writes a vector, made 1 long unless it is 0: as numbers of 4 bytes, the least significant first.
pub(crate) fn to_bytes(vector: &[f32]) -> Vec<u8> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 1.0 };
    vector.iter().flat_map(|number| (number * scale).to_le_bytes()).collect()
}

/// Teaches a connection the comparison: 1 for vectors of the same direction, 0 for unrelated ones.
pub(crate) fn install(connection: &Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(NEARNESS, 2, flags, |arguments| {
        let side = |index| {
            let blob = arguments.get_raw(index).as_blob();
            blob.map_err(|error| Error::UserFunctionError(error.into()))
        };
        Ok(f64::from(dot(side(0)?, side(1)?)))
    })
}

fn dot(left: &[u8], right: &[u8]) -> f32 {
    let (left, _) = left.as_chunks();
    let (right, _) = right.as_chunks();
    let products = left
        .iter()
        .zip(right)
        .map(|(left, right)| f32::from_le_bytes(*left) * f32::from_le_bytes(*right));
    products.sum()
}
