//! A guide in ten chapters, from a first prompt to a service, and pages for those who come from
//! another library.
//!
//! Each chapter adds to one program, the assistant of a bicycle shop, and ends with the errors that
//! belong to it. All code is compiled and run by the tests. Models are scripted there; in the text,
//! a comment names the adapter that a program uses.
//!
//! | chapter | features |
//! |---|---|
//! | 1. [Prompts](prompts) | `macros` for one section |
//! | 2. [Memories, and how to choose one](memories) | `summaries`, `entities`, `vectors` for some |
//! | 3. [Persistence](persistence) | `sqlite` |
//! | 4. [Many users](many_users) | `sqlite` |
//! | 5. [Streaming](streaming) | |
//! | 6. [Tools](tools) | `tools`, `schema` |
//! | 7. [Structured answers](structured_answers) | `schema` |
//! | 8. [Observing, and what it costs](observing) | `tracing`, `layers` |
//! | 9. [Testing](testing) | |
//! | 10. [A custom model, memory or history](custom_parts) | |
//!
//! | page | for |
//! |---|---|
//! | [From LangChain](from_langchain) | users of LangChain 0.1: programs, classes and settings |
//! | [Differences](differences) | each deliberate difference from LangChain 0.1, and its reason |
//! | [From rig](from_rig) | users of rig |
//! | [From async-openai](from_async_openai) | users of async-openai |
//! | [From langchain-rust](from_langchain_rust) | users of langchain-rust |

#[cfg(feature = "macros")]
#[doc = include_str!("guide/prompts.md")]
pub mod prompts {}

#[cfg(all(feature = "entities", feature = "openai", feature = "summaries", feature = "vectors"))]
#[doc = include_str!("guide/memories.md")]
pub mod memories {}

#[cfg(feature = "sqlite")]
#[doc = include_str!("guide/persistence.md")]
pub mod persistence {}

#[cfg(feature = "sqlite")]
#[doc = include_str!("guide/many_users.md")]
pub mod many_users {}

#[cfg(feature = "openai")]
#[doc = include_str!("guide/streaming.md")]
pub mod streaming {}

#[cfg(all(feature = "schema", feature = "tools"))]
#[doc = include_str!("guide/tools.md")]
pub mod tools {}

#[cfg(feature = "schema")]
#[doc = include_str!("guide/structured_answers.md")]
pub mod structured_answers {}

#[cfg(all(feature = "layers", feature = "tracing"))]
#[doc = include_str!("guide/observing.md")]
pub mod observing {}

#[cfg(feature = "openai")]
#[doc = include_str!("guide/testing.md")]
pub mod testing {}

#[doc = include_str!("guide/custom_parts.md")]
pub mod custom_parts {}

#[cfg(all(feature = "full", feature = "sqlite"))]
#[doc = include_str!("guide/from_langchain.md")]
pub mod from_langchain {}

#[doc = include_str!("guide/differences.md")]
pub mod differences {}

#[doc = include_str!("guide/from_rig.md")]
pub mod from_rig {}

#[doc = include_str!("guide/from_async_openai.md")]
pub mod from_async_openai {}

#[doc = include_str!("guide/from_langchain_rust.md")]
pub mod from_langchain_rust {}
