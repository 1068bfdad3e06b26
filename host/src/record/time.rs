//! Points in time as people write them.

use super::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// Reads milliseconds since the Unix epoch, or RFC 3339 (`2026-01-31T12:00:00.250Z`, `2026-01-31 12:00+01:00`; a date
/// alone is its midnight, UTC).
///
/// ```
/// use millstream::record::time::parse;
/// assert_eq!(parse("1500"), Some(1500));
/// assert_eq!(parse("1970-01-02T00:00:01.5+01:00"), Some(86_400_000 - 3_600_000 + 1_500));
/// assert_eq!(parse("yesterday"), None);
/// ```
pub fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(milliseconds) = text.parse() {
        return Some(milliseconds);
    }
    let (date, rest) = (text.get(..10)?, text.get(10..)?);
    let day = days(date)? * DAY_MS;
    if rest.is_empty() {
        return Some(day);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone);
    Some(day + time_of_day(time)? - offset(zone)?)
}

/// Days from the epoch to a `YYYY-MM-DD`.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.split('-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if parts.next().is_some() || !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March, so that the day in question is the last that a leap year moves.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468)
}

/// Milliseconds of a `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fraction`.
fn time_of_day(time: &str) -> Option<i64> {
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = whole.split(':').map(digits);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    digits(fraction)?;
    let thousandths = digits(&format!("{fraction:0<3}")[..3])?;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths)
}

/// Milliseconds of a `Z` or `+HH:MM`.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, time) = zone.split_at_checked(1)?;
    let (hours, minutes) = time.split_once(':')?;
    let ahead = (digits(hours)? * 60 + digits(minutes)?) * 60_000;
    Some(if sign == "-" { -ahead } else { ahead })
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of GNU date: `date -u -d TEXT +%s`.
    #[test]
    fn agrees_with_date() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-25T01:15:36Z", 1_795_569_336),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("1969-12-31T23:59:59Z", -1),
            ("2024-02-29T12:30:00-08:00", 1_709_238_600),
        ] {
            assert_eq!(parse(text), Some(seconds * 1000), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in ["", "x", "2026", "2026-13-01", "2026-02-30", "2025-02-29", "2026-01-01T24:00Z", "2026-01-01T10:00"]
        {
            // A bare number is milliseconds.
            assert_eq!(parse(text), text.parse().ok(), "{text}");
        }
        assert_eq!(parse("2026-01-01T1é:00Z"), None);
    }
}
