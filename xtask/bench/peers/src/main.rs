//! Measures other Rust clients next to conversant and a hand-written client. Built and run by
//! `cargo xtask bench --peers`.

mod async_openai;
mod genai;
mod langchain_rust;
mod peer;
mod rig;

use bench::work::Named;
use conversant_core::BoxError;

use self::{
    async_openai::AsyncOpenAi, genai::Genai, langchain_rust::LangchainRust, peer::Peer, rig::Rig,
};

/// The peers, by the names of their crates.
const PEERS: &[Named] = &[
    ("async-openai", Peer::<AsyncOpenAi>::make),
    ("genai", Peer::<Genai>::make),
    ("rig", Peer::<Rig>::make),
    ("langchain-rust", Peer::<LangchainRust>::make),
];

fn main() -> Result<(), BoxError> {
    bench::run(PEERS)
}
