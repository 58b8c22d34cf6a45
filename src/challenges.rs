//! `WWW-Authenticate` (RFC 9110, section 11.6.1).

/// A scheme, and its parameters.
pub type Challenge = (String, Vec<(String, String)>);

/// All challenges with their parameters. A credential in `token68` form (`Negotiate YWJj=`) is read as a parameter
/// or a scheme without meaning; no known scheme uses both forms.
#[must_use]
pub fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',' || c == '=');
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        if end == 0 {
            let Some(unexpected) = rest.chars().next() else {
                return found;
            };
            rest = &rest[unexpected.len_utf8()..];
            continue;
        }
        let (token, after) = rest.split_at(end);
        match after.trim_start().strip_prefix('=') {
            Some(value) if !found.is_empty() => {
                let (value, after) = value_and_rest(value.trim_start());
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.push((token.to_owned(), value));
                }
                rest = after;
            }
            _ => {
                found.push((token.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A parameter's value, quoted or not, and what follows it.
fn value_and_rest(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|c: char| c == ',' || c.is_ascii_whitespace())
            .unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// A parameter that is not empty.
#[must_use]
pub fn parameter<'a>(challenge: &'a Challenge, name: &str) -> Option<&'a str> {
    let mut parameters = challenge.1.iter();
    let (_, value) = parameters.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

/// The first challenge of that scheme.
#[must_use]
pub fn of_scheme<'a>(challenges: &'a [Challenge], scheme: &str) -> Option<&'a Challenge> {
    let mut challenges = challenges.iter();
    challenges.find(|(known, _)| known.eq_ignore_ascii_case(scheme))
}
