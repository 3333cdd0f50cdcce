//! Vectors in the form that `"encoding_format":"base64"` asks for: little-endian floats.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn of_floats(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            if place > group.len() {
                text.push('=');
            } else {
                let sextet = (bits >> (18 - 6 * place)) & 63;
                let letter = usize::try_from(sextet).ok().and_then(|index| ALPHABET.get(index));
                text.extend(letter.map(|letter| char::from(*letter)));
            }
        }
    }
    text
}
