//! A configuration's text without its values, for errors that show where something stands.

/// What stands in a value's place.
const VALUE: &str = "...";

/// The text with as many lines, of which only keys and headers are left.
pub(super) fn masked(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", masked_line(line))).collect()
}

fn masked_line(line: &str) -> String {
    let trimmed = line.trim();
    let header = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if header.map(|name| name.trim_matches(['[', ']'])).is_some_and(is_key) {
        return trimmed.to_owned();
    }
    match assignment(trimmed) {
        Some(key) => format!("{key} = {VALUE}"),
        None => VALUE.to_owned(),
    }
}

/// The key of a line of the form `key = value`.
fn assignment(line: &str) -> Option<&str> {
    let mut quote = None;
    let end = line.char_indices().find(|(_, letter)| match (quote, letter) {
        (None, '=') => true,
        (None, '"' | '\'') => {
            quote = Some(*letter);
            false
        }
        (Some(open), letter) if open == *letter => {
            quote = None;
            false
        }
        _ => false,
    });
    let key = line.get(..end?.0)?.trim();
    is_key(key).then_some(key)
}

/// Whether it is a key and nothing else: words or quoted words between dots.
fn is_key(text: &str) -> bool {
    let bare = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let quoted = |word: &str| {
        ['"', '\''].iter().any(|quote| {
            word.strip_prefix(*quote)
                .is_some_and(|rest| rest.strip_suffix(*quote).is_some_and(|inside| inside.split('.').all(bare)))
        })
    };
    quoted(text) || text.split('.').map(str::trim).all(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_and_values_go() {
        for (line, shown) in [
            ("  password = \"hunter2\"", "password = ..."),
            ("\"sasl.password\" = 'hunter2'", "\"sasl.password\" = ..."),
            ("sasl . password=\"hunter=2\"", "sasl . password = ..."),
            ("[transport.kafka.sasl]", "[transport.kafka.sasl]"),
            ("password \"hunter=2\"", "..."),
            ("password hunter2", "..."),
            ("password hunter=2", "..."),
            ("\"hunter2\",", "..."),
            ("\"hunter 2\" = 1", "..."),
            ("[\"hunter2\", \"x\"]", "..."),
            ("", "..."),
        ] {
            assert_eq!(masked_line(line), shown, "{line}");
        }
        assert_eq!(masked("a = 1\n\nb = 2").lines().count(), 3);
    }
}
