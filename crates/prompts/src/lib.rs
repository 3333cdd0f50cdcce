//! String and chat prompt templates, with LangChain's rendering to the byte.
