//! The Llama architecture: from tokens to the likelihood of the next one.

mod attention;
mod config;
mod layer;
mod matrix;
mod network;
mod rope;
mod sequence;
mod threads;
mod vector;

pub(crate) use self::{
    network::Network,
    sequence::{Sequence, SequenceShape},
    threads::Threads,
};
