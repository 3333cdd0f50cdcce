//! Writes the JavaScript that loads a wasm file: `bind FILE FOLDER`.

use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let file = arguments.next().ok_or("the file is missing: bind FILE FOLDER")?;
    let folder = arguments.next().ok_or("the folder is missing: bind FILE FOLDER")?;
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(file)
        .nodejs(true)?
        .typescript(false)
        .generate(folder)?;
    Ok(())
}
