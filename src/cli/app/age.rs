//! Lengths of time as kubectl writes ages.

use jiff::Timestamp;

/// The time that has passed since then, in one or two units.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(since.as_second()).max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let pair = |a: i64, unit: char, b: i64, smaller: char| match b {
        0 => format!("{a}{unit}"),
        b => format!("{a}{unit}{b}{smaller}"),
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => pair(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => pair(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => pair(days, 'd', hours % 24, 'h'),
        () if years < 2 => format!("{days}d"),
        () if years < 8 => pair(years, 'y', days % 365, 'd'),
        () => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_those_of_kubectl() {
        let check = |seconds: i64, expect: &str| {
            let at = |second| Timestamp::from_second(second).unwrap();
            assert_eq!(age(at(1000), at(1000 + seconds)), expect);
        };
        check(-5, "0s");
        check(119, "119s");
        check(120, "2m");
        check(125, "2m5s");
        check(3600, "60m");
        check(3 * 3600, "3h");
        check(3 * 3600 + 61, "3h1m");
        check(47 * 3600, "47h");
        check(50 * 3600, "2d2h");
        check(100 * 86400, "100d");
        check(3 * 365 * 86400, "3y");
    }
}
