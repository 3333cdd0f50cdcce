//! OpenAI's completion and chat endpoints, and servers that speak them.
