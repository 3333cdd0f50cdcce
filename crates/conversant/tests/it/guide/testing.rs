//! The errors of the guide's chapter on testing.

use conversant::{LanguageModel, LlmChain, PromptTemplate, vars};
use conversant_testkit::{Cassette, ScriptedChat};

use super::{compare, text};

fn chain(model: impl Into<LanguageModel>) -> LlmChain {
    let prompt = PromptTemplate::from_template("{message}").unwrap();
    LlmChain::builder().prompt(prompt).model(model).build().unwrap()
}

#[tokio::test]
async fn the_errors_of_tests() {
    let open = || vars! { "message" => "Are you open?" };
    let scripted = chain(ScriptedChat::new(["Yes."]));
    scripted.predict(open()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hours.json");
    let model = Cassette::record(&path, ScriptedChat::new(["Yes."]));
    chain(LanguageModel::chat(model)).predict(open()).await.unwrap();
    let other = vars! { "message" => "Are you closed?" };
    let replayed = chain(LanguageModel::chat(Cassette::replay(&path).unwrap()));
    let replayed = text(replayed.predict(other).await);
    std::fs::write(&path, "[").unwrap();
    let broken = text(Cassette::replay(&path));
    let path = path.display().to_string();
    compare(
        include_str!("../../../src/guide/testing.md"),
        [
            text(scripted.predict(open()).await),
            // The rest is the diff.
            replayed.lines().next().unwrap().replace(&path, "hours.json"),
            broken.replace(&path, "hours.json"),
        ],
    );
}
