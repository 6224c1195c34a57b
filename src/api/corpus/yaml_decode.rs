//! `yaml-decode`: a text, split and converted as kubectl's reader does it.

use serde_json::Value;

use crate::api::documents::read_documents;
use crate::api::limits::Limits;
use crate::api::tree::Tree;

/// Compares the documents read before the first error, and that error.
///
/// # Errors
/// What differs.
pub fn check(case: &Value) -> Result<(), String> {
    let text = case["in"]["text"].as_str().ok_or("no text")?;
    let mut docs = Vec::new();
    let mut error = String::new();
    for document in read_documents(text, &Limits::default()) {
        match document {
            Ok(document) => docs.push(document.tree.value(Tree::ROOT)),
            Err(found) => {
                error = found.text;
                break;
            }
        }
    }
    if Value::Array(docs.clone()) != case["out"]["docs"] {
        return Err(format!("documents {} instead of {}", Value::Array(docs), case["out"]["docs"]));
    }
    match case["out"]["error"].as_str() {
        Some(wanted) if wanted != error => Err(format!("error {error:?} instead of {wanted:?}")),
        _ => Ok(()),
    }
}
