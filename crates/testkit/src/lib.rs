//! For tests: scripted models that record, failing doubles, and a loopback OpenAI server.
