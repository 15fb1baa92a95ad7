//! How a scenario makes up the fake runtime: in the fake's own words. A real runtime is as it is.

use std::time::Duration;

use fake_cri::{Config, Personality, behaviours::Behaviour, catalogue::ImageSpec, events::EventFaults, faults::Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::length::Length;

/// The fake runtime.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Runtime")]
pub struct RuntimeSetup {
    /// Whose habits it has where real runtimes differ.
    pub personality: Personality,
    /// Images beside the standard ones (busybox, nginx, httpd, pause …), or in their place.
    pub images: Vec<ImageSpec>,
    /// What containers do instead of their commands. The first rule that fits counts.
    pub behaviours: Vec<Behaviour>,
    /// What goes wrong from the start.
    pub faults: Vec<Fault>,
    /// Whether it offers container events. Yes if it is not given.
    pub events: Option<bool>,
    /// What happens to container events on their way. Nothing if it is not given.
    pub event_faults: EventFaults,
    /// How long a pull takes.
    pub pull_latency: Option<Length>,
}

/// What a script of the `fake-cri` program holds.
#[derive(Debug, Serialize)]
struct Script<'a> {
    images: &'a [ImageSpec],
    behaviours: &'a [Behaviour],
    faults: &'a [Fault],
}

impl RuntimeSetup {
    /// The fake's configuration.
    ///
    /// # Errors
    /// An image's name is not one.
    pub fn config(&self) -> Result<Config, String> {
        let mut config = Config::of(self.personality);
        for image in &self.images {
            if !config.images.add(image) {
                return Err(format!("runtime.images: {:?} is not an image's name", image.name));
            }
        }
        config.behaviours.clone_from(&self.behaviours);
        config.faults.clone_from(&self.faults);
        config.events = self.events.unwrap_or(config.events);
        // A pull that takes no time hides that its caller has a deadline.
        let least = Duration::from_millis(5);
        config.pull_latency = self.pull_latency.map_or(config.pull_latency, |length| length.0.max(least));
        Ok(config)
    }

    /// The part of it that the `fake-cri` program reads from a script.
    pub fn script(&self) -> String {
        let script = Script { images: &self.images, behaviours: &self.behaviours, faults: &self.faults };
        serde_yaml::to_string(&script).expect("a script is YAML")
    }
}
