//! Words in plots: their width, where there is only a guess of it, and what must not be in them.

/// The width of text, in points: a guess for sans-serif fonts, rather too much than too little.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

/// The text, if it fits, and else its beginning with an ellipsis.
pub(super) fn fitted(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut fitted = String::new();
    let mut left = room / size - em('…');
    for letter in text.chars() {
        left -= em(letter);
        if left < 0.0 {
            break;
        }
        fitted.push(letter);
    }
    fitted.truncate(fitted.trim_end().len());
    fitted.push('…');
    fitted
}

/// The text in lines that fit, broken between words; the last one with an ellipsis if it must be.
pub(super) fn wrapped(text: &str, size: f64, room: f64, lines_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        let is_last = lines.len() >= lines_max;
        match lines.last_mut() {
            Some(line) if is_last || width(&format!("{line} {word}"), size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| fitted(line, size, room)).collect()
}

/// Text that may stand in XML: control characters, which may not, become spaces.
pub(super) fn clean(text: &str) -> String {
    let is_bad = |letter: char| letter.is_control() || matches!(letter, '\u{FFFE}' | '\u{FFFF}');
    text.chars().map(|letter| if is_bad(letter) { ' ' } else { letter }).collect()
}

/// Text for content and attributes of XML.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in clean(text).chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// The width of a letter by the size of the font, as in common sans-serif fonts.
fn em(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.28,
        ' ' | 'f' | 't' | 'r' | 'I' | '(' | ')' | '[' | ']' | '-' | '/' => 0.36,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' | '—' => 0.92,
        'A'..='Z' | '≥' | '≤' | '+' | '<' | '>' | '=' | '\u{2212}' => 0.69,
        letter if letter.is_ascii() => 0.57,
        '\u{1100}'..='\u{11FF}' | '\u{2E80}'.. => 1.0,
        _ => 0.62,
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped, fitted, width, wrapped};

    #[test]
    fn long_words_end_in_an_ellipsis_within_their_room() {
        let text = "Chronic obstructive pulmonary disease";
        assert_eq!(fitted(text, 12.0, 500.0), text);
        let short = fitted(text, 12.0, 100.0);
        assert_eq!(short, "Chronic obstru…");
        assert!(width(&short, 12.0) <= 100.0, "{}", width(&short, 12.0));
        assert_eq!(fitted(text, 12.0, 0.0), "…");
        assert_eq!(fitted("", 12.0, 0.0), "");
    }

    #[test]
    fn lines_break_between_words_and_the_last_takes_the_rest() {
        let lines = wrapped("one two three four five six", 10.0, 60.0, 2);
        assert_eq!(lines, ["one two", "three four…"]);
        assert!(wrapped("", 10.0, 60.0, 2).is_empty());
    }

    #[test]
    fn nothing_in_a_label_is_markup() {
        assert_eq!(
            escaped("<a b='c' d=\"e\">&\u{0}\u{8}"),
            "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;  "
        );
    }
}
