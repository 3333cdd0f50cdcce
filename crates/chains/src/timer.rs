//! Timers that need no runtime.

use std::time::Duration;

use futures_timer::Delay;

/// The longest time that a timer is set to, since longer ones overflow in its clock. A longer wait
/// sets it again.
const MAX_TIMER: Duration = Duration::from_secs(24 * 60 * 60);

/// Sets a timer that fires after `time`, or earlier if that is long.
pub(crate) fn timer_after(time: Duration) -> Delay {
    Delay::new(time.min(MAX_TIMER))
}
