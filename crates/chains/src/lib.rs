//! Chains: a prompt, a model and a memory, wired and checked when they are built.
