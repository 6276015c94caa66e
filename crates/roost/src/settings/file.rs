//! `roost.toml`: read with all that is wrong in it named, and written as a template at the first start.
//!
//! What the keys are, and what a value may be, is the settings' business.

use super::KEYS;
use std::{collections::BTreeMap, path::Path};

/// What stands in the file, by key; everything that is wrong with it goes to `wrong`. It need not exist.
pub(super) fn read(file: &Path, wrong: &mut Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return found,
        Err(e) => {
            wrong.push(format!("{}: can't be read: {e}", file.display()));
            return found;
        }
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(e) => {
            wrong.push(format!("{}: {e}", file.display()));
            return found;
        }
    };
    for (name, value) in table {
        let Some(key) = KEYS.iter().find(|k| k.name == name) else {
            let names: Vec<_> = KEYS.iter().map(|k| k.name).collect();
            wrong.push(format!(
                "{}: unknown key `{name}`; there are: {}",
                file.display(),
                names.join(", ")
            ));
            continue;
        };
        let values = match (&value, key.list) {
            (toml::Value::Array(items), true) => items.iter().map(as_text).collect::<Option<Vec<_>>>(),
            (_, true) => None,
            (value, false) => as_text(value).map(|text| vec![text]),
        };
        match values {
            Some(values) => {
                found.insert(name, values);
            }
            None if key.list => wrong.push(format!(
                "{}: {name}: write a list of texts, [\"...\"]",
                file.display()
            )),
            None => wrong.push(format!("{}: {name}: write a text or a number", file.display())),
        }
    }
    found
}

fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The file that a first start writes: every key with its default, as comments.
pub fn template() -> String {
    let mut out = String::from(
        "# Settings of Roost. `roost config` lists what is in force, and where it comes from.\n",
    );
    for key in KEYS {
        let value = if key.list {
            "[]".to_owned()
        } else if key.default.parse::<i64>().is_ok() {
            key.default.to_owned()
        } else {
            format!("{:?}", key.default)
        };
        out.push_str(&format!("\n# {}\n# {} = {value}\n", key.about, key.name));
    }
    out
}
