//! The life of an instance: one table.
//!
//! ```text
//!   run ──> pending ──started──> running ──stop──> stopping ──stopped──> stopped
//!              ^                                                            │
//!              └───────────────────────────start────────────────────────────┘
//!   terminate, from any of them ──> shutting-down ──gone──> terminated
//! ```

use crate::records::InstanceState;

/// What can happen to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A user starts it.
    Start,
    /// A user stops it.
    Stop,
    /// A user reboots it.
    Reboot,
    /// A user terminates it.
    Terminate,
    /// Its machine runs.
    Started,
    /// Its machine has stopped.
    Stopped,
    /// Its machine is gone.
    Gone,
    /// Its machine could not be made.
    Failed,
}

/// The state after an event; `None` when it cannot happen now.
pub(crate) fn after(state: InstanceState, event: Event) -> Option<InstanceState> {
    use InstanceState::{Pending, Running, ShuttingDown, Stopped, Stopping, Terminated};
    Some(match (state, event) {
        (Stopped, Event::Start) => Pending,
        (Pending | Running, Event::Start) => state,
        (Running, Event::Stop) => Stopping,
        (Stopping | Stopped, Event::Stop) => state,
        (Pending | Running, Event::Reboot) => state,
        (Pending | Running | Stopping | Stopped, Event::Terminate) => ShuttingDown,
        (ShuttingDown | Terminated, Event::Terminate) => state,
        (Pending, Event::Started) => Running,
        (Stopping, Event::Stopped) => Stopped,
        (ShuttingDown, Event::Gone) => Terminated,
        (Pending | Running | Stopping | Stopped | ShuttingDown, Event::Failed) => Terminated,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstanceState::*;

    const STATES: [InstanceState; 6] = [Pending, Running, ShuttingDown, Terminated, Stopping, Stopped];

    #[track_caller]
    fn check(event: Event, want: [Option<InstanceState>; 6]) {
        assert_eq!(STATES.map(|state| after(state, event)), want, "{event:?}");
    }

    #[test]
    fn every_pair_has_one_outcome() {
        // from pending, running, shutting-down, terminated, stopping, stopped
        check(Event::Start, [Some(Pending), Some(Running), None, None, None, Some(Pending)]);
        check(Event::Stop, [None, Some(Stopping), None, None, Some(Stopping), Some(Stopped)]);
        check(Event::Reboot, [Some(Pending), Some(Running), None, None, None, None]);
        let down = Some(ShuttingDown);
        check(Event::Terminate, [down, down, down, Some(Terminated), down, down]);
        check(Event::Started, [Some(Running), None, None, None, None, None]);
        check(Event::Stopped, [None, None, None, None, Some(Stopped), None]);
        check(Event::Gone, [None, None, Some(Terminated), None, None, None]);
        let gone = Some(Terminated);
        check(Event::Failed, [gone, gone, gone, None, gone, gone]);
    }
}
