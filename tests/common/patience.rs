//! How long tests wait.

use std::time::Duration;

/// Far longer than anything here takes, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
