//! Faults of the grammar, reported at the literal.

use conversant_prompts::prompt;

fn main() {
    let _ = prompt!("Hello {user.name}");
    let _ = prompt!("日本語のテンプレート {x:>q}");
    let _ = prompt!("Reply as {\"ok\": true}");
    let _ = prompt!(
        "first line
second {line"
    );
    let _ = prompt!(r#"raw "text" {0}"#);
}
