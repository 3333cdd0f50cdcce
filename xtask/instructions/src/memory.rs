//! The work of memories in a turn: load, then save.

use conversant_core::{BoxError, LoadContext, Memory, TokenCounter, Turn};
use conversant_memory::{TokenBufferMemory, WindowMemory};
use tokio::runtime::Runtime;

use crate::{
    conversation::{Conversation, LENGTHS, inputs, turn},
    counted::{counted, say},
};

/// The number of turns that are counted together: what grows by doubling is spread over them.
const TURNS: usize = 40;
/// The turns before them, with which each memory has as much as it shows.
const BEFORE: usize = 10;

/// Four bytes a token.
struct Quarter;

impl TokenCounter for Quarter {
    fn count_text(&self, text: &str) -> usize {
        text.len() / 4
    }
}

pub(crate) fn count(runtime: &Runtime) -> Result<(), BoxError> {
    for n in LENGTHS {
        let of =
            |conversation: &Conversation| -> Box<dyn Memory> { Box::new(conversation.memory()) };
        turns(runtime, "turn of BufferMemory", n, of)?;
    }
    for n in LENGTHS {
        turns(runtime, "turn of WindowMemory", n, |conversation| {
            let memory = WindowMemory::new().with_k(5).with_return_messages(true);
            Box::new(
                memory.with_history(conversation.history.clone(), conversation.session.clone()),
            )
        })?;
    }
    for n in LENGTHS {
        turns(runtime, "turn of TokenBufferMemory", n, |conversation| {
            let memory = TokenBufferMemory::new(Quarter).with_max_token_limit(700);
            let memory = memory.with_return_messages(true);
            Box::new(
                memory.with_history(conversation.history.clone(), conversation.session.clone()),
            )
        })?;
    }
    Ok(())
}

fn turns(
    runtime: &Runtime,
    work: &str,
    n: usize,
    memory: impl Fn(&Conversation) -> Box<dyn Memory>,
) -> Result<(), BoxError> {
    let conversation = Conversation::new()?;
    let memory = memory(&conversation);
    runtime.block_on(async {
        for index in 0..n / 2 {
            conversation.add(index).await?;
        }
        all(&*memory, &many(BEFORE)).await
    })?;
    let turns = many(TURNS);
    let mut outcome = Ok(());
    counted(&mut || outcome = runtime.block_on(all(&*memory, &turns)));
    say(work, n, TURNS);
    outcome
}

fn many(turns: usize) -> Vec<Turn> {
    (0..turns).map(turn).collect()
}

async fn all(memory: &dyn Memory, turns: &[Turn]) -> Result<(), BoxError> {
    let inputs = inputs();
    for turn in turns {
        let loaded = memory.load(LoadContext::new(&inputs)).await?;
        memory.save(turn, loaded.ticket).await?;
    }
    Ok(())
}
