//! Variables of the environment that look like a setting and are none: they have no effect, and that is said at the start.
//!
//! What a variable is worth is the settings' business.

use super::KEYS;
use roost_wire::nearest;

/// Logs variables of the environment that look like a setting and are none.
pub fn warn_of_unknown_variables() {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for sentence in unknown_variables(names) {
        tracing::warn!("{sentence}");
    }
}

/// A sentence for each name that begins as Roost's do and is none of them.
fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    const OTHERS: [&str; 2] = ["ROOST_DATA", "ROOST_LOG"];
    let settings = KEYS
        .iter()
        .map(|key| format!("ROOST_{}", key.name.to_ascii_uppercase()));
    let known: Vec<String> = settings.chain(OTHERS.map(str::to_owned)).collect();
    names
        .filter(|name| name.starts_with("ROOST_") && !known.contains(name))
        .map(|name| {
            let meant = nearest::nearest(&name, known.iter().map(String::as_str))
                .map(|meant| format!("; did you mean `{meant}`?"));
            format!(
                "{name} in the environment is no setting of Roost's and has no effect{}",
                meant.unwrap_or_default()
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variable_is_named_with_the_one_that_was_meant() {
        let names = [
            "PATH",
            "ROOST_LISTEN",
            "ROOST_DATA",
            "ROOST_LOG",
            "ROOST_LISTENS",
            "ROOST_X",
        ];
        let told = unknown_variables(names.into_iter().map(str::to_owned));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with("ROOST_LISTENS ") && told[0].ends_with("did you mean `ROOST_LISTEN`?"),
            "{told:?}"
        );
        assert!(told[1].starts_with("ROOST_X "), "{told:?}");
    }
}
