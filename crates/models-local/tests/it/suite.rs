//! The contract of models, over a model of a few kilobytes.

use conversant_testkit::{block_on, suite};

use crate::tiny::TinyFile;

#[test]
fn it_is_a_completion_model_and_a_chat_model() {
    let file = TinyFile::random(2).with_one_layer();
    let model = file.model(|builder| builder.max_tokens(3));
    block_on(suite::completion_model(|| model.clone())).unwrap();
    block_on(suite::chat_model(|| model.clone())).unwrap();
}
