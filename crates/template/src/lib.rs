//! The f-string template grammar of conversant: parsed once, rendered in one pass.
