//! Lengths of time as people write them.

use std::fmt;
use std::str::FromStr;
use std::time;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest: a year.
const MAX: time::Duration = time::Duration::from_hours(365 * 24);

/// A length of time, longer than nothing and at most a year: `90s`, `5m`, `1h30m`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend(
    "minLength" = 2,
    "maxLength" = 16,
    "pattern" = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
    "x-kubernetes-validations" = [{
        "rule": "duration(self) > duration('0s') && duration(self) <= duration('8760h')",
        "message": "must be longer than nothing and at most 8760h",
    }]
))]
pub struct Duration(time::Duration);

/// A text that is no [`Duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDuration {
    /// It is no length of time.
    #[error("write it as 15s, 5m or 1h30m")]
    Unreadable,
    /// It is too short or too long.
    #[error("must be longer than nothing and at most 8760h")]
    OutOfRange,
}

impl Duration {
    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(time::Duration::from_secs(seconds))
    }
}

impl FromStr for Duration {
    type Err = BadDuration;

    fn from_str(text: &str) -> Result<Self, BadDuration> {
        let is_plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'h' | b'm' | b's');
        let text = Some(text).filter(|text| text.bytes().all(is_plain));
        let parsed = text.and_then(|text| text.parse::<jiff::SignedDuration>().ok());
        let parsed = parsed.and_then(|parsed| time::Duration::try_from(parsed).ok());
        let duration = parsed.ok_or(BadDuration::Unreadable)?;
        let fits = !duration.is_zero() && duration <= MAX;
        if fits { Ok(Self(duration)) } else { Err(BadDuration::OutOfRange) }
    }
}

impl TryFrom<String> for Duration {
    type Error = BadDuration;

    fn try_from(text: String) -> Result<Self, BadDuration> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self.0))
    }
}

/// Any length of time in the same writing, down to milliseconds.
pub(super) fn written(duration: time::Duration) -> String {
    let (mut rest, mut text) = (duration.as_millis(), String::new());
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if rest >= size {
            text += &(rest / size).to_string();
            text += unit;
        }
        rest %= size;
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_writes_what_it_reads() {
        let check = |text: &str, millis: u64| {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(time::Duration::from(duration), time::Duration::from_millis(millis));
            assert_eq!(duration.to_string(), text);
        };
        check("15s", 15_000);
        check("500ms", 500);
        check("1h30m", 5_400_000);
        check("2h1m3s4ms", 7_263_004);
        check("8760h", 31_536_000_000);
        assert_eq!("60s".parse::<Duration>().unwrap().to_string(), "1m");
        assert_eq!(written(time::Duration::from_micros(7)), "0s");
    }

    #[test]
    fn refuses_anything_else() {
        use BadDuration::{OutOfRange, Unreadable};
        let check = |text: &str, why| assert_eq!(text.parse::<Duration>(), Err(why), "{text}");
        for text in ["", "soon", "5", "-1s", "1.5h", "1h 30m", "PT1H", "30m1h", "1d", "1H", "s"] {
            check(text, Unreadable);
        }
        check("0s", OutOfRange);
        check("0h0m", OutOfRange);
        check("8761h", OutOfRange);
    }
}
