//! Messages, variables and the traits that prompts, models, memories and histories implement.
