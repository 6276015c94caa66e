//! `roost config`: every setting with its value, default and source.

use crate::{
    args::Everywhere,
    data_dir::DataDir,
    failure::Failure,
    output::{Output, or_dash},
    settings::Given,
    up,
};

/// Lists them.
pub fn run(everywhere: &Everywhere) -> Result<(), Failure> {
    let data = DataDir::locate(everywhere.data.as_deref())?;
    let file = data.settings();
    let settings = up::read_settings(&file, &Given::default())?;
    let out = Output {
        json: everywhere.json,
    };
    if !out.json {
        let there = if file.exists() { "" } else { " (not there yet)" };
        out.line(&format!("Settings file: {}{there}\n", file.display()))?;
    }
    out.table(
        &settings.listed,
        &["setting", "value", "default", "source", "what for"],
        |s| {
            vec![
                s.key.to_owned(),
                or_dash(Some(&s.value)),
                or_dash(Some(&s.default)),
                s.source.clone(),
                s.about.to_owned(),
            ]
        },
    )
}
