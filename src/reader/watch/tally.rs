/// Turns the service's counter of insertions and removals, which is all that is left of those that
/// nobody was waiting for, into a number of events.
///
/// The counter and the presence of a card are not always seen at the same moment: one may be ahead
/// of the other by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    count: u16,
    present: bool,
    /// Counted and not told yet (1), or told and not counted yet (-1).
    owed: i32,
}

/// What has come to pass since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// So many insertions and removals, by turns, the last one leading to what is now.
    Events(i32),
    /// The counter began anew: the reader has been plugged out and in.
    Replaced,
}

impl Tally {
    pub(super) fn new(count: u16, present: bool) -> Self {
        Self {
            count,
            present,
            owed: 0,
        }
    }

    pub(super) fn present(&self) -> bool {
        self.present
    }

    pub(super) fn pass(&mut self, count: u16, present: bool) -> Passed {
        // Modulo 65536; half of that is never missed.
        let counted = i32::from(count.wrapping_sub(self.count).cast_signed());
        let changed = present != self.present;
        if counted < 0 {
            *self = Self::new(count, present);
            return Passed::Replaced;
        }
        let due = counted + self.owed;
        // A change is an odd number of events, at least one.
        let fewest = i32::from(changed);
        let odd_one = (due - fewest).rem_euclid(2);
        let events = match self.owed < 0 {
            // What was told without being counted may never be counted: let that hide nothing.
            true => due + odd_one,
            false => due - odd_one,
        };
        let events = events.max(fewest);
        *self = Self {
            count,
            present,
            owed: (due - events).clamp(-1, 1),
        };
        Passed::Events(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(start: (u16, bool), looks: &[(u16, bool)]) -> Vec<i32> {
        let mut tally = Tally::new(start.0, start.1);
        let mut pass = |&(count, present)| match tally.pass(count, present) {
            Passed::Events(events) => events,
            Passed::Replaced => -1,
        };
        looks.iter().map(&mut pass).collect()
    }

    #[test]
    fn what_nobody_waited_for_is_counted() {
        assert_eq!(passed((4, false), &[(5, true), (6, false)]), [1, 1]);
        // Pulled and put in again; put in and pulled; both twice.
        assert_eq!(passed((5, true), &[(7, true)]), [2]);
        assert_eq!(passed((6, false), &[(8, false)]), [2]);
        assert_eq!(passed((5, true), &[(9, true)]), [4]);
        assert_eq!(passed((5, true), &[(8, false)]), [3]);
        assert_eq!(passed((0xffff, true), &[(1, true)]), [2]);
        assert_eq!(passed((5, true), &[(5, true)]), [0]);
    }

    #[test]
    fn a_counter_that_is_seen_too_soon_or_too_late_counts_once() {
        assert_eq!(passed((5, false), &[(5, true), (6, true)]), [1, 0]);
        assert_eq!(passed((5, false), &[(6, false), (6, true)]), [0, 1]);
        assert_eq!(passed((5, false), &[(6, false), (7, false)]), [0, 2]);
        assert_eq!(passed((5, false), &[(5, true), (7, false)]), [1, 1]);
        assert_eq!(passed((5, false), &[(5, true), (8, true)]), [1, 2]);
    }

    #[test]
    fn without_a_counter_presence_is_all_there_is() {
        let looks = [(0, true), (0, false), (0, false), (0, true)];
        assert_eq!(passed((0, false), &looks), [1, 1, 0, 1]);
    }

    #[test]
    fn a_counter_that_begins_anew_is_another_reader() {
        assert_eq!(passed((5, true), &[(0, true), (1, false)]), [-1, 1]);
    }
}
