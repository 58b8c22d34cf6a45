//! What the programs that are measured against have in common.

use std::error::Error;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// CPU time of all threads of this process, and wall time.
pub struct Span {
    cpu: Duration,
    wall: Instant,
}

pub struct Spent {
    cpu: Duration,
    wall: Duration,
}

impl Span {
    #[must_use]
    pub fn start() -> Self {
        Self {
            cpu: cpu_time(),
            wall: Instant::now(),
        }
    }

    #[must_use]
    pub fn end(self) -> Spent {
        Spent {
            cpu: cpu_time() - self.cpu,
            wall: self.wall.elapsed(),
        }
    }
}

impl Spent {
    /// `{ "cpuMs", "wallMs" }` of each of `count` calls.
    #[must_use]
    pub fn per_call(&self, count: usize) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "far fewer calls")]
        let each = |time: Duration| time.as_secs_f64() * 1000.0 / count as f64;
        json!({ "cpuMs": each(self.cpu), "wallMs": each(self.wall) })
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
