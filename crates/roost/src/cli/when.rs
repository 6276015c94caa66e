//! Times as people write them: RFC 3339, a date, or an age (`30d`, `12h`, `90m`, `45s`).

use crate::failure::Failure;
use roost_wire::clock::Millis;

/// Milliseconds since the epoch.
pub fn parse(text: &str, now: Millis) -> Result<Millis, Failure> {
    let text = text.trim();
    if let Some(time) = roost_wire::clock::parse_rfc3339(text) {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && let Ok(zoned) = date.to_zoned_datetime(jiff::tz::TimeZone::system())
    {
        return Ok(zoned.timestamp().as_millisecond());
    }
    let unit = match text.chars().last() {
        Some('d') => 86_400_000,
        Some('h') => 3_600_000,
        Some('m') => 60_000,
        Some('s') => 1_000,
        _ => 0,
    };
    match text
        .get(..text.len().saturating_sub(1))
        .and_then(|number| number.parse::<i64>().ok())
    {
        Some(number) if unit > 0 && number >= 0 => Ok(now - number.saturating_mul(unit)),
        _ => Err(Failure::usage(format!(
            "`{text}` is not a time: write 2026-11-24T08:00:00Z, 2026-11-24, or an age such as 30d, 12h, 90m"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_times_are_read() {
        assert_eq!(parse("2h", 10_000_000).unwrap(), 10_000_000 - 7_200_000);
        assert_eq!(parse("1970-01-01T00:00:01Z", 0).unwrap(), 1000);
        assert!(parse("yesterday", 0).unwrap_err().message.contains("yesterday"));
        assert!(parse("-5d", 0).is_err() && parse("", 0).is_err());
    }
}
