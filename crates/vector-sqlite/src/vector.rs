//! The stored form of a vector, and the SQL function that compares two.

use rusqlite::{Connection, Error, functions::FunctionFlags};

/// The name of the SQL function: 1 for vectors of the same direction, 0 for unrelated ones.
pub(crate) const SIMILARITY: &str = "conversant_similarity";

/// Encodes a vector as little-endian numbers of 4 bytes.
pub(crate) fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Adds the SQL function to a connection.
pub(crate) fn install(connection: &Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(SIMILARITY, 2, flags, |arguments| {
        let side = |index| {
            let blob = arguments.get_raw(index).as_blob();
            blob.map_err(|error| Error::UserFunctionError(error.into()))
        };
        let (left, right) = (side(0)?, side(1)?);
        if left.len() != right.len() {
            let message = "a vector of the collection does not have the length of the others";
            return Err(Error::UserFunctionError(message.into()));
        }
        Ok(f64::from(dot(left, right)))
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
