//! Vector stores: documents, and vectors that can be compared.

use conversant_core::{Document, Embeddings, ModelError, async_trait, unit_vectors, vars};

#[test]
fn a_document_survives_json() {
    let document = Document::new("1", "x").with_metadata(vars! { "n" => 1 });
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(json, r#"{"id":"1","text":"x","metadata":{"n":1}}"#);
    assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), document);
}

#[tokio::test]
async fn vectors_that_cannot_be_compared_are_refused() {
    struct Fixed(Vec<Vec<f32>>);
    #[async_trait]
    impl Embeddings for Fixed {
        async fn embed(&self, _: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
            Ok(self.0.clone())
        }
    }
    let cases: [(&str, Vec<Vec<f32>>); 9] = [
        ("fine", vec![vec![3.0, 4.0], vec![0.0, 0.0]]),
        ("very long and very short", vec![vec![3e38, 0.0], vec![0.0, 1e-38]]),
        ("none", vec![]),
        ("too few", vec![vec![1.0]]),
        ("too many", vec![vec![1.0]; 3]),
        ("empty", vec![vec![], vec![]]),
        ("two lengths", vec![vec![1.0, 0.0], vec![1.0]]),
        ("not a number", vec![vec![1.0, 0.0], vec![f32::NAN, 1.0]]),
        ("infinite", vec![vec![1.0, f32::NEG_INFINITY], vec![1.0, 0.0]]),
    ];
    let mut seen = String::new();
    for (name, vectors) in cases {
        match unit_vectors(&Fixed(vectors), &["a".into(), "b".into()]).await {
            Ok(vectors) => seen.push_str(&format!("{name}: {vectors:?}\n")),
            Err(error) => seen.push_str(&format!("{name}: {error}\n")),
        }
    }
    insta::assert_snapshot!(seen);
}
