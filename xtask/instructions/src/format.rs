//! Formatting a chat prompt around a conversation.

use std::hint::black_box;

use conversant_core::{BoxError, Prompt};
use tokio::runtime::Runtime;

use crate::{
    conversation::{Conversation, LENGTHS, prompt, variables},
    counted::{counted, say},
};

const OPERATIONS: usize = 100;

pub(crate) fn count(runtime: &Runtime) -> Result<(), BoxError> {
    let prompt = prompt()?;
    for n in LENGTHS {
        let variables = runtime.block_on(async {
            let conversation = Conversation::new()?;
            for index in 0..n / 2 {
                conversation.add(index).await?;
            }
            variables(&conversation.memory()).await
        })?;
        // An error is found the first time.
        prompt.format(&variables)?;
        counted(&mut || {
            for _ in 0..OPERATIONS {
                drop(black_box(prompt.format(black_box(&variables))));
            }
        });
        say("format chat", n, OPERATIONS);
    }
    Ok(())
}
