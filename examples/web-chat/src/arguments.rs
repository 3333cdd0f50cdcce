//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use chat::model_arguments::ModelArguments;
use clap::Parser;

/// A chat in the browser, with a model on this machine or on a server that speaks OpenAI's API.
///
/// Without a key, an address or a file, a small model runs on this machine. It is downloaded once.
/// Conversations are shared with the terminal chat.
#[derive(Debug, Clone, Parser)]
#[command(name = "web-chat", version)]
pub struct Arguments {
    #[command(flatten)]
    pub model: ModelArguments,

    /// The address to listen on, of this machine only. Port 0 is any free port. There are no
    /// accounts: all users of the machine who reach it may read and delete the conversations.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3210", value_parser = loopback)]
    pub listen: SocketAddr,

    /// Keeps conversations in this file, a SQLite database. The default is `conversant/chat.db` in
    /// the user's data folder.
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,

    /// Does not open a browser.
    #[arg(long)]
    pub no_open: bool,

    /// Lets a chat model of a server call tools: the current time, and a search in the
    /// conversations.
    #[arg(long)]
    pub tools: bool,
}

/// Reads an address of this machine. The service has no accounts: all who reach it may read and
/// delete the conversations.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "not an address, such as 127.0.0.1:3210".to_owned())?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => Err("not an address of this machine; use 127.0.0.1 or [::1]".to_owned()),
    }
}
