//! What a server is, as the panel said it, and the copy of it on the node's disk.
//!
//! The settings are kept as they came, too: the panel asks for them back.

use crate::config::replace_file;
use roost_wire::remote::{ProcessConfiguration, RoostSettings, Runtime, Settings};
use serde::Deserialize;
use serde_json::Value;
use std::{io, path::Path};
use uuid::Uuid;

/// One server as the panel describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The server.
    pub uuid: Uuid,
    /// What it is.
    pub settings: Settings,
    /// How it starts and stops.
    pub process: ProcessConfiguration,
    raw: Value,
}

impl Definition {
    /// From one element of the panel's list.
    pub fn from_list(value: Value) -> Result<Self, String> {
        let uuid = value["uuid"]
            .as_str()
            .and_then(|text| Uuid::try_parse(text).ok())
            .ok_or("it has no `uuid`")?;
        Self::from_detail(uuid, value)
    }

    /// From the panel's answer for one server.
    pub fn from_detail(uuid: Uuid, mut value: Value) -> Result<Self, String> {
        let settings = value["settings"].take();
        let process = value["process_configuration"].take();
        let read = |e: serde_json::Error, key: &str| format!("{uuid}: `{key}`: {e}");
        let definition = Self {
            uuid,
            settings: Settings::deserialize(&settings).map_err(|e| read(e, "settings"))?,
            process: ProcessConfiguration::deserialize(&process)
                .map_err(|e| read(e, "process_configuration"))?,
            raw: serde_json::json!({
                "uuid": uuid,
                "settings": settings,
                "process_configuration": process,
            }),
        };
        if definition.settings.uuid != uuid {
            return Err(format!("{uuid}: its settings name {}", definition.settings.uuid));
        }
        Ok(definition)
    }

    /// The settings as they came.
    pub fn raw_settings(&self) -> &Value {
        &self.raw["settings"]
    }

    /// Roost's own settings; what a stock panel's server gets where it says nothing.
    pub fn roost(&self) -> RoostSettings {
        self.settings.roost.clone().unwrap_or_default()
    }

    /// Whether it counts as running as soon as its program lives. A stock panel that names no text means "never".
    pub fn is_ready_at_once(&self) -> bool {
        self.settings.roost.is_some() && self.process.startup.done.iter().all(String::is_empty)
    }

    /// What people call it.
    pub fn name(&self) -> String {
        let identifier = self
            .settings
            .roost
            .as_ref()
            .map(|roost| roost.identifier.as_str());
        match (identifier, self.settings.meta.name.as_str()) {
            (Some(identifier), _) if !identifier.is_empty() => identifier.to_owned(),
            (_, "") => self.uuid.to_string(),
            (_, name) => name.to_owned(),
        }
    }

    /// What runs it.
    pub fn runtime(&self) -> Runtime {
        self.settings
            .roost
            .as_ref()
            .map_or(Runtime::Docker, |roost| roost.runtime)
    }

    /// The texts that mark it as running, for people.
    pub fn awaited(&self) -> String {
        let texts = self.process.startup.done.iter().filter(|text| !text.is_empty());
        let quoted: Vec<String> = texts.map(|text| format!("`{text}`")).collect();
        if quoted.is_empty() {
            return "nothing does, since the panel names no text for it".to_owned();
        }
        quoted.join(" or ")
    }

    /// Writes it down.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        replace_file(path, &serde_json::to_vec(&self.raw)?)
    }

    /// Reads what [`Definition::save`] wrote.
    pub fn load(path: &Path) -> io::Result<Self> {
        let value: Value = serde_json::from_slice(&std::fs::read(path)?)?;
        Self::from_list(value).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_come_back_from_disk_as_they_came_from_the_panel() {
        let uuid = Uuid::from_u128(5);
        let settings = json!({"uuid": uuid, "invocation": "./run", "a key of tomorrow": [1]});
        let value = json!({"settings": settings, "process_configuration": {"startup": {"done": ["up"]}}});
        let definition = Definition::from_detail(uuid, value).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.json");
        definition.save(&path).unwrap();
        let loaded = Definition::load(&path).unwrap();
        assert_eq!(loaded, definition);
        assert_eq!(loaded.raw_settings(), &settings);
        assert!(!loaded.is_ready_at_once());
    }

    #[test]
    fn settings_of_another_server_are_refused() {
        let value = json!({"settings": {"uuid": Uuid::from_u128(6)}, "process_configuration": {}});
        assert!(Definition::from_detail(Uuid::from_u128(5), value).is_err());
    }
}
